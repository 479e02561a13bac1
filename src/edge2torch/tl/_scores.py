"""Scores of many cells, some cells at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from edge2torch.attribution import feature_scores, node_scores, one_table, path_scores
from edge2torch.cells import batches
from edge2torch.errors import Edge2TorchError
from edge2torch.nn.state import evaluating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from edge2torch.attribution import Method, PathScores, Request
    from edge2torch.cells import Cells
    from edge2torch.nn import EdgeModel
    from edge2torch.tl._explained import Explained

#: cells x explained outputs whose scores are computed before the next cells are read
CELLS_AT_ONCE = 1024
#: the methods whose scores come from one walk along the path
WALK = ("IntegratedGradients", "LayerConductance")


class GroupMeans:
    """Means over groups of cells, of which some are added at a time.

    Parameters
    ----------
    groups
        Group of each cell, from 0; cells with a negative one are left out.
    n_tables
        How many tables are averaged.
    n_groups
        How many groups there are; ``None`` for those that have cells.

    Attributes
    ----------
    n_cells
        Cells of each group.
    """

    def __init__(self, groups: npt.NDArray[np.integer], n_tables: int, n_groups: int | None = None) -> None:
        self._groups = torch.from_numpy(groups.astype(np.int64))
        self.n_cells = np.bincount(groups[groups >= 0], minlength=n_groups or 0)
        self._sums = torch.zeros((n_tables, len(self.n_cells), 0), dtype=torch.float64)

    def add(self, rows: npt.NDArray[np.intp], scores: Tensor) -> None:
        """Add the scores of some cells, (tables, rows, columns)."""
        if not self._sums.shape[2]:
            self._sums = self._sums.new_zeros((*self._sums.shape[:2], scores.shape[2]))
        group = self._groups[rows]
        here = group >= 0
        self._sums.index_add_(1, group[here], scores[:, here].double())

    def value(self) -> npt.NDArray[np.float64]:
        """Return the means, (tables, groups, columns); NaN for groups without cells."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self._sums.numpy() / self.n_cells[:, None])


def walk(
    replicates: Sequence[EdgeModel],
    cells: Cells,
    weights_of: Callable[[npt.NDArray[np.intp]], Tensor],
    *,
    edge_groups: npt.NDArray[np.integer] | None = None,
    baseline: Tensor | None = None,
    n_steps: int = 20,
    batch_size: int | None = None,
) -> Iterator[tuple[npt.NDArray[np.intp], list[PathScores]]]:
    """Walk along the paths to some cells after the other: their rows, and their scores by each replicate.

    Parameters
    ----------
    replicates, cells
        Models, on the CPU, and the cells.
    weights_of
        From rows of ``cells``, (n,), to what is explained in them: weighted sums of outputs, (explained, n or 1,
        outputs).
    edge_groups
        Group of each cell over which scores of edges are added up; ``None`` to leave them out.
    baseline, n_steps, batch_size
        As of :func:`edge2torch.attribution.path_scores`.
    """
    n_explained = len(weights_of(np.arange(0)))
    at_once = max(CELLS_AT_ONCE // max(n_explained, 1), 1)
    for part, (x, *_) in batches(cells, at_once).numbered():
        weights = weights_of(part)
        groups = None if edge_groups is None else torch.from_numpy(edge_groups[part].astype(np.int64))
        yield (
            part,
            [
                path_scores(model, x, weights, baseline=baseline, n_steps=n_steps, batch_size=batch_size, groups=groups)
                for model in replicates
            ],
        )


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of some cells, means over replicates.

    Attributes
    ----------
    rows
        Which cells.
    features, nodes
        Shape (explained, rows, inputs or nodes behind the inputs).
    states
        State of each node behind the inputs, (replicates, rows, nodes).
    difference
        Output minus that of the baseline, (explained, rows).
    edges
        Sums over the rows of each group, (explained, groups, edges), if they were asked for.
    """

    rows: npt.NDArray[np.intp]
    features: Tensor
    nodes: Tensor
    states: Tensor
    difference: Tensor
    edges: Tensor | None = None


def score_cells(
    replicates: Sequence[EdgeModel],
    methods: tuple[Method, Method],
    cells: Cells,
    explained: Explained,
    request: Request,
    *,
    edge_groups: npt.NDArray[np.integer] | None = None,
) -> Iterator[Scored]:
    """Score inputs and nodes of all cells, some cells after the other.

    Parameters
    ----------
    replicates
        Models, on the CPU.
    methods
        For features and for nodes.
    cells
        The cells.
    explained
        What is explained in them.
    request
        How; its ``output`` is not looked at.
    edge_groups
        As of :func:`walk`.
    """
    if tuple(method.name for method in methods) != WALK:
        if edge_groups is not None:
            raise Edge2TorchError(
                f"edges=True is for {WALK[0]} with {WALK[1]}, the default method: {methods[1].name} has no scores of "
                "edges that add up to those of the nodes"
            )
        yield from _by_captum(replicates, methods, cells, explained, request)
        return
    if request.baseline is not None and len(request.baseline) != 1:
        raise Edge2TorchError(
            f"{methods[0].name} compares with one baseline, not with {len(request.baseline)} rows: pass one row"
        )
    for rows, each in walk(
        replicates,
        cells,
        explained.weights,
        edge_groups=edge_groups,
        baseline=request.baseline,
        n_steps=request.n_steps,
        batch_size=request.batch_size,
    ):
        yield Scored(
            rows,
            _mean([scores.features for scores in each]),
            _mean([scores.nodes for scores in each]),
            torch.stack([scores.states for scores in each]),
            _mean([scores.difference for scores in each]),
            None if edge_groups is None else _mean([scores.edges for scores in each if scores.edges is not None]),
        )


def _by_captum(
    replicates: Sequence[EdgeModel],
    methods: tuple[Method, Method],
    cells: Cells,
    explained: Explained,
    request: Request,
) -> Iterator[Scored]:
    """As :func:`score_cells`, by calls of Captum for the features and for each layer."""
    at_once = max(CELLS_AT_ONCE // explained.n_at_once, 1)
    if methods[0].cells_at_once == "all":
        at_once = len(cells)
    units = torch.from_numpy(explained.units)
    for rows, (x, *_) in batches(cells, at_once).numbered():
        features, nodes = [], []
        for k in range(explained.n_at_once):
            output = explained.outputs(k, rows)
            asked, unit = replace(request, output=output), units[output][:, None]
            features.append(unit * _mean([feature_scores(model, methods[0], x, asked) for model in replicates]))
            of_nodes = [one_table(model, node_scores(model, methods[1], x, asked)) for model in replicates]
            nodes.append(unit * _mean(of_nodes))
        states, difference = _states(replicates, x), _difference(replicates, x, explained.weights(rows), request)
        yield Scored(rows, torch.stack(features), torch.stack(nodes), states, difference)


def _difference(replicates: Sequence[EdgeModel], x: Tensor, weights: Tensor, request: Request) -> Tensor:
    """Output minus the mean output of the baselines, (explained, rows)."""
    reference = torch.zeros_like(x[:1]) if request.baseline is None else request.baseline
    each = []
    for model in replicates:
        with evaluating(model), torch.no_grad():
            each.append(((model(x) - model(reference).mean(dim=0)) * weights).sum(dim=2))
    return _mean(each)


def _states(replicates: Sequence[EdgeModel], x: Tensor) -> Tensor:
    """State of each node behind the inputs, as :class:`edge2torch.attribution.PathScores` has it, by replicate."""
    each = []
    for model in replicates:
        with evaluating(model), torch.no_grad():
            _, blocks = model.forward_with_states(x)
        states = [model.sum_units(state, k) for k, state in enumerate(blocks)]
        each.append(torch.cat(states, dim=1) if model.site == "layer" else states[-1])
    return torch.stack(each)


def find_signs(replicates: Sequence[EdgeModel], cells: Cells) -> Tensor:
    """Find which nodes are mirrored: a state may mean the same with the other sign in another replicate.

    Returns
    -------
    -1 where the state of a node correlates negatively, over all cells, with its state in the first replicate, else 1;
    shape (replicates, 1, nodes behind the inputs).
    """
    if len(replicates) == 1:
        return torch.ones((1, 1, 1))
    n, sums, products, squares = 0, torch.zeros(()), torch.zeros(()), torch.zeros(())
    for _, (x, *_rest) in batches(cells, CELLS_AT_ONCE).numbered():
        states = _states(replicates, x).double()
        n += len(x)
        sums, squares = sums + states.sum(dim=1), squares + (states**2).sum(dim=1)
        products = products + (states * states[:1]).sum(dim=1)
    variance = squares - sums**2 / n
    varies = variance > 1e-9 * squares
    mirrored = (products - sums * sums[:1] / n < 0) & varies & varies[:1]
    return torch.where(mirrored, -1.0, 1.0)[:, None].float()


def _mean(scores: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(scores)).mean(dim=0)
