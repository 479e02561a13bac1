"""What ``io.write_graph`` writes is read back attribute by attribute."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edge2torch as e2t
from edge2torch import Edge2TorchError

GENES = ["CD3E", "CD2", "LYZ", "CD8A", "MS4A1", "CD79A"]
GROUPS = ["CD4+/CD25 T Reg", 'B "cell"']
ENDINGS = [".graphml", ".cyjs", ".json"]


def made(hidden=("T/cell", "B & <cell>"), groups=GROUPS):
    """A small graph with every kind of score, some of them missing."""
    rng = np.random.default_rng(0)
    adata = AnnData(np.ones((4, len(GENES)), dtype=np.float32), var=pd.DataFrame(index=GENES))
    adata.obs["type"] = pd.Categorical([groups[k % 2] for k in range(4)])
    nodes = pd.DataFrame(
        {
            "node": [*GENES, *hidden, *groups],
            "label": [*GENES, *hidden, *groups],
            "kind": ["input"] * 6 + ["hidden"] * 2 + ["output"] * 2,
            "layer": [0] * 6 + [1] * 2 + [2] * 2,
            "n_inputs": np.arange(10, dtype=np.int32),
            "mean": [*rng.random(6), *[np.nan] * 4],
        }
    )
    pairs = [(gene, hidden[k // 3]) for k, gene in enumerate(GENES)]
    pairs += [(node, group) for node in hidden for group in groups]
    edges = pd.DataFrame(pairs, columns=["source", "target"]).assign(prior="x", weight=rng.normal(size=10))
    edges["prior_weight"] = np.where(np.arange(10) < 6, 1.0, np.nan)
    ranked = pd.DataFrame({"group": np.repeat(groups, 2), "node": [*hidden, *hidden], "layer": 1})
    for column in ("score", "corrected", "z", "padj"):
        ranked[column] = rng.normal(size=4)
    ranked.loc[1, "z"] = np.nan
    adata.varm["e2t_features"] = rng.normal(size=(6, 2)).astype(np.float32)
    adata.uns["e2t"] = {
        "graph": edges,
        "nodes": nodes,
        "rank_nodes": ranked,
        "params": {},
        "edge_scores": {"group": np.array(groups, dtype=object), "score": rng.normal(size=(2, 10)).astype(np.float32)},
    }
    return adata


def read(path):
    """Nodes and edges with their attributes, without what a format adds."""
    if path.suffix == ".graphml":
        graph = nx.read_graphml(path)
    else:
        graph = nx.cytoscape_graph(json.loads(path.read_text("utf-8"), parse_constant=pytest.fail))
    added = {"id", "value", "name", "interaction"} | {"source", "target"}
    assert graph.is_directed()
    nodes = {node: {k: v for k, v in data.items() if k not in added} for node, data in graph.nodes(data=True)}
    edges = {(a, b): {k: v for k, v in data.items() if k not in added} for a, b, data in graph.edges(data=True)}
    return nodes, edges


def finite(data):
    return {k: v for k, v in data.items() if not (isinstance(v, float) and not np.isfinite(v))}


def expected(adata, scores=True):
    graph = e2t.get.graph(adata, scores=scores)
    nodes = {node: finite(data) for node, data in graph.nodes(data=True)}
    return nodes, {(a, b): finite(data) for a, b, data in graph.edges(data=True)}


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_attribute_comes_back(tmp_path, ending):
    adata = made()
    path = tmp_path / f"graph{ending}"
    e2t.io.write_graph(adata, path)
    found, wanted = read(path), expected(adata)
    assert found == wanted
    for mine, theirs in zip(found, wanted, strict=True):
        for item, data in mine.items():
            for name, value in data.items():
                assert type(value) is type(np.asarray(theirs[item][name]).item()), name
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_real_cells(tmp_path, ending, real):
    path = tmp_path / f"graph{ending}"
    e2t.io.write_graph(real, path)
    found, wanted = read(path), expected(real)
    assert [list(part) for part in found] == [list(part) for part in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine == {item: finite(data) for item, data in theirs.items()}
    assert any(name.startswith("score_") for name in found[1][next(iter(found[1]))])


@pytest.fixture(scope="module")
def real():
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()[::3].copy()
    e2t.pp.build_graph(adata, "hallmark")
    e2t.tl.fit(adata, "bulk_labels", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=2, edges=True)
    return adata


@pytest.mark.parametrize("ending", ENDINGS)
def test_graph_without_scores(tmp_path, ending):
    adata = made()
    del adata.uns["e2t"]["rank_nodes"], adata.uns["e2t"]["edge_scores"], adata.varm["e2t_features"]
    e2t.io.write_graph(adata, tmp_path / f"graph{ending}")
    assert read(tmp_path / f"graph{ending}") == expected(adata, scores=False)
    with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.interpret first"):
        e2t.io.write_graph(adata, tmp_path / "b.graphml", group=GROUPS[0])
    assert not (tmp_path / "b.graphml").exists()


@pytest.mark.parametrize("group", GROUPS)
def test_one_group(tmp_path, group):
    adata = made()
    e2t.io.write_graph(adata, tmp_path / "graph.cyjs", group=group)
    nodes, edges = read(tmp_path / "graph.cyjs")
    assert [node for node, data in nodes.items() if data["kind"] == "output"] == [group]
    table = e2t.get.rank_nodes(adata, group).set_index("node")
    for node, row in table.iterrows():
        names = {"score", "corrected", "z", "padj"} & set(nodes[node])
        assert names == {name for name in ("score", "corrected", "z", "padj") if np.isfinite(row[name])}
        assert {name: nodes[node][name] for name in names} == {name: row[name] for name in names}
    genes = e2t.get.features(adata)[group]
    assert {gene: nodes[gene]["score"] for gene in GENES} == genes.to_dict()
    scored = e2t.get.edges(adata).query("group == @group").set_index(["source", "target"])["score"]
    assert {ends: data["score"] for ends, data in edges.items()} == {ends: scored[ends] for ends in edges}
    assert not any("_" + group in name for data in [*nodes.values(), *edges.values()] for name in data)


def test_some_nodes_with_their_genes(tmp_path):
    adata = made()
    e2t.io.write_graph(adata, tmp_path / "graph.graphml", nodes="T/cell")
    nodes, edges = read(tmp_path / "graph.graphml")
    assert set(nodes) == {*GENES[:3], "T/cell", *GROUPS}
    whole = e2t.get.graph(adata).subgraph(nodes)
    assert set(edges) == set(whole.edges)


characters = st.characters(exclude_characters="\r", exclude_categories=("Cs", "Cc", "Cn"))
names = st.text(characters, min_size=1, max_size=30).filter(lambda name: name == name.strip())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(names, min_size=4, max_size=4, unique=True).filter(lambda four: not {*four} & {*GENES}))
@pytest.mark.parametrize("ending", [".graphml", ".cyjs"])
def test_names(tmp_path, ending, four):
    adata = made(four[:2], four[2:])
    path = tmp_path / f"graph{ending}"
    e2t.io.write_graph(adata, path, overwrite=True)
    assert read(path) == expected(adata)


def test_control_characters(tmp_path):
    adata = made(("a\x07b", "a\x00c\r"), ["d\ufffe", "tab\tnew\nline"])
    e2t.io.write_graph(adata, tmp_path / "graph.cyjs")
    assert read(tmp_path / "graph.cyjs") == expected(adata)
    e2t.io.write_graph(adata, tmp_path / "graph.graphml")
    nodes, _ = read(tmp_path / "graph.graphml")
    assert list(nodes)[-4:] == ["a\\u0007b", "a\\u0000c\\u000d", "d\\ufffe", "tab\tnew\nline"]
    assert nodes["a\\u0007b"]["label"] == "a\\u0007b"
    adata = made(("a\x07", "a\\u0007"))
    with pytest.raises(Edge2TorchError, match=r"1 names are the same without control characters: .*use \.cyjs"):
        e2t.io.write_graph(adata, tmp_path / "graph.graphml", overwrite=True)
    assert read(tmp_path / "graph.graphml")[0] == nodes


def test_the_formats(tmp_path):
    """What Cytoscape, cytoscape.js and readers of GraphML expect, without networkx."""
    adata = made()
    e2t.io.write_graph(adata, tmp_path / "graph.cyjs")
    described = json.loads((tmp_path / "graph.cyjs").read_text("utf-8"))
    assert isinstance(described["data"], dict)
    nodes, edges = (described["elements"][part] for part in ("nodes", "edges"))
    ids = [node["data"]["id"] for node in nodes]
    assert all(isinstance(name, str) for name in ids)
    assert {edge["data"][end] for edge in edges for end in ("source", "target")} <= set(ids)
    every = ids + [edge["data"]["id"] for edge in edges]
    assert len(set(every)) == len(every)
    for item in (*nodes, *edges):
        assert all(isinstance(value, str | int | float) for value in item["data"].values())
    e2t.io.write_graph(adata, tmp_path / "graph.graphml")
    root = ET.parse(tmp_path / "graph.graphml").getroot()
    space = "{http://graphml.graphdrawing.org/xmlns}"
    kinds = {(key.get("for"), key.get("attr.name")): key.get("attr.type") for key in root.iter(f"{space}key")}
    assert kinds["node", f"z_{GROUPS[0]}"] == "double"
    assert kinds["edge", "weight"] == "double"
    assert kinds["node", "layer"] == "long"
    assert len(kinds) == len(list(root.iter(f"{space}key")))  # one type per attribute


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_there(tmp_path, ending):
    path = tmp_path / f"graph{ending}"
    path.write_text("mine")
    with pytest.raises(Edge2TorchError, match="exists: pass overwrite=True"):
        e2t.io.write_graph(made(), path)
    assert path.read_text() == "mine"
    e2t.io.write_graph(made(), str(path), overwrite=True)
    assert read(path) == expected(made())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("graph.xgmml", r"ends in '.xgmml'; known endings are .graphml, .cyjs, .json"),
        ("graph", "ends in ''; known endings"),
        ("no/graph.cyjs", "the folder .*no does not exist: make it first"),
        ("folder.cyjs", "is a folder: name a file"),
        ("file/graph.cyjs", "does not exist"),
        ("x" * 300 + ".graphml", "cannot be written: "),
    ],
)
def test_path_that_cannot_be_written(tmp_path, name, message):
    (tmp_path / "folder.cyjs").mkdir()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Edge2TorchError, match=message):
        e2t.io.write_graph(made(), tmp_path / name, overwrite=True)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["file", "folder.cyjs"]


def test_nothing_is_left_of_a_write_that_fails(tmp_path, monkeypatch):
    path = tmp_path / "graph.cyjs"
    path.write_text("mine")

    def full(self, content):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(Edge2TorchError, match="cannot be written: No space left on device"):
        e2t.io.write_graph(made(), path, overwrite=True)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": "T"}, "1 of 1 group do not exist: 'T'"),
        ({"nodes": ["T/cell", "CD2"]}, "1 of 2 nodes do not exist: 'CD2'"),
        ({"nodes": []}, "nodes is empty"),
        ({"key": "other"}, "there is one under 'e2t': pass key="),
    ],
)
def test_bad_input(tmp_path, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.io.write_graph(made(), tmp_path / "graph.graphml", **arguments)
    assert not list(tmp_path.iterdir())
