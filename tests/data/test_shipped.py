"""The prior networks in ``data/`` are what ``sources.json`` says and hold together."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
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
    assert entry["licence"]["spdx"] in {"CC0-1.0", "CC-BY-4.0", "Apache-2.0"}
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
    assert sum(path.stat().st_size for path in DATA.glob("*.csv.gz")) < 1_500_000


def test_reactome_is_human_and_named() -> None:
    names = {row["id"] for row in read("reactome_names.csv.gz")}
    edges = read("reactome_hierarchy.csv.gz")
    in_hierarchy = {row["parent"] for row in edges} | {row["child"] for row in edges}
    with_genes = {row["source"] for row in read("reactome_genes.csv.gz")}
    assert all(identifier.startswith("R-HSA-") for identifier in names)
    assert in_hierarchy <= names
    assert with_genes <= names
    assert with_genes <= in_hierarchy


def test_reactome_hierarchy_is_acyclic() -> None:
    parents: dict[str, set[str]] = defaultdict(set)
    for row in read("reactome_hierarchy.csv.gz"):
        parents[row["child"]].add(row["parent"])
    order = list(TopologicalSorter(parents).static_order())  # raises CycleError on a cycle
    roots = [pathway for pathway in order if pathway not in parents]
    assert len(roots) == 29


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


@needs_reference
def test_reactome_equals_reference() -> None:
    def pairs(rows: list[dict[str, str]]) -> set[tuple[str, ...]]:
        return {tuple(row.values()) for row in rows}

    def stripped(rows: list[dict[str, str]]) -> set[tuple[str, ...]]:
        return {tuple(value.strip() for value in row.values()) for row in rows}

    folder = "reactome/reactome_2025-01_"
    assert pairs(read("reactome_hierarchy.csv.gz")) == pairs(read_reference(folder + "hierarchy_hsa.csv"))
    assert pairs(read("reactome_names.csv.gz")) == stripped(read_reference(folder + "names_hsa.csv"))
    genes = read_reference(folder + "gene2pathway_lowest_symbols.csv.gz")
    assert pairs(read("reactome_genes.csv.gz")) == pairs(genes)
