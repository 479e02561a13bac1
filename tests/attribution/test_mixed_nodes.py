"""Methods and nodes that differ in activation, dropout and width."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from edge2torch import compile_graph, interpret_model

EDGES = pd.DataFrame({"source": ["a", "b", "b", "h", "k", "a"], "target": ["h", "h", "k", "out", "out", "out"]})
NODES = {
    "linear": {"activation": ["linear"]},
    "relu": {"activation": ["relu"]},
    "dropout": {"dropout": [0.5]},
    "width": {"width": [3]},
}


@pytest.mark.parametrize("method", ["LRP", "DeepLift", "IntegratedGradients"])
@pytest.mark.parametrize("options", NODES)
def test_features_are_complete(options, method):
    """Without biases, scores add up to the output less the output at zero."""
    nodes = pd.DataFrame({"node": ["h"], **NODES[options]})
    model, artifact = compile_graph(EDGES, activation="tanh", bias=False, nodes=nodes, quiet=True)
    model.double()
    x = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    scores = interpret_model(model, artifact, x, method=method, quiet=True)
    expected = model.eval()(x).detach()[:, 0]
    torch.testing.assert_close(torch.tensor(scores.to_numpy()).sum(dim=1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["LayerLRP", "LayerDeepLift", "LayerConductance"])
@pytest.mark.parametrize("options", NODES)
def test_nodes_have_one_column_each(options, method):
    nodes = pd.DataFrame({"node": ["h"], **NODES[options]})
    model, artifact = compile_graph(EDGES, activation="tanh", bias=False, nodes=nodes, quiet=True)
    scores = interpret_model(model, artifact, torch.ones(2, 2), target="nodes", method=method, quiet=True)
    assert [list(table.columns) for table in scores.values()] == [["h", "k"], ["out"]]
