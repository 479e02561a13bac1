"""Scores that have to add up, and scores that a formula gives."""

from __future__ import annotations

import itertools
import math

import pandas as pd
import pytest
import torch
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edge2torch.attribution import METHODS, Request, feature_scores, node_scores
from edge2torch.attribution.methods import DEEPLIFT

GRAPHS = ["chain", "skipping"]
ACTIVATIONS = ["relu", "tanh", "gelu", None]
CASES = [
    *itertools.product(["IntegratedGradients", "ShapleyValues", "ShapleyValueSampling"], ACTIVATIONS),
    *itertools.product(["DeepLift"], ["relu", "tanh", None]),
]


def by_name(name: str, model: nn.Module, x: Tensor, **options: object) -> Tensor:
    return feature_scores(model, METHODS[name], x, Request(**options))


def layers_by_name(name: str, model: nn.Module, x: Tensor, **options: object) -> list[Tensor]:
    return node_scores(model, METHODS[name], x, Request(**options))


def close(scores: Tensor, expected: Tensor, atol: float = 1e-6) -> None:
    """Compare in float64; Captum returns the scores of perturbations in float32."""
    torch.testing.assert_close(scores.double(), expected.detach(), rtol=1e-5, atol=atol)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(("name", "activation"), CASES)
def test_features_add_up(name, activation, graph, make, x, baseline):
    model, artifact = make(graph, activation)
    difference = model(x) - model(baseline)
    path = name == "IntegratedGradients"
    for output in range(len(artifact.output_nodes)):
        scores = by_name(name, model, x, output=output, baseline=baseline, n_steps=400)
        # a sum over steps is exact for polynomials; at the kink of a ReLU it is off by the step size
        atol = 1e-2 if path and activation == "relu" else 1e-6
        close(scores.sum(dim=1), difference[:, output], atol)


@pytest.mark.parametrize("activation", sorted(DEEPLIFT))
def test_deeplift_adds_up_for_its_activations(activation, make, x, baseline):
    model, _ = make("skipping", getattr(nn, activation))
    scores = by_name("DeepLift", model, x, output=1, baseline=baseline)
    close(scores.sum(dim=1), (model(x) - model(baseline))[:, 1])


def test_deeplift_activations_are_those_of_captum():
    """All that Captum has rules for, but softmax: with Captum's rule for it, scores do not add up."""
    activations = {cls.__name__ for cls in SUPPORTED_NON_LINEAR if cls.__module__ == "torch.nn.modules.activation"}
    assert activations - {"Softmax"} == DEEPLIFT


@pytest.mark.parametrize("name", ["LayerConductance", "LayerIntegratedGradients", "LayerDeepLift"])
@pytest.mark.parametrize("activation", ["relu", "tanh", None])
def test_every_layer_of_a_chain_adds_up(name, activation, make, x, baseline):
    """All paths lead through each layer, so each layer carries the whole difference."""
    model, _ = make("chain", activation)
    for reference in (None, baseline):
        difference = model(x) - model(torch.zeros_like(x) if reference is None else reference)
        layers = layers_by_name(name, model, x, baseline=reference, n_steps=400)
        assert len(layers) == 3
        for scores in layers:
            # conductance takes differences between steps, with an error of the step size
            close(scores.sum(dim=1), difference[:, 0], 1e-2)


@st.composite
def models(draw: st.DrawFn) -> tuple[pd.DataFrame, int]:
    """Draw an edge list with skip edges and several outputs, and a seed."""
    n_inputs = draw(st.integers(1, 4))
    pairs = [
        (f"n{source}", f"n{target}")
        for target in range(n_inputs, n_inputs + draw(st.integers(1, 7)))
        for source in sorted(draw(st.sets(st.integers(0, target - 1), min_size=1, max_size=4)))
    ]
    return pd.DataFrame(pairs, columns=["source", "target"]), draw(st.integers(0, 2**31))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=models(), data=st.data())
def test_deeplift_and_lrp_on_random_graphs(drawn, data, make):
    edges, seed = drawn
    biased, artifact = make(edges, "relu", seed)
    x = torch.randn(3, len(artifact.feature_names), generator=torch.Generator().manual_seed(seed)).double()
    output = data.draw(st.integers(0, len(artifact.output_nodes) - 1))
    scores = by_name("DeepLift", biased, x, output=output)
    close(scores.sum(dim=1), (biased(x) - biased(torch.zeros_like(x)))[:, output])
    unbiased, _ = make(edges, "relu", seed, bias=False)
    close(by_name("LRP", unbiased, x, output=output).sum(dim=1), unbiased(x)[:, output])


@pytest.mark.parametrize("graph", GRAPHS)
def test_linear_model_has_one_answer(graph, make, x, baseline):
    """Without activations, every method that measures a difference gives weight x difference, summed over paths."""
    model, artifact = make(graph, None)
    for output in range(len(artifact.output_nodes)):
        slope = model(torch.eye(3).double())[:, output] - model(torch.zeros(1, 3).double())[:, output]
        expected = (slope * (x - baseline)).detach()
        options = {"output": output, "baseline": baseline}
        for name in (
            *("DeepLift", "IntegratedGradients", "ShapleyValues", "ShapleyValueSampling"),
            *("FeatureAblation", "Occlusion"),
        ):
            close(by_name(name, model, x, **options), expected)
        close(by_name("InputXGradient", model, x, output=output), slope * x)
        close(by_name("Saliency", model, x, output=output), slope.abs().expand_as(x))


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_ablation(activation, graph, make, x, baseline):
    """What the output loses if one feature takes its value in the baseline."""
    model, artifact = make(graph, activation)
    for output, feature in itertools.product(range(len(artifact.output_nodes)), range(3)):
        without = x.clone()
        without[:, feature] = baseline[0, feature]
        expected = (model(x) - model(without))[:, output]
        for name in ("FeatureAblation", "Occlusion"):
            close(by_name(name, model, x, output=output, baseline=baseline)[:, feature], expected)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_ablation_of_nodes(activation, make, x):
    """What the output loses if one node has state 0."""
    model, artifact = make("skipping", activation)
    scores = layers_by_name("LayerFeatureAblation", model, x, output=1)
    for block, table, nodes in zip(model.blocks, scores, list(artifact.node_names_by_layer.values())[1:], strict=True):
        for column in range(len(nodes)):
            mask = torch.ones(len(nodes)).double()
            mask[column] = 0
            handle = block.register_forward_hook(lambda _module, _inputs, out, mask=mask: out * mask)
            without = model(x)[:, 1]
            handle.remove()
            close(table[:, column], model(x)[:, 1] - without)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_shapley_values(activation, graph, make, x, baseline):
    """The average over all orders of what a feature adds, by the sum over subsets (Shapley 1953)."""
    model, artifact = make(graph, activation)
    output = len(artifact.output_nodes) - 1

    def value(present: tuple[int, ...]) -> Tensor:
        mixed = baseline.expand_as(x).clone()
        mixed[:, present] = x[:, present]
        return model(mixed)[:, output]

    expected = torch.zeros_like(x)
    for feature in range(3):
        others = [i for i in range(3) if i != feature]
        for size in range(3):
            weight = math.factorial(size) * math.factorial(2 - size) / math.factorial(3)
            for subset in itertools.combinations(others, size):
                expected[:, feature] += weight * (value((*subset, feature)) - value(subset)).detach()
    close(by_name("ShapleyValues", model, x, output=output, baseline=baseline), expected)


@pytest.mark.parametrize("activation", ["relu", "tanh", None])
def test_distribution_is_an_average_over_its_rows(activation, make, x, distribution):
    model, _ = make("skipping", activation)
    rows = [by_name("DeepLift", model, x, output=1, baseline=row) for row in distribution.split(1)]
    close(by_name("DeepLiftShap", model, x, output=1, baseline=distribution), torch.stack(rows).mean(dim=0))
    layers = layers_by_name("LayerDeepLiftShap", model, x, output=1, baseline=distribution)
    singly = [layers_by_name("LayerDeepLift", model, x, output=1, baseline=row) for row in distribution.split(1)]
    for table, *of_rows in zip(layers, *singly, strict=True):
        close(table, torch.stack(of_rows).mean(dim=0))


def test_no_score_without_a_path(make, x):
    """``early`` is fed by g and c: a, h, k and ``late`` have no say in it."""
    model, artifact = make("skipping", "tanh")
    assert artifact.node_names_by_layer == {
        "layer_0": ["a", "b", "c"],
        "layer_1": ["g", "h"],
        "layer_2": ["early", "k"],
        "layer_3": ["late"],
    }
    for name in ("IntegratedGradients", "Saliency", "DeepLift", "ShapleyValues", "FeaturePermutation", "LRP"):
        scores = by_name(name, model, x, output=0)
        assert scores[:, 0].abs().max() < 1e-12
        assert scores[:, 1:].abs().min() > 0 or name == "FeaturePermutation"
    for name in ("LayerConductance", "LayerDeepLift", "LayerFeatureAblation", "LayerLRP", "LayerGradientXActivation"):
        (g, h), (early, k), (late,) = (table.T for table in layers_by_name(name, model, x, output=0))
        assert max(h.abs().max(), k.abs().max(), late.abs().max()) < 1e-12
        assert min(g.abs().min(), early.abs().min()) > 0
