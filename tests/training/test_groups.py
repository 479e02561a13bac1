"""Groups of cells: numbered by name, divided as near to the shares as can be."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from edge2torch import Edge2TorchError
from edge2torch.training.groups import LEAST_GAIN, count_cells, divide_groups, number_groups

SHARES = np.array([0.6, 0.15, 0.25])


def distance(part, counts, shares):
    """The distance as the docstring states it, in plain loops."""
    total = 0.0
    for k, wanted in enumerate(shares):
        total += (counts[part == k].sum() / counts.sum() - wanted) ** 2
        per_class = [(column[part == k].sum() / column.sum() - wanted) ** 2 for column in counts.T]
        total += sum(per_class) / len(per_class)
    return total


def is_allowed(part, counts, n_parts, train_first):
    parts_filled = set(part.tolist()) == set(range(n_parts))
    return parts_filled and (not train_first or bool((counts[part == 0].sum(axis=0) > 0).all()))


@st.composite
def tables(draw, most_groups=12, most_classes=4):
    shape = draw(st.tuples(st.integers(3, most_groups), st.integers(1, most_classes)))
    counts = draw(arrays(np.int64, shape, elements=st.one_of(st.just(0), st.integers(1, 300))))
    assume((counts.sum(axis=0) > 0).all() and (counts.sum(axis=1) > 0).all())
    return counts


def divide(counts, seed=0, shares=SHARES, *, train_first=True):
    return divide_groups(counts, shares, np.random.default_rng(seed), train_first=train_first)


@settings(deadline=None, max_examples=40)
@given(tables(), st.booleans(), st.integers(0, 2**31))
def test_no_single_move_brings_groups_nearer(counts, train_first, seed):
    part = divide(counts, seed, train_first=train_first)
    if part is None:
        assert train_first
        return
    assert is_allowed(part, counts, 3, train_first)
    reached = distance(part, counts, SHARES)
    for group, to in itertools.product(range(len(counts)), range(3)):
        moved = part.copy()
        moved[group] = to
        if is_allowed(moved, counts, 3, train_first):
            assert distance(moved, counts, SHARES) > reached - 2 * LEAST_GAIN


@settings(deadline=None, max_examples=40)
@given(tables(most_groups=6), st.booleans(), st.integers(0, 2**31))
def test_none_exactly_if_nothing_is_allowed(counts, train_first, seed):
    every = (np.array(part) for part in itertools.product(range(3), repeat=len(counts)))
    possible = any(is_allowed(part, counts, 3, train_first) for part in every)
    assert (divide(counts, seed, train_first=train_first) is not None) == possible


@pytest.mark.parametrize("n_classes", [1, 5])
def test_few_groups_are_divided_as_near_as_any_division(n_classes):
    generator = np.random.default_rng(1)
    for seed in range(5):
        counts = generator.integers(0, 200, (7, n_classes)) * (generator.random((7, n_classes)) < 0.8) + 1
        every = (np.array(part) for part in itertools.product(range(3), repeat=7))
        least = min(distance(part, counts, SHARES) for part in every if is_allowed(part, counts, 3, True))
        assert distance(divide(counts, seed), counts, SHARES) <= 1.05 * least + 1e-6


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 1000), min_size=3, max_size=30), st.integers(0, 2**31))
def test_bound_on_the_shares_of_cells(n_cells, seed):
    """A part of several groups holds at most its share and its smallest group: another part would take it gladly."""
    sizes = np.array(n_cells)
    part = divide(sizes[:, None], seed)
    for k, wanted in enumerate(SHARES):
        inside = sizes[part == k]
        if inside.size > 1:
            assert inside.sum() <= wanted * sizes.sum() + inside.min() + 1e-3 * sizes.sum()


def test_folds_are_no_worse_than_those_of_scikit_learn():
    generator = np.random.default_rng(2)
    shares = np.full(4, 1 / 4)
    for seed in range(5):
        counts = generator.integers(1, 100, (12, 3))
        cells = np.repeat(np.arange(36), counts.ravel())
        groups, labels = cells // 3, cells % 3
        ours = distance(divide(counts, seed, shares, train_first=False), counts, shares)
        for splitter in (StratifiedGroupKFold(4, shuffle=True, random_state=seed), GroupKFold(4)):
            theirs = np.empty(12, dtype=int)
            for k, (_, held_out) in enumerate(splitter.split(labels, labels, groups)):
                theirs[np.unique(groups[held_out])] = k
            assert ours <= distance(theirs, counts, shares) + LEAST_GAIN


def test_as_many_folds_as_groups():
    part = divide(np.arange(1, 51)[:, None], shares=np.full(50, 1 / 50), train_first=False)
    assert sorted(part) == list(range(50))


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(max_size=3), st.integers(-3, 3), st.tuples(st.integers(0, 2))), min_size=1))
def test_numbers_of_groups(names):
    values = np.empty(len(names), dtype=object)
    values[:] = names
    numbers = number_groups(values, len(names))
    pairs = {(name, int(number)) for name, number in zip(names, numbers, strict=True)}
    assert len({name for name, _ in pairs}) == len(pairs) == len({number for _, number in pairs})
    assert {number for _, number in pairs} == set(range(len(pairs)))
    order = np.random.default_rng(0).permutation(len(names))
    np.testing.assert_array_equal(number_groups(values[order], len(names)), numbers[order])


@pytest.mark.parametrize(
    "groups",
    [
        ["b", "a", "b", "c"],
        pd.Series(["b", "a", "b", "c"], index=list("wxyz"), dtype="string"),
        pd.Categorical(["b", "a", "b", "c"], categories=["c", "b", "a", "unused"]),
        np.array([7, -1, 7, 9]),
    ],
)
def test_groups_of_any_form(groups):
    assert number_groups(groups, 4).tolist() == [1, 0, 1, 2]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_groups(missing):
    with pytest.raises(Edge2TorchError, match="groups is missing for 2 of 3 cells: name their group"):
        number_groups([missing, "a", missing], 3)


@pytest.mark.parametrize("groups", [["a"], [["a", "b"], ["c", "d"]], []])
def test_not_one_group_per_cell(groups):
    with pytest.raises(Edge2TorchError, match="pass one group per cell"):
        number_groups(groups, 2)


def test_counts_of_cells():
    generator = np.random.default_rng(3)
    groups, labels = generator.integers(0, 5, 300), generator.choice([-2, 0, 7], 300)
    pd.testing.assert_frame_equal(
        pd.crosstab(groups, labels).reset_index(drop=True),
        pd.DataFrame(count_cells(groups, labels), columns=[-2, 0, 7]),
        check_names=False,
    )
