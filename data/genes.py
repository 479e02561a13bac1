"""What the tables of human gene identifiers hold: one function per table, from the files inside the packages."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from content import Symbols, Table, query
from packages import NCBI_GENE, ORG_HS, SQLITE_MEMBER

PLACEHOLDER = re.compile(r"LOC\d+")  # NCBI's symbol for a gene that nobody has named yet
# NCBI Gene calls mitochondrial genes alike in all species. HGNC has symbols of its own for the human ones, and Ensembl,
# and with it almost all single-cell data, uses those. org.Hs.eg.db does not have them, so they are written down here:
# the approved symbols of the genes that HGNC (genenames.org) names "mitochondrially encoded ...", by those of NCBI.
TRANSFER_RNAS = "A C D E F G H I K L1 L2 M N P Q R S1 S2 T V W Y"  # by amino acid; leucine and serine have two each
MITOCHONDRIAL = {
    "ATP6": "MT-ATP6",
    "ATP8": "MT-ATP8",
    "COX1": "MT-CO1",
    "COX2": "MT-CO2",
    "COX3": "MT-CO3",
    "CYTB": "MT-CYB",
    "ND1": "MT-ND1",
    "ND2": "MT-ND2",
    "ND3": "MT-ND3",
    "ND4": "MT-ND4",
    "ND4L": "MT-ND4L",
    "ND5": "MT-ND5",
    "ND6": "MT-ND6",
    "RNR1": "MT-RNR1",
    "RNR2": "MT-RNR2",
    **{f"TRN{kind}": f"MT-T{kind}" for kind in TRANSFER_RNAS.split()},
}


def rename_mitochondrial(organism: Path) -> None:
    """Give the genes of the mitochondrial chromosome their HGNC symbols, in the unpacked database.

    All tables take their symbols from there, so they agree. The symbols of NCBI stay as aliases: the database lists
    every symbol among the aliases of its gene, too.
    """
    rows = query(organism, "SELECT symbol FROM gene_info JOIN chromosomes USING (_id) WHERE chromosome = 'MT'")
    found = sorted(symbol for (symbol,) in rows)
    if found != sorted(MITOCHONDRIAL):
        sys.exit(f"the genes of the mitochondrial chromosome are not those expected, but {', '.join(found)}")
    with closing(sqlite3.connect(organism)) as connection, connection:
        connection.executemany(
            "UPDATE gene_info SET symbol = ? WHERE symbol = ? "
            "AND _id IN (SELECT _id FROM chromosomes WHERE chromosome = 'MT')",
            [(hgnc, ncbi) for ncbi, hgnc in MITOCHONDRIAL.items()],
        )


def gene_symbols(symbols: Symbols) -> Table:
    """Current symbols."""
    rows = [(symbol,) for symbol in sorted(symbols.current)]
    left_out = {"symbols_of_hgnc": len(MITOCHONDRIAL)}
    return Table(NCBI_GENE, {ORG_HS: [SQLITE_MEMBER]}, ("symbol",), rows, left_out=left_out)


def gene_aliases(symbols: Symbols) -> Table:
    """Aliases with all genes they may mean, without those that are the current symbol of some gene.

    Those that read as a number or as a missing value are left out: in data, they are hardly ever a gene.
    """
    outdated = {alias: genes for alias, genes in symbols.by_alias.items() if alias not in symbols.current}
    usable = {alias: genes for alias, genes in outdated.items() if alias != "NA" and not is_number(alias)}
    left_out = {
        "aliases_like_numbers": len(outdated) - len(usable),
        "aliases_ambiguous": sum(len(genes) > 1 for genes in usable.values()),
    }
    rows = sorted_by_symbol(usable)
    return Table(NCBI_GENE, {ORG_HS: [SQLITE_MEMBER]}, ("alias", "symbol"), rows, left_out=left_out)


def is_number(text: str) -> bool:
    """Whether text reads as a number, 'NaN' and 'INF' included."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def sorted_by_symbol(genes: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Rows of identifier and symbol in an order that compresses well."""
    pairs = ((identifier, symbol) for identifier, symbols in genes.items() for symbol in symbols)
    return sorted(pairs, key=lambda pair: pair[::-1])


@dataclass(frozen=True)
class Candidate:
    """A gene that may be the one an Ensembl id stands for."""

    symbol: str
    agreed: bool  # both Ensembl and NCBI say so
    kind: str


def gene_ensembl(organism: Path) -> Table:
    """Ensembl gene ids with their symbols: one, or several where ``best`` cannot tell."""
    found = query(
        organism,
        "SELECT ensembl_id, symbol, (_id, ensembl_id) IN (SELECT _id, ensembl_id FROM ensembl2ncbi) "
        "AND (_id, ensembl_id) IN (SELECT _id, ensembl_id FROM ncbi2ensembl), gene_type "
        "FROM ensembl JOIN gene_info USING (_id) LEFT JOIN genetype USING (_id)",
    )
    candidates: dict[str, list[Candidate]] = defaultdict(list)
    for identifier, symbol, agreed, kind in found:
        candidates[identifier].append(Candidate(symbol, bool(agreed), kind))
    symbols = {identifier: best(genes) for identifier, genes in candidates.items()}
    several = [identifier for identifier, genes in candidates.items() if len({gene.symbol for gene in genes}) > 1]
    left_out = {
        "ids_decided": sum(len(symbols[identifier]) == 1 for identifier in several),
        "ids_ambiguous": sum(len(symbols[identifier]) > 1 for identifier in several),
    }
    rows = sorted_by_symbol(symbols)
    return Table(NCBI_GENE, {ORG_HS: [SQLITE_MEMBER]}, ("ensembl", "symbol"), rows, left_out=left_out)


def best(genes: Sequence[Candidate]) -> set[str]:
    """Symbols that are left after each question, in turn, to which only some candidates say yes.

    Do Ensembl and NCBI agree on it? Has it got a name? Does it code for a protein? Is it more than the readthrough
    ('A-B') of another candidate ('A' or 'B') into its neighbour?
    """
    symbols = {gene.symbol for gene in genes}
    questions: tuple[Callable[[Candidate], bool], ...] = (
        lambda gene: gene.agreed,
        lambda gene: PLACEHOLDER.fullmatch(gene.symbol) is None,
        lambda gene: gene.kind == "protein-coding",
        lambda gene: not any(gene.symbol.startswith(s + "-") or gene.symbol.endswith("-" + s) for s in symbols),
    )
    for question in questions:
        genes = [gene for gene in genes if question(gene)] or genes
    return {gene.symbol for gene in genes}


def gene_uniprot(symbols: Symbols) -> Table:
    """UniProt accessions with the symbols of all genes that code for the protein."""
    rows = sorted_by_symbol(symbols.by_uniprot)
    return Table(NCBI_GENE, {ORG_HS: [SQLITE_MEMBER]}, ("accession", "symbol"), rows)
