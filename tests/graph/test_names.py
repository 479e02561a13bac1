"""Finding names among names."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.graph import locate

NAMES = st.lists(st.text(max_size=4), unique=True, min_size=1, max_size=12)
random_names = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@random_names
@given(names=NAMES, data=st.data())
def test_positions_lead_back_to_the_names(names, data):
    available = data.draw(st.permutations(names))
    wanted = data.draw(st.permutations(names))[: data.draw(st.integers(0, len(names)))]
    assert [available[i] for i in locate(wanted, available)] == wanted


@random_names
@given(names=NAMES, data=st.data())
def test_missing(names, data):
    available = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=len(names) - 1))
    missing = [name for name in names if name not in available]
    message = rf"^{len(missing)} of {len(names)} features .* missing in the table: "
    with pytest.raises(Edge2TorchError, match=message) as caught:
        locate(names, available, "the table")
    assert repr(missing[0]) in str(caught.value)


def test_message_shows_five_names():
    with pytest.raises(Edge2TorchError, match=r"'g0', 'g1', 'g2', 'g3', 'g4' and 1,195 more"):
        locate([f"g{i}" for i in range(1200)], [])


def test_repeated_names_matter_only_if_wanted():
    available = ["a", "x", "b", "x"]
    assert locate(["b", "a"], available).tolist() == [2, 0]
    with pytest.raises(Edge2TorchError, match=r"1 features occur more than once in data \('x'\)"):
        locate(["a", "x"], available)


@pytest.mark.parametrize(
    "available",
    [
        pd.Index([3, 1, 2]),
        pd.Index(["3", "1", "2"], dtype="string"),
        pd.Index(["3", "1", "2"]),
        pd.CategoricalIndex(["3", "1", "2"]),
        (3, 1, 2),
    ],
    ids=["int", "string", "object", "category", "tuple"],
)
def test_names_are_compared_as_text(available):
    assert locate(["1", "2", "3"], available).tolist() == [1, 2, 0]


def test_number_and_its_text_are_one_name_twice():
    with pytest.raises(Edge2TorchError, match="more than once"):
        locate(["1"], [1, "1"])
