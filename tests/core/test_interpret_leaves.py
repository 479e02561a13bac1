"""Interpreting leaves no trace: not in the model, not in the data, not in the process; nor does failing at it."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr._utils.lrp_rules import GammaRule
from torch import nn

from edge2torch import align_features_to_input_nodes, customize_model, interpret_model
from edge2torch.attribution import METHODS


class Boom(Exception):
    pass


class Fragile(nn.Module):
    """A head that fails at its n-th call."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.calls: list[int] = []
        self.fails_at = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(x))
        if len(self.calls) == self.fails_at:
            raise Boom
        return self.linear(x)


@pytest.fixture
def fragile(model):
    """A model in the midst of training: some modules in evaluation mode, gradients, a frozen parameter."""
    customized = customize_model(model, dropout=0.5, head=Fragile())
    customized.train()
    customized.base_model.blocks[0].eval()
    customized(torch.ones(4, 3)).sum().backward()
    customized.head.linear.bias.requires_grad_(False)
    return customized


@pytest.fixture(autouse=True)
def _generators():
    """Give the global generators states of their own for a test."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    torch.manual_seed(12)
    np.random.seed(34)  # noqa: NPY002
    random.seed(56)
    yield
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    random.setstate(states[2])


@pytest.fixture(params=METHODS)
def run(request, artifact, frame):
    method = METHODS[request.param]
    baseline = frame.iloc[:2] + 1 if method.many_baselines else "zero"

    def run(model: nn.Module, data=frame, output=1) -> pd.DataFrame:
        scores = interpret_model(
            model, artifact, data, method.target, method.name, output=output, baseline=baseline, n_steps=5, quiet=True
        )
        return scores if method.target == "features" else pd.concat(scores, axis=1)

    return run


def test_model_and_process(run, fragile, snapshot):
    before = snapshot(fragile)
    first = run(fragile)
    assert snapshot(fragile) == before
    pd.testing.assert_frame_equal(run(fragile), first)


def test_after_an_error(run, fragile, snapshot):
    before = snapshot(fragile)
    fragile.head.calls.clear()
    run(fragile)
    n_calls = len(fragile.head.calls)
    assert n_calls >= 1
    for fails_at in {min(2, n_calls), n_calls // 2 + 1, n_calls}:  # the first looks at the width of the output
        fragile.head.calls.clear()
        fragile.head.fails_at = fails_at
        with pytest.raises(Boom):
            run(fragile)
        assert snapshot(fragile) == before


def test_data(run, model, artifact, frame):
    """Frames stay; tensors stay, need no gradient afterwards if they did not before, and get none."""
    expected = run(model)
    before = frame.copy()
    x = align_features_to_input_nodes(frame, artifact)
    copy = x.clone()
    np.testing.assert_array_equal(run(model, x), expected)
    assert not x.requires_grad
    x.requires_grad_()
    np.testing.assert_array_equal(run(model, x), expected)
    assert x.requires_grad
    assert x.grad is None
    assert torch.equal(x.detach(), copy)
    pd.testing.assert_frame_equal(frame, before)


def test_without_gradients(run, model):
    """The caller may be under ``no_grad``, and all parameters frozen."""
    expected = run(model)
    model.requires_grad_(False)
    with torch.no_grad():
        pd.testing.assert_frame_equal(run(model), expected)
        assert not torch.is_grad_enabled()


def test_mode_of_the_model_does_not_matter(run, model):
    customized = customize_model(model, dropout=0.5)
    expected = run(customized.eval())
    pd.testing.assert_frame_equal(run(customized.train()), expected)


LRP = pytest.mark.parametrize(("target", "method"), [("features", "LRP"), ("nodes", "LayerLRP")])


@LRP
@pytest.mark.parametrize("name", ["activations", "activation"])
def test_lrp_keeps_attributes_of_the_user(target, method, name, model, artifact, frame):
    """Captum writes attributes of these names into modules; so may a user."""
    head = nn.Sequential(nn.Linear(2, 1))
    setattr(head, name, "mine")
    interpret_model(customize_model(model, head=head), artifact, frame, target, method, quiet=True)
    assert getattr(head, name) == "mine"


@LRP
def test_lrp_rule_of_the_user(target, method, model, artifact, frame):
    """It holds for all cells, in as many calls as these take, and is still there afterwards."""
    head = nn.Linear(2, 1)
    head.rule = GammaRule()
    customized = customize_model(model, head=head)

    def scores(**options: object) -> np.ndarray:
        result = interpret_model(customized, artifact, frame, target, method, quiet=True, **options)
        return (result if target == "features" else pd.concat(result, axis=1)).to_numpy()

    at_once = scores()
    assert isinstance(getattr(head, "rule", None), GammaRule)
    np.testing.assert_allclose(scores(batch_size=2), at_once, rtol=1e-5)
