"""Who trains, who validates, who is held out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.training.split import PARTS, folds, split_cells, stratified_split, with_validation

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


def cells_of_donors(seed, n_donors=8, n_classes=3, n_cells=400):
    generator = np.random.default_rng(seed)
    donors = np.array([f"donor {i}" for i in range(n_donors)])[generator.permutation(np.arange(n_cells) % n_donors)]
    return generator.integers(0, n_classes, n_cells), donors


def sides(groups, part):
    """The parts in which each group is."""
    return [set(part[groups == group]) for group in np.unique(groups)]


@settings(deadline=None, max_examples=50)
@given(sizes, fractions(), st.integers(0, 2**31))
def test_cells_of_classes_without_groups(n_cells, shares, seed):
    labels = labelled(n_cells, seed)
    part = split_cells(shares, seed, n_cells=labels.size, labels=labels)
    np.testing.assert_array_equal(part, stratified_split(labels, shares, seed))


@settings(deadline=None, max_examples=50)
@given(st.integers(3, 500), fractions(), st.integers(0, 2**31))
def test_cells_without_classes(n_cells, shares, seed):
    part = split_cells(shares, seed, n_cells=n_cells)
    for name, share in zip(PARTS, shares, strict=True):
        n = int((part == name).sum())
        assert abs(n - share * n_cells) < 2
        assert (n > 0) == (share > 0)


@st.composite
def donors_and_classes(draw):
    """Donors of very different sizes that hold some of the classes."""
    n_donors, n_classes = draw(st.integers(4, 15)), draw(st.integers(1, 4))
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    counts = generator.integers(0, draw(st.integers(1, 100)), (n_donors, n_classes)) + (
        np.arange(n_donors) < 3
    ).reshape(-1, 1)  # three donors hold every class, one of them can be in train
    counts[:, 0] += 1
    cells = generator.permutation(np.repeat(np.arange(counts.size), counts.ravel()))
    return cells % n_classes, cells // n_classes


@settings(deadline=None, max_examples=40)
@given(donors_and_classes(), fractions(), st.integers(0, 2**31), st.booleans())
def test_donors_are_on_one_side(cells, shares, seed, with_labels):
    labels, donors = cells
    arguments = {"n_cells": donors.size, "labels": labels if with_labels else None}
    part = split_cells(shares, seed, groups=donors, **arguments)
    assert part.shape == donors.shape
    assert all(len(found) == 1 for found in sides(donors, part))
    assert set(part) == {name for name, share in zip(PARTS, shares, strict=True) if share > 0}
    if with_labels:
        assert set(labels[part == "train"]) == set(labels)
    np.testing.assert_array_equal(split_cells(shares, seed, groups=donors, **arguments), part)


@settings(deadline=None, max_examples=20)
@given(donors_and_classes(), st.integers(0, 2**31))
def test_the_order_of_cells_does_not_move_donors(cells, seed):
    labels, donors = cells
    order = np.random.default_rng(seed).permutation(donors.size)
    part = split_cells((0.6, 0.2, 0.2), seed, n_cells=donors.size, labels=labels, groups=donors)
    shuffled = split_cells((0.6, 0.2, 0.2), seed, n_cells=donors.size, labels=labels[order], groups=donors[order])
    np.testing.assert_array_equal(shuffled, part[order])


def test_many_donors_give_every_part_its_shares():
    labels, donors = cells_of_donors(0, n_donors=60, n_classes=4, n_cells=6000)
    part = split_cells((0.7, 0.1, 0.2), 0, n_cells=6000, labels=labels, groups=donors)
    for name, share in zip(PARTS, (0.7, 0.1, 0.2), strict=True):
        assert abs((part == name).mean() - share) < 0.01
        for label in range(4):
            assert abs((part[labels == label] == name).mean() - share) < 0.03


def test_the_seed_draws_donors():
    _, donors = cells_of_donors(0)
    found = [split_cells((0.5, 0.25, 0.25), seed, n_cells=400, groups=donors) for seed in range(6)]
    assert len({tuple(part) for part in found}) > 1
    assert all((part == "train").sum() == 200 for part in found), "donors of one size: exact"


def test_a_class_of_one_donor_is_in_train():
    labels, donors = cells_of_donors(1)
    labels[np.flatnonzero(donors == "donor 3")[:2]] = 9
    for seed in range(20):
        part = split_cells((0.2, 0.4, 0.4), seed, n_cells=400, labels=labels, groups=donors)
        assert set(part[labels == 9]) == {"train"}


def test_classes_of_two_donors_leave_one_in_train():
    """Each pair of donors but one shares a class: only this pair can leave."""
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    donors, labels = np.array([(donor, k) for k, pair in enumerate(pairs) for donor in pair]).T
    part = split_cells((0.4, 0.3, 0.3), 0, n_cells=donors.size, labels=labels, groups=donors)
    assert {name for donor in (2, 3) for name in part[donors == donor]} == {"validation", "test"}
    assert set(part[donors < 2]) == {"train"}


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ((0.6, 0.2, 0.2), "groups has 2 groups, and train and validation and test need .* 0 for test.*cross_validate"),
        ((0.8, 0.2, 0), "groups has 2 groups that cannot be divided over train and validation .* 2 of them hold"),
    ],
)
def test_too_few_donors(shares, message):
    with pytest.raises(Edge2TorchError, match=message):
        split_cells(shares, 0, n_cells=4, labels=np.array([0, 0, 1, 1]), groups=np.array(["a", "a", "b", "b"]))


def test_one_donor():
    with pytest.raises(
        Edge2TorchError, match="groups has 1 groups, and train and validation need one each: pass cells"
    ):
        split_cells((0.8, 0.2, 0), 0, n_cells=4, groups=np.zeros(4))


def test_too_few_cells_and_labels_of_other_cells():
    with pytest.raises(Edge2TorchError, match="2 cells cannot be split in 3 parts"):
        split_cells((0.6, 0.2, 0.2), 0, n_cells=2)
    with pytest.raises(Edge2TorchError, match=r"labels has shape \(2,\) and there are 3 cells"):
        split_cells((0.6, 0.2, 0.2), 0, n_cells=3, labels=np.array([0, 1]))
    with pytest.raises(Edge2TorchError, match="must be three shares"):
        split_cells((0.6, 0.2), 0, n_cells=9, groups=np.arange(9))
    with pytest.raises(Edge2TorchError, match="random_state=-1"):
        split_cells((0.6, 0.2, 0.2), -1, n_cells=9)


@settings(deadline=None, max_examples=30)
@given(donors_and_classes(), st.integers(2, 4), st.integers(0, 2**31))
def test_folds_of_donors(cells, n_splits, seed):
    labels, donors = cells
    fold = folds(n_splits, seed, n_cells=donors.size, labels=labels, groups=donors)
    assert all(len(found) == 1 for found in sides(donors, fold))
    assert set(fold) == set(range(n_splits)), "every fold has a donor"


@pytest.mark.parametrize(("n_splits", "message"), [(9, "9 is more than the 8 groups: pass at most 8"), (1, "least 2")])
def test_folds_that_make_no_sense(n_splits, message):
    _, donors = cells_of_donors(0)
    with pytest.raises(Edge2TorchError, match=message):
        folds(n_splits, 0, n_cells=400, groups=donors)


@settings(deadline=None, max_examples=30)
@given(donors_and_classes(), st.floats(0.05, 0.6), st.integers(0, 2**31), st.booleans())
def test_validation_beside_what_is_held_out(cells, share, seed, by_donor):
    labels, donors = cells
    held_out = donors == donors.max()
    groups = donors if by_donor else None
    part = with_validation(held_out, share, seed, labels=labels, groups=groups)
    np.testing.assert_array_equal(part == "test", held_out)
    assert set(labels[part == "train"]) == set(labels[~held_out])
    if by_donor:
        assert all(len(found) == 1 for found in sides(donors, part))
        assert (part == "validation").any()
    else:
        expected = stratified_split(labels[~held_out], (1 - share, share, 0), seed)
        np.testing.assert_array_equal(part[~held_out], expected)


def test_every_cell_of_a_cross_validation_is_held_out_once():
    labels, donors = cells_of_donors(2)
    fold = folds(4, 0, n_cells=400, labels=labels, groups=donors)
    parts = [with_validation(fold == k, 0.2, 0, labels=labels, groups=donors) for k in range(4)]
    assert (np.sum([part == "test" for part in parts], axis=0) == 1).all()
    assert all({"train", "validation", "test"} == set(part) for part in parts)


def test_shares_of_numbers_beside_what_is_held_out():
    part = with_validation(np.arange(100) < 20, 0.25, 0)
    assert [(part == name).sum() for name in PARTS] == [60, 20, 20]


@pytest.mark.parametrize(
    ("held_out", "share", "groups", "message"),
    [
        (
            [True, False, False, False],
            0.2,
            "aabc",
            r"some but not all cells of 1 groups \('a'\): hold out whole groups",
        ),
        ([True, True, False, False], 0.2, "aabb", "groups has 1 groups that are not held out.*with more folds"),
        ([True, False, False, False], 0, None, "share=0 must be a number that is positive"),
        ([True, False, False, False], 1.0, None, "share=1.0 must be a number .* less than 1"),
        ([True, True, True, False], 0.5, None, "1 cells cannot be split in 2 parts"),
    ],
)
def test_validation_that_cannot_be(held_out, share, groups, message):
    groups = None if groups is None else np.array(list(groups))
    with pytest.raises(Edge2TorchError, match=message):
        with_validation(np.array(held_out), share, 0, groups=groups)
