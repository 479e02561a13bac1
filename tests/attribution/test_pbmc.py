"""Scores of real cells, in float32: completeness, and edges that add up to nodes."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
import torch
from torch import Tensor

import edge2torch as e2t
from edge2torch.attribution import PathScores, path_scores
from edge2torch.nn import EdgeModel


@pytest.fixture(scope="module")
def fitted() -> tuple[EdgeModel, PathScores, Tensor]:
    """Each cell explained for its own class after a short fit; edges by class."""
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "hallmark")
    e2t.tl.fit(adata, "bulk_labels", max_epochs=10, progress_bar=False)
    model, artifact = e2t.get.model(adata)
    x = torch.from_numpy(np.ascontiguousarray(adata[:, artifact.feature_names].X))
    outputs = adata.uns["e2t"]["nodes"].query("kind == 'output'")["label"].tolist()
    classes = torch.tensor([outputs.index(label) for label in adata.obs["bulk_labels"]])
    weights = torch.nn.functional.one_hot(classes)[None]
    return model, path_scores(model, x, weights, groups=classes), classes


def test_features_add_up(fitted):
    """To what is explained, up to the rounding of float32: docs/attribution.md."""
    _, scores, _ = fitted
    error = (scores.features.sum(dim=2) - scores.difference).abs()
    assert error.mean() < 1e-6 * scores.difference.abs().mean()
    assert error.max() < 1e-5 * scores.difference.abs().max()


def test_edges_add_up(fitted):
    """Into every node, to its conductance in the cells of a class."""
    model, scores, classes = fitted
    into = torch.zeros(scores.edges.shape[1], scores.nodes.shape[2], dtype=torch.float64)
    into.index_add_(1, model.edge_ends[1] - model.n_features, scores.edges[0])
    expected = torch.zeros_like(into).index_add_(0, classes, scores.nodes[0].double())
    torch.testing.assert_close(into, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
