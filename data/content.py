"""What the tables of priors hold: one function per table, from the files inside the packages."""

from __future__ import annotations

import bz2
import io
import sqlite3
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rdata
from packages import (
    BINN,
    GENE_ONTOLOGY,
    GO_DB,
    GO_MEMBER,
    HALLMARK,
    HALLMARK_MEMBER,
    NAMES_MEMBER,
    ORG_HS,
    PEGASUS,
    PROGENY,
    PROGENY_MODEL,
    PROGENY_OBJECT,
    RDB_MEMBER,
    RDX_MEMBER,
    REACTOME,
    RELATION_MEMBER,
    SQLITE_MEMBER,
    TOP_GENES,
    UNIPROT_MEMBER,
    Package,
)


@dataclass
class Table:
    """One output file: its rows and what ``sources.json`` says about it."""

    about: dict[str, Any]
    members: Mapping[Package, Sequence[str]]
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    symbols: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, int] = field(default_factory=dict)


def query(database: Path, text: str) -> list[tuple[Any, ...]]:
    """Rows that a query gives."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(text).fetchall()


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Second members of pairs by the first."""
    sets: dict[str, set[str]] = defaultdict(set)
    for key, value in pairs:
        sets[key].add(value)
    return dict(sets)


class Symbols:
    """Current human gene symbols, their aliases and their UniProt accessions.

    Parameters
    ----------
    database
        The SQLite file of org.Hs.eg.db.
    """

    def __init__(self, database: Path) -> None:
        self.current = {symbol for (symbol,) in query(database, "SELECT symbol FROM gene_info")}
        self.by_alias = grouped(query(database, "SELECT alias_symbol, symbol FROM alias JOIN gene_info USING (_id)"))
        self.by_uniprot = grouped(query(database, "SELECT uniprot_id, symbol FROM uniprot JOIN gene_info USING (_id)"))

    def update(self, symbols: Iterable[str]) -> tuple[dict[str, str], Counter[str]]:
        """Find the current symbols for symbols that may be outdated.

        Parameters
        ----------
        symbols
            Symbols as published.

        Returns
        -------
        tuple
            The symbol to use for each symbol: itself, unless it is outdated and an alias of exactly one current symbol.
            And how many distinct symbols are 'current', 'renamed', 'ambiguous' (several candidates) and 'unknown'.
        """
        replacement: dict[str, str] = {}
        status: Counter[str] = Counter()
        for symbol in set(symbols):
            replacement[symbol] = symbol
            candidates = self.by_alias.get(symbol, set())
            if symbol in self.current:  # although it may be an alias of another gene, too
                status["current"] += 1
            elif len(candidates) == 1:
                replacement[symbol] = next(iter(candidates))
                status["renamed"] += 1
            else:
                status["ambiguous" if candidates else "unknown"] += 1
        return replacement, status


def read_wheel(wheel: Path, member: str) -> Iterator[str]:
    """Lines of a text file inside a wheel, without their line ends."""
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as raw:
        for line in io.TextIOWrapper(raw, encoding="utf-8", newline="\n"):
            yield line.rstrip("\r\n")


def read_lazy_load(folder: Path, name: str) -> Any:
    """Read one object of an R lazy-load database, unpacked below ``folder``.

    The .rdx file is an index of (offset, length); each chunk of the .rdb file starts with four bytes for its unpacked
    size and one for the compression, here '2' for bzip2.
    """
    index = rdata.conversion.convert(rdata.parser.parse_data((folder / RDX_MEMBER).read_bytes(), extension=".rds"))
    offset, length = (int(number) for number in index["variables"][name])
    chunk = (folder / RDB_MEMBER).read_bytes()[offset : offset + length]
    if chunk[4:5] != b"2":
        sys.exit(f"{name}: compression type {chunk[4:5]!r} is not bzip2")
    content = bz2.decompress(chunk[5:])
    if len(content) != int.from_bytes(chunk[:4], "big"):
        sys.exit(f"{name}: unpacked to {len(content)} bytes, not the number the file states")
    return rdata.conversion.convert(rdata.parser.parse_data(content, extension=".rds"))


def reactome_genes(wheel: Path, symbols: Symbols) -> Table:
    """Gene symbols in each lowest-level human pathway, from its UniProt accessions."""
    pairs: set[tuple[str, str]] = set()
    proteins: set[str] = set()
    unmapped: set[str] = set()
    for line in read_wheel(wheel, UNIPROT_MEMBER):
        accession, pathway = line.split("\t")[:2]
        if not pathway.startswith("R-HSA-"):
            continue
        protein = accession.partition("-")[0]  # P12345-2 is an isoform of P12345; the gene database lists no isoforms
        proteins.add(protein)
        found = symbols.by_uniprot.get(protein, set())
        if not found:
            unmapped.add(protein)
        pairs.update((pathway, symbol) for symbol in found)
    replacement, status = symbols.update(symbol for _, symbol in pairs)
    rows = {(pathway, replacement[symbol]) for pathway, symbol in pairs}
    return Table(
        REACTOME,
        {BINN: [UNIPROT_MEMBER], ORG_HS: [SQLITE_MEMBER]},
        ("source", "target"),
        sorted(rows),
        status,
        {"proteins": len(proteins), "proteins_without_symbol": len(unmapped)},
    )


def reactome_hierarchy(wheel: Path) -> Table:
    """Parent and child of each edge between human pathways."""
    edges = {(parent, child) for parent, child in (line.split("\t") for line in read_wheel(wheel, RELATION_MEMBER))}
    rows = sorted(edge for edge in edges if all(pathway.startswith("R-HSA-") for pathway in edge))
    return Table(REACTOME, {BINN: [RELATION_MEMBER]}, ("parent", "child"), rows)


def reactome_names(wheel: Path) -> Table:
    """Name of each human pathway, as published but for white space around it."""
    lines = (line.split("\t") for line in read_wheel(wheel, NAMES_MEMBER))
    rows = sorted((pathway, name.strip()) for pathway, name, _ in lines if pathway.startswith("R-HSA-"))
    return Table(REACTOME, {BINN: [NAMES_MEMBER]}, ("id", "name"), rows)


def hallmark(wheel: Path, symbols: Symbols) -> Table:
    """Genes of each Hallmark set."""
    pairs: set[tuple[str, str]] = set()
    for line in read_wheel(wheel, HALLMARK_MEMBER):
        name, _description, *genes = line.split("\t")
        pairs.update((name, gene) for gene in genes)
    replacement, status = symbols.update(gene for _, gene in pairs)
    rows = {(name, replacement[gene]) for name, gene in pairs}
    members = {PEGASUS: [HALLMARK_MEMBER], ORG_HS: [SQLITE_MEMBER]}
    return Table(HALLMARK, members, ("source", "target"), sorted(rows), status)


def progeny(folder: Path, symbols: Symbols) -> Table:
    """PROGENy weights of the genes with the smallest p values, best first within a pathway."""
    frame = read_lazy_load(folder, PROGENY_OBJECT)
    by_pathway: dict[str, list[tuple[float, str, float]]] = defaultdict(list)
    for gene, pathway, weight, pvalue in zip(
        frame["gene"].astype(str), frame["pathway"].astype(str), frame["weight"], frame["p.value"], strict=True
    ):
        by_pathway[pathway].append((float(pvalue), gene, float(weight)))
    top = {pathway: sorted(genes)[:TOP_GENES] for pathway, genes in by_pathway.items()}
    replacement, status = symbols.update(gene for genes in top.values() for _, gene, _ in genes)
    rows = []
    for pathway in sorted(top):
        seen: set[str] = set()
        for pvalue, gene, weight in top[pathway]:
            symbol = replacement[gene]
            if symbol not in seen:  # two old symbols can be one gene now: the smaller p value comes first and stays
                seen.add(symbol)
                rows.append((pathway, symbol, repr(weight), repr(pvalue)))
    members = {PROGENY: [RDX_MEMBER, RDB_MEMBER], ORG_HS: [SQLITE_MEMBER]}
    return Table(PROGENY_MODEL, members, ("source", "target", "weight", "pvalue"), rows, status)


def go_genes(organism: Path) -> Table:
    """Human genes that are annotated to each biological process itself.

    Evidence ND says that curators looked for data and found none; such an annotation, always to the root of the
    ontology, tells nothing about a gene.
    """
    found = query(organism, "SELECT go_id, symbol, evidence = 'ND' FROM go_bp JOIN gene_info USING (_id)")
    rows = {(term, symbol) for term, symbol, empty in found if not empty}
    without = {(term, symbol) for term, symbol, empty in found if empty} - rows
    left_out = {
        "pairs_without_data": len(without),
        "genes_without_data": len({symbol for _, symbol in without} - {symbol for _, symbol in rows}),
    }
    members = {ORG_HS: [SQLITE_MEMBER]}
    return Table(GENE_ONTOLOGY, members, ("source", "target"), sorted(rows), left_out=left_out)


def go_hierarchy(ontology: Path) -> Table:
    """Parent and child of each relation between biological processes, with its kind, called as in OBO files.

    GO.db has one more parent, 'all', above the three ontologies; it is not a term.
    """
    found = query(
        ontology,
        "SELECT parent.go_id, child.go_id, relationship_type, parent.ontology = 'BP' FROM go_bp_parents AS relation "
        "JOIN go_term AS parent ON parent._id = relation._parent_id JOIN go_term AS child ON child._id = relation._id",
    )
    rows = {
        (parent, child, "is_a" if kind == "isa" else kind.replace(" ", "_"))
        for parent, child, kind, process in found
        if process
    }
    left_out = {"edges_from_no_process": sum(not process for *_, process in found)}
    return Table(GENE_ONTOLOGY, {GO_DB: [GO_MEMBER]}, ("parent", "child", "relation"), sorted(rows), left_out=left_out)


def go_names(ontology: Path) -> Table:
    """Name of each biological process."""
    rows = query(ontology, "SELECT go_id, term FROM go_term WHERE ontology = 'BP' ORDER BY go_id")
    return Table(GENE_ONTOLOGY, {GO_DB: [GO_MEMBER]}, ("id", "name"), rows)
