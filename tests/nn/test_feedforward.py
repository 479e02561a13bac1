"""A feedforward model equals a loop over its units with dense matrices; and what torch offers works with it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch.nn.state import seeded

random_graphs = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.log1p(np.exp(z)),
}


def states_by_loop(matrix, bias, activation, x):
    """Compute all units in model order, so that the sources of each come before it."""
    matrix, bias = matrix.numpy(), bias.numpy()
    states = [*x.numpy().T]
    for b, name, row in zip(bias, activation, matrix[len(states) :], strict=True):
        total = b + sum(weight * state for weight, state in zip(row, states, strict=False))
        states.append(ACTIVATIONS[name](total))
    return np.stack(states, axis=1)


@random_graphs
@given(data=st.data(), seed=st.integers(0, 2**31), bias=st.booleans(), n_cells=st.sampled_from([1, 3, 600]))
def test_equals_a_loop_over_units(
    data, seed, bias, n_cells, acyclic_edges, constrained, hidden_nodes, make, dense, cells
):
    edges = data.draw(acyclic_edges.flatmap(constrained))
    table = data.draw(hidden_nodes(edges, list(ACTIVATIONS)))
    model, artifact = make(edges, seed, nodes=table, bias=bias)
    for parameter in model.parameters():  # also those behind signs, which |weight| makes right
        torch.nn.init.normal_(parameter)
    model.double()
    matrix, biases, activation = dense(model, artifact, table)
    x = cells(n_cells, model.n_features, seed).double()
    states = states_by_loop(matrix, biases, activation, x)
    is_output = np.isin(artifact.graph.nodes, artifact.output_nodes)
    width = dict(zip(table["node"], table["width"], strict=True)) if table is not None else {}
    columns = np.repeat(is_output, [width.get(name, 1) for name in artifact.graph.nodes])
    with torch.no_grad():
        np.testing.assert_allclose(model(x).numpy(), states[:, columns], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(model.forward_by_block(x).numpy(), states[:, columns], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_numerical_derivatives_by_block(bias, skipping, make, cells):
    """Of the way that hooks and transformations take; the sweep has tests of its own."""
    model, _ = make(skipping, activation="softplus", width=2, bias=bias)
    model.double()
    names, parameters = zip(*model.named_parameters(), strict=True)

    def function(x, *values):
        states = [x]
        given = dict(zip(names, values, strict=True))
        for k, block in enumerate(model.blocks):
            own = {name.removeprefix(f"blocks.{k}."): value for name, value in given.items() if f"blocks.{k}." in name}
            states.append(torch.func.functional_call(block, own, tuple(states)))
        return model.pick_outputs(states)

    inputs = (cells(2, 3).double().requires_grad_(), *parameters)
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("by_block", [False, True])
def test_dropout_of_each_node(by_block, make):
    """Dropped states are 0 with the probability of their node; the others are scaled so that the mean stays."""
    p = {"h1": 0.1, "h2": 0.4, "h3": 0.8, "h4": 0.0}
    edges = pd.DataFrame([("a", name) for name in p] + [(name, f"out{name}") for name in p]).set_axis(
        ["source", "target"], axis=1
    )
    edges = edges.assign(initial_weight=1.0)
    table = pd.DataFrame({"node": list(p), "dropout": list(p.values())})
    model, artifact = make(edges, nodes=table, bias=False)
    x, n = torch.ones(40_000, 1), 40_000
    with seeded(1), torch.no_grad():
        out = model.forward_by_block(x) if by_block else model(x)
    for column, name in zip(out.T, artifact.output_nodes, strict=True):
        probability = p[name.removeprefix("out")]
        expected = {0.0, 1 / (1 - probability)} if probability else {1.0}
        assert set(np.round(column.unique().tolist(), 5)) == set(np.round(list(expected), 5))
        spread = (probability * (1 - probability) / n) ** 0.5
        assert abs(float((column == 0).float().mean()) - probability) <= 5 * spread
    dropped = np.corrcoef((out[:, :3] == 0).numpy().T)
    assert abs(dropped[np.triu_indices(3, 1)]).max() < 5 / n**0.5, "nodes are dropped one by one"
    assert torch.equal(model.eval()(x), torch.ones(n, 4))


def test_outputs_and_features_have_no_dropout(skipping, make, cells):
    """With almost all of the hidden states gone, outputs are their biases and what comes from the inputs."""
    model, artifact = make(skipping, dropout=0.99)
    x = cells(200, 3)
    with seeded(0):
        late = model(x)[:, artifact.output_nodes.index("late")]
    bias = model.blocks[-1].linear.bias
    from_c = x[:, artifact.feature_names.index("c")]
    weight = model.edge_weights()[[i for i, pair in enumerate(skipping.to_numpy().tolist()) if pair == ["c", "late"]]]
    expected = bias + weight * from_c
    assert torch.isclose(late, expected).float().mean() > 0.9


def test_dropout_in_half_precision(skipping, make, cells):
    """The type of a state stays, also where nodes have different probabilities."""
    model, _ = make(skipping, activation="tanh", dropout=0.5)
    for dtype in (torch.bfloat16, torch.float16):
        moved = model.to(dtype)
        assert moved(cells(4, 3).to(dtype)).dtype == moved.forward_by_block(cells(4, 3).to(dtype)).dtype == dtype
