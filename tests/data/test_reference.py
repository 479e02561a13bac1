"""The tables in ``data/`` hold what the same sources hold that somebody else took from the packages."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
SHARED = ROOT.parent / "shared" / "data"
SOURCES = json.loads((DATA / "sources.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="reference data not available")


def read(name: str) -> list[dict[str, str]]:
    """Rows of a shipped file."""
    return list(csv.DictReader(io.StringIO(gzip.decompress((DATA / name).read_bytes()).decode("utf-8"), newline="")))


def read_reference(name: str) -> list[dict[str, str]]:
    """Rows of a reference table, compressed or not."""
    content = (SHARED / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def targets(rows: list[dict[str, str]]) -> dict[str, set[str]]:
    """Genes of each source."""
    sets: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sets[row["source"]].add(row["target"])
    return dict(sets)


def pairs(rows: list[dict[str, str]], *columns: str) -> set[tuple[str, ...]]:
    """Distinct rows, in the given columns."""
    return {tuple(row[column] for column in columns or row) for row in rows}


def renamed() -> dict[str, str]:
    """Symbols of mitochondrial genes by those of the reference: NCBI has "MTND1" among the aliases of ND1, and so on.

    RNR1 and RNR2 are missing: another gene is called the same.
    """
    current = {row["symbol"] for row in read("gene_symbols.csv.gz")}
    found = {
        row["symbol"]: "MT-" + row["alias"].removeprefix("MT")
        for row in read_reference("id_map_human/alias_symbol.csv.gz")
        if row["symbol"] not in current and row["alias"].startswith("MT")
    }
    return {**found, "TRNF": "MT-TF"}  # the only one without such an alias


def alias_pairs() -> set[tuple[str, str]]:
    """Aliases of the reference with the symbols here; mitochondrial genes have their symbols there as aliases, too."""
    ours = renamed()
    rows = read_reference("id_map_human/alias_symbol.csv.gz")
    found = {(row["alias"], ours.get(row["symbol"], row["symbol"])) for row in rows}
    ribosomal = {("MTRNR1", "RNR1"), ("MTRNR2", "RNR2")}
    assert ribosomal < found
    return found - ribosomal | {(alias, f"MT-{symbol}") for alias, symbol in ribosomal} | set(ours.items())


def candidates() -> dict[str, set[str]]:
    """Current symbols of each alias, from the reference id map."""
    symbols: dict[str, set[str]] = defaultdict(set)
    for alias, symbol in alias_pairs():
        symbols[alias].add(symbol)
    return symbols


def test_symbols_that_went_are_mitochondrial() -> None:
    current = {row["symbol"] for row in read("gene_symbols.csv.gz")}
    ours = renamed()
    assert len(ours) == 35
    reference = {row["symbol"] for row in read_reference("id_map_human/alias_symbol.csv.gz")}
    assert reference - current == ours.keys() - {"TRNF"}
    assert {*ours.values(), "MT-RNR1", "MT-RNR2"} == {symbol for symbol in current if symbol.startswith("MT-")}


def test_hallmark_equals_reference() -> None:
    shipped = targets(read("hallmark.csv.gz"))
    alias = candidates()
    reference: dict[str, set[str]] = {}
    for line in (SHARED / "hallmark" / "h.all.v7.5.1.symbols.gmt").read_text(encoding="utf-8").splitlines():
        name, _, *members = line.split("\t")
        reference[name] = set(members)
    assert shipped.keys() == reference.keys()
    renamed: set[str] = set()
    for name, genes in reference.items():
        outdated = genes - shipped[name]
        assert all(len(alias[gene]) == 1 for gene in outdated)
        assert {symbol for gene in outdated for symbol in alias[gene]} == shipped[name] - genes
        renamed |= outdated
    assert len(renamed) == SOURCES["hallmark.csv.gz"]["symbols_renamed"]


def test_progeny_equals_reference() -> None:
    shipped = {(row["source"], row["target"]): row for row in read("progeny.csv.gz")}
    alias = candidates()
    renamed: set[str] = set()
    for row in read_reference("progeny/progeny_human_top500.csv"):
        gene = row["target"]
        if (row["source"], gene) not in shipped:
            renamed.add(gene)
            (gene,) = alias[gene]
        ours = shipped.pop((row["source"], gene))
        # The reference has six significant digits.
        assert float(ours["weight"]) == pytest.approx(float(row["weight"]), rel=1e-5)
        assert float(ours["pvalue"]) == pytest.approx(float(row["padj"]), rel=1e-5, abs=0)
    assert shipped == {}
    assert len(renamed) == SOURCES["progeny.csv.gz"]["symbols_renamed"]


def test_reactome_equals_reference() -> None:
    folder = "reactome/reactome_2025-01_"
    assert pairs(read("reactome_hierarchy.csv.gz")) == pairs(read_reference(folder + "hierarchy_hsa.csv"))
    names = pairs(read_reference(folder + "names_hsa.csv"))
    assert pairs(read("reactome_names.csv.gz")) == {tuple(value.strip() for value in row) for row in names}
    genes = pairs(read_reference(folder + "gene2pathway_lowest_symbols.csv.gz"))
    ours = renamed()
    assert pairs(read("reactome_genes.csv.gz")) == {(pathway, ours.get(gene, gene)) for pathway, gene in genes}


def test_go_equals_reference() -> None:
    annotated = read_reference("go_human/go_bp_gene_annotations_direct.csv.gz")
    known = [row for row in annotated if row["evidence"] != "ND"]
    ours = renamed()
    assert pairs(read("go_bp_genes.csv.gz")) == {
        (row["source"], ours.get(row["target"], row["target"])) for row in known
    }
    entry = SOURCES["go_bp_genes.csv.gz"]
    all_pairs, known_pairs = pairs(annotated, "source", "target"), pairs(known, "source", "target")
    assert len(all_pairs - known_pairs) == entry["pairs_without_data"]
    assert len({gene for _, gene in all_pairs} - {gene for _, gene in known_pairs}) == entry["genes_without_data"]
    edges = read_reference("go_human/go_bp_edges.csv.gz")
    kinds = {"isa": "is_a"}
    assert pairs(read("go_bp_hierarchy.csv.gz")) == {
        (row["parent"], row["child"], kinds.get(row["relationship_type"], row["relationship_type"].replace(" ", "_")))
        for row in edges
        if row["parent"] != "all"
    }
    terms = [row for row in read_reference("go_human/go_terms.csv.gz") if row["ontology"] == "BP"]
    assert pairs(read("go_bp_names.csv.gz")) == pairs(terms, "go_id", "term")


def test_aliases_equal_reference() -> None:
    left_out = {"INF", "14.1", "16.2", "39.1", "464.2", "NA", "2E4", "NaN", "6.3", "2.19", "16.1"}
    assert len(left_out) == SOURCES["gene_aliases.csv.gz"]["aliases_like_numbers"]
    left_out |= {row["symbol"] for row in read("gene_symbols.csv.gz")}
    assert pairs(read("gene_aliases.csv.gz")) == {pair for pair in alias_pairs() if pair[0] not in left_out}


def test_proteins_equal_reference() -> None:
    reference = pairs(read_reference("id_map_human/symbol_uniprot.csv.gz"), "uniprot_id", "symbol")
    ours = renamed()
    assert pairs(read("gene_uniprot.csv.gz")) == {(protein, ours.get(gene, gene)) for protein, gene in reference}


def test_ensembl_ids_equal_reference_where_it_gives_one_symbol() -> None:
    reference, ours, current = defaultdict(set), defaultdict(set), renamed()
    for row in read_reference("id_map_human/symbol_ensembl.csv.gz"):
        reference[row["ensembl_id"]].add(current.get(row["symbol"], row["symbol"]))
    for row in read("gene_ensembl.csv.gz"):
        ours[row["ensembl"]].add(row["symbol"])
    assert ours.keys() == reference.keys()
    several = {identifier for identifier, symbols in reference.items() if len(symbols) > 1}
    assert all(ours[identifier] == reference[identifier] for identifier in reference.keys() - several)
    assert all(ours[identifier] <= reference[identifier] for identifier in several)
    ambiguous = [identifier for identifier in several if len(ours[identifier]) > 1]
    entry = SOURCES["gene_ensembl.csv.gz"]
    assert (len(ambiguous), len(several) - len(ambiguous)) == (entry["ids_ambiguous"], entry["ids_decided"])
