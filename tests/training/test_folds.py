"""In which fold a cell is held out, where cells are not grouped (groups: see test_split)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from edge2torch import Edge2TorchError
from edge2torch.training.split import folds


def labelled(n_cells, seed):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(n_cells)), n_cells))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(2, 7), st.integers(0, 2**31))
def test_folds_of_classes(n_cells, n_splits, seed):
    labels = labelled(n_cells, seed)
    if n_splits > labels.size:
        with pytest.raises(Edge2TorchError, match=f"n_splits={n_splits} is more than the {labels.size} cells"):
            folds(n_splits, seed, n_cells=labels.size, labels=labels)
        return
    fold = folds(n_splits, seed, n_cells=labels.size, labels=labels)
    assert np.ptp(np.bincount(fold, minlength=n_splits)) <= 1
    for label in range(len(n_cells)):
        in_folds = np.bincount(fold[labels == label], minlength=n_splits)
        assert np.ptp(in_folds) <= 1, "so that rare classes are in different folds"
    np.testing.assert_array_equal(folds(n_splits, seed, n_cells=labels.size, labels=labels), fold)


def test_folds_hold_as_many_cells_as_those_of_scikit_learn():
    labels = labelled([13, 29, 6, 51], 0)
    fold = folds(5, 0, n_cells=labels.size, labels=labels)
    theirs = [held_out for _, held_out in StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels)]
    for label in range(4):
        in_folds = np.bincount(fold[labels == label], minlength=5)
        assert sorted(in_folds) == sorted((labels[held_out] == label).sum() for held_out in theirs)


def test_any_cell_can_be_in_any_fold():
    labels = np.array([0, 0, 0, 1, 2, 2])
    seen = {(i, int(k)) for seed in range(200) for i, k in enumerate(folds(3, seed, n_cells=6, labels=labels))}
    assert len(seen) == 18
    assert len({tuple(folds(3, seed, n_cells=6)) for seed in range(50)}) > 10
