"""Which groups of cells (donors) go together, so that every part has its share of the cells and of each class."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch.errors import Edge2TorchError

# With few groups a hundred tries find the nearest division; with thousands, every try comes near.
MOST_TRIES, LEAST_TRIES, GROUPS_TRIED = 100, 3, 10_000
# Of a sum of squared shares: below what a reader of a table of shares could see.
LEAST_GAIN = 1e-9


def number_groups(groups: Any, n_cells: int) -> npt.NDArray[np.int64]:
    """Number the groups of cells by their names, whatever the order of cells.

    Parameters
    ----------
    groups
        Group per cell: anything that can be hashed, none missing.
    n_cells
        How many there must be.

    Returns
    -------
    The number of each cell's group, from 0.

    Raises
    ------
    Edge2TorchError
        If there is not one group per cell.

    Examples
    --------
    >>> number_groups(["d2", "d1", "d2"], 3).tolist()
    [1, 0, 1]
    """
    values = groups if isinstance(groups, np.ndarray) else np.asarray(groups, dtype=object)
    if values.shape != (n_cells,):
        raise Edge2TorchError(
            f"groups has shape {values.shape} and there are {n_cells:,} cells: pass one group per cell"
        )
    codes, names = pd.factorize(values)
    if missing := int((codes < 0).sum()):
        raise Edge2TorchError(
            f"groups is missing for {missing:,} of {n_cells:,} cells: name their group or leave these cells out"
        )
    rank = np.empty(len(names), dtype=np.int64)
    rank[_sorted(list(names))] = np.arange(len(names))
    return rank[codes]


def count_cells(groups: npt.NDArray[np.int64], labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Count the cells of each group in each class, shape (groups, classes)."""
    classes, names = pd.factorize(labels, sort=True)
    n_groups = int(groups.max(initial=-1)) + 1
    counts = np.bincount(groups * len(names) + classes, minlength=n_groups * len(names))
    return counts.reshape(n_groups, len(names))


def divide_groups(
    counts: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], generator: np.random.Generator, *, train_first: bool
) -> npt.NDArray[np.int64] | None:
    """Divide groups over parts, so that shares of cells and of each class are near what is wanted.

    The distance is the sum over parts of ``(share of all cells - wanted)^2`` and of the mean over classes of
    ``(share of the cells of the class - wanted)^2``. Groups are first drawn at random; then the one move of a group
    to another part that brings most is made, until none brings anything. The nearest of 100 tries is kept (of fewer
    with more than 100 groups).

    Parameters
    ----------
    counts
        Cells of each group in each class, shape (groups, classes).
    shares
        Share of each part, all positive; they add up to 1. No more parts than groups.
    generator
        Draws the groups.
    train_first
        Whether the first part must hold cells of every class.

    Returns
    -------
    The part of each group, or None if no division leaves every class to the first part. No part is empty.
    """
    present = counts > 0 if train_first else np.zeros((len(counts), 0), dtype=bool)
    sizes = counts / counts.sum(axis=0) / np.sqrt(counts.shape[1])
    sizes = np.hstack([counts.sum(axis=1, keepdims=True) / counts.sum(), sizes])
    best, nearest = None, np.inf
    for _ in range(min(MOST_TRIES, max(LEAST_TRIES, GROUPS_TRIED // len(counts)))):
        part = _draw(present, shares, generator)
        if part is None:
            return None
        distance = _improve(part, sizes, present, shares)
        if distance < nearest - LEAST_GAIN:
            best, nearest = part, distance
    return best


def _draw(
    present: npt.NDArray[np.bool_], shares: npt.NDArray[np.float64], generator: np.random.Generator
) -> npt.NDArray[np.int64] | None:
    apart = _find_apart(present, shares.size - 1, generator)
    if apart is None:
        return None
    part = generator.choice(shares.size, size=len(present), p=shares)
    part[apart] = np.arange(1, shares.size)
    others = np.setdiff1d(np.arange(len(present)), apart)
    if not (part[others] == 0).any():
        part[generator.choice(others)] = 0
    for label in np.flatnonzero(~present[part == 0].any(axis=0)):
        part[generator.choice(others[present[others, label]])] = 0
    return part


def _find_apart(
    present: npt.NDArray[np.bool_], n: int, generator: np.random.Generator, apart: list[int] | None = None
) -> list[int] | None:
    """Draw one group for each part but the first, such that the rest still has every class."""
    if not present.size:
        return [int(group) for group in generator.permutation(len(present))[:n]]
    taken = apart or []
    if len(taken) == n:
        return taken
    last = present.sum(axis=0) - present[taken].sum(axis=0) == 1
    free: npt.NDArray[np.bool_] = np.logical_not(present[:, last].any(axis=1))
    free[taken] = False
    for group in generator.permutation(np.flatnonzero(free)).tolist():
        found = _find_apart(present, n, generator, [*taken, group])
        if found is not None:
            return found
    return None


def _improve(
    part: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.float64],
    present: npt.NDArray[np.bool_],
    shares: npt.NDArray[np.float64],
) -> float:
    """Move groups, in place, as long as that brings the parts nearer to their shares; return the distance."""
    wanted = shares[:, None] * sizes.sum(axis=0)
    squares = (sizes**2).sum(axis=1)
    each = np.arange(part.size)
    excess = np.array([sizes[part == k].sum(axis=0) for k in range(shares.size)]) - wanted
    while True:
        change = 2 * (sizes @ excess.T)
        change += (2 * squares - change[each, part])[:, None]
        change[each, part] = np.inf
        change[_are_needed(part, present, shares.size)] = np.inf
        group, to = np.unravel_index(change.argmin(), change.shape)
        if change[group, to] > -LEAST_GAIN:
            return float((excess**2).sum())
        excess[part[group]] -= sizes[group]
        excess[to] += sizes[group]
        part[group] = to


def _are_needed(part: npt.NDArray[np.int64], present: npt.NDArray[np.bool_], n_parts: int) -> npt.NDArray[np.bool_]:
    """Find groups that are alone in their part, or alone in the first part with a class."""
    needed: npt.NDArray[np.bool_] = (np.bincount(part, minlength=n_parts) == 1)[part]
    train = np.flatnonzero(part == 0)
    last = present[train].sum(axis=0) == 1
    needed[train] |= present[np.ix_(train, last)].any(axis=1)
    return needed


def _sorted(names: list[Hashable]) -> list[int]:
    keys: list[Any] = list(names)
    try:
        return sorted(range(len(keys)), key=keys.__getitem__)
    except TypeError:  # names of several types
        keys = [(type(name).__name__, repr(name)) for name in names]
        return sorted(range(len(keys)), key=keys.__getitem__)
