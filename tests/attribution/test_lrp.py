"""Layer-wise relevance propagation (doi:10.1371/journal.pone.0130140) against its epsilon rule, edge by edge."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr._core.lrp import SUPPORTED_NON_LINEAR_LAYERS
from torch import Tensor, nn

from edge2torch import CompileArtifact, customize_model
from edge2torch.attribution import METHODS, Request, feature_scores, node_scores
from edge2torch.attribution.methods import LRP
from edge2torch.nn import EdgeModel

FUNCTIONS: dict[str | None, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    None: lambda z: z,
}


def relevance(
    model: EdgeModel, artifact: CompileArtifact, x: Tensor, activation: str | None, output: str
) -> dict[str, np.ndarray]:
    """Relevance of every node: forwards for the states, then backwards from the value of the output."""
    edges = artifact.graph.edges.assign(weight=model.edge_weights().tolist())
    state = dict(zip(artifact.feature_names, x.numpy().T, strict=True))
    total = {}
    layers = list(artifact.node_names_by_layer.values())
    for block, nodes in zip(model.blocks, layers[1:], strict=True):
        for i, node in enumerate(nodes):
            into = edges[edges["target"] == node]
            bias = 0.0 if block.linear.bias is None else block.linear.bias[i].item()
            total[node] = bias + sum(e.weight * state[e.source] for e in into.itertuples())
            state[node] = total[node] if node in artifact.output_nodes else FUNCTIONS[activation](total[node])
    passed = {name: np.zeros(len(x)) for names in layers for name in names}
    passed[output] = total[output]
    for nodes in layers[:0:-1]:
        for edge in edges[edges["target"].isin(nodes)].itertuples():
            stabilized = total[edge.target] + 1e-9 * np.where(total[edge.target] >= 0, 1, -1)
            passed[edge.source] += state[edge.source] * edge.weight / stabilized * passed[edge.target]
    return passed


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh", None])
@pytest.mark.parametrize("graph", ["chain", "skipping"])
def test_epsilon_rule(graph, activation, bias, make, x):
    model, artifact = make(graph, activation, bias=bias)
    for position, output in enumerate(artifact.output_nodes):
        expected = relevance(model, artifact, x, activation, output)
        features = feature_scores(model, METHODS["LRP"], x, Request(output=position))
        nodes = node_scores(model, METHODS["LayerLRP"], x, Request(output=position))
        for table, names in zip([features, *nodes], artifact.node_names_by_layer.values(), strict=True):
            by_hand = np.stack([expected[name] for name in names], axis=1)
            np.testing.assert_allclose(table.numpy(), by_hand, rtol=1e-5, atol=1e-7)


def test_relu_model_without_biases_conserves_the_output(make, x):
    """Nothing is lost on the way, in no layer of a graph without skip edges."""
    pairs = ["a h", "b h", "b g", "c g", "h k", "g k", "g l", "k out", "l out"]
    edges = pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])
    model, _ = make(edges.assign(initial_weight=[1.0, 0.5, -0.4, 0.8, 1.2, 0.7, 0.9, 1.1, -0.6]), "relu", bias=False)
    x = x.abs()
    value = model(x)[:, 0].detach()
    assert (value.abs() > 0.1).all(), "the ReLUs are open"
    features = feature_scores(model, METHODS["LRP"], x, Request())
    for table in [features, *node_scores(model, METHODS["LayerLRP"], x, Request())]:
        torch.testing.assert_close(table.sum(dim=1), value, rtol=1e-6, atol=1e-6)


def test_skip_edges_carry_relevance_past_a_layer(make, x):
    model, artifact = make("skipping", "relu", bias=False)
    for output in range(2):
        scores = feature_scores(model, METHODS["LRP"], x, Request(output=output))
        torch.testing.assert_close(scores.sum(dim=1), model(x)[:, output].detach(), rtol=1e-6, atol=1e-6)
    late = node_scores(model, METHODS["LayerLRP"], x, Request(output=artifact.output_nodes.index("late")))
    assert not torch.allclose(late[1].sum(dim=1), model(x)[:, 1].detach(), atol=1e-3), "c -> late passes layer 2"


def test_head(make, x):
    """Relevance goes through a linear head as through one more layer: here the head adds the outputs up."""
    model, _ = make("skipping", "relu", bias=False)
    head = nn.Linear(2, 1, bias=False).double()
    nn.init.ones_(head.weight)
    customized = customize_model(model, head=head).double()
    scores = feature_scores(customized, METHODS["LRP"], x, Request())
    singly = sum(feature_scores(model, METHODS["LRP"], x, Request(output=output)) for output in range(2))
    torch.testing.assert_close(scores, singly, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_in_chunks(batch_size, make, x):
    """Captum takes its rules off the modules after each call."""
    model, _ = make("skipping", "tanh")
    at_once = node_scores(model, METHODS["LayerLRP"], x, Request(output=1))
    for table, expected in zip(
        node_scores(model, METHODS["LayerLRP"], x, Request(output=1, batch_size=batch_size)), at_once, strict=True
    ):
        torch.testing.assert_close(table, expected)


def test_activations_are_those_of_captum():
    activations = {c.__name__ for c in SUPPORTED_NON_LINEAR_LAYERS if c.__module__ == "torch.nn.modules.activation"}
    assert activations == LRP
