"""Initial weights, and what constraints hold in training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import compile_graph
from edge2torch.nn import EdgeLinear


@pytest.mark.parametrize("in_degree", [1, 4, 100])
def test_variance_is_one_over_in_degree(in_degree, bipartite, make):
    """20,000 uniform draws: the standard error of their variance is 0.6 %, of their mean 0.7 % of sigma."""
    model, _ = make(bipartite(in_degree, 20_000), seed=in_degree)
    weights = model.edge_weights() * in_degree**0.5
    assert abs(weights.var() - 1) < 0.05
    assert abs(weights.mean()) < 0.05


def test_scale_of_a_state_does_not_depend_on_the_size_of_its_layer(bipartite, make):
    model, artifact = make(bipartite(50, 25_000), bias=False)
    x = torch.randn(200, len(artifact.feature_names), generator=torch.Generator().manual_seed(0))
    assert abs(model(x).var() - 1) < 0.1


def test_biases_start_at_zero(skipping):
    model, _ = compile_graph(skipping, quiet=True)
    assert all((block.linear.bias == 0).all() for block in model.blocks)


def test_initial_weights_are_used_and_the_others_drawn(skipping, make):
    given = np.array([0.1, np.nan, -3.0, 1e-8, np.nan, 0.0, 7.5, np.nan, -0.25, 1 / 3, 2.0])
    one, other = (make(skipping.assign(initial_weight=given), seed)[0].edge_weights() for seed in (1, 2))
    drawn = torch.as_tensor(np.isnan(given))
    assert torch.equal(one[~drawn], torch.tensor(given[~np.isnan(given)], dtype=torch.float32))
    assert (one[drawn] != other[drawn]).all()


@pytest.mark.parametrize(("constraint", "sign"), [("positive", 1), ("negative", -1)])
def test_drawn_weights_have_the_sign_of_their_constraint(constraint, sign, bipartite, make):
    model, _ = make(bipartite(4, 2000).assign(constraint=constraint))
    assert (model.edge_weights() * sign > 0).all()


def train(model: torch.nn.Module, n_features: int, *, n_steps: int = 60, lr: float = 0.1) -> None:
    """Pull the outputs far from where they can go, with weight decay."""
    x = torch.randn(32, n_features, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=0.1)
    for step in range(n_steps):
        optimizer.zero_grad()
        (model(x) - 100 * (-1) ** (step // 15) * x.sum(dim=1, keepdim=True)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("activation", [None, "relu"])
def test_constraints_hold_in_training(activation, make):
    rng = np.random.default_rng(0)
    pairs = [(f"g{s}", f"h{t}") for t in range(12) for s in rng.choice(20, 6, replace=False)]
    pairs += [(f"h{s}", f"out{t}") for t in range(2) for s in range(12)]
    constraint = rng.choice(["unconstrained", "positive", "negative", "fixed"], len(pairs))
    size = rng.uniform(0.01, 1, len(pairs))
    initial = np.select(
        [constraint == "negative", constraint == "positive"], [-size, size], rng.normal(size=len(pairs))
    )
    edges = pd.DataFrame(pairs, columns=["source", "target"]).assign(constraint=constraint, initial_weight=initial)
    model, artifact = make(edges, activation=activation)
    before = model.edge_weights().detach().clone()
    train(model, len(artifact.feature_names))
    after = model.edge_weights().detach()
    assert (after[torch.as_tensor(constraint == "positive")] >= 0).all()
    assert (after[torch.as_tensor(constraint == "negative")] <= 0).all()
    fixed = torch.as_tensor(constraint == "fixed")
    assert torch.equal(after[fixed], torch.tensor(initial, dtype=torch.float32)[fixed]), "bit for bit"
    free = torch.as_tensor(constraint == "unconstrained")
    assert (after[free] != before[free]).float().mean() > 0.9
    assert ((after[free] > 0) != (before[free] > 0)).any(), "some free weights change their sign"


@pytest.mark.parametrize(("constraint", "slope"), [("positive", 2.0), ("negative", -2.0)])
def test_constrained_edge_can_leave_zero(constraint, slope):
    edges = pd.DataFrame({"source": ["a"], "target": ["out"], "initial_weight": 0.0, "constraint": constraint})
    model, _ = compile_graph(edges, bias=False, quiet=True)
    optimizer, x = torch.optim.SGD(model.parameters(), lr=0.1), torch.tensor([[1.0], [-1.0]])
    for _ in range(100):
        optimizer.zero_grad()
        (model(x) - slope * x).square().mean().backward()
        optimizer.step()
    assert model.edge_weights().item() == pytest.approx(slope, abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_fixed_weights_follow_the_dtype(dtype, skipping, make):
    model, _ = make(skipping.assign(constraint="fixed", initial_weight=0.5))
    assert torch.equal(model.to(dtype).edge_weights(), torch.full([len(skipping)], 0.5, dtype=dtype))


def test_reset_draws_again_and_puts_given_weights_back(skipping, make):
    given = np.array([0.5, np.nan, -1.0, np.nan, *[np.nan] * 7])
    edges = skipping.assign(initial_weight=given, constraint=["fixed", "positive", *["unconstrained"] * 9])
    model, artifact = make(edges, seed=1)
    train(model, len(artifact.feature_names), n_steps=5)
    torch.manual_seed(3)
    for block in model.blocks:
        block.linear.reset_parameters()
    torch.manual_seed(3)
    fresh, _ = compile_graph(edges, quiet=True)
    assert torch.equal(model.edge_weights(), fresh.edge_weights())
    assert all((block.linear.bias == 0).all() for block in model.blocks)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sign", [None, [0, 1, -1, 0, 1]])
def test_edge_linear_is_a_matrix_with_zeros(sign, bias):
    source, target = torch.tensor([0, 3, 1, 2, 3]), torch.tensor([0, 0, 1, 1, 2])
    linear = EdgeLinear(source, target, bias=bias, sign=None if sign is None else torch.tensor(sign))
    dense = torch.zeros(3, 4)
    for s, t, weight in zip(source, target, linear.edge_weight(), strict=True):
        dense[t, s] = weight.item()
    if bias:
        torch.nn.init.normal_(linear.bias)
    x = torch.randn(6, 4)
    torch.testing.assert_close(linear(x), torch.nn.functional.linear(x, dense, linear.bias))
    assert str(linear) == f"EdgeLinear(edges=5, targets=3, bias={bias})"
