"""``pp.build_graph`` writes what its docstring says, and nothing else."""

from __future__ import annotations

import logging

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import edge2torch as e2t

LINE = "table: 6 of 7 genes (86%) are in the prior, which has 8; 2 of 3 nodes kept; 5 edges, 2 layers"  # by hand


def test_slots(adata, net):
    assert e2t.pp.build_graph(adata, net, min_genes=2) is None
    result = adata.uns["e2t"]
    assert set(result) == {"graph", "nodes", "params", "coverage", "summary"}
    expected = [
        ("CD79A", "B/plasma α", "table"),
        ("MS4A1", "B/plasma α", "table"),
        ("CD2", "T cell", "table"),
        ("CD3E", "T cell", "table"),
        ("LCK", "T cell", "table"),
    ]
    pd.testing.assert_frame_equal(result["graph"], pd.DataFrame(expected, columns=["source", "target", "prior"]))
    nodes = pd.DataFrame(
        [(name, name, "input", 0, 0, 1, 1) for name in ["CD2", "CD3E", "CD79A", "LCK", "MS4A1"]]
        + [("B/plasma α", "B/plasma α", "hidden", 1, 2, 0, 2), ("T cell", "T cell", "hidden", 1, 3, 0, 3)],
        columns=["node", "label", "kind", "layer", "in_degree", "out_degree", "n_inputs"],
    )
    pd.testing.assert_frame_equal(result["nodes"], nodes)


def test_params(adata, net):
    e2t.pp.build_graph(adata, net, min_genes=2, gene_symbols="symbol", include=("T cell", "B/plasma α"))
    params = adata.uns["e2t"]["params"]
    assert list(params) == ["build_graph"]
    assert params["build_graph"].pop("include").tolist() == ["B/plasma α", "T cell"]
    assert params["build_graph"] == {
        "net": "table",
        "organism": "human",
        "genes": "targets",
        "stack": "beside",
        "min_genes": 2,
        "min_coverage": 0.0,
        "merge": False,
        "unannotated": False,
        "gene_symbols": "symbol",
        "resolve": False,
        "edge2torch_version": e2t.__version__,
    }


def test_summary(adata, net):
    e2t.pp.build_graph(adata, net, min_genes=2, gene_symbols="symbol")
    assert e2t.get.coverage(adata, per="graph").to_dict() == {
        "genes": 7,
        "genes_in_prior": 6,
        "prior_genes": 8,
        "prior_genes_measured": 6,
        "inputs": 5,
        "nodes_in_prior": 3,
        "nodes": 2,
        "edges": 5,
        "layers": 2,
        "cyclic": 0,
        "edges_cut": 0,
        "unreachable": 0,
        "hubs": 0,
        "redundant": 0,
        "share_of_counts": pytest.approx(5 / 7),  # of the ones in layers["counts"]
    }


def test_nothing_else_changes(adata, net, unchanged):
    with unchanged(adata):
        e2t.pp.build_graph(adata, net, min_genes=2)
        del adata.uns["e2t"]


def test_the_table_given_is_not_changed(adata, net):
    before = net.copy()
    e2t.pp.build_graph(adata, net, min_genes=1)
    pd.testing.assert_frame_equal(net, before)


def test_coverage_is_printed_once(adata, net, capsys):
    e2t.pp.build_graph(adata, net, min_genes=2)
    assert capsys.readouterr() == (f"[edge2torch] {LINE}\n", "")


def test_coverage_goes_to_logging_where_it_is_set_up(adata, net, capsys, caplog):
    with caplog.at_level(logging.INFO, logger="edge2torch"):
        e2t.pp.build_graph(adata, net, min_genes=2)
    assert [record.getMessage() for record in caplog.records] == [LINE]
    assert capsys.readouterr().out == ""


def test_coverage_can_be_silenced(adata, net, capsys, caplog):
    with caplog.at_level(logging.WARNING, logger="edge2torch"):
        e2t.pp.build_graph(adata, net, min_genes=2)
    assert capsys.readouterr() == ("", "")


def test_nothing_is_said_when_it_fails(adata, net, capsys):
    with pytest.raises(e2t.Edge2TorchError):
        e2t.pp.build_graph(adata, net, min_genes=9)
    assert capsys.readouterr() == ("", "")


def test_gene_symbols(adata, net):
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    symbols = pd.Series(["CD3E", "CD3E", None, "MS4A1", "CD79A", np.nan, ""], index=adata.var_names)
    for column in (symbols, symbols.astype("category"), symbols.astype("string")):
        adata.var["symbol"] = column
        e2t.pp.build_graph(adata, net, min_genes=1, gene_symbols="symbol")
        graph, nodes = adata.uns["e2t"]["graph"], adata.uns["e2t"]["nodes"].set_index("node")
        assert set(graph["source"]) == {adata.var_names[i] for i in (0, 1, 3, 4)}
        assert graph.loc[graph["target"] == "T cell", "source"].tolist() == list(adata.var_names[:2])
        assert [nodes["label"][adata.var_names[i]] for i in (0, 1, 3, 4)] == ["CD3E", "CD3E", "MS4A1", "CD79A"]
        assert nodes["n_inputs"]["T cell"] == 2


def test_min_genes_counts_genes_not_their_copies(adata, net, unchanged):
    adata.var["symbol"] = ["CD3E"] * 7
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match="the largest has 1"):
        e2t.pp.build_graph(adata, net, min_genes=2, gene_symbols="symbol")


def test_weights_of_the_table(adata, net):
    e2t.pp.build_graph(adata, net.assign(weight=np.arange(len(net)) - 2.5), min_genes=1)
    graph = adata.uns["e2t"]["graph"].set_index(["source", "target"])
    assert graph.loc[("LYZ", "myeloid"), "prior_weight"] == 3.5
    assert graph.loc[("CD3E", "T cell"), "prior_weight"] == -2.5


@pytest.fixture
def interpreted(net):
    """With a result of every function under ``"e2t"``."""
    pbmc = sc.datasets.pbmc68k_reduced()[:60].copy()
    pbmc.obs["half"] = np.where(np.arange(60) % 2, "odd", "even")
    genes = pbmc.var_names[:6].tolist()
    table = pd.DataFrame({"source": ["P", "Q"] * 3, "target": genes})
    e2t.pp.build_graph(pbmc, table, min_genes=1)
    e2t.tl.fit(pbmc, "half", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(pbmc, n_steps=2, cell_features=True)
    return pbmc, table


def test_rebuilding_removes_earlier_results_under_the_key(interpreted):
    adata, table = interpreted
    e2t.pp.build_graph(adata, table, min_genes=1, key_added="second")
    e2t.tl.fit(adata, "half", key="second", max_epochs=1, progress_bar=False)
    e2t.pp.build_graph(adata, table, min_genes=1)
    assert set(adata.uns["e2t"]) == {"graph", "nodes", "params", "coverage", "summary"}
    assert list(adata.uns["e2t"]["params"]) == ["build_graph"]
    for place in (adata.obs, adata.obsm, adata.varm):
        assert not [name for name in place if name.startswith("e2t")]
    assert {"second_pred", "second_split"} <= set(adata.obs)
    assert "model" in adata.uns["second"]


@pytest.mark.parametrize("name", ["model", "history", "metrics", "params", "graph", "nodes", "rank_nodes"])
def test_columns_and_arrays_of_the_user_stay(adata, net, unchanged, name):
    adata.obs[name] = "mine"
    adata.obsm[name] = np.ones((5, 2))
    adata.varm[name] = np.ones((7, 2))
    with unchanged(adata):
        e2t.pp.build_graph(adata, net, min_genes=1)
        del adata.uns["e2t"]


def test_two_keys_live_side_by_side(adata, net):
    e2t.pp.build_graph(adata, net, min_genes=1)
    first = adata.uns["e2t"]["graph"].copy()
    e2t.pp.build_graph(adata, net[net["source"] == "T cell"], min_genes=1, key_added="T")
    pd.testing.assert_frame_equal(adata.uns["e2t"]["graph"], first)
    assert set(adata.uns["T"]["graph"]["target"]) == {"T cell"}


def test_copy(adata, net, unchanged):
    with unchanged(adata):
        made = e2t.pp.build_graph(adata, net, min_genes=1, copy=True)
    assert isinstance(made, anndata.AnnData)
    e2t.pp.build_graph(adata, net, min_genes=1)
    pd.testing.assert_frame_equal(made.uns["e2t"]["graph"], adata.uns["e2t"]["graph"])


def test_a_view_becomes_actual(adata, net, unchanged):
    view = adata[1:4, ["CD2", "LCK", "CD3E"]]
    with unchanged(adata):
        e2t.pp.build_graph(view, net, min_genes=3)
    assert not view.is_view
    assert view.shape == (3, 3)
    assert view.uns["e2t"]["nodes"]["node"].tolist() == ["CD2", "CD3E", "LCK", "T cell"]
    np.testing.assert_array_equal(view.X, adata[1:4, ["CD2", "LCK", "CD3E"]].X)


def test_a_copy_of_a_view_leaves_the_view(adata, net):
    view = adata[:3]
    made = e2t.pp.build_graph(view, net, min_genes=1, copy=True)
    assert view.is_view
    assert not made.is_view


@pytest.mark.parametrize("name", ["hallmark", "progeny", "reactome"])
def test_shipped_priors_on_real_genes(name):
    pbmc = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(pbmc, name)
    nodes, graph = pbmc.uns["e2t"]["nodes"], pbmc.uns["e2t"]["graph"]
    assert set(nodes.loc[nodes["kind"] == "input", "node"]) <= set(pbmc.var_names)
    assert (nodes.loc[nodes["kind"] == "hidden", "n_inputs"] >= 5).all()
    assert (nodes["layer"].max() > 1) == (name == "reactome")
    assert ("prior_weight" in graph) == (name == "progeny")
    assert (graph["prior"] == name).all()
