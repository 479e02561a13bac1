"""Methods whose scores of all layers come from one walk, instead of a call of Captum for each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge2torch.attribution.points import Points
from edge2torch.attribution.walk import Walk, cells_at_once, find_edge_model, find_walk, is_swept
from edge2torch.errors import Edge2TorchError
from edge2torch.nn.state import evaluating


@dataclass(frozen=True)
class Walked:
    """How the scores of a method are read from a walk.

    Attributes
    ----------
    more_points
        How many points more than ``n_steps`` are looked at; ``None`` for the cell itself alone.
    of_units
        From the points, states and gradients, (units, cells x points), to the scores of units, (units, cells); ``None``
        for a method for features, whose scores are mean gradients times the change of each feature.
    has_output
        Whether scores belong to an output.
    """

    more_points: int | None
    of_units: Callable[[Points, Tensor, Tensor], Tensor] | None = None
    has_output: bool = True


WALKED = {
    "IntegratedGradients": Walked(0),
    "InputXGradient": Walked(None),
    "LayerConductance": Walked(1, lambda points, states, of: points.total(points.change(states) * of)),
    "InternalInfluence": Walked(0, lambda points, _, of: points.total(of, points.shares)),
    "LayerGradientXActivation": Walked(None, lambda _, states, of: states * of),
    "LayerActivation": Walked(None, lambda _, states, __: states, has_output=False),
}


@dataclass(frozen=True, eq=False)
class WalkRequest:
    """What is to be explained: as in ``Request``, with the reference input of all cells, shape (1, features)."""

    output: int | Tensor | None
    reference: Tensor | None
    n_steps: int
    batch_size: int | None


def can_walk(model: nn.Module, name: str) -> bool:
    """Whether a method called without options comes from a walk, in less time than from Captum."""
    if name not in WALKED:
        return False
    return WALKED[name].of_units is not None or is_swept(model)


def walked_features(model: nn.Module, name: str, x: Tensor, request: WalkRequest) -> Tensor:
    """Score features, shape (cells, features), on the CPU."""
    with evaluating(model):
        return torch.cat(list(_of_features(model, name, x, request)))


def walked_nodes(model: nn.Module, name: str, x: Tensor, request: WalkRequest) -> list[Tensor]:
    """Score nodes, shape (cells, nodes) for each layer or step, on the CPU."""
    with evaluating(model):
        return [torch.cat(parts) for parts in zip(*_of_nodes(model, name, x, request), strict=True)]


def _of_features(model: nn.Module, name: str, x: Tensor, request: WalkRequest) -> Iterator[Tensor]:
    for walk, points, output in _walks(model, WALKED[name], x, request):
        given = []
        for cells in walk.blocks(len(points)):
            walk.at(points.at, cells)
            given.append(points.total(walk.back(_weights(walk, output, cells)).given, points.shares))
        yield (walk.of_features(torch.cat(given, dim=1)) * walk.change.T).cpu()


def _of_nodes(model: nn.Module, name: str, x: Tensor, request: WalkRequest) -> Iterator[list[Tensor]]:
    method, edge_model = WALKED[name], find_edge_model(model)
    of_units = method.of_units or (lambda _, states, __: states)
    for walk, points, output in _walks(model, method, x, request):
        for cells in walk.blocks(len(points)):
            states = walk.at(points.at, cells)
            of_states = walk.back(_weights(walk, output, cells)).states if method.has_output else states
            each = [of_units(points, *pair).T for pair in zip(states, of_states, strict=True)]
            if edge_model.site == "layer":
                each = [each[0][:, edge_model.units_of(k)] for k in range(len(edge_model.blocks))]
            yield [edge_model.sum_units(part, k).cpu() for k, part in enumerate(each)]


def _walks(
    model: nn.Module, method: Walked, x: Tensor, request: WalkRequest
) -> Iterator[tuple[Walk, Points, int | Tensor | None]]:
    """Begin a walk with some cells after the other; yield it, the points to look at, and the output of each cell."""
    more = method.more_points
    points = Points.end(x) if more is None else Points.quadrature(request.n_steps + more, x)
    reference = torch.zeros_like(x[:1]) if request.reference is None else request.reference
    size = request.batch_size or cells_at_once(model, len(points))
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        output = request.output[rows] if isinstance(request.output, Tensor) else request.output
        yield find_walk(model, x[rows].detach(), reference.detach()), points, output


def _weights(walk: Walk, output: int | Tensor | None, cells: slice) -> Tensor:
    """1 for the output that is explained, shape (cells or 1, outputs)."""
    n = walk.n_outputs
    if output is None and n > 1:
        raise Edge2TorchError(f"the model has {n} outputs: say which one")
    chosen = output[cells] if isinstance(output, Tensor) else torch.tensor([output or 0], device=walk.change.device)
    return torch.nn.functional.one_hot(chosen, n).to(walk.change)
