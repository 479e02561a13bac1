"""Scores of edges under their names. That they are right is tested in ``tests/attribution/test_path.py``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from edge2torch import Edge2TorchError, compile_graph, customize_model, interpret_model


@pytest.mark.parametrize("options", [{}, {"width": 2}, {"backend": "recurrent"}])
def test_edges_into_a_node_add_up_to_its_score(options, edges, frame):
    """The mean over the cells, in the order of the edge list."""
    model, artifact = compile_graph(edges, activation="tanh", quiet=True, **options)
    arguments = {"output": np.array([0, 1, 1, 0, 1, 0]), "baseline": "mean", "n_steps": 10, "quiet": True}
    scores = interpret_model(model, artifact, frame, "edges", **arguments)
    assert list(scores.columns) == ["source", "target", "score"]
    pd.testing.assert_frame_equal(scores[["source", "target"]], artifact.graph.edges[["source", "target"]])
    nodes = interpret_model(model, artifact, frame, "nodes", as_table=True, **arguments).mean()
    into = scores.groupby("target")["score"].sum()
    np.testing.assert_allclose(into[nodes.index], nodes, rtol=1e-4, atol=1e-6)


def test_order_of_the_edge_list(edges, frame):
    """The artifact may be that of the same edges in another order."""
    model, artifact = compile_graph(edges, activation="tanh", quiet=True)
    _, again = compile_graph(edges.iloc[::-1], quiet=True)
    one, two = (
        interpret_model(model, names, frame, "edges", output="late", quiet=True).set_index(["source", "target"])
        for names in (artifact, again)
    )
    assert one.index.tolist() == two.index.tolist()[::-1]
    pd.testing.assert_frame_equal(one, two.loc[one.index])


def test_head(model, artifact, frame):
    """Of a head that adds outputs up, an edge's score is the sum of those for each of them."""
    head = nn.Linear(2, 1, bias=False)
    nn.init.ones_(head.weight)
    found = interpret_model(customize_model(model, head=head), artifact, frame, "edges", quiet=True)
    flat = nn.Sequential(customize_model(model, head=head), nn.Flatten(0))
    each = [interpret_model(model, artifact, frame, "edges", output=i, quiet=True)["score"] for i in range(2)]
    np.testing.assert_allclose(found["score"], each[0] + each[1], atol=1e-6)
    pd.testing.assert_frame_equal(interpret_model(flat, artifact, frame, "edges", quiet=True), found)


def test_nothing_is_left_behind(model, artifact, frame, snapshot):
    model.train()
    before = snapshot(model)
    interpret_model(model, artifact, frame, "edges", output=0, quiet=True)
    interpret_model(nn.Sequential(model), artifact, frame, "edges", output=0, quiet=True)
    assert snapshot(model) == before


BAD = {
    "method": ({"method": "LayerDeepLift"}, "target='edges' shares out LayerConductance, .*not 'LayerDeepLift'"),
    "of features": ({"method": "DeepLift"}, "'DeepLift' scores features, not nodes"),
    "options": ({"grad_kwargs": {}}, "target='edges' shares out LayerConductance, .*'grad_kwargs'"),
    "baselines": ({"baseline": torch.zeros(6, 3)}, "target='edges' compares with one baseline, not with 6 rows"),
    "target": ({"target": "edge"}, "the choices are 'features', 'nodes', 'edges'"),
    "n_steps": ({"n_steps": 0}, "n_steps"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input(arguments, message, model, artifact, frame):
    with pytest.raises(Edge2TorchError, match=message):
        interpret_model(model, artifact, frame, **{"target": "edges", "output": 1, "quiet": True, **arguments})
