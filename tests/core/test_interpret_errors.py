"""Everything that ``interpret_model`` refuses, and what it says then."""

from __future__ import annotations

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from edge2torch import Edge2TorchError, compile_graph, customize_model, interpret_model
from edge2torch.attribution import METHODS

FEATURE_METHODS = [name for name, method in METHODS.items() if method.target == "features"]
NODE_METHODS = [name for name, method in METHODS.items() if method.target == "nodes"]

BAD = {
    # target and method
    "target": ({"target": "genes"}, r"target='genes' is unknown; the choices are 'features', 'nodes'"),
    "target None": ({"target": None}, r"target=None is unknown"),
    "method": ({"method": "integrated_gradients"}, r"method 'integrated_gradients' is unknown; .*IntegratedGradients"),
    "method of no text": ({"method": 3}, r"method.*3"),
    "method in a list": ({"method": ["DeepLift"]}, r"method.*DeepLift"),
    "method itself": ({"method": captum.attr.DeepLift}, r"method.*DeepLift"),
    # output
    "no output": ({"output": None}, r"the model has 2 outputs \('early', 'late'\): say which one with output="),
    "unknown name": ({"output": "latest"}, r"output='latest' is not the name of an output; there are 'early', 'late'"),
    "hidden node": ({"output": "k"}, r"output='k' is not the name of an output"),
    "too large": ({"output": 2}, r"output=2 is out of range: the model has 2 outputs"),
    "negative": ({"output": -1}, r"output=-1 is out of range"),
    "one cell too large": ({"output": [0, 1, 0, 1, 0, 2]}, r"out of range"),
    "one cell negative": ({"output": [0, 1, 0, 1, 0, -1]}, r"out of range"),
    "too few": ({"output": [0, 1]}, r"one position for each of the 6 cells"),
    "too many dimensions": ({"output": np.zeros((6, 1), int)}, r"one position for each of the 6 cells"),
    "fraction": ({"output": 0.5}, r"output must be"),
    "fractions": ({"output": np.zeros(6)}, r"output must be"),
    "names per cell": ({"output": ["early"] * 6}, r"output"),
    "array of names": ({"output": np.array(["early"] * 6)}, r"output"),
    "mask": ({"output": np.array([True, False, True, False, True, False])}, r"output"),
    "mapping": ({"output": {"early": 1}}, r"output"),
    # baseline
    "baseline": ({"baseline": "median"}, r"baseline='median' is unknown"),
    "baseline number": ({"baseline": 0.0}, r"not float"),
    "baseline lacks": ({"baseline": pd.DataFrame({"a": [0.0]})}, r"2 of 3 features .* missing .*: 'b', 'c'"),
    "baseline wide": ({"baseline": torch.zeros(1, 4)}, r"shape \(cells, 3\)"),
    "baseline NaN": ({"baseline": torch.full((1, 3), torch.nan)}, r"3 values are NaN"),
    "many baselines": ({"baseline": torch.zeros(2, 3)}, r"IntegratedGradients compares with one baseline, not with 2"),
    "empty baseline": ({"baseline": torch.zeros(0, 3)}, r"one baseline, not with 0 rows"),
    "empty distribution": ({"method": "GradientShap", "baseline": torch.zeros(0, 3)}, r"GradientShap .*baseline|rows"),
    "one for many": ({"method": "DeepLiftShap"}, r"DeepLiftShap compares with a distribution: .* at least two rows"),
    "no baseline": ({"method": "Saliency", "baseline": "mean"}, r"Saliency has no baseline; leave baseline out"),
    # numbers
    "batch_size -1": ({"batch_size": -1}, r"batch_size"),
    "batch_size 0": ({"batch_size": 0}, r"batch_size"),
    "batch_size 1.5": ({"batch_size": 1.5}, r"batch_size"),
    "n_steps 0": ({"n_steps": 0}, r"n_steps"),
    "n_steps -1": ({"n_steps": -1}, r"n_steps"),
    "n_steps 1.5": ({"n_steps": 1.5}, r"n_steps"),
    "random_state -1": ({"random_state": -1}, r"random_state"),
    "random_state 2**32": ({"random_state": 2**32}, r"random_state"),
    "random_state text": ({"random_state": "one"}, r"random_state"),
    "random_state None": ({"random_state": None}, r"random_state"),
    "two results": ({"return_convergence_delta": True}, r"return_convergence_delta"),
    "baseline twice": ({"baselines": 0}, r"'baselines'"),
    "more arguments of the model": ({"additional_forward_args": 1}, r"'additional_forward_args'"),
    "other side of a layer": (
        {"target": "nodes", "attribute_to_layer_input": True},
        r"'attribute_to_layer_input'",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad(arguments, message, model, artifact, frame, snapshot):
    before = snapshot(model)
    with pytest.raises(Edge2TorchError, match=message):
        interpret_model(model, artifact, frame, **{"output": 1, "quiet": True, **arguments})
    assert snapshot(model) == before


def test_option_that_captum_does_not_know(model, artifact, frame, snapshot):
    before = snapshot(model)
    with pytest.raises(Edge2TorchError, match=r"'n_step' .*IntegratedGradients"):
        interpret_model(model, artifact, frame, output=1, n_step=3)
    assert snapshot(model) == before


@pytest.mark.parametrize("name", NODE_METHODS)
def test_method_for_nodes_asked_for_features(name, model, artifact, frame):
    with pytest.raises(Edge2TorchError, match=f"'{name}' scores nodes, not features") as caught:
        interpret_model(model, artifact, frame, "features", name, output=1)
    assert all(f"'{fit}'" in str(caught.value) for fit in FEATURE_METHODS)


@pytest.mark.parametrize("name", FEATURE_METHODS)
def test_method_for_features_asked_for_nodes(name, model, artifact, frame):
    with pytest.raises(Edge2TorchError, match=f"'{name}' scores features, not nodes") as caught:
        interpret_model(model, artifact, frame, "nodes", name, output=1)
    assert all(f"'{fit}'" in str(caught.value) for fit in NODE_METHODS)


@pytest.mark.parametrize("name", ["GuidedGradCam", "LayerGradCam", "NoiseTunnel"])
def test_method_that_does_not_fit(name, model, artifact, frame):
    with pytest.raises(Edge2TorchError, match=rf"'{name}' does not fit a network of named nodes: .*; .*use one of"):
        interpret_model(model, artifact, frame, method=name, output=1)


def test_head_has_no_names(model, artifact, frame):
    """Not even if it has as many outputs as the graph: what they are, only the user knows."""
    customized = customize_model(model, head=nn.Linear(2, 2))
    with pytest.raises(Edge2TorchError, match="output='late' is not the name of an output"):
        interpret_model(customized, artifact, frame, output="late")


@pytest.mark.parametrize("wrong", [nn.Linear(3, 1), nn.Sequential()], ids=["linear", "empty"])
def test_model_without_a_graph(wrong, artifact, frame):
    with pytest.raises(Edge2TorchError, match="must hold one model from compile_graph; it holds 0"):
        interpret_model(wrong, artifact, frame)


def test_model_of_two_graphs(model, artifact, frame, edges):
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList([model, compile_graph(edges, quiet=True)[0]])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.parts[0](x) + self.parts[1](x)

    with pytest.raises(Edge2TorchError, match="must hold one model from compile_graph; it holds 2"):
        interpret_model(Sum(), artifact, frame, output=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda edges: edges.iloc[:-1],
        lambda edges: edges.assign(constraint="positive"),
        lambda edges: edges.replace("k", "kinase"),
        lambda edges: edges.replace({"a": "b", "b": "a"}),
    ],
    ids=["an edge less", "constraints", "a name", "names swapped"],
)
def test_artifact_of_another_graph(change, model, edges, frame):
    _, other = compile_graph(change(edges), quiet=True)
    with pytest.raises(Edge2TorchError, match="model and artifact do not belong together, they differ in 'graph'"):
        interpret_model(model, other, frame, output=1)


def test_artifact_of_the_same_graph_will_do(model, edges, artifact, frame):
    _, again = compile_graph(edges.iloc[::-1], quiet=True)
    pd.testing.assert_frame_equal(
        interpret_model(model, again, frame, output="late", quiet=True),
        interpret_model(model, artifact, frame, output="late", quiet=True),
    )


@pytest.mark.parametrize("data", [None, np.zeros((6, 3)), pd.Series([1.0], ["a"])], ids=["None", "array", "series"])
def test_bad_data(data, model, artifact):
    with pytest.raises(Edge2TorchError, match="data must be"):
        interpret_model(model, artifact, data, output=1)


@pytest.mark.parametrize("target", ["features", "nodes"])
def test_no_cells(target, model, artifact, frame):
    with pytest.raises(Edge2TorchError, match="data has no cells"):
        interpret_model(model, artifact, frame.iloc[:0], target, output=1)
