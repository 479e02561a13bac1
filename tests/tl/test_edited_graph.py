"""A graph edited by hand is validated again by ``tl.fit``; what is valid is trained on, and described anew."""

from __future__ import annotations

import anndata
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t

NET = pd.DataFrame({"source": ["P", "P", "Q", "Q", "TF"], "target": ["g0", "g1", "g1", "g2", "g3"]})
QUICK = {"max_epochs": 1, "progress_bar": False}


@pytest.fixture
def adata(make_cells):
    """Genes g0 to g11, of which the graph reads four; the third node carries the name of a gene of the prior, too."""
    net = pd.concat([NET, pd.DataFrame({"source": ["P"], "target": ["TF"]})])
    cells = make_cells(net=net)
    assert "TF" not in cells.var_names
    return cells


def add(*rows):
    """Add edges (source, target)."""
    added = pd.DataFrame(rows, columns=["source", "target"]).assign(prior="by hand")
    return lambda graph: pd.concat([graph, added], ignore_index=True)


def rename(column, old, new):
    return lambda graph: graph.assign(**{column: graph[column].replace({old: new})})


def edit(adata, change):
    adata.uns["e2t"]["graph"] = change(adata.uns["e2t"]["graph"])


def check(adata):
    """The tables of graph and nodes, and the model, are those of one graph, as networkx sees it."""
    edges, nodes = adata.uns["e2t"]["graph"], adata.uns["e2t"]["nodes"].set_index("node")
    graph = nx.DiGraph(list(zip(edges["source"], edges["target"], strict=True)))
    assert set(nodes.index) == set(graph)
    outputs = nodes.index[nodes["kind"] == "output"]
    assert nodes.loc[outputs, "label"].tolist() == sorted(adata.obs["kind"].cat.categories)
    for name, row in nodes.iterrows():
        assert row["in_degree"] == graph.in_degree(name)
        assert row["out_degree"] == graph.out_degree(name)
        assert (row["kind"] == "input") == (graph.in_degree(name) == 0)
        upstream = nx.ancestors(graph, name) | {name}
        assert row["n_inputs"] == sum(graph.in_degree(other) == 0 for other in upstream)
    hidden = nodes.index[nodes["kind"] == "hidden"]
    assert {(h, o) for h in hidden for o in outputs} <= set(graph.edges)
    model, artifact = e2t.get.model(adata)
    assert artifact.feature_names == nodes.index[nodes["kind"] == "input"].tolist()
    proba = model(e2t.align_features_to_input_nodes(adata, artifact)).softmax(dim=1).detach()
    np.testing.assert_allclose(proba, adata.obsm["e2t_proba"], atol=1e-6)
    assert edges["weight"].notna().all()


#: change, names that must be in the table of nodes, names that must not
VALID = {
    "nothing": (lambda graph: graph, {"P", "Q"}, {"g5"}),
    "another gene": (add(("g5", "P")), {"g5"}, set()),
    "another node": (add(("P", "R"), ("g6", "R")), {"R", "g6"}, set()),
    "node between": (add(("g7", "R"), ("R", "Q")), {"R", "g7"}, set()),
    "node above": (add(("P", "top"), ("Q", "top")), {"top"}, set()),
    "gene called by a number of text": (add(("g11", "1")), {"g11", "1"}, set()),
    "one edge less": (lambda graph: graph.drop(index=graph.index[graph["source"] == "g0"]), {"P", "g1"}, {"g0"}),
    "one node less": (lambda graph: graph[graph["target"] != "Q"], {"P", "g1"}, {"Q", "g2"}),
    "one edge": (lambda graph: graph[graph["source"] == "g2"], {"Q", "g2"}, {"P", "g0"}),
    "renamed node": (rename("target", "Q", "Q/R α: new"), {"Q/R α: new"}, {"Q"}),
    "renamed like a class": (rename("target", "Q", "NK"), {"NK", "NK (output)"}, {"Q"}),
    "another gene in its place": (rename("source", "g0", "g9"), {"g9"}, {"g0"}),
    "other order": (lambda graph: graph.iloc[::-1], {"P", "Q"}, set()),
    "another index": (lambda graph: graph.set_index(graph["target"]), {"P"}, set()),
    "categories": (lambda graph: graph.astype("category"), {"P"}, set()),
    "no column prior": (lambda graph: graph.drop(columns="prior"), {"P"}, set()),
    "more columns": (lambda graph: graph.assign(note="seen"), {"P"}, set()),
    "initial weights": (lambda graph: graph.assign(initial_weight=0.5), {"P"}, set()),
    "constraints": (lambda graph: graph.assign(constraint="positive"), {"P"}, set()),
}


@pytest.mark.parametrize("case", VALID)
@pytest.mark.parametrize("before", ["built", "fitted"])
def test_valid_edits(adata, case, before):
    change, there, gone = VALID[case]
    if before == "fitted":
        e2t.tl.fit(adata, "kind", **QUICK)
        edit(adata, lambda graph: graph[graph["prior"] != "readout"].drop(columns="weight"))
    edit(adata, change)
    e2t.tl.fit(adata, "kind", **QUICK)
    names = set(adata.uns["e2t"]["nodes"]["node"])
    assert there <= names
    assert not gone & names
    check(adata)


def test_what_was_fitted_need_not_be_cleaned(adata):
    """Edges of the readout, and weights, are made anew."""
    e2t.tl.fit(adata, "kind", **QUICK)
    edit(adata, add(("g5", "R")))
    e2t.tl.fit(adata, "kind", **QUICK)
    assert {"g5", "R"} <= set(adata.uns["e2t"]["nodes"]["node"])
    check(adata)


def test_edits_in_place(adata):
    graph = adata.uns["e2t"]["graph"]
    graph.loc[len(graph)] = ["g8", "P", "by hand"]
    e2t.tl.fit(adata, "kind", **QUICK)
    assert "g8" in adata.uns["e2t"]["nodes"]["node"].tolist()
    check(adata)


def test_an_edit_equals_a_graph_built_like_that(adata, make_cells):
    edit(adata, add(("g5", "P")))
    edit(adata, lambda graph: graph[graph["target"] != "TF (node)"])
    fresh = make_cells(
        net=pd.DataFrame({"source": ["P", "P", "P", "Q", "Q"], "target": ["g0", "g1", "g5", "g1", "g2"]})
    )
    edit(adata, lambda graph: graph[graph["target"].isin(["P", "Q"])])
    for cells in (adata, fresh):
        e2t.tl.fit(cells, "kind", max_epochs=2, progress_bar=False)
    pd.testing.assert_frame_equal(adata.uns["e2t"]["nodes"], fresh.uns["e2t"]["nodes"])
    np.testing.assert_allclose(adata.obsm["e2t_proba"], fresh.obsm["e2t_proba"], atol=1e-6)


@pytest.mark.parametrize("edges", [[("P", "Q"), ("Q", "P")], [("P", "P")]], ids=["cycle", "self loop"])
@pytest.mark.parametrize("backend", ["recurrent", "graphnn"])
def test_cycles_need_a_backend_for_them(adata, unchanged, edges, backend):
    edit(adata, add(*edges))
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match=r"(cycle|self loop).*P -> .*backend that allows"):
        e2t.tl.fit(adata, "kind", **QUICK)
    e2t.tl.fit(adata, "kind", backend=backend, **QUICK)
    check(adata)


def test_labels_stay_with_their_nodes(make_cells):
    """A node that is called otherwise than its prior calls it keeps its label; a new one is its own label."""
    adata = make_cells(net=pd.DataFrame({"source": ["g1", "P", "P"], "target": ["g0", "g1", "g2"]}))
    label = adata.uns["e2t"]["nodes"].set_index("node")["label"]
    assert label["g1 (node)"] == "g1"
    edit(adata, add(("g3", "R")))
    e2t.tl.fit(adata, "kind", **QUICK)
    label = adata.uns["e2t"]["nodes"].set_index("node")["label"]
    assert label[["g1 (node)", "g1", "P", "R"]].tolist() == ["g1", "g1", "P", "R"]


def test_files_hold_edited_graphs(adata, tmp_path):
    edit(adata, add(("g5", "R"), ("R", "P")))
    e2t.tl.fit(adata, "kind", **QUICK)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    check(read)


def test_a_model_does_not_outlive_its_graph(adata, unchanged):
    e2t.tl.fit(adata, "kind", **QUICK)
    edit(adata, lambda graph: graph[graph["source"] != "g0"])
    for step in (e2t.tl.predict, e2t.tl.interpret, e2t.get.model):
        with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match=r"not the graph .*run e2t\.tl\.fit again"):
            step(adata)


INVALID = {
    "repeated edge": (lambda graph: pd.concat([graph, graph.iloc[:2]]), ["2 repeated edges", "->", "drop_duplicates"]),
    "no edges": (lambda graph: graph.iloc[:0], ["no rows"]),
    "no name": (add((None, "P")), ["'source'", "1 missing names"]),
    "empty name": (add(("g5", "")), ["empty names"]),
    "source that is neither gene nor node": (add(("g99", "P")), ["1 of", "missing in adata.var_names", "'g99'"]),
    "renamed gene": (rename("source", "g0", "G0"), ["1 of", "missing in adata.var_names", "'G0'"]),
    "node whose edges were removed": (
        lambda graph: add(("P", "top"))(graph[graph["target"] != "P"]),
        ["uns['e2t']['graph']", "nothing feeds 1 nodes", "'P'"],
    ),
    "name of another type": (add((5, "P")), ["'5'"]),
    "unknown constraint": (lambda graph: graph.assign(constraint="strong"), ["'constraint'", "'strong'", "'positive'"]),
    "sign against weight": (
        lambda graph: graph.assign(constraint="positive", initial_weight=-1.0),
        ["positive edge", "initial_weight"],
    ),
    "weights of text": (lambda graph: graph.assign(initial_weight="heavy"), ["initial_weight", "numeric"]),
}


@pytest.mark.parametrize("case", INVALID)
@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
def test_invalid_edits(adata, unchanged, case, backend):
    change, words = INVALID[case]
    edit(adata, change)
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.fit(adata, "kind", backend=backend, **QUICK)
    for word in words:
        assert word in str(error.value)


#: of these, the message says where
MORE = {
    "no column source": (lambda graph: graph.drop(columns="source"), ["'source'", "uns['e2t']['graph']"]),
    "edge into a gene": (add(("P", "g2")), ["g2", "gene"]),
    "edge into a gene that was not read": (add(("P", "g7")), ["g7", "gene"]),
}


@pytest.mark.parametrize("case", MORE)
def test_more_invalid_edits(adata, unchanged, case):
    change, words = MORE[case]
    edit(adata, change)
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.fit(adata, "kind", backend="recurrent", **QUICK)
    for word in words:
        assert word in str(error.value)


def test_a_row_without_prior_can_be_written(adata, tmp_path):
    edit(adata, lambda graph: pd.concat([graph, pd.DataFrame({"source": ["g5"], "target": ["P"]})]))
    e2t.tl.fit(adata, "kind", **QUICK)
    assert adata.uns["e2t"]["graph"]["prior"].notna().all()
    adata.write_h5ad(tmp_path / "cells.h5ad")


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_any_graph_by_hand(make_cells, data):
    """Edges drawn at random, from genes and earlier nodes to later ones."""
    adata = make_cells(n=5)
    n_nodes = data.draw(st.integers(1, 5))
    names = [f"node {i}" for i in range(n_nodes)]
    rows = [
        (source, name)
        for i, name in enumerate(names)
        for source in sorted(
            data.draw(st.sets(st.sampled_from([*adata.var_names, *names[:i]]), min_size=1, max_size=4))
        )
    ]
    order = data.draw(st.permutations(rows))
    adata.uns["e2t"]["graph"] = pd.DataFrame(order, columns=["source", "target"]).assign(prior="by hand")
    e2t.tl.fit(adata, "kind", split=(0.6, 0.4, 0), **QUICK)
    check(adata)
