"""Which file holds what, by its name."""

from __future__ import annotations

import os
from pathlib import Path

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.files import reactome
from edge2torch.prior.files.gaf import read_gaf
from edge2torch.prior.files.gmt import read_gmt
from edge2torch.prior.files.graphml import read_graphml
from edge2torch.prior.files.obo import read_obo
from edge2torch.prior.files.sif import read_sif
from edge2torch.prior.files.tables import read_table, read_table_prior
from edge2torch.prior.files.text import find_file
from edge2torch.prior.hierarchy import Hierarchy, hierarchy_from_table
from edge2torch.prior.prior import Prior

TABLES = (".csv", ".tsv", ".txt", ".parquet")
READERS = {
    ".gmt": read_gmt,
    ".gaf": read_gaf,
    ".sif": read_sif,
    ".graphml": read_graphml,
    ".xml": read_graphml,
    **dict.fromkeys(TABLES, read_table_prior),
}


def read_prior(path: str | os.PathLike[str], organism: str = "human", *, aspect: str = "P") -> Prior:
    """Read genes and their pathways, terms or regulators from a file; its name says the format.

    - ``.gmt``: gene sets
    - ``UniProt2Reactome*.txt``, ``Ensembl2Reactome*.txt``, ``NCBI2Reactome*.txt``: Reactome's own files
    - ``.gaf``: annotations of the Gene Ontology
    - ``.sif``: a network, signed if its interactions are
    - ``.csv``, ``.tsv``, ``.txt`` (tabs), ``.parquet``: a table, see :func:`edge2torch.prior.prior_from_table`
    - ``.graphml``, ``.xml``: a directed graph in GraphML

    All but parquet may be compressed by gzip, with ``.gz`` at the end.

    Parameters
    ----------
    path
        Name of the file, which also becomes the prior's, without its suffix.
    organism
        ``"human"``, ``"mouse"`` or ``"rat"``; matters for Reactome's files, which hold many.
    aspect
        For GAF: ``"P"`` (biological process), ``"F"`` (molecular function) or ``"C"`` (cellular component).

    Raises
    ------
    Edge2TorchError
        If there is no such file, its format is unknown, or it is not what its name says.
    """
    file = find_file(path)
    name, suffix = _split(file)
    if reactome.MEMBERS.fullmatch(file.name):
        return reactome.read_members(file, name, organism)
    if suffix == ".obo" or reactome.PATHWAYS.fullmatch(file.name):
        raise Edge2TorchError(
            f"{file.name!r} holds pathways or terms, not their genes: take a file with genes (.gmt, .gaf, "
            "UniProt2Reactome.txt, a table); the hierarchy, if you want one, is in .obo or ReactomePathwaysRelation.txt"
        )
    if suffix == ".gaf":
        return read_gaf(file, name, aspect)
    _check_suffix(file, suffix, tuple(READERS))
    return READERS[suffix](file, name)


def read_hierarchy(path: str | os.PathLike[str], organism: str = "human", *, namespace: str | None = None) -> Hierarchy:
    """Read which pathway or term is part of which from a file; its name says the format.

    - ``ReactomePathwaysRelation.txt``; names are taken from ``ReactomePathways.txt`` if it lies in the same folder
    - ``.obo``: an ontology; is_a and part_of
    - ``.csv``, ``.tsv``, ``.txt`` (tabs), ``.parquet``: a table with the columns ``parent`` and ``child``

    All but parquet may be compressed by gzip, with ``.gz`` at the end.

    Parameters
    ----------
    path
        Name of the file.
    organism
        ``"human"``, ``"mouse"`` or ``"rat"``; matters for Reactome's file, which holds many.
    namespace
        For OBO: the part of the ontology to take; None takes the biological processes of GO, and all terms of other
        ontologies.

    Raises
    ------
    Edge2TorchError
        If there is no such file, its format is unknown, or it is not what its name says.
    """
    file = find_file(path)
    _, suffix = _split(file)
    if reactome.RELATION.fullmatch(file.name):
        return reactome.read_relation(file, organism)
    _check_suffix(file, suffix, (".obo", *TABLES))
    if suffix == ".obo":
        return read_obo(file, namespace)
    return hierarchy_from_table(read_table(file), what=repr(file.name))


def _split(file: Path) -> tuple[str, str]:
    """Name without suffix, and the suffix in lower case, without .gz."""
    unpacked = Path(file.name[:-3] if file.name.lower().endswith(".gz") else file.name)
    return unpacked.stem, unpacked.suffix.lower()


def _check_suffix(file: Path, suffix: str, known: tuple[str, ...]) -> None:
    if suffix not in known:
        raise Edge2TorchError(
            f"{file.name!r} is of unknown format: files that can be read here end in {some(known, len(known))}, "
            "or also in .gz after that; rename or convert it"
        )
    if suffix == ".parquet" and file.name.lower().endswith(".gz"):
        raise Edge2TorchError(f"{file.name!r}: parquet tables are compressed already: unpack it")
