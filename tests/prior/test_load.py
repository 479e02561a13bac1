"""Shipped priors are read as they were shipped, from a checkout and from a wheel."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import networkx as nx
import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.prior import SHIPPED, Prior, load_shipped

ROOT = Path(__file__).resolve().parents[2]
NESTED = ("go_bp", "reactome")
#: prints where the package is, and a digest of every table
REPORT = """
import hashlib, edge2torch
from edge2torch.prior import SHIPPED, load_shipped
print(edge2torch.__file__)
for name in SHIPPED:
    prior = load_shipped(name)
    for table in (prior.sets, prior.hierarchy):
        print(name, hashlib.sha256(table.to_csv().encode()).hexdigest())
"""


def rows(file: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / file, keep_default_na=False)


@pytest.mark.parametrize("name", SHIPPED)
def test_tables_are_complete_text(name):
    prior = load_shipped(name)
    assert isinstance(prior, Prior)
    assert prior.name == name
    for table in (prior.sets[["source", "target"]], prior.hierarchy):
        assert not table.isna().any(axis=None)
        assert table.map(lambda value: isinstance(value, str) and bool(value)).all(axis=None)
        assert not table.duplicated().any()


@pytest.mark.parametrize("name", ["hallmark", "progeny"])
def test_flat_priors_equal_their_file(name):
    prior = load_shipped(name)
    columns = ["source", "target"] + (["weight"] if name == "progeny" else [])
    pd.testing.assert_frame_equal(prior.sets[columns], rows(f"{name}.csv.gz")[columns])
    assert prior.hierarchy.empty


def test_progeny_has_weights_of_both_signs():
    assert set(load_shipped("progeny").sets["weight"].gt(0)) == {True, False}


@pytest.mark.parametrize("name", NESTED)
def test_names_stand_for_one_node_each(name):
    prior, names = load_shipped(name), rows(f"{name}_names.csv.gz")
    genes, hierarchy = rows(f"{name}_genes.csv.gz"), rows(f"{name}_hierarchy.csv.gz")
    if name == "go_bp":
        hierarchy = hierarchy[hierarchy["relation"].isin(["is_a", "part_of"])]
    assert len(prior.sets) == len(genes)
    pairs = [(genes["source"], prior.sets["source"])]
    pairs += [(hierarchy[end], prior.hierarchy[end]) for end in ("parent", "child")]
    given = pd.concat([pd.DataFrame({"id": a.to_numpy(), "label": b.to_numpy()}) for a, b in pairs]).drop_duplicates()
    assert given["id"].is_unique
    assert given["label"].is_unique
    plain = names.set_index("id")["name"].reindex(given["id"]).to_numpy()
    same = given["label"].to_numpy() == plain
    assert pd.Series(plain)[~same].duplicated(keep=False).all(), "only names that occur twice carry their id"
    assert (given["label"].to_numpy()[~same] == plain[~same] + " (" + given["id"].to_numpy()[~same] + ")").all()


@pytest.mark.parametrize(("name", "n_twins"), [("reactome", 17), ("go_bp", 0)])
def test_ids_lead_back_to_the_tables(name, n_twins):
    prior, names = load_shipped(name), rows(f"{name}_names.csv.gz")
    nodes = set(prior.sets["source"]) | set(prior.hierarchy["parent"]) | set(prior.hierarchy["child"])
    assert prior.contains
    assert set(prior.ids) == nodes
    assert sorted(prior.ids.values()) == sorted(names["id"])
    genes = rows(f"{name}_genes.csv.gz")
    assert prior.sets["source"].map(prior.ids).tolist() == genes["source"].tolist()
    assert prior.sets["target"].tolist() == genes["target"].tolist()
    plain = dict(zip(names["id"], names["name"], strict=True))
    twins = [node for node, identifier in prior.ids.items() if node != plain[identifier]]
    assert len(twins) == 2 * n_twins
    assert all(node == f"{plain[prior.ids[node]]} ({prior.ids[node]})" for node in twins)


@pytest.mark.parametrize("name", NESTED)
def test_hierarchies_have_no_cycles(name):
    graph = nx.from_pandas_edgelist(load_shipped(name).hierarchy, "parent", "child", create_using=nx.DiGraph)
    assert nx.is_directed_acyclic_graph(graph)
    roots = [node for node in graph if not graph.in_degree(node)]
    assert len(roots) == {"reactome": 29, "go_bp": 1}[name]


@pytest.mark.parametrize("name", ["hallmark", "progeny"])
def test_names_that_are_ids_need_no_ids(name):
    assert load_shipped(name).ids == {}


def test_what_regulates_a_process_is_no_part_of_it():
    hierarchy = load_shipped("go_bp").hierarchy
    assert list(hierarchy) == ["parent", "child"]
    pairs = set(hierarchy.itertuples(index=False, name=None))
    assert ("cell death", "programmed cell death") in pairs
    assert ("apoptotic process", "regulation of apoptotic process") not in pairs


def test_go_of_real_cells(shared):
    """As published beside the data, for genes seen in three cells, but for 111 genes of which nothing is known."""
    with h5py.File(next((shared / "baron_human1").glob("*.h5ad"))) as file:
        counts = np.bincount(file["X"]["indices"][:][file["X"]["data"][:] > 0], minlength=file["X"].attrs["shape"][1])
        genes = file["var"][file["var"].attrs["_index"]].asstr()[:]
    seen = set(genes[counts >= 3])
    prior = load_shipped("go_bp")
    without = pd.read_csv(shared / "go_human" / "go_bp_gene_annotations_direct.csv.gz", keep_default_na=False)
    assert len(seen & set(without["target"])) == 12_594
    assert len(seen & set(prior.sets["target"])) == 12_594 - 111
    graph = nx.from_pandas_edgelist(prior.hierarchy, "parent", "child", create_using=nx.DiGraph)
    own = prior.sets[prior.sets["target"].isin(seen)].groupby("source")["target"].agg(set)
    reached: dict[str, set[str]] = {}
    for node in reversed(list(nx.topological_sort(graph))):
        reached[node] = own.get(node, set()).union(*(reached[child] for child in graph[node]))
    assert sum(len(genes) >= 5 for genes in reached.values()) == 8_167


@pytest.mark.parametrize(("name", "n_genes"), [("go_bp", 13), ("reactome", 12)])
def test_mitochondrial_genes_of_real_cells(shared, name, n_genes):
    """Data call them MT-ND1 and so on; Reactome does not know MT-ND4L."""
    with h5py.File(shared / "pbmc3k" / "pbmc3k_raw_labelled.h5ad") as file:
        genes = {gene for gene in file["var"]["symbol"].asstr()[:] if gene.startswith("MT-")}
    assert len(genes) == 13
    prior = load_shipped(name)
    known = genes & set(prior.sets["target"])
    assert len(known) == n_genes
    assert genes - known <= {"MT-ND4L"}
    respiration = {"go_bp": "mitochondrial electron transport, NADH to ubiquinone", "reactome": "Complex I biogenesis"}
    members = set(prior.sets.loc[prior.sets["source"] == respiration[name], "target"])
    assert {"MT-ND1", "MT-ND4", "MT-ND5", "NDUFS1"} <= members


def test_an_unknown_name_lists_the_known():
    with pytest.raises(Edge2TorchError, match=r"'kegg'.*'go_bp', 'hallmark', 'progeny', 'reactome'"):
        load_shipped("kegg")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, unpacked."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_a_wheel_reads_the_same_tables(wheel, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", REPORT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    place, *digests = done.stdout.splitlines()
    assert Path(place).is_relative_to(wheel)
    here = [
        f"{name} {hashlib.sha256(table.to_csv().encode()).hexdigest()}"
        for name in SHIPPED
        for table in (load_shipped(name).sets, load_shipped(name).hierarchy)
    ]
    assert digests == here


def test_a_wheel_carries_licences_and_types_but_no_build_script(wheel):
    files = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    data = "edge2torch/prior/data/"
    assert {"edge2torch/py.typed", data + "sources.json", data + "README.md"} <= files
    assert {name.removeprefix(data) for name in files if name.endswith(".csv.gz")} == {
        path.name for path in (ROOT / "data").glob("*.csv.gz")
    }
    assert any("LICENSE" in name for name in files)
    assert not [name for name in files if (name.startswith(data) and name.endswith(".py")) or "tests" in name]
