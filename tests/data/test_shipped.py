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

# Mitochondrial genes that code for proteins: what Ensembl, and with it most data, calls them.
MITOCHONDRIAL = {
    "ENSG00000198888": "MT-ND1",
    "ENSG00000198763": "MT-ND2",
    "ENSG00000198804": "MT-CO1",
    "ENSG00000198712": "MT-CO2",
    "ENSG00000228253": "MT-ATP8",
    "ENSG00000198899": "MT-ATP6",
    "ENSG00000198938": "MT-CO3",
    "ENSG00000198840": "MT-ND3",
    "ENSG00000212907": "MT-ND4L",
    "ENSG00000198886": "MT-ND4",
    "ENSG00000198786": "MT-ND5",
    "ENSG00000198695": "MT-ND6",
    "ENSG00000198727": "MT-CYB",
}


def read(name: str) -> list[dict[str, str]]:
    """Rows of a shipped file."""
    return list(csv.DictReader(io.StringIO(gzip.decompress((DATA / name).read_bytes()).decode("utf-8"), newline="")))


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


def test_mitochondrial_genes_have_the_symbols_that_data_have() -> None:
    proteins = set(MITOCHONDRIAL.values())
    current = {row["symbol"] for row in read("gene_symbols.csv.gz")}
    ours = {symbol for symbol in current if symbol.startswith("MT-")}
    assert proteins | {"MT-RNR1", "MT-RNR2"} < ours
    assert len(ours) == SOURCES["gene_symbols.csv.gz"]["symbols_of_hgnc"] == 37
    rest = ours - proteins - {"MT-RNR1", "MT-RNR2"}
    assert len({symbol[4] for symbol in rest if symbol.startswith("MT-T")}) == 20, "transfer RNAs of all amino acids"
    assert {symbol for symbol in rest if len(symbol) > 5} == {"MT-TL1", "MT-TL2", "MT-TS1", "MT-TS2"}
    ensembl = {row["ensembl"]: row["symbol"] for row in read("gene_ensembl.csv.gz")}
    assert {identifier: ensembl[identifier] for identifier in MITOCHONDRIAL} == MITOCHONDRIAL


@pytest.mark.parametrize(("name", "without"), [("go_bp", set()), ("reactome", {"MT-ND4L"})])
def test_mitochondrial_genes_are_in_priors(name: str, without: set[str]) -> None:
    genes = {row["target"] for row in read(f"{name}_genes.csv.gz")}
    assert {gene for gene in genes if gene.startswith("MT-")} == set(MITOCHONDRIAL.values()) - without
    assert genes & {"ATP6", "ATP8", "COX1", "COX2", "COX3", "CYTB", "ND1", "ND2", "ND3", "ND4", "ND5", "ND6"} == set()


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
