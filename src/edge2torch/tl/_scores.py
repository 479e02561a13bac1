"""Scores of many cells, some cells at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from edge2torch.attribution import path_scores
from edge2torch.cells import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from edge2torch.attribution import PathScores
    from edge2torch.cells import Cells
    from edge2torch.nn import EdgeModel

#: cells x explained outputs whose scores are computed before the next cells are read
CELLS_AT_ONCE = 1024


def group_scores(
    replicates: Sequence[EdgeModel],
    cells: Cells,
    weights_of: Callable[[npt.NDArray[np.intp]], Tensor],
    groups: npt.NDArray[np.integer],
    *,
    baseline: Tensor | None = None,
    n_steps: int = 20,
    batch_size: int | None = None,
) -> npt.NDArray[np.float64]:
    """Average the conductance of nodes over groups of cells; memory does not grow with the number of cells.

    Parameters
    ----------
    replicates
        Models, on the CPU.
    cells
        The cells.
    weights_of
        From rows of ``cells``, (n,), to what is explained in them: weighted sums of outputs, (1, n or 1, outputs).
    groups
        Group of each cell, from 0; cells with a negative one are left out, and not computed.
    baseline, n_steps, batch_size
        As of :func:`edge2torch.attribution.path_scores`.

    Returns
    -------
    Mean score of each node behind the inputs, (replicates, groups, nodes); NaN for groups without cells.
    """
    means = GroupMeans(groups, len(replicates))
    rows = np.flatnonzero(groups >= 0)
    for part, each in walk(
        replicates, cells, weights_of, rows=rows, baseline=baseline, n_steps=n_steps, batch_size=batch_size
    ):
        for k, scores in enumerate(each):
            means.add(k, part, scores.nodes[0])
    return means.value()


class GroupMeans:
    """Means over groups of cells, of which some are added at a time.

    Parameters
    ----------
    groups
        Group of each cell, from 0; cells with a negative one are left out.
    n_tables
        Tables to average.
    """

    def __init__(self, groups: npt.NDArray[np.integer], n_tables: int) -> None:
        self._groups = torch.from_numpy(groups.astype(np.int64))
        self.n_cells = np.bincount(groups[groups >= 0], minlength=int(groups.max(initial=-1)) + 1)
        self._sums: list[Tensor | None] = [None] * n_tables

    def add(self, table: int, rows: npt.NDArray[np.intp], scores: Tensor) -> None:
        """Add some cells to a table: their scores, (rows, columns)."""
        group = self._groups[rows]
        here = group >= 0
        sums = self._sums[table]
        if sums is None:
            sums = self._sums[table] = torch.zeros((len(self.n_cells), scores.shape[1]), dtype=torch.float64)
        sums.index_add_(0, group[here], scores[here].double())

    def value(self) -> npt.NDArray[np.float64]:
        """Return the means, (tables, groups, columns); NaN for groups without cells."""
        none = torch.zeros((len(self.n_cells), 0))
        sums = np.stack([(none if sums is None else sums).numpy() for sums in self._sums])
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / self.n_cells[:, None])


def walk(
    replicates: Sequence[EdgeModel],
    cells: Cells,
    weights_of: Callable[[npt.NDArray[np.intp]], Tensor],
    *,
    rows: npt.NDArray[np.intp] | None = None,
    baseline: Tensor | None = None,
    n_steps: int = 20,
    batch_size: int | None = None,
) -> Iterator[tuple[npt.NDArray[np.intp], list[PathScores]]]:
    """Walk along the paths to some cells after the other: their rows, and their scores by each replicate.

    Parameters
    ----------
    replicates, cells, weights_of, baseline, n_steps, batch_size
        As of :func:`group_scores`; several things may be explained, (explained, n or 1, outputs).
    rows
        Which cells; ``None`` for all.
    """
    n_explained = len(weights_of(np.arange(0)))
    at_once = max(CELLS_AT_ONCE // max(n_explained, 1), 1)
    for part, (x, *_) in batches(cells, at_once, rows).numbered():
        weights = weights_of(part)
        yield (
            part,
            [
                path_scores(model, x, weights, baseline=baseline, n_steps=n_steps, batch_size=batch_size)
                for model in replicates
            ],
        )
