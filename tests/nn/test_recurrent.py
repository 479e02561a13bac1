"""A recurrent model equals steps with dense matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch import compile_graph

random_graphs = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
}


def states_by_step(matrix, bias, activation, x, steps):
    """Yield the states of all units behind the inputs after each step, (cells, units); before the first, all are 0."""
    state = np.zeros((len(x), len(bias)))
    for _ in range(steps):
        total = np.hstack([x, state]) @ matrix.numpy()[x.shape[1] :].T + bias.numpy()
        state = np.stack([ACTIVATIONS[name](z) for name, z in zip(activation, total.T, strict=True)], axis=1)
        yield state


@random_graphs
@given(
    data=st.data(),
    seed=st.integers(0, 2**31),
    bias=st.booleans(),
    steps=st.integers(1, 5),
    n_cells=st.sampled_from([0, 1, 3, 600]),
)
def test_equals_dense_steps(
    data, seed, bias, steps, n_cells, cyclic_edges, constrained, hidden_nodes, make, dense, cells
):
    edges, distance = data.draw(cyclic_edges)
    edges = data.draw(constrained(edges))
    table = data.draw(hidden_nodes(edges, list(ACTIVATIONS)))
    model, artifact = make(edges, seed, backend="recurrent", nodes=table, bias=bias, steps=max(steps, distance))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.double()
    seen = []
    x = cells(n_cells, model.n_features, seed).double()
    with torch.no_grad():
        unseen = model(x)
        for block in model.blocks:
            block.register_forward_hook(lambda _module, _inputs, out: seen.append(out.numpy()))
        assert torch.equal(model(x), unseen)
    states = list(states_by_step(*dense(model, artifact, table), x.numpy(), max(steps, distance)))
    np.testing.assert_allclose(np.stack(seen), np.stack(states), rtol=1e-6, atol=1e-6)
    width = dict(zip(table["node"], table["width"], strict=True)) if table is not None else {}
    inner = artifact.graph.nodes[model.n_features :]
    columns = np.repeat(np.isin(inner, artifact.output_nodes), [width.get(name, 1) for name in inner])
    np.testing.assert_allclose(unseen.numpy(), states[-1][:, columns], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("backend", ["recurrent", "graphnn"])
def test_as_many_units_as_inputs(backend, make, cells):
    """a -> h -> out and b -> out: edges from inputs and others are told apart by more than sizes."""
    edges = pd.DataFrame([("a", "h"), ("h", "out"), ("b", "out")], columns=["source", "target"])
    model, _ = make(edges, backend=backend)
    assert model(cells(4, 2)).shape == (4, 1)


@pytest.mark.parametrize("options", [{}, {"width": 2}, {"tolerance": 1e-9}, {"bias": False}, {"spectral_norm": 0.3}])
def test_numerical_derivatives(options, loops, make, cells):
    model, _ = make(loops, backend="recurrent", activation="tanh", steps=4, **options)
    model.double().eval()
    names, parameters = zip(*model.named_parameters(), strict=True)

    def function(x, *values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    inputs = (cells(2, 2).double().requires_grad_(), *parameters)
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def test_constraints_hold_in_training(loops, make, cells):
    constraint = np.array(["positive", "negative", "fixed", "positive", "negative", "fixed", *["unconstrained"] * 3])
    initial = np.array([0.5, -0.5, 0.3, 0.2, -0.1, -0.7, 0.1, 0.2, 0.3])
    model, _ = make(
        loops.assign(constraint=constraint, initial_weight=initial), backend="recurrent", activation="tanh", width=2
    )
    before = model.edge_weights().detach()
    optimizer, x = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1), cells(30, 2)
    for step in range(60):
        optimizer.zero_grad()
        (model(x) - 100 * (-1) ** (step // 15) * x).square().mean().backward()
        optimizer.step()
    after = model.edge_weights().detach()
    assert (torch.cat([linear.weight for linear in model.linears()]) < 0).any()
    assert (after[torch.as_tensor(constraint == "positive")] >= 0).all()
    assert (after[torch.as_tensor(constraint == "negative")] <= 0).all()
    fixed = torch.as_tensor(constraint == "fixed")
    torch.testing.assert_close(after[fixed], torch.tensor(initial, dtype=torch.float32)[fixed], rtol=1e-6, atol=0)
    assert (after[~fixed] != before[~fixed]).all()


@random_graphs
@given(data=st.data(), seed=st.integers(0, 2**31), extra=st.integers(0, 2))
def test_enough_steps_on_an_acyclic_graph_are_feedforward(data, seed, extra, acyclic_edges, hidden_nodes, make, cells):
    edges = data.draw(acyclic_edges)
    table = data.draw(hidden_nodes(edges, list(ACTIVATIONS), wide=False))
    forward, one = make(edges, seed, nodes=table)
    recurrent, other = make(edges, seed + 1, backend="recurrent", nodes=table, steps=len(forward.blocks) + extra)
    bias = {
        name: value
        for k, block in enumerate(forward.blocks, start=1)
        for name, value in zip(one.node_names_by_layer[f"layer_{k}"], block.linear.bias.tolist(), strict=True)
    }
    recurrent.set_edge_weights(forward.edge_weights().detach())
    with torch.no_grad():
        inner = other.graph.nodes[recurrent.n_features :]
        recurrent.from_inputs.bias.copy_(torch.tensor([bias[name] for name in inner]))
    assert one.feature_names == other.feature_names
    x = cells(4, forward.n_features, seed)
    order = [other.output_nodes.index(name) for name in one.output_nodes]
    torch.testing.assert_close(recurrent(x)[:, order], forward(x), rtol=1e-5, atol=1e-5)


# --- tolerance -------------------------------------------------------------------------------------------------------


def test_tolerance_stops_each_cell_by_itself(loops, make, dense, cells):
    """Cells are stepped until none of their states changes by more; some stop early, some late, some never."""
    steps, tolerance = 12, 1e-3
    options = {"backend": "recurrent", "activation": "tanh", "steps": steps}
    model, artifact = make(loops, **options, tolerance=tolerance)
    model.double()
    table = pd.DataFrame({"node": ["h", "k"], "activation": "tanh"})
    x = cells(40, 2).double() * torch.logspace(-2, 1.5, 40, dtype=torch.float64)[:, None]
    history = list(states_by_step(*dense(model, artifact, table), x.numpy(), steps))
    expected, stops = [], []
    for cell in range(len(x)):
        after = [state[cell] for state in history]
        calm = [t for t in range(1, steps) if abs(after[t] - after[t - 1]).max() <= tolerance]
        stops.append(min(calm, default=steps - 1))
        expected.append(after[stops[-1]])
    assert len(set(stops)) >= 4
    out = model(x).detach()
    np.testing.assert_allclose(out.numpy(), np.stack(expected)[:, model.output_columns.numpy()], rtol=1e-9, atol=1e-12)
    alone = torch.cat([model(cell[None]) for cell in x])
    torch.testing.assert_close(out, alone.detach(), rtol=1e-12, atol=1e-12)
    every_step, _ = make(loops, **options)
    every_step.double()
    assert not torch.equal(every_step(x), out)


def test_tolerance_saves_steps(loops, make, cells):
    model, _ = make(loops, backend="recurrent", activation="tanh", steps=200, tolerance=0.1)
    calls = []
    for block in model.blocks:
        block.forward = lambda sums, block=block: calls.append(1) or torch.tanh(sums)
    model(cells(20, 2))
    assert 1 < len(calls) < 100


def test_hooks_see_every_step_in_spite_of_the_tolerance(loops, make, cells):
    model, _ = make(loops, backend="recurrent", activation="tanh", steps=50, tolerance=0.1)
    x, seen = cells(5, 2), []
    expected = model(x)
    for block in model.blocks:
        block.register_forward_hook(lambda *_: seen.append(1))
    assert torch.equal(model(x), expected)
    assert len(seen) == 50


def test_tolerance_under_vmap(loops, make, cells):
    model, _ = make(loops, backend="recurrent", activation="tanh", steps=9, tolerance=0.1)
    x = cells(6, 2)
    per_cell = torch.vmap(torch.func.grad(lambda cell: model(cell[None]).sum()))(x)
    (expected,) = torch.autograd.grad(model(x.requires_grad_()).sum(), x)
    torch.testing.assert_close(per_cell, expected)


def test_dropout_is_drawn_for_each_step(loops):
    """A state that an input drives is dropped in each step anew: its last state is 0 with the given probability."""
    edges = loops.assign(initial_weight=0.0).assign(initial_weight=lambda e: (e["source"] == "a").astype(float))
    model, artifact = compile_graph(edges, backend="recurrent", dropout=0.3, steps=3, bias=False, quiet=True)
    seen = []
    for block in model.blocks:
        block.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model(torch.ones(20_000, 2))
    column = artifact.graph.nodes[2:].tolist().index("h")
    gone = torch.stack([state[:, column] == 0 for state in seen]).double()
    np.testing.assert_allclose(gone.mean(dim=1), 0.3, atol=0.02)
    assert torch.corrcoef(gone).triu(1).abs().max() < 0.04
    assert torch.equal(seen[0].unique(), torch.tensor([0, 1 / 0.7]))
