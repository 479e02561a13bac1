"""Results under their names."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch
from anndata import AnnData

import edge2torch as e2t


def table(adata, kind):
    nodes = adata.uns["e2t"]["nodes"]
    return nodes[nodes["kind"] == kind].reset_index(drop=True)


def test_nodes(fitted):
    nodes = e2t.get.nodes(fitted)
    assert isinstance(nodes, AnnData)
    np.testing.assert_array_equal(nodes.X, fitted.obsm["e2t_nodes"])
    assert nodes.X.dtype == np.float32
    pd.testing.assert_frame_equal(nodes.obs, fitted.obs)
    rows = table(fitted, "hidden")
    assert nodes.var_names.tolist() == rows["node"].tolist()
    pd.testing.assert_frame_equal(nodes.var.reset_index(drop=True), rows.drop(columns="node"))
    assert set(nodes.obsm) == {"X_umap"}, "embeddings, but none of the scores, nor the components of genes"
    np.testing.assert_array_equal(nodes.obsm["X_umap"], fitted.obsm["X_umap"])
    colours = {name for name in fitted.uns if name.endswith("_colors")}
    assert colours
    assert set(nodes.uns) == colours


def test_nodes_are_a_copy(fitted):
    before = fitted.copy()
    nodes = e2t.get.nodes(fitted)
    nodes.X[:] = 0
    nodes.obs["bulk_labels"] = "changed"
    nodes.obsm["X_umap"][:] = 0
    nodes.var["layer"] = 99
    nodes.uns["bulk_labels_colors"][0] = "changed"
    np.testing.assert_array_equal(fitted.obsm["e2t_nodes"], before.obsm["e2t_nodes"])
    pd.testing.assert_frame_equal(fitted.obs, before.obs)
    pd.testing.assert_frame_equal(fitted.uns["e2t"]["nodes"], before.uns["e2t"]["nodes"])
    np.testing.assert_array_equal(fitted.obsm["X_umap"], before.obsm["X_umap"])
    np.testing.assert_array_equal(fitted.uns["bulk_labels_colors"], before.uns["bulk_labels_colors"])


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # scanpy's use of matplotlib
def test_scanpy_works_on_nodes(fitted):
    import matplotlib.pyplot as plt

    nodes = e2t.get.nodes(fitted)
    axes = sc.pl.umap(nodes, color=[nodes.var_names[0], "bulk_labels"], show=False)
    assert len(axes) == 2
    shown = sc.pl.matrixplot(nodes, nodes.var_names[:3], "bulk_labels", show=False, return_fig=True)
    expected = pd.DataFrame(nodes.X[:, :3]).groupby(nodes.obs["bulk_labels"].to_numpy(), observed=True).mean()
    np.testing.assert_allclose(shown.values_df.loc[expected.index], expected, rtol=1e-4)
    plt.close("all")


def test_features(fitted):
    scores = e2t.get.features(fitted)
    assert scores.index.equals(fitted.var_names)
    assert scores.columns.tolist() == table(fitted, "output")["label"].tolist()
    np.testing.assert_array_equal(scores, fitted.varm["e2t_features"])
    by_cell = pd.DataFrame(fitted.obsm["e2t_features"], columns=table(fitted, "input")["node"])
    expected = by_cell.groupby(fitted.obs["bulk_labels"].astype(str).to_numpy()).mean().T
    np.testing.assert_allclose(scores.loc[expected.index, expected.columns], expected, atol=1e-6)
    assert (scores.drop(index=expected.index) == 0).all(axis=None)


def test_features_are_a_copy(fitted):
    before = fitted.varm["e2t_features"].copy()
    scores = e2t.get.features(fitted)
    scores.iloc[:, :] = 99.0
    np.testing.assert_array_equal(fitted.varm["e2t_features"], before)


def test_results_of_a_view(fitted):
    view = fitted[:10, ::-1]
    assert e2t.get.nodes(view).shape == (10, len(table(fitted, "hidden")))
    pd.testing.assert_frame_equal(e2t.get.features(view), e2t.get.features(fitted)[::-1])
    assert view.is_view
    model, _ = e2t.get.model(view)
    assert not model.training


def test_edges(fitted):
    edges, graph = e2t.get.edges(fitted), fitted.uns["e2t"]["graph"]
    assert edges.columns.tolist() == ["source", "target", "weight", "group", "score"]
    groups = fitted.obs["bulk_labels"].cat.categories.tolist()
    assert edges["group"].tolist() == np.repeat(groups, len(graph)).tolist()
    for _, part in edges.groupby("group"):
        ends = ["source", "target", "weight"]
        pd.testing.assert_frame_equal(part[ends].reset_index(drop=True), graph[ends])
    arriving = edges.groupby(["group", "target"])["score"].sum()
    ranked = fitted.uns["e2t"]["rank_nodes"].set_index(["group", "node"])["score"]
    np.testing.assert_allclose(arriving[ranked.index], ranked, rtol=1e-3, atol=1e-6)


def test_activations_stay_within_the_activation(fitted):
    states = e2t.get.nodes(fitted, of="activations")
    np.testing.assert_array_equal(states.X, fitted.obsm["e2t_activations"])
    assert (np.abs(states.X) <= 1).all(), "tanh"
    assert states.var_names.tolist() == e2t.get.nodes(fitted).var_names.tolist()


def test_graph_before_the_fit(built):
    graph = e2t.get.graph(built)
    assert isinstance(graph, nx.DiGraph)
    assert set(graph.edges) == {
        ("CD3E", "TF1 (node)"),
        ("LYZ", "TF1 (node)"),
        ("CD2", "T/cell"),
        ("TF1", "T/cell"),
    }
    assert graph.edges["LYZ", "TF1 (node)"] == {"prior": "table", "prior_weight": -2.0}
    assert graph.nodes["TF1 (node)"]["label"] == "TF1"
    assert {name: data["kind"] for name, data in graph.nodes.items()} == {
        **dict.fromkeys(["CD3E", "CD2", "TF1", "LYZ"], "input"),
        **dict.fromkeys(["TF1 (node)", "T/cell"], "hidden"),
    }


def test_graph_holds_both_tables(fitted):
    graph = e2t.get.graph(fitted)
    edges, nodes = fitted.uns["e2t"]["graph"], fitted.uns["e2t"]["nodes"].set_index("node")
    assert graph.number_of_edges() == len(edges)
    for source, target, *row in edges.itertuples(index=False):
        assert graph.edges[source, target] == dict(zip(edges.columns[2:], row, strict=True))
    known = nodes.astype(object).where(nodes.notna(), None)  # NaN is not equal to itself
    held = pd.DataFrame.from_dict(dict(graph.nodes), orient="index").astype(object)
    pd.testing.assert_frame_equal(held.where(held.notna(), None), known, check_names=False)
    depth = dict.fromkeys(nodes.index, 0)
    for name in nx.topological_sort(graph):
        depth[name] = max((depth[below] + 1 for below in graph.predecessors(name)), default=0)
    assert depth == nodes["layer"].to_dict(), "the longest path from an input"
    assert dict(graph.in_degree) == nodes["in_degree"].to_dict()
    assert dict(graph.out_degree) == nodes["out_degree"].to_dict()
    inputs = set(nodes.index[nodes["kind"] == "input"])
    for name in nodes.index[nodes["kind"] == "hidden"]:
        assert len(nx.ancestors(graph, name) & inputs) == nodes["n_inputs"][name]


def test_model(fitted):
    model, artifact = e2t.get.model(fitted)
    assert not model.training
    assert artifact.feature_names == table(fitted, "input")["node"].tolist()
    assert artifact.hidden_nodes == table(fitted, "hidden")["node"].tolist()
    assert artifact.output_nodes == table(fitted, "output")["node"].tolist()
    pd.testing.assert_frame_equal(artifact.graph.edges, fitted.uns["e2t"]["graph"][["source", "target"]])
    x = e2t.align_features_to_input_nodes(fitted, artifact)
    with torch.no_grad():
        proba = model(x).softmax(dim=1)
    np.testing.assert_allclose(proba, fitted.obsm["e2t_proba"], atol=1e-6)
    np.testing.assert_allclose(model.edge_weights().detach(), fitted.uns["e2t"]["graph"]["weight"])


def test_a_model_is_a_copy(fitted):
    before = fitted.obsm["e2t_proba"].copy()
    model, _ = e2t.get.model(fitted)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    e2t.tl.predict(fitted)
    np.testing.assert_array_equal(fitted.obsm["e2t_proba"], before)


def test_a_model_goes_into_the_core_verbs(fitted):
    """Scores of ``interpret_model`` are those of ``tl.interpret``."""
    model, artifact = e2t.get.model(fitted)
    cells = fitted[:5].copy()
    target = np.array([table(fitted, "output")["label"].tolist().index(label) for label in cells.obs["bulk_labels"]])
    features = e2t.interpret_model(model, artifact, cells, output=target, n_steps=4, quiet=True)  # points of the path
    np.testing.assert_allclose(features, fitted.obsm["e2t_features"][:5], atol=1e-6)
    assert features.index.equals(cells.obs_names)
    layers = e2t.interpret_model(model, artifact, cells, "nodes", output=target, n_steps=3, quiet=True)
    by_name = pd.concat(layers.values(), axis=1)
    nodes = e2t.get.nodes(cells)
    np.testing.assert_allclose(by_name[nodes.var_names], nodes.X, atol=1e-6)


@pytest.mark.parametrize("name", ["nodes", "features", "model"])
def test_what_is_missing_is_said_with_who_makes_it(built, name):
    maker = "e2t.tl.fit" if name == "model" else "e2t.tl.interpret"
    with pytest.raises(e2t.Edge2TorchError, match=maker):
        getattr(e2t.get, name)(built)


@pytest.mark.parametrize("name", ["nodes", "features", "edges", "model", "graph"])
def test_another_key(fitted, name):
    with pytest.raises(e2t.Edge2TorchError, match=r"adata.uns\['mine'\] has no .*there is one under 'e2t'"):
        getattr(e2t.get, name)(fitted, key="mine")
    with pytest.raises(e2t.Edge2TorchError, match="without '/'"):
        getattr(e2t.get, name)(fitted, key="my/key")
    del fitted.uns["e2t"]
    with pytest.raises(e2t.Edge2TorchError, match=r"run e2t\.(pp|tl)\.\w+ first"):
        getattr(e2t.get, name)(fitted)


def test_arrays_that_do_not_fit_the_table_are_refused(fitted):
    fitted.obsm["e2t_nodes"] = fitted.obsm["e2t_nodes"][:, 1:]
    fitted.varm["e2t_features"] = fitted.varm["e2t_features"][:, 1:]
    for function in (e2t.get.nodes, e2t.get.features):
        with pytest.raises(e2t.Edge2TorchError, match=r"columns.*run e2t\.tl\.interpret again"):
            function(fitted)


def test_a_graph_that_was_changed_is_refused(fitted):
    graph = fitted.uns["e2t"]["graph"]
    for changed in (graph.iloc[:-1], graph.assign(target=graph["target"].replace("Dendritic", "DC"))):
        fitted.uns["e2t"]["graph"] = changed
        with pytest.raises(e2t.Edge2TorchError, match="not the graph that the model was trained on"):
            e2t.get.model(fitted)


@pytest.mark.parametrize("name", ["nodes", "features", "edges", "model", "graph"])
def test_getting_changes_nothing(fitted, name):
    before = fitted.copy()
    getattr(e2t.get, name)(fitted)
    for part in ("graph", "nodes", "history", "metrics", "rank_nodes"):
        pd.testing.assert_frame_equal(fitted.uns["e2t"][part], before.uns["e2t"][part])
    for place in ("obsm", "varm"):
        assert list(getattr(fitted, place)) == list(getattr(before, place))
    pd.testing.assert_frame_equal(fitted.obs, before.obs)
