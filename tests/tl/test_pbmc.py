"""The main job, once, on real cells: PBMC with Reactome and the defaults."""

from __future__ import annotations

import captum.attr
import networkx as nx
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

import edge2torch as e2t


def test_held_out_cells_are_told_apart_as_well_as_by_logistic_regression(pbmc):
    train, test = pbmc.obs["e2t_split"] == "train", pbmc.obs["e2t_split"] == "test"
    labels = pbmc.obs["bulk_labels"].astype(str)
    linear = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000).fit(pbmc.X[train], labels[train])
    by_line = balanced_accuracy_score(labels[test], linear.predict(pbmc.X[test]))
    by_graph = balanced_accuracy_score(labels[test], pbmc.obs["e2t_pred"].astype(str)[test])
    assert by_graph > 0.4, "four times the largest class alone, which gives 0.1"
    assert by_graph > by_line - 0.15, "some classes have one or two cells here, so one cell counts up to 0.1"


def test_metrics_are_those_of_the_predictions(pbmc):
    table = pbmc.uns["e2t"]["metrics"].set_index("split")
    assert list(table.index) == ["train", "validation", "test"]
    assert table["n_cells"].sum() == pbmc.n_obs
    for name, cells in pbmc.obs.groupby("e2t_split", observed=True):
        true, guess = cells["bulk_labels"].astype(str), cells["e2t_pred"].astype(str)
        assert table.loc[name, "accuracy"] == (true == guess).mean()
        assert np.isclose(table.loc[name, "balanced_accuracy"], balanced_accuracy_score(true, guess))


def test_b_cells_are_known_by_their_receptor(pbmc):
    by_cluster = pbmc.obs.groupby("louvain", observed=True)["bulk_labels"].agg(lambda kinds: kinds.mode()[0])
    clusters = by_cluster.index[by_cluster == "CD19+ B"]
    assert len(clusters)
    adata = e2t.tl.interpret(pbmc, groupby="louvain", copy=True)
    for adata_, group in [(adata, cluster) for cluster in clusters] + [(pbmc, "CD19+ B")]:
        ranked = adata_.uns["e2t"]["rank_nodes"]
        top = ranked.loc[ranked["group"] == str(group), "node"].head(5)
        assert top.str.contains(r"B Cell Receptor|\(BCR\)", regex=True).any(), top.tolist()


def test_deep_scores_equal_captum_by_hand(pbmc):
    model, artifact = e2t.get.model(pbmc)
    assert len(model.blocks) > 5
    rows = np.arange(0, 700, 70)
    x = torch.from_numpy(np.ascontiguousarray(pbmc[rows, artifact.feature_names].X))
    outputs = pbmc.uns["e2t"]["nodes"].query("kind == 'output'")["label"].tolist()
    target = torch.tensor([outputs.index(label) for label in pbmc.obs["bulk_labels"].iloc[rows]])
    features = captum.attr.IntegratedGradients(model).attribute(x, target=target, n_steps=20)
    np.testing.assert_allclose(pbmc.obsm["e2t_features"][rows], features, atol=1e-5, rtol=1e-3)
    nodes = e2t.get.nodes(pbmc)
    for layer, block in enumerate(model.blocks, start=1):
        scores = captum.attr.LayerConductance(model, block).attribute(x, target=target, n_steps=20).detach()
        by_name = pd.DataFrame(scores.numpy(), columns=artifact.node_names_by_layer[f"layer_{layer}"])
        hidden = [name for name in by_name if name in nodes.var_names]
        np.testing.assert_allclose(nodes[rows, hidden].X, by_name[hidden], atol=1e-5, rtol=1e-3)


def test_the_default_number_of_steps_is_enough(pbmc):
    """The scores of the genes add up to the change of the logit, within 1 % of the range of such changes."""
    model, artifact = e2t.get.model(pbmc)
    x = torch.from_numpy(np.ascontiguousarray(pbmc[:, artifact.feature_names].X))
    outputs = pbmc.uns["e2t"]["nodes"].query("kind == 'output'")["label"].tolist()
    target = [outputs.index(label) for label in pbmc.obs["bulk_labels"]]
    with torch.no_grad():
        change = (model(x) - model(torch.zeros_like(x[:1])))[np.arange(len(x)), target].numpy()
    error = np.abs(pbmc.obsm["e2t_features"].sum(axis=1) - change)
    assert error.max() < 0.01 * np.ptp(change)


def test_the_graph_keeps_the_hierarchy(pbmc):
    graph = e2t.get.graph(pbmc)
    assert graph.number_of_nodes() == len(pbmc.uns["e2t"]["nodes"])
    signalling = "Signaling by the B Cell Receptor (BCR)"
    assert {"CD79A", "CD79B"} <= nx.ancestors(graph, signalling)
    assert {"Adaptive Immune System", "Immune System"} <= nx.descendants(graph, signalling)
