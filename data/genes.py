"""What the tables of human gene identifiers hold: one function per table, from the files inside the packages."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from content import Symbols, Table, query
from packages import NCBI_GENE, ORG_HS, SQLITE_MEMBER

PLACEHOLDER = re.compile(r"LOC\d+")  # NCBI's symbol for a gene that nobody has named yet


def gene_symbols(symbols: Symbols) -> Table:
    """Current symbols."""
    rows = [(symbol,) for symbol in sorted(symbols.current)]
    return Table(NCBI_GENE, {ORG_HS: [SQLITE_MEMBER]}, ("symbol",), rows)


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
