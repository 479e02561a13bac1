"""Models and generators are left as they were."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from edge2torch.nn.state import WORTH_SHARING, evaluating, few_threads, seeded


def mixed_modes() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)), nn.Dropout())
    model.train()
    model[1].eval()
    model[1][0].train()
    return model


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_evaluating():
    model = mixed_modes()
    before = modes(model)
    assert len(set(before)) == 2
    with evaluating(model):
        assert not any(modes(model))
    assert modes(model) == before


def test_evaluating_after_an_error():
    model = mixed_modes()
    before = modes(model)
    with pytest.raises(KeyError), evaluating(model):
        raise KeyError
    assert modes(model) == before


def draws() -> tuple[list[float], list[float], list[float]]:
    return (
        torch.rand(3).tolist(),
        np.random.rand(3).tolist(),  # noqa: NPY002 - the global generator is what is tested
        [random.random() for _ in range(3)],
    )


@pytest.fixture(autouse=True)
def _own_generators():
    """Let these tests seed the global generators without consequence for others."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    yield
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    random.setstate(states[2])


def start(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)


def test_seeded_draws_the_same_and_restores():
    start(1)
    expected_next = draws()
    start(1)
    with seeded(0):
        first = draws()
    assert draws() == expected_next
    with seeded(0):
        assert draws() == first
    with seeded(1):
        other = draws()
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_seeded_after_an_error():
    start(1)
    expected_next = draws()
    start(1)
    with pytest.raises(KeyError), seeded(0):
        raise KeyError(draws())
    assert draws() == expected_next


@pytest.mark.parametrize("seed", [-1, 2**32, None, "seed"])
def test_seed_that_a_generator_refuses(seed):
    """Only some of the three refuse it; none of them may have moved."""
    start(1)
    expected_next = draws()
    start(1)
    with pytest.raises((ValueError, TypeError)), seeded(seed):
        pass
    assert draws() == expected_next


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("n_cells", "n_threads"), [(WORTH_SHARING // 110, 1), (WORTH_SHARING // 110 + 1, 3)])
def test_few_threads_for_small_operations(three_threads, n_cells, n_threads):
    with few_threads(nn.Linear(10, 10), n_cells):
        assert torch.get_num_threads() == n_threads
    assert torch.get_num_threads() == 3


def test_threads_are_as_before_after_an_error(three_threads):
    def fail() -> None:
        assert torch.get_num_threads() == 1
        raise KeyError

    with pytest.raises(KeyError), evaluating(mixed_modes()):
        fail()
    assert torch.get_num_threads() == 3
