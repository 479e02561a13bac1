"""``pp.add_edges`` and ``pp.remove_nodes``: what is written, what goes with it, what is refused."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.graph import READOUT

MINE = [("unknown", "my node"), ("my node", "top"), ("T cell", "top")]


def table(rows, **columns) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["source", "target"]).assign(**columns)


def pairs(adata, key="e2t") -> set[tuple[str, str]]:
    graph = adata.uns[key]["graph"]
    return set(zip(graph["source"], graph["target"], strict=True))


@pytest.fixture
def built(adata, net, capsys):
    """T cell reads three genes, B/plasma α two, myeloid one."""
    e2t.pp.build_graph(adata, net, min_genes=1)
    adata.uns["text"] = "somebody else's"
    capsys.readouterr()
    return adata


@pytest.fixture
def fitted(built):
    rng = np.random.default_rng(0)
    big = anndata.AnnData(
        rng.random((60, built.n_vars), dtype=np.float32),
        obs=pd.DataFrame({"half": ["odd", "even"] * 30}, index=[f"cell_{i}" for i in range(60)]),
        var=built.var,
        uns=built.uns,
    )
    e2t.tl.fit(big, "half", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(big, n_steps=2, cell_features=True)
    return big


CALLS = {
    "add_edges": lambda adata, **more: e2t.pp.add_edges(adata, table(MINE), **more),
    "remove_nodes": lambda adata, **more: e2t.pp.remove_nodes(adata, "T cell", **more),
}
each_call = pytest.mark.parametrize("call", CALLS)


def test_edges_and_nodes_are_added(built, capsys):
    before = pairs(built)
    assert e2t.pp.add_edges(built, table(MINE)) is None
    assert pairs(built) == before | set(MINE)
    graph, nodes = built.uns["e2t"]["graph"], built.uns["e2t"]["nodes"].set_index("node")
    assert graph["prior"].tolist() == ["table"] * 6 + ["added"] * 3
    assert nodes.loc[["unknown", "my node", "top"], "kind"].tolist() == ["input", "hidden", "hidden"]
    assert nodes.loc[["unknown", "my node", "top"], "label"].tolist() == ["unknown", "my node", "top"]
    assert nodes.loc[["my node", "top"], "layer"].tolist() == [1, 2]
    assert nodes.loc[["my node", "top"], "n_inputs"].tolist() == [1, 4]
    line = "[edge2torch] e2t: 3 edges added, with 1 new input and 2 new nodes ('my node', 'top')\n"
    assert capsys.readouterr() == (line, "")


def test_calls_are_recorded_and_a_new_build_forgets_them(built, net):
    e2t.pp.add_edges(built, table(MINE))
    e2t.pp.add_edges(built, table([("LYZ", "T cell")], prior="a paper"))
    e2t.pp.remove_nodes(built, "top")
    e2t.pp.remove_nodes(built, ["myeloid", "unknown"])
    params = built.uns["e2t"]["params"]
    assert params["add_edges"]["source"].tolist() == [*(source for source, _ in MINE), "LYZ"]
    assert params["add_edges"]["target"].tolist() == [*(target for _, target in MINE), "T cell"]
    assert params["add_edges"]["prior"].tolist() == ["added"] * 3 + ["a paper"]
    assert params["remove_nodes"]["nodes"].tolist() == ["top", "myeloid", "unknown"]
    assert params["build_graph"]["min_genes"] == 1
    e2t.pp.build_graph(built, net, min_genes=1)
    assert list(built.uns["e2t"]["params"]) == ["build_graph"]


def test_weights_and_constraints(built):
    e2t.pp.add_edges(built, table([("LYZ", "T cell")], initial_weight=0.5, constraint="fixed", prior=[None]))
    graph = built.uns["e2t"]["graph"]
    assert graph["constraint"].tolist() == ["unconstrained"] * 6 + ["fixed"]
    np.testing.assert_array_equal(graph["initial_weight"], [np.nan] * 6 + [0.5])
    assert graph["prior"].iloc[-1] == "added"
    e2t.pp.add_edges(built, table([("CD2", "myeloid")]))
    assert built.uns["e2t"]["graph"]["constraint"].iloc[-2:].tolist() == ["fixed", "unconstrained"]


def test_columns_of_the_graph_may_be_given(built, net):
    e2t.pp.build_graph(built, net.assign(weight=2.0), min_genes=1, weights=None)
    assert "prior_weight" in built.uns["e2t"]["graph"]
    e2t.pp.add_edges(built, table([("LYZ", "T cell")], prior_weight=7.0))
    assert built.uns["e2t"]["graph"]["prior_weight"].iloc[-1] == 7


@pytest.fixture
def labelled(adata):
    """CD2 is a gene and a node; MYC a node, and a gene that the prior does not have."""
    adata.var_names = ["CD3E", "CD2", "LCK", "MS4A1", "CD79A", "MYC", "EGFR"]
    rows = [("CD2", "CD3E"), ("CD2", "LCK"), ("x", "CD2"), ("MYC", "LCK")]
    e2t.pp.build_graph(adata, table(rows), min_genes=1)
    assert set(adata.uns["e2t"]["nodes"]["node"]) == {"CD3E", "CD2", "LCK", "CD2 (node)", "x", "MYC"}
    return adata


def test_names_go_before_labels(labelled):
    before = pairs(labelled)
    e2t.pp.add_edges(labelled, table([("CD2", "MYC"), ("MYC", "x"), ("EGFR", "CD2")]))
    assert pairs(labelled) - before == {("CD2", "MYC"), ("MYC", "x"), ("EGFR", "CD2 (node)")}


def test_new_nodes_are_found_by_the_edges_they_feed(built):
    e2t.pp.add_edges(built, table([("b", "c"), ("a", "b"), ("LYZ", "a")]))
    layer = built.uns["e2t"]["nodes"].set_index("node")["layer"]
    assert layer[["a", "b", "c"]].tolist() == [1, 2, 3]


def test_cycles_are_told_and_can_be_fitted(fitted, capsys):
    capsys.readouterr()
    e2t.pp.add_edges(fitted, table([("T cell", "myeloid"), ("myeloid", "T cell"), ("myeloid", "myeloid")]))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "[edge2torch] e2t: 3 edges added",
        "[edge2torch] e2t: the graph has cycles: fit with backend='recurrent' or 'graphnn'",
    ]
    with pytest.raises(e2t.Edge2TorchError, match="self loop"):
        e2t.tl.fit(fitted, "half", max_epochs=1, progress_bar=False)
    e2t.tl.fit(fitted, "half", backend="recurrent", max_epochs=1, progress_bar=False)


def test_what_was_added_is_fitted(fitted):
    e2t.pp.add_edges(fitted, table(MINE))
    e2t.tl.fit(fitted, "half", max_epochs=1, progress_bar=False)
    assert set(MINE) < pairs(fitted)
    assert "weight" in fitted.uns["e2t"]["graph"]


def test_nodes_are_removed(built, capsys):
    before = pairs(built)
    e2t.pp.remove_nodes(built, ["T cell", "MS4A1"])
    assert pairs(built) == {(s, t) for s, t in before if t != "T cell" and s != "MS4A1"}
    assert set(built.uns["e2t"]["nodes"]["node"]) == {"CD79A", "LYZ", "B/plasma α", "myeloid"}
    line = "[edge2torch] e2t: 1 of 3 nodes and 1 of 6 inputs removed; with them 3 inputs that no node reads any more\n"
    assert capsys.readouterr() == (line, "")


def test_nodes_that_no_input_reaches_go_too(built, capsys):
    rows = [("myeloid", "a"), ("a", "b"), ("b", "a"), ("b", "c"), ("T cell", "c"), ("T cell", "d")]
    e2t.pp.add_edges(built, table(rows))
    capsys.readouterr()
    e2t.pp.remove_nodes(built, "LYZ")
    assert set(built.uns["e2t"]["nodes"].query("kind == 'hidden'")["node"]) == {"T cell", "B/plasma α", "c", "d"}
    assert "; with them 3 nodes that no input reaches any more\n" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Index, pd.Series, set])
def test_nodes_may_be_any_collection(built, kind):
    e2t.pp.remove_nodes(built, kind(["T cell", "myeloid"]))
    assert set(built.uns["e2t"]["graph"]["target"]) == {"B/plasma α"}


def test_nodes_are_removed_by_label(labelled):
    labelled.uns["e2t"]["nodes"]["label"] = labelled.uns["e2t"]["nodes"]["label"].replace({"x": "label of x"})
    e2t.pp.remove_nodes(labelled, "label of x")
    assert set(labelled.uns["e2t"]["graph"]["target"]) == {"CD2 (node)", "MYC"}


@each_call
def test_what_was_fitted_is_removed(fitted, call):
    fitted.obs["mine"] = 1
    CALLS[call](fitted)
    assert set(fitted.uns["e2t"]) >= {"graph", "nodes", "params"}
    assert not {"model", "history", "metrics", "rank_nodes"} & set(fitted.uns["e2t"])
    assert set(fitted.uns["e2t"]["params"]) == {"build_graph", call}
    assert "weight" not in fitted.uns["e2t"]["graph"]
    assert READOUT not in set(fitted.uns["e2t"]["graph"]["prior"])
    assert set(fitted.uns["e2t"]["nodes"]["kind"]) == {"input", "hidden"}
    assert list(fitted.obs) == ["half", "mine"]
    assert not [name for place in (fitted.obsm, fitted.varm) for name in place if name.startswith("e2t")]


@each_call
def test_copy(built, unchanged, call):
    with unchanged(built):
        made = CALLS[call](built, copy=True)
    CALLS[call](built)
    pd.testing.assert_frame_equal(made.uns["e2t"]["graph"], built.uns["e2t"]["graph"])
    pd.testing.assert_frame_equal(made.uns["e2t"]["nodes"], built.uns["e2t"]["nodes"])


@each_call
def test_files(built, tmp_path, call):
    CALLS[call](built)
    built.write_h5ad(tmp_path / "made.h5ad")
    read = anndata.read_h5ad(tmp_path / "made.h5ad")
    e2t.pp.add_edges(read, table([("LYZ", "again")]))
    e2t.pp.remove_nodes(read, "again")
    assert pairs(read) <= pairs(built)
    params = read.uns["e2t"]["params"]
    assert params["remove_nodes"]["nodes"].tolist()[-1] == "again"
    assert params["add_edges"]["source"].tolist() == [*(s for s, _ in MINE if call == "add_edges"), "LYZ"]
    read.write_h5ad(tmp_path / "again.h5ad")


def test_the_table_given_is_not_changed(built):
    before = table(MINE)
    given = before.copy()
    e2t.pp.add_edges(built, given)
    pd.testing.assert_frame_equal(given, before)


WRONG_EDGES = {
    "no table": ([("LYZ", "T cell")], ["edges", "DataFrame"]),
    "columns": (table([("LYZ", "T cell")]).rename(columns={"source": "from"}), ["edges", "'source'"]),
    "empty": (table([]), ["edges", "no rows"]),
    "repeated": (table([("LYZ", "T cell")] * 2), ["edges", "LYZ -> T cell"]),
    "repeated by label": (table([("LYZ", "T cell"), ("LYZ", "T")]), ["repeated", "LYZ -> T cell"]),
    "there": (table([("CD2", "T cell"), ("LYZ", "T cell")]), ["1 of the edges", "CD2 -> T cell"]),
    "into an input": (table([("T cell", "LYZ")]), ["into 1 genes ('LYZ')", "'LYZ (node)'"]),
    "into a gene": (table([("T cell", "unknown")]), ["into 1 genes ('unknown')"]),
    "unknown source": (table([("T cel", "x"), ("CD3", "x")]), ["2 sources", "'T cel' (nearest: 'T cell')", "'CD3E'"]),
    "unreached": (table([("p", "q"), ("q", "p")]), ["no gene reaches 2 new nodes", "'p', 'q'"]),
    "column": (table([("LYZ", "T cell")], weight=1.0), ["'weight'", "'initial_weight'"]),
    "readout": (table([("LYZ", "T cell")], prior=READOUT), ["'readout'"]),
    "constraint": (table([("LYZ", "T cell")], constraint="up"), ["'up'"]),
    "fixed": (table([("LYZ", "T cell")], constraint="fixed"), ["needs an initial_weight"]),
    "ambiguous": (table([("LYZ", "twice")]), ["'twice' is the label of 2 nodes", "'myeloid'"]),
}


@pytest.fixture
def prepared(built):
    nodes = built.uns["e2t"]["nodes"]
    nodes["label"] = nodes["label"].replace({"T cell": "T", "myeloid": "twice", "B/plasma α": "twice"})
    return built


@pytest.mark.parametrize("case", WRONG_EDGES)
@pytest.mark.parametrize("copy", [False, True])
def test_wrong_edges_leave_everything_as_it_was(prepared, unchanged, case, copy, capsys):
    wrong, words = WRONG_EDGES[case]
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.pp.add_edges(prepared, wrong, copy=copy)
    for word in words:
        assert word in str(error.value)
    assert capsys.readouterr() == ("", "")


WRONG_NODES = {
    "unknown": (["T cel", "LYZ"], ["1 of 2", "'T cel' (nearest: 'T cell')"]),
    "gene that is not in the graph": ("unknown", ["1 of 1", "'unknown'"]),
    "ambiguous": ("twice", ["'twice' is the label of 2 nodes"]),
    "all": (["T cell", "myeloid", "B/plasma α"], ["no edge would be left"]),
    "all inputs": (["CD3E", "CD2", "LCK", "MS4A1", "CD79A", "LYZ"], ["no edge would be left"]),
    "none": ([], ["nodes=[]"]),
    "nothing": (None, ["nodes=None"]),
    "numbers": ([1], ["nodes=[1]"]),
}


@pytest.mark.parametrize("case", WRONG_NODES)
@pytest.mark.parametrize("copy", [False, True])
def test_wrong_nodes_leave_everything_as_it_was(prepared, unchanged, case, copy, capsys):
    wrong, words = WRONG_NODES[case]
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.pp.remove_nodes(prepared, wrong, copy=copy)
    for word in words:
        assert word in str(error.value)
    assert capsys.readouterr() == ("", "")


def test_outputs_of_a_fit_are_no_nodes_to_remove(fitted, unchanged):
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match="'odd'"):
        e2t.pp.remove_nodes(fitted, "odd")


@each_call
def test_there_must_be_a_graph(adata, unchanged, call):
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match=r"e2t\.pp\.build_graph"):
        CALLS[call](adata)
