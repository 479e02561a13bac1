"""What control models are trained on."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge2torch.control import deterministic_inputs, profiles, shuffle


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40), st.integers(0, 100))
def test_things_trade_places_within_their_groups_only(groups: list[tuple[int, int]], seed: int) -> None:
    first, second = (np.array([pair[k] for pair in groups], dtype=int) for k in range(2))
    moved = shuffle(len(groups), [first, second], seed)
    assert sorted(moved) == list(range(len(groups)))
    assert (first[moved] == first).all()
    assert (second[moved] == second).all()


def test_every_order_of_a_group_comes_up_equally_often() -> None:
    drawn = [tuple(shuffle(3, [np.zeros(3)], seed)) for seed in range(3000)]
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert counts.size == 6
    # 500 expected of each; five standard deviations
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500 * 5 / 6)


def test_every_input_says_the_classes_equally_well() -> None:
    profile = profiles(4, 50, 0, classes=True)
    assert (np.sort(profile, axis=0) == np.sort(profile[:, :1], axis=0)).all()
    assert len(np.unique(profile, axis=1).T) > 10  # in different orders
    x = deterministic_inputs(np.array([2, 0, 2]), profile)
    assert (x[0] == profile[2]).all()
    assert (x[0] == x[2]).all()


def test_every_input_correlates_equally_with_all_numbers() -> None:
    random = np.random.default_rng(0)
    values = np.linalg.qr(random.normal(size=(200, 3)))[0] * np.sqrt(200)  # uncorrelated, as if standardised
    x = deterministic_inputs(values, profiles(3, 20, 1, classes=False))
    np.testing.assert_allclose(np.abs(values.T @ x) / 200, 1 / np.sqrt(3), rtol=1e-5)
