"""What is timed: one step through a layer, or one step of training."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from cases import LayeredGraph
from check import WrongResultError, check_model, compare, layer_reference
from contestants import Contestant
from torch import Tensor, nn


@dataclass
class Step:
    """Something to run again and again.

    Attributes
    ----------
    run
        One step.
    values
        What it computes, to compare devices.
    device
        Where.
    model, x
        What is trained, and what it reads.
    """

    run: Callable[[], object]
    values: Callable[[], list[Tensor]] = list
    device: str = "cpu"
    model: nn.Module | None = None
    x: Tensor | None = None

    def timed(self) -> float:
        """Run once; return seconds."""
        self._wait()
        begin = time.perf_counter()
        self.run()
        self._wait()
        return time.perf_counter() - begin

    def _wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()


def random_states(cells: int, nodes: int, seed: int, *, node_major: bool, device: str = "cpu") -> Tensor:
    """Draw (cells, nodes) with the same values for every contestant, in the layout that it reads."""
    x = torch.randn(cells, nodes, generator=torch.Generator().manual_seed(seed)).to(device)
    return x.T.contiguous().T if node_major else x


def layer_step(contestant: Contestant, graph: LayeredGraph, cells: int, device: str) -> Step:
    """Forward, then the gradients of input, weights and bias."""
    layer = contestant.layer(graph)
    if isinstance(layer.forward, nn.Module):
        layer.forward.to(device)
    x = random_states(cells, graph.sizes[0], 0, node_major=contestant.node_major, device=device).requires_grad_()
    gradient = random_states(cells, graph.sizes[1], 1, node_major=contestant.node_major, device=device)

    def run() -> tuple[Tensor, ...]:
        y = layer.forward(x)
        return y, *torch.autograd.grad(y, [x, layer.weight, layer.bias], gradient)

    y, of_x, of_weight, of_bias = run()
    names = ("the output", "the gradient of the input", "the gradient of the weights", "the gradient of the bias")
    values = (y.detach(), of_x, layer.of_edges(of_weight), of_bias)
    for name, value, expected in zip(names, values, layer_reference(graph, x.detach(), gradient), strict=True):
        compare(name, value, expected)
    return Step(run, lambda: [value.detach() for value in run()], device)


def attribution_step(contestant: Contestant, graph: LayeredGraph, cells: int) -> Step:
    """Score the nodes of all layers."""
    score = contestant.attribute(graph)
    x = random_states(cells, graph.sizes[0], 0, node_major=False)
    if contestant.check_scores is not None:
        contestant.check_scores(score, graph, x)
    return Step(lambda: score(x))


def training_step(contestant: Contestant, graph: LayeredGraph, cells: int, device: str) -> Step:
    """Gradients to zero, forward, cross-entropy, backward, a step of Adam."""
    torch.manual_seed(0)
    model = contestant.model(graph).to(device)
    x = random_states(cells, graph.sizes[0], 0, node_major=contestant.node_major, device=device)
    classes = torch.randint(graph.sizes[-1], (cells,), generator=torch.Generator().manual_seed(1)).to(device)
    if contestant.sparse:
        check_model(model, graph, x, tanh=contestant.tanh)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def run() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), classes)
        loss.backward()
        optimizer.step()
        return loss.detach()

    with torch.no_grad():
        loss = F.cross_entropy(model(x[:16]), classes[:16])
    if not loss.isfinite():
        raise WrongResultError(f"the loss is {loss:g}")
    return Step(run, lambda: [model(x).detach()], device, model, x)
