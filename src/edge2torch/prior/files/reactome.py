"""Reactome's own files: which gene is in which pathway, and which pathway is part of which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.files.text import read_lines
from edge2torch.prior.hierarchy import Hierarchy, label_twins
from edge2torch.prior.prior import Prior

#: what Reactome calls an organism, and how the identifiers of its pathways begin
SPECIES = {
    "human": ("Homo sapiens", "R-HSA-"),
    "mouse": ("Mus musculus", "R-MMU-"),
    "rat": ("Rattus norvegicus", "R-RNO-"),
}
MEMBERS = re.compile(r"(uniprot|ensembl|ncbi)2reactome.*\.txt(\.gz)?", re.IGNORECASE)
RELATION = re.compile(r"reactomepathwaysrelation.*\.txt(\.gz)?", re.IGNORECASE)
PATHWAYS = re.compile(r"reactomepathways.*\.txt(\.gz)?", re.IGNORECASE)
ENSEMBL_GENE = r"(ENS[A-Z]*G\d+)(?:\.\d+)?"


def read_members(file: Path, name: str, organism: str = "human") -> Prior:
    """Read ``UniProt2Reactome``, ``Ensembl2Reactome`` or ``NCBI2Reactome`` (also ``_All_Levels``).

    Pathways have their names; those of the same name have their identifier behind it. UniProt accessions become gene
    symbols (isoforms count as their protein; accessions without a symbol are left out). Of Ensembl's identifiers, those
    of genes are kept, without version. NCBI's gene ids stay as they are.

    Parameters
    ----------
    file
        Its path; the name says which identifiers it has.
    name
        What to call the prior.
    organism
        ``"human"``, ``"mouse"`` or ``"rat"``.

    Raises
    ------
    Edge2TorchError
        If lines have not six columns, or there are no genes of this organism.
    """
    check_choice("organism", organism, tuple(SPECIES))
    wanted, found = SPECIES[organism][0], set()
    rows: list[tuple[str, str]] = []
    names: dict[str, str] = {}
    for gene, pathway, _url, pathway_name, _evidence, species in _read_columns(
        file, "gene id, pathway id, link, pathway name, evidence, species"
    ):
        if species == wanted:
            rows.append((pathway, gene))
            names[pathway] = pathway_name
        else:
            found.add(species)
    if not rows:
        raise Edge2TorchError(f"{file.name!r} has no rows of {wanted}; it has {some(sorted(found)) or 'none at all'}")
    kind = file.name.lower().partition("2")[0]
    given = pd.DataFrame(rows, columns=["source", "target"]).drop_duplicates(ignore_index=True)
    sets = _gene_names(given, kind, file)
    # Ensembl's file lists transcripts and proteins beside their genes, so nothing is lost with them
    left_out = int((~given.index.isin(sets.index)).sum()) if kind == "uniprot" else 0
    sets = sets.drop_duplicates(ignore_index=True)
    label = label_twins(names)
    sets["source"] = sets["source"].map(label)
    return Prior(name, sets, ids={label[pathway]: pathway for pathway in names}, left_out=left_out)


def read_relation(file: Path, organism: str = "human") -> Hierarchy:
    """Read ``ReactomePathwaysRelation.txt``.

    Names are taken from ``ReactomePathways.txt`` if it lies in the same folder.

    Raises
    ------
    Edge2TorchError
        If lines have not two columns, or there are no pathways of this organism.
    """
    check_choice("organism", organism, tuple(SPECIES))
    prefix = SPECIES[organism][1]
    pairs: dict[tuple[str, str], None] = {}
    found: set[str] = set()
    for parent, child in _read_columns(file, "parent, child"):
        if parent.startswith(prefix) and child.startswith(prefix):
            pairs[parent, child] = None
        else:
            found.add(parent[: len(prefix)])
    if not pairs:
        raise Edge2TorchError(
            f"{file.name!r} has no pathways of organism={organism!r} ({prefix}...); it has {some(sorted(found))}"
        )
    return Hierarchy(pd.DataFrame(list(pairs), columns=["parent", "child"]), _names_beside(file, prefix))


def _names_beside(file: Path, prefix: str) -> dict[str, str]:
    for beside in (file.with_name("ReactomePathways.txt"), file.with_name("ReactomePathways.txt.gz")):
        if beside.is_file():
            rows = _read_columns(beside, "pathway id, name, species")
            return {pathway: name for pathway, name, _species in rows if pathway.startswith(prefix)}
    return {}


def _read_columns(file: Path, columns: str) -> Iterator[list[str]]:
    n_columns = columns.count(",") + 1
    for number, line in read_lines(file):
        fields = line.split("\t")
        if len(fields) != n_columns:
            raise Edge2TorchError(
                f"{file.name!r}, line {number:,}: {len(fields):,} columns; there must be {n_columns} ({columns}), "
                "separated by tabs (Reactome's files of physical entities have more: take those of pathways)"
            )
        yield fields


def _gene_names(sets: pd.DataFrame, kind: str, file: Path) -> pd.DataFrame:
    if kind == "ncbi":
        return sets
    if kind == "ensembl":
        genes = sets.assign(target=sets["target"].str.extract(f"^{ENSEMBL_GENE}$", expand=False)).dropna()
    else:
        genes = _symbols(sets)
    if genes.empty:
        ids = sets["target"].unique()
        what = "a gene of Ensembl" if kind == "ensembl" else "a UniProt accession with a known (human) gene symbol"
        raise Edge2TorchError(
            f"none of the {len(ids):,} identifiers in {file.name!r} ({some(ids, 3)}) is {what}: take "
            "Reactome's file of other identifiers (Ensembl2Reactome, NCBI2Reactome, UniProt2Reactome)"
        )
    return genes


def _symbols(sets: pd.DataFrame) -> pd.DataFrame:
    from edge2torch.prior.identifiers import symbols_of_uniprot

    known = symbols_of_uniprot(sets["target"].unique().tolist())
    joined = sets.reset_index().merge(known, left_on="target", right_on="accession").set_index("index")
    return joined[["source", "symbol"]].rename(columns={"symbol": "target"})
