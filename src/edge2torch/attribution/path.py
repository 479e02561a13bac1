"""Scores of all features and nodes from one walk along the path from the baseline to each cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edge2torch.attribution.scores import find_edge_model
from edge2torch.nn import EdgeModel
from edge2torch.nn.state import evaluating

#: cells x points of the path in one pass, unless the caller says otherwise
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class PathScores:
    """What a walk along the path says; all on the CPU.

    Attributes
    ----------
    features
        Integrated gradients, shape (explained, cells, features).
    nodes
        Conductance of each node behind the inputs, its units and steps added up, shape (explained, cells, nodes).
    states
        State of each node behind the inputs at the cell itself, shape (cells, nodes): the sum over its units; of a
        model that takes steps, after the last.
    difference
        What is explained: how far the output is from that of the baseline, shape (explained, cells).
    """

    features: Tensor
    nodes: Tensor
    states: Tensor
    difference: Tensor


def path_scores(
    model: nn.Module,
    x: Tensor,
    weights: Tensor,
    *,
    baseline: Tensor | None = None,
    n_steps: int = 20,
    batch_size: int | None = None,
) -> PathScores:
    """Score features by integrated gradients and all nodes by conductance, in one pass for all layers.

    The path is looked at in ``n_steps + 1`` points, those of Gauss-Legendre quadrature.

    Parameters
    ----------
    model
        Maps (cells, features) to (cells, outputs), and holds one :class:`edge2torch.nn.EdgeModel`.
    x
        Features, shape (cells, features).
    weights
        What is explained in each cell: weighted sums of outputs, shape (explained, cells or 1, outputs).
    baseline
        Reference input, shape (1 or cells, features); ``None`` for zero.
    n_steps
        Intervals of the path.
    batch_size
        Cells in one pass; ``None`` lets cells x points be about 4,000.
    """
    edge_model = find_edge_model(model)
    reference = torch.zeros_like(x[:1]) if baseline is None else baseline.to(x)
    points, shares = _quadrature(n_steps + 1)
    size = batch_size or max(1, ROWS_AT_ONCE // (n_steps + 1))
    parts = []
    with evaluating(model), torch.enable_grad():
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            here = reference if len(reference) == 1 else reference[rows]
            chosen = weights if weights.shape[1] == 1 else weights[:, rows]
            parts.append(_walk(model, edge_model, x[rows], here, chosen.to(x), points, shares))
    return PathScores(*(torch.cat(part, dim=0 if k == 2 else 1) for k, part in enumerate(zip(*parts, strict=True))))


def _quadrature(n: int) -> tuple[list[float], list[float]]:
    """Points and weights of Gauss-Legendre quadrature between 0 and 1."""
    points, shares = np.polynomial.legendre.leggauss(n)
    return ((1 + points) / 2).tolist(), (shares / 2).tolist()


def _walk(
    model: nn.Module,
    edge_model: EdgeModel,
    x: Tensor,
    reference: Tensor,
    weights: Tensor,
    points: Sequence[float],
    shares: Sequence[float],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Score a batch: features, nodes, states and differences of :class:`PathScores`."""
    n = len(x)
    moved = torch.cat([reference + point * (x - reference) for point in points]).detach().requires_grad_()
    with _recorded(edge_model) as states:
        out = model(moved)
        on_path = list(states)
        states.clear()
        with torch.no_grad():
            at_ends = model(torch.cat([x, reference.expand_as(x)]))
        ends = [edge_model.sum_units(state[:n], k) for k, state in enumerate(states)]
    each = torch.tensor(shares, dtype=x.dtype, device=x.device)[:, None, None]
    features, nodes = [], []
    for chosen in weights:
        wanted = chosen.expand(n, -1).repeat(len(points), 1)
        of_x, *of_states = torch.autograd.grad(out, [moved, *on_path], wanted, retain_graph=True)
        features.append((of_x.unflatten(0, (-1, n)) * each).sum(dim=0) * (x - reference))
        scores = [
            edge_model.sum_units((grad[:-n] * (state[n:] - state[:-n]).detach()).unflatten(0, (-1, n)).sum(dim=0), k)
            for k, (grad, state) in enumerate(zip(of_states, on_path, strict=True))
        ]
        nodes.append(torch.cat(scores, dim=1) if edge_model.site == "layer" else torch.stack(scores).sum(dim=0))
    last = torch.cat(ends, dim=1) if edge_model.site == "layer" else ends[-1]
    difference = ((at_ends[:n] - at_ends[n:]) * weights).sum(dim=2)
    return (*(part.cpu() for part in (torch.stack(features), torch.stack(nodes), last, difference)),)  # type: ignore[return-value]


@contextmanager
def _recorded(edge_model: EdgeModel) -> Iterator[list[Tensor]]:
    """Collect what the blocks return, in turn."""
    states: list[Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _module, _given, state: states.append(state)) for block in edge_model.blocks
    ]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()
