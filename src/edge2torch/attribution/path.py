"""Scores of all features, nodes and edges from one walk along the path from the baseline to each cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from edge2torch._checks import check_whole
from edge2torch.attribution.points import Points
from edge2torch.attribution.walk import Gradients, Walk, by_node, cells_at_once, find_edge_model, find_walk
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import EdgeModel
from edge2torch.nn.state import evaluating


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
    edges
        The part of the conductance of its target that arrives over each edge, added up over the cells of each group,
        shape (explained, groups, edges) in the order of the model's edge list; ``None`` without groups.
    kept
        The part of the conductance of each node behind the inputs that comes from the same node one step earlier
        without an edge, likewise, shape (explained, groups, nodes): 0 for all backends but ``graphnn``. Edges into a
        node and what it keeps add up to its conductance.
    """

    features: Tensor
    nodes: Tensor
    states: Tensor
    difference: Tensor
    edges: Tensor | None = None
    kept: Tensor | None = None


def path_scores(
    model: nn.Module,
    x: Tensor,
    weights: Tensor,
    *,
    baseline: Tensor | None = None,
    n_steps: int = 20,
    batch_size: int | None = None,
    groups: Tensor | None = None,
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
        Cells in one pass; ``None`` for as many as are quick.
    groups
        Group of each cell over which scores of edges are added up, shape (cells,), whole numbers from 0; -1 for cells
        that belong to none. ``None`` to leave edges out.

    Raises
    ------
    Edge2TorchError
        If the rows of two arguments do not fit each other.

    Notes
    -----
    In each interval of the path, the conductance of a unit (Dhamdhere et al. 2018, arXiv:1805.12233) is the change of
    its state times the gradient of the output by that state; as in Captum, the gradient is that at the beginning of the
    interval. A state changes because the sum changes that goes into it, so its conductance is shared out over the edges
    as that change is: for ``u -> v`` it is ``w_uv`` times the change of ``u``, times the gradient by ``v``, times the
    change of ``v`` per change of its sum (the derivative, where the sum hardly changes). Biases do not change, so that
    these parts add up to the whole. In ``graphnn``, a change of ``u`` goes through the matrix ``A``, and what comes
    from ``v`` itself through ``B`` is ``kept``.
    """
    edge_model = find_edge_model(model)
    check_whole("n_steps", n_steps)
    if batch_size is not None:
        check_whole("batch_size", batch_size)
    reference = torch.zeros_like(x[:1]) if baseline is None else baseline
    groups = None if groups is None else groups.cpu()
    _check_rows(x, weights, reference, groups)
    like = next(edge_model.parameters())
    points = Points.quadrature(n_steps + 1, like)
    scores = _empty(edge_model, x, len(weights), groups)
    with evaluating(model):
        size = batch_size or cells_at_once(model, len(points))
        for rows, group in _batches(len(x), size, groups):
            start = reference if len(reference) == 1 else reference[rows]
            chosen = (weights if weights.shape[1] == 1 else weights[:, rows]).to(like)
            walk = find_walk(model, x[rows].to(like), start.to(like), edges=group >= 0)
            _add(scores, rows, group, _walked(walk, chosen, points))
    return scores


def _check_rows(x: Tensor, weights: Tensor, reference: Tensor, groups: Tensor | None) -> None:
    n = len(x)
    if weights.ndim != 3 or weights.shape[1] not in (1, n):
        raise Edge2TorchError(f"weights must be (explained, 1 or {n} cells, outputs), not {tuple(weights.shape)}")
    if reference.ndim != 2 or len(reference) not in (1, n):
        raise Edge2TorchError(f"baseline must be (1 or {n} cells, features), not {tuple(reference.shape)}")
    if groups is not None and (groups.shape != (n,) or groups.is_floating_point() or bool((groups < -1).any())):
        raise Edge2TorchError(f"groups must be a whole number from -1 for each of {n} cells, shape ({n},)")


def _batches(n: int, size: int, groups: Tensor | None) -> Iterator[tuple[slice | Tensor, int]]:
    """Yield cells, and the group that all of them belong to; -1 for none."""
    if groups is None:
        yield from ((slice(start, min(start + size, n)), -1) for start in range(0, n, size))
        return
    for group in groups.unique().tolist():
        yield from ((rows, group) for rows in torch.nonzero(groups == group).flatten().split(size))


def _empty(model: EdgeModel, x: Tensor, n_explained: int, groups: Tensor | None) -> PathScores:
    n, n_features = x.shape
    n_nodes = int(model.node_of_unit[-1]) + 1 - n_features
    dtype = next(model.parameters()).dtype
    cells = (
        torch.empty(shape, dtype=dtype)
        for shape in ((n_explained, n, n_features), (n_explained, n, n_nodes), (n, n_nodes), (n_explained, n))
    )
    if groups is None:
        return PathScores(*cells)
    n_groups = int(groups.max()) + 1 if n else 0
    sums = (torch.zeros(n_explained, n_groups, size, dtype=torch.float64) for size in (model.n_edges, n_nodes))
    return PathScores(*cells, *sums)


def _add(scores: PathScores, rows: slice | Tensor, group: int, batch: PathScores) -> None:
    """Put the scores of a batch where they belong."""
    scores.features[:, rows] = batch.features.cpu()
    scores.nodes[:, rows] = batch.nodes.cpu()
    scores.states[rows] = batch.states.cpu()
    scores.difference[:, rows] = batch.difference.cpu()
    for total, part in ((scores.edges, batch.edges), (scores.kept, batch.kept)):
        if total is not None and part is not None:
            total[:, group] += part.cpu()


@dataclass
class _Explained:
    """What was found for one weighted sum of outputs, block by block."""

    given: list[Tensor] = field(default_factory=list)
    nodes: list[Tensor] = field(default_factory=list)
    of_sums: list[list[Tensor]] = field(default_factory=list)
    between: list[Tensor] = field(default_factory=list)
    kept: list[Tensor] = field(default_factory=list)


@torch.no_grad()
def _walked(walk: Walk, weights: Tensor, points: Points) -> PathScores:
    """Score the cells of a walk; edges, if asked for, are added up over all of them."""
    found = [_Explained() for _ in weights]
    for cells in walk.blocks(len(points)):
        moved = [points.change(state) for state in walk.at(points.at, cells)]
        flow = _Flow(walk, moved, points) if walk.edges else None
        for explained, wanted in zip(found, weights, strict=True):
            of = walk.back(wanted if len(wanted) == 1 else wanted[cells])
            explained.given.append(points.total(of.given, points.shares))
            of_units = [points.total(m * grad) for m, grad in zip(moved, of.states, strict=True)]
            explained.nodes.append(torch.stack(of_units).sum(dim=0) if len(of_units) > 1 else of_units[0])
            if flow is not None:
                flow.add(explained, of)
    model, ends = walk.edge_model, walk.ends()
    return PathScores(
        torch.stack([walk.of_features(torch.cat(one.given, dim=1)) * walk.change.T for one in found]),
        torch.stack([by_node(model, torch.cat(one.nodes, dim=1).T) for one in found]),
        by_node(model, ends.states[-1].T),
        ((ends.out - ends.out_at_start) * weights).sum(dim=2),
        torch.stack([_of_edges(walk, one) for one in found]) if walk.edges else None,
        torch.stack([torch.stack(one.kept).sum(dim=0) for one in found]) if walk.edges else None,
    )


class _Flow:
    """What changes over the edges, in the points of a block of cells."""

    def __init__(self, walk: Walk, moved: list[Tensor], points: Points) -> None:
        self.model, self.points, self.moved = walk.edge_model, points, moved
        self.of_sums = [points.change(part) for part in walk.sums()]
        self.read = [points.change(part) for part in walk.read()]

    def add(self, explained: _Explained, of: Gradients) -> None:
        """Find what arrives over each edge, see the notes of :func:`path_scores`."""
        slopes = [_per_sum(*parts) for parts in zip(self.moved, self.of_sums, of.states, of.sums, strict=True)]
        explained.of_sums.append([self.points.total(slope, self.points.steps) for slope in slopes])
        explained.between.append(self.model.products_between(self.read, slopes))
        explained.kept.append(self.model.kept(self.read, slopes))


def _per_sum(moved: Tensor, moved_sum: Tensor, of_state: Tensor, of_sum: Tensor) -> Tensor:
    """Gradient by the sum of a unit, such that times the change of that sum it is the conductance of the unit."""
    # Below, rounding would show in the ratio; above, in what is neglected by the derivative.
    tiny = torch.finfo(moved.dtype).eps ** (2 / 3)
    moves = (moved_sum != 0) & (torch.maximum(moved_sum.abs(), moved.abs()) > tiny)
    return torch.where(moves, of_state * moved / moved_sum, of_sum)


def _of_edges(walk: Walk, explained: _Explained) -> Tensor:
    """Add up what arrives over each edge, shape (edges,)."""
    of_sums = [torch.cat(blocks, dim=1) for blocks in zip(*explained.of_sums, strict=True)]
    from_inputs = walk.edge_model.products_from_inputs(walk.change, of_sums)
    return walk.edge_model.edge_flow(from_inputs, torch.stack(explained.between).sum(dim=0))
