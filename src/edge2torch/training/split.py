"""Which cells train, which decide when to stop, and which are held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge2torch._checks import check_number, check_seed, check_whole
from edge2torch.errors import Edge2TorchError, some
from edge2torch.training.groups import count_cells, divide_groups, number_groups

PARTS = ("train", "validation", "test")


def stratified_split(
    labels: npt.NDArray[np.int64], fractions: Sequence[float], random_state: int
) -> npt.NDArray[np.object_]:
    """Assign cells to train, validation and test, with the same shares of each class.

    Rare classes come first to ``test``, then to ``validation``: with two cells there is one in ``train`` and one in
    ``test``, with three one in each (if all fractions are positive). scikit-learn's splitters refuse such classes.

    Parameters
    ----------
    labels
        Class per cell, shape (cells,).
    fractions
        Shares of train, validation and test; they add up to 1.
    random_state
        Seed.

    Returns
    -------
    ``"train"``, ``"validation"`` or ``"test"`` per cell.

    Raises
    ------
    Edge2TorchError
        If the fractions are not three numbers that add up to 1, with something to train and to validate on.

    Examples
    --------
    >>> stratified_split(np.zeros(10, dtype=int), (0.6, 0.2, 0.2), random_state=0).tolist().count("train")
    6
    """
    _check_shares(fractions)
    generator = np.random.default_rng(random_state)
    part = np.full(labels.size, "train", dtype=object)
    for label in np.unique(labels):
        cells = generator.permutation(np.flatnonzero(labels == label))
        for name, share in (("test", fractions[2]), ("validation", fractions[1])):
            wanted = max(1, round(share * int((labels == label).sum()))) if share else 0
            taken = min(wanted, cells.size - 1)  # one cell of each class must be left to train on
            part[cells[:taken]] = name
            cells = cells[taken:]
    return part


def split_cells(
    fractions: Sequence[float],
    random_state: int,
    *,
    n_cells: int,
    labels: npt.NDArray[np.int64] | None = None,
    groups: npt.NDArray[Any] | None = None,
) -> npt.NDArray[np.object_]:
    """Assign cells to train, validation and test; a group (a donor) is never on two sides.

    With classes and no groups, this is :func:`stratified_split`; with neither, cells are drawn at random,
    at least one for each part with a positive fraction.

    Groups are divided such that the shares of cells, and the shares of each class, are as near to the fractions as a
    search by random draws and single moves brings them (:func:`~edge2torch.training.groups.divide_groups`). Every
    part with a positive fraction has a group, and every class is in ``train``: a class of one group takes this group
    there. With few groups, the nearest division may be the same for every seed.

    Parameters
    ----------
    fractions
        Shares of train, validation and test; they add up to 1.
    random_state
        Seed.
    n_cells
        Number of cells.
    labels
        Class per cell, shape (cells,), if cells have one class each.
    groups
        Group per cell, shape (cells,): anything that can be hashed. What part a group is in does not depend on the
        order of the cells; without groups, what part a cell is in does.

    Returns
    -------
    ``"train"``, ``"validation"`` or ``"test"`` per cell.

    Raises
    ------
    Edge2TorchError
        If the fractions make no sense, if there are fewer cells or groups than parts, or if no division of the groups
        leaves every class to train on.

    Examples
    --------
    >>> donors = np.repeat(["d1", "d2", "d3"], [2, 6, 2])
    >>> split_cells((0.6, 0.2, 0.2), 0, n_cells=10, groups=donors)[[2, 7]].tolist()
    ['train', 'train']
    """
    _check_shares(fractions)
    check_seed(random_state)
    classes = _classes(labels, n_cells)
    used = [k for k in range(3) if fractions[k] > 0]
    if groups is None and labels is not None:
        return stratified_split(labels, fractions, random_state)
    if groups is None:
        return _draw_cells(fractions, random_state, n_cells)
    group = number_groups(groups, n_cells)
    counts = count_cells(group, classes)
    names = " and ".join(PARTS[k] for k in used)
    fewer = "pass a split with a share of 0 for test, use tl.cross_validate, " if fractions[2] > 0 else ""
    if len(counts) < len(used):
        raise Edge2TorchError(
            f"groups has {len(counts)} groups, and {names} need one each: {fewer}"
            "pass cells of more groups, or split without groups"
        )
    shares = np.array([fractions[k] for k in used], dtype=float)
    part = divide_groups(counts, shares / shares.sum(), np.random.default_rng(random_state), train_first=True)
    if part is None:
        alone = int(((counts > 0) & ((counts > 0).sum(axis=0) == 1)).any(axis=1).sum())
        raise Edge2TorchError(
            f"groups has {len(counts)} groups that cannot be divided over {names} with every class in train: "
            f"{alone} of them hold a class that no other group has. Do one of these: {fewer}"
            "merge or leave out classes that few groups have, split without groups"
        )
    return np.asarray(np.array(PARTS, dtype=object)[np.array(used)[part[group]]])


def folds(
    n_splits: int,
    random_state: int,
    *,
    n_cells: int,
    labels: npt.NDArray[np.int64] | None = None,
    groups: npt.NDArray[Any] | None = None,
) -> npt.NDArray[np.int64]:
    """Assign each cell to the fold in which it is held out; a group (a donor) is in one fold.

    Without groups, the cells of one class after another, in random order, are dealt to the folds like cards: sizes
    of folds, and of each class in them, differ by at most one cell, and the cells of a class that has fewer of them
    than there are folds are in different folds. Groups are divided as in :func:`split_cells`, with equal shares; a
    class that only one group has is then not trained on in the fold of this group.

    Parameters
    ----------
    n_splits
        Number of folds, at least 2.
    random_state
        Seed.
    n_cells
        Number of cells.
    labels
        Class per cell, shape (cells,), if cells have one class each.
    groups
        Group per cell, shape (cells,): anything that can be hashed.

    Returns
    -------
    Fold per cell, from 0 to ``n_splits - 1``. None is empty.

    Raises
    ------
    Edge2TorchError
        If there are more folds than cells or groups.

    Examples
    --------
    >>> sorted(np.bincount(folds(3, 0, n_cells=10)).tolist())
    [3, 3, 4]
    """
    check_whole("n_splits", n_splits, least=2)
    check_seed(random_state)
    classes = _classes(labels, n_cells)
    group = None if groups is None else number_groups(groups, n_cells)
    most, what = (n_cells, "cells") if group is None else (int(group.max(initial=-1)) + 1, "groups")
    if n_splits > most:
        raise Edge2TorchError(f"n_splits={n_splits} is more than the {most:,} {what}: pass at most {most}")
    generator = np.random.default_rng(random_state)
    if group is not None:
        shares = np.full(n_splits, 1 / n_splits)
        part = divide_groups(count_cells(group, classes), shares, generator, train_first=False)
        return np.asarray(part)[group]
    cards = np.lexsort((generator.random(n_cells), classes))
    found = np.empty(n_cells, dtype=np.int64)
    found[cards] = generator.permutation(n_splits)[np.arange(n_cells) % n_splits]
    return found


def with_validation(
    held_out: npt.NDArray[np.bool_],
    share: float,
    random_state: int,
    *,
    labels: npt.NDArray[np.int64] | None = None,
    groups: npt.NDArray[Any] | None = None,
) -> npt.NDArray[np.object_]:
    """Divide the cells that are not held out into train and validation, as :func:`split_cells` does.

    Parameters
    ----------
    held_out
        Whether a cell is for ``test``, shape (cells,), for example ``folds(...) == 0``.
    share
        Share of the other cells that is for ``validation``, between 0 and 1.
    random_state
        Seed.
    labels
        Class per cell, shape (cells,), if cells have one class each. Every class that is not held out as a whole is
        in ``train``.
    groups
        Group per cell, shape (cells,): anything that can be hashed.

    Returns
    -------
    ``"train"``, ``"validation"`` or ``"test"`` per cell.

    Raises
    ------
    Edge2TorchError
        If a group is held out in part, or if what is not held out cannot be divided.

    Examples
    --------
    >>> sorted(with_validation(np.array([True, False, False]), 0.5, 0))
    ['test', 'train', 'validation']
    """
    check_number("share", share, below=1, positive=True)
    rest = np.flatnonzero(~held_out)
    classes = None if labels is None else _classes(labels, held_out.size)[rest]
    if groups is not None:
        groups = _groups_left(groups, held_out)
    part = np.full(held_out.size, "test", dtype=object)
    part[rest] = split_cells((1 - share, share, 0), random_state, n_cells=rest.size, labels=classes, groups=groups)
    return part


def _draw_cells(fractions: Sequence[float], random_state: int, n_cells: int) -> npt.NDArray[np.object_]:
    shares = np.asarray(fractions, dtype=float)
    if n_cells < (shares > 0).sum():
        raise Edge2TorchError(f"{n_cells:,} cells cannot be split in {(shares > 0).sum()} parts: pass more cells")
    n_each = np.maximum(np.round(shares * n_cells).astype(int), shares > 0)
    n_each[n_each.argmax()] += n_cells - n_each.sum()
    parts = np.repeat(np.array(PARTS, dtype=object), n_each)
    return np.random.default_rng(random_state).permutation(parts)


def _groups_left(groups: npt.NDArray[Any], held_out: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    group = number_groups(groups, held_out.size)
    both, cells, _ = np.intersect1d(group, group[~held_out & np.isin(group, group[held_out])], return_indices=True)
    if both.size:
        raise Edge2TorchError(
            f"held_out has some but not all cells of {both.size} groups ({some(np.asarray(groups)[cells].tolist())}): "
            "hold out whole groups, for example with folds(..., groups=groups)"
        )
    n_left = np.unique(group[~held_out]).size
    if n_left < 2:
        raise Edge2TorchError(
            f"groups has {n_left} groups that are not held out, and train and validation need one each: hold out fewer "
            "groups at once (with more folds) or pass cells of more groups"
        )
    return group[~held_out]


def _classes(labels: npt.NDArray[np.int64] | None, n_cells: int) -> npt.NDArray[np.int64]:
    if labels is None:
        return np.zeros(n_cells, dtype=np.int64)
    if labels.shape != (n_cells,):
        raise Edge2TorchError(
            f"labels has shape {labels.shape} and there are {n_cells:,} cells: pass one class per cell"
        )
    return labels


def _check_shares(fractions: object) -> None:
    if not _are_shares(fractions):
        raise Edge2TorchError(
            f"split={fractions!r} must be three shares for train, validation and test that add up to 1; "
            "those of train and validation must be positive"
        )


def _are_shares(fractions: object) -> bool:
    try:
        shares = np.asarray(fractions, dtype=float)
    except (TypeError, ValueError):
        return False
    return shares.shape == (3,) and bool(
        (shares >= 0).all() and (shares[:2] > 0).all() and abs(shares.sum() - 1) < 1e-6
    )
