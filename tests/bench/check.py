"""What a contestant must compute, by other means; nothing is timed before it has been compared."""

from __future__ import annotations

import torch
from cases import LayeredGraph
from torch import Tensor, nn

#: largest difference that is allowed, relative to the largest value
TOLERANCE = 1e-4


class WrongResultError(Exception):
    """A contestant does not compute what it should."""


def compare(what: str, value: Tensor, expected: Tensor) -> None:
    """Raise unless the values agree."""
    if value.shape != expected.shape:
        raise WrongResultError(f"{what} has shape {tuple(value.shape)}, not {tuple(expected.shape)}")
    difference = float((value - expected).abs().max() / expected.abs().max())
    if not difference <= TOLERANCE:
        raise WrongResultError(f"{what} differs by {difference:.1e} of the largest value")


@torch.no_grad()
def layer_reference(graph: LayeredGraph, x: Tensor, gradient: Tensor) -> list[Tensor]:
    """Output, gradients of input, of the weight of every edge, and of the bias, by dense products."""
    source, target = torch.from_numpy(graph.source), torch.from_numpy(graph.target) - graph.sizes[0]
    dense = torch.zeros(graph.sizes[1], graph.sizes[0])
    dense[target, source] = torch.from_numpy(graph.weights()).float()
    dense, source, target = dense.to(x.device), source.to(x.device), target.to(x.device)
    by_edge = (gradient.T @ x)[target, source]
    return [x @ dense.T, gradient @ dense, by_edge, gradient.sum(0)]


@torch.no_grad()
def model_reference(graph: LayeredGraph, x: Tensor, *, tanh: bool) -> Tensor:
    """Outputs of a network without biases, edge by edge, in float64."""
    source, target = (torch.from_numpy(ends).to(x.device) for ends in (graph.source, graph.target))
    weight = torch.from_numpy(graph.weights()).to(x.device)
    state = torch.zeros(sum(graph.sizes), len(x), dtype=torch.float64, device=x.device)
    state[: graph.sizes[0]] = x.T.double()
    for layer in range(1, len(graph.sizes)):
        edges = graph.edges_into(layer)
        state.index_add_(0, target[edges], weight[edges, None] * state[source[edges]])
        if tanh and layer < len(graph.sizes) - 1:
            first, last = graph.starts[layer : layer + 2]
            state[first:last] = state[first:last].tanh()
    return state[-graph.sizes[-1] :].T.float()


@torch.no_grad()
def check_model(model: nn.Module, graph: LayeredGraph, x: Tensor, *, tanh: bool) -> None:
    """Compare the outputs of a model whose weights are those of the graph; its biases become 0."""
    for name, parameter in model.named_parameters():
        if "bias" in name:
            parameter.zero_()
    compare("the output", model(x[:16]), model_reference(graph, x[:16], tanh=tanh))
