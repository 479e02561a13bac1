"""Batch normalisation in evaluation mode is one line per node: scores add up as they do without it."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from edge2torch import interpret_model
from edge2torch.attribution import METHODS, Request, feature_scores, node_scores
from edge2torch.nn import NodeNorm

METHODS_OF_NODES = ["LayerConductance", "LayerIntegratedGradients", "LayerDeepLift"]


@pytest.fixture
def make_norm(make):
    """As if it had been trained; without shift where ``shift`` is False, so that 0 stays 0."""

    def make_norm(graph, activation, *, shift=True, **options):
        model, artifact = make(graph, activation, norm="batch", **options)
        draw = torch.Generator().manual_seed(5)
        for norm in (module.norm for module in model.modules() if isinstance(module, NodeNorm)):
            for part in (norm.weight.data, norm.bias.data, norm.running_mean):
                part.copy_(torch.randn(part.shape, generator=draw))
            norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=draw) + 0.5)
            if not shift:
                norm.bias.data.zero_()
                norm.running_mean.zero_()
        return model.eval(), artifact

    return make_norm


@pytest.mark.parametrize("graph", ["chain", "skipping"])
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize(
    ("name", "activation"),
    [("IntegratedGradients", "tanh"), ("IntegratedGradients", "gelu"), ("DeepLift", "tanh"), ("DeepLift", "relu")],
)
def test_features_add_up(name, activation, width, graph, make_norm, x, baseline):
    model, artifact = make_norm(graph, activation, width=width)
    difference = (model(x) - model(baseline)).detach()
    for output in range(len(artifact.output_nodes)):
        scores = feature_scores(model, METHODS[name], x, Request(output=output, baseline=baseline, n_steps=300))
        torch.testing.assert_close(scores.sum(dim=1), difference[:, output], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", METHODS_OF_NODES)
@pytest.mark.parametrize("activation", ["tanh", None])
def test_every_layer_of_a_chain_adds_up(name, activation, make_norm, x, baseline):
    model, _ = make_norm("chain", activation)
    difference = (model(x) - model(baseline)).detach()[:, 0]
    for scores in node_scores(model, METHODS[name], x, Request(baseline=baseline, n_steps=400)):
        torch.testing.assert_close(scores.sum(dim=1), difference, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("graph", ["chain", "skipping"])
def test_relevance_is_kept_where_nothing_is_added(graph, make_norm, x):
    """Like biases, shifts and means take relevance; without them, all arrives at the features, by each layer."""
    model, artifact = make_norm(graph, "relu", shift=False, bias=False)
    out = model(x).detach()
    for output in range(len(artifact.output_nodes)):
        scores = feature_scores(model, METHODS["LRP"], x, Request(output=output))
        torch.testing.assert_close(scores.sum(dim=1), out[:, output], atol=1e-6, rtol=1e-5)
    if graph == "chain":
        for scores in node_scores(model, METHODS["LayerLRP"], x, Request(output=0)):
            torch.testing.assert_close(scores.sum(dim=1), out[:, 0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("method", ["IntegratedGradients", "DeepLift", "LRP"])
def test_equals_the_network_with_its_lines_folded_into_the_weights(method, make, make_norm, x):
    """``scale / sqrt(variance)`` into the weights, the rest into the biases: the same function of all features."""
    model, artifact = make_norm("skipping", "relu", shift=method != "LRP", bias=method != "LRP")
    plain, _ = make("skipping", "relu", bias=method != "LRP")
    for block, other in zip(model.blocks, plain.blocks, strict=True):
        weight, bias = block.linear.weight.data.clone(), None
        target = torch.repeat_interleave(torch.arange(len(block.linear.offsets) - 1), block.linear.offsets.diff())
        bias = torch.zeros(len(block.linear.offsets) - 1).double()
        if block.linear.bias is not None:
            bias = block.linear.bias.data.clone()
        if block.norm is not None:
            norm, columns = block.norm.norm, block.norm.columns
            columns = columns if columns.numel() else torch.arange(len(bias))
            slope = norm.weight.data / (norm.running_var + norm.eps).sqrt()
            factor = torch.ones_like(bias)
            factor[columns] = slope
            weight *= factor[target]
            bias[columns] = slope * (bias[columns] - norm.running_mean) + norm.bias.data
        other.linear.weight.data.copy_(weight)
        if other.linear.bias is not None:
            other.linear.bias.data.copy_(bias)
    plain.eval()
    torch.testing.assert_close(model(x), plain(x))
    for output in range(len(artifact.output_nodes)):
        request = Request(output=output, n_steps=20)
        scores = [feature_scores(each, METHODS[method], x, request) for each in (model, plain)]
        torch.testing.assert_close(*scores, atol=1e-7, rtol=1e-5)


def test_by_name_in_training_mode(make_norm, x):
    """Scores are those of evaluation mode, and neither the mode nor running statistics change."""
    model, artifact = make_norm("skipping", "tanh")
    cells = pd.DataFrame(x.numpy(), columns=artifact.feature_names)
    expected = interpret_model(model, artifact, cells, output="late", quiet=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    pd.testing.assert_frame_equal(interpret_model(model, artifact, cells, output="late", quiet=True), expected)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
