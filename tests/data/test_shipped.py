"""The tables in ``data/`` are what ``sources.json`` says and hold together."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
SHARED = ROOT.parent / "shared" / "data"
SOURCES = json.loads((DATA / "sources.json").read_text(encoding="utf-8"))
FILES = sorted(SOURCES)
KEYS = {
    "reactome_genes.csv.gz": ("source", "target"),
    "reactome_hierarchy.csv.gz": ("parent", "child"),
    "reactome_names.csv.gz": ("id",),
    "hallmark.csv.gz": ("source", "target"),
    "progeny.csv.gz": ("source", "target"),
    "go_bp_genes.csv.gz": ("source", "target"),
    "go_bp_hierarchy.csv.gz": ("parent", "child"),
    "go_bp_names.csv.gz": ("id",),
    "gene_symbols.csv.gz": ("symbol",),
    "gene_aliases.csv.gz": ("alias", "symbol"),
    "gene_ensembl.csv.gz": ("ensembl", "symbol"),
    "gene_uniprot.csv.gz": ("accession", "symbol"),
}
# What pandas.read_csv takes for a missing value: a gene or pathway of such a name would be lost without notice.
MISSING = {"", "#N/A", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "<NA>", "-nan", "-NaN", "#NA"}

needs_reference = pytest.mark.skipif(not SHARED.is_dir(), reason="reference data not available")


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


def test_every_data_file_is_listed() -> None:
    assert {path.name for path in DATA.glob("*.csv.gz")} == set(FILES) == set(KEYS)


@pytest.mark.parametrize("name", FILES)
def test_hashes_and_rows(name: str) -> None:
    packed = (DATA / name).read_bytes()
    content = gzip.decompress(packed)
    entry = SOURCES[name]
    assert hashlib.sha256(packed).hexdigest() == entry["sha256"]
    assert hashlib.sha256(content).hexdigest() == entry["content_sha256"]
    assert b"\r" not in content
    rows = read(name)
    assert len(rows) == entry["rows"]
    assert list(rows[0]) == entry["columns"]


@pytest.mark.parametrize("name", FILES)
def test_licence_citation_and_source(name: str) -> None:
    entry = SOURCES[name]
    assert entry["licence"]["spdx"] in {"CC0-1.0", "CC-BY-4.0", "Apache-2.0", "NCBI-PD"}
    assert entry["licence"]["name"]
    assert entry["licence"]["notice"]
    assert "doi:10." in entry["citation"]
    assert entry["data_version"]
    assert entry["sources"]
    for source in entry["sources"]:
        assert source["registry"] in {"PyPI", "Debian"}
        assert source["package"]
        assert source["version"]
        assert source["members"]
        assert len(source["sha256"]) == 64


@pytest.mark.parametrize("name", FILES)
def test_no_duplicates(name: str) -> None:
    counts = Counter(tuple(row[column] for column in KEYS[name]) for row in read(name))
    assert [key for key, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", FILES)
def test_clean_values(name: str) -> None:
    values = {value for row in read(name) for value in row.values()}
    assert values & MISSING == set()
    assert [value for value in values if value != value.strip()] == []
    assert [value for value in values if not value.isprintable()] == []


def test_data_is_small() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("*.csv.gz")) < 2_500_000
    assert sum(path.stat().st_size for path in DATA.glob("gene_*.csv.gz")) < 1_000_000


def test_every_licence_is_in_the_readme() -> None:
    text = " ".join((DATA / "README.md").read_text(encoding="utf-8").split())
    for name in FILES:
        assert f"`{name}`" in text
        notice = SOURCES[name]["licence"]["notice"]
        if notice.startswith("Copyright"):
            assert notice.partition(". Changed here: ")[0].rstrip(".") in text
        assert all(part.rstrip(".") in text for part in SOURCES[name]["citation"].split(" ") if part.startswith("doi:"))


@pytest.mark.parametrize(("name", "prefix"), [("reactome", "R-HSA-"), ("go_bp", "GO:")])
def test_nodes_are_named(name: str, prefix: str) -> None:
    names = {row["id"] for row in read(f"{name}_names.csv.gz")}
    edges = read(f"{name}_hierarchy.csv.gz")
    in_hierarchy = {row["parent"] for row in edges} | {row["child"] for row in edges}
    with_genes = {row["source"] for row in read(f"{name}_genes.csv.gz")}
    assert all(identifier.startswith(prefix) for identifier in names)
    assert in_hierarchy == names
    assert with_genes <= names
    assert with_genes <= in_hierarchy


@pytest.mark.parametrize(("name", "n_roots"), [("reactome", 29), ("go_bp", 1)])
def test_hierarchies_are_acyclic(name: str, n_roots: int) -> None:
    parents: dict[str, set[str]] = defaultdict(set)
    for row in read(f"{name}_hierarchy.csv.gz"):
        parents[row["child"]].add(row["parent"])
    order = list(TopologicalSorter(parents).static_order())  # raises CycleError on a cycle
    roots = [pathway for pathway in order if pathway not in parents]
    assert len(roots) == n_roots


def test_every_process_is_a_kind_of_another_but_the_root() -> None:
    edges = read("go_bp_hierarchy.csv.gz")
    kinds = {"is_a", "part_of", "regulates", "negatively_regulates", "positively_regulates"}
    assert {row["relation"] for row in edges} == kinds
    special = {row["child"] for row in edges if row["relation"] == "is_a"}
    assert {row["id"] for row in read("go_bp_names.csv.gz")} - special == {"GO:0008150"}


def test_go_genes_that_everybody_knows() -> None:
    sets = targets(read("go_bp_genes.csv.gz"))
    assert {"CD3E", "LCK", "ZAP70"} <= sets["GO:0050852"]  # T cell receptor signaling pathway
    assert "GO:0008150" not in sets, "annotated to the root: nothing is known"


def test_identifiers_lead_to_current_symbols() -> None:
    current = {row["symbol"] for row in read("gene_symbols.csv.gz")}
    for file in ("aliases", "ensembl", "uniprot"):
        assert {row["symbol"] for row in read(f"gene_{file}.csv.gz")} <= current
    assert {row["target"] for row in read("go_bp_genes.csv.gz")} <= current
    assert not {row["alias"] for row in read("gene_aliases.csv.gz")} & current


def test_identifiers_look_like_what_they_are() -> None:
    assert all(re.fullmatch(r"ENSG\d{11}", row["ensembl"]) for row in read("gene_ensembl.csv.gz"))
    assert all(re.fullmatch(r"[A-Z0-9]{6}|[A-Z0-9]{10}", row["accession"]) for row in read("gene_uniprot.csv.gz"))
    numbers = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)
    assert [row["alias"] for row in read("gene_aliases.csv.gz") if numbers.fullmatch(row["alias"])] == []


def test_hallmark_sets() -> None:
    sets = targets(read("hallmark.csv.gz"))
    assert len(sets) == 50
    assert all(name.startswith("HALLMARK_") for name in sets)
    assert {len(genes) for genes in sets.values()} <= set(range(30, 201))
    assert {"VEGFA", "CA12", "SLC2A1"} <= sets["HALLMARK_HYPOXIA"]


def test_progeny_rows() -> None:
    rows = read("progeny.csv.gz")
    sizes = Counter(row["source"] for row in rows)
    assert len(sizes) == 14
    assert max(sizes.values()) <= 500
    assert min(sizes.values()) > 400
    assert all(0 <= float(row["pvalue"]) <= 1 for row in rows)
    assert {float(row["weight"]) > 0 for row in rows} == {True, False}
    order = [(row["source"], float(row["pvalue"])) for row in rows]
    assert order == sorted(order)
    weights = {(row["source"], row["target"]): float(row["weight"]) for row in rows}
    assert weights["Androgen", "TMPRSS2"] > 0


def candidates() -> dict[str, set[str]]:
    """Current symbols of each alias, from the reference id map."""
    symbols: dict[str, set[str]] = defaultdict(set)
    for row in read_reference("id_map_human/alias_symbol.csv.gz"):
        symbols[row["alias"]].add(row["symbol"])
    return symbols


@needs_reference
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


@needs_reference
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


def pairs(rows: list[dict[str, str]], *columns: str) -> set[tuple[str, ...]]:
    """Distinct rows, in the given columns."""
    return {tuple(row[column] for column in columns or row) for row in rows}


@needs_reference
def test_reactome_equals_reference() -> None:
    folder = "reactome/reactome_2025-01_"
    assert pairs(read("reactome_hierarchy.csv.gz")) == pairs(read_reference(folder + "hierarchy_hsa.csv"))
    names = pairs(read_reference(folder + "names_hsa.csv"))
    assert pairs(read("reactome_names.csv.gz")) == {tuple(value.strip() for value in row) for row in names}
    genes = read_reference(folder + "gene2pathway_lowest_symbols.csv.gz")
    assert pairs(read("reactome_genes.csv.gz")) == pairs(genes)


@needs_reference
def test_go_equals_reference() -> None:
    annotated = read_reference("go_human/go_bp_gene_annotations_direct.csv.gz")
    known = [row for row in annotated if row["evidence"] != "ND"]
    assert pairs(read("go_bp_genes.csv.gz")) == pairs(known, "source", "target")
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


@needs_reference
def test_aliases_equal_reference() -> None:
    left_out = {"INF", "14.1", "16.2", "39.1", "464.2", "NA", "2E4", "NaN", "6.3", "2.19", "16.1"}
    assert len(left_out) == SOURCES["gene_aliases.csv.gz"]["aliases_like_numbers"]
    left_out |= {row["symbol"] for row in read("gene_symbols.csv.gz")}
    reference = pairs(read_reference("id_map_human/alias_symbol.csv.gz"), "alias", "symbol")
    assert pairs(read("gene_aliases.csv.gz")) == {pair for pair in reference if pair[0] not in left_out}


@needs_reference
def test_proteins_equal_reference() -> None:
    reference = read_reference("id_map_human/symbol_uniprot.csv.gz")
    assert pairs(read("gene_uniprot.csv.gz")) == pairs(reference, "uniprot_id", "symbol")


@needs_reference
def test_ensembl_ids_equal_reference_where_it_gives_one_symbol() -> None:
    reference, ours = defaultdict(set), defaultdict(set)
    for row in read_reference("id_map_human/symbol_ensembl.csv.gz"):
        reference[row["ensembl_id"]].add(row["symbol"])
    for row in read("gene_ensembl.csv.gz"):
        ours[row["ensembl"]].add(row["symbol"])
    assert ours.keys() == reference.keys()
    several = {identifier for identifier, symbols in reference.items() if len(symbols) > 1}
    assert all(ours[identifier] == reference[identifier] for identifier in reference.keys() - several)
    assert all(ours[identifier] <= reference[identifier] for identifier in several)
    ambiguous = [identifier for identifier in several if len(ours[identifier]) > 1]
    entry = SOURCES["gene_ensembl.csv.gz"]
    assert (len(ambiguous), len(several) - len(ambiguous)) == (entry["ids_ambiguous"], entry["ids_decided"])
