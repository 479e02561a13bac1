"""Who trains, who validates, who is held out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.training import PARTS, stratified_split

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=6)


@st.composite
def fractions(draw):
    train, validation, test = draw(st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(0, 20)))
    total = train + validation + test
    return train / total, validation / total, test / total


def labelled(n_cells, seed):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(n_cells)), n_cells))


def counts(labels, part, label):
    return tuple(int(((labels == label) & (part == name)).sum()) for name in PARTS)


@settings(deadline=None)
@given(sizes, fractions(), st.integers(0, 2**31))
def test_shares_of_every_class(n_cells, shares, seed):
    labels = labelled(n_cells, seed)
    part = stratified_split(labels, shares, seed)
    assert part.shape == labels.shape
    assert set(part) <= set(PARTS)
    for label, n in enumerate(n_cells):
        train, validation, test = counts(labels, part, label)
        assert train >= 1, "every class is trained on"
        assert abs(test - n * shares[2]) <= 1
        assert abs(validation - n * shares[1]) < 2
        if shares[2] == 0:
            assert test == 0
        if min(n * share for share in shares) >= 1:
            assert abs(train - n * shares[0]) <= 1, "classes that are not rare: within a cell"


@settings(deadline=None)
@given(sizes, st.integers(0, 2**31))
def test_rare_classes(n_cells, seed):
    labels = labelled(n_cells, seed)
    part = stratified_split(labels, (0.7, 0.1, 0.2), seed)
    expected = {1: (1, 0, 0), 2: (1, 0, 1), 3: (1, 1, 1), 10: (7, 1, 2), 50: (35, 5, 10)}
    for label, n in enumerate(n_cells):
        if n in expected:
            assert counts(labels, part, label) == expected[n]


def test_rare_classes_without_test_cells():
    labels = np.array([0, 1, 1, 2, 2, 2])
    part = stratified_split(labels, (0.8, 0.2, 0), 0)
    assert [counts(labels, part, k) for k in range(3)] == [(1, 0, 0), (1, 1, 0), (2, 1, 0)]


def test_the_seed_decides():
    labels = np.repeat([0, 1], 50)
    one, again, other = (stratified_split(labels, (0.6, 0.2, 0.2), seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_any_cell_can_be_in_any_part():
    labels = np.zeros(10, dtype=int)
    seen = {(i, name) for seed in range(200) for i, name in enumerate(stratified_split(labels, (0.4, 0.3, 0.3), seed))}
    assert len(seen) == 30


def test_the_global_generator_stays():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    stratified_split(np.repeat([0, 1], 9), (0.6, 0.2, 0.2), 0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    "wrong", [(0.7, 0.3), (0.5, 0.2, 0.2), (0.7, 0.2, 0.2), (1, 0, 0), (0, 0.5, 0.5), (0.8, -0.1, 0.3), (), (1,)]
)
def test_shares_that_make_no_sense(wrong):
    with pytest.raises(Edge2TorchError, match="must be three shares"):
        stratified_split(np.zeros(10, dtype=int), wrong, 0)
