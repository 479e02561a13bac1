"""A graph neural network equals messages passed with a dense matrix."""

from __future__ import annotations

import numpy as np
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


def states_by_message(model, matrix, activation, x, steps):
    """Yield ``h_v = act(A sum w_uv h_u + B h_v + b_v)`` after each step, (cells, nodes behind the inputs, channels)."""
    lift, mix, keep = (getattr(model, name).detach().numpy() for name in ("lift", "mix", "keep"))
    weights = matrix.numpy()[x.shape[1] :]
    bias = 0 if model.bias is None else model.bias.detach().numpy()
    inputs = x.numpy()[:, :, None] * lift
    state = np.zeros((len(x), len(weights), len(lift)))
    for _ in range(steps):
        heard = np.einsum("vu,cud->cvd", weights, np.concatenate([inputs, state], axis=1))
        total = heard @ mix.T + state @ keep.T + bias
        state = np.stack([ACTIVATIONS[name](total[:, v]) for v, name in enumerate(activation)], axis=1)
        yield state


@random_graphs
@given(
    data=st.data(),
    seed=st.integers(0, 2**31),
    bias=st.booleans(),
    steps=st.integers(1, 5),
    channels=st.integers(1, 3),
    n_cells=st.sampled_from([0, 1, 3, 600]),
)
def test_equals_dense_messages(
    data, seed, bias, steps, channels, n_cells, cyclic_edges, constrained, hidden_nodes, make, dense, cells
):
    edges, distance = data.draw(cyclic_edges)
    edges, steps = data.draw(constrained(edges)), max(steps, distance)
    table = data.draw(hidden_nodes(edges, list(ACTIVATIONS), wide=False))
    model, artifact = make(edges, seed, backend="graphnn", nodes=table, bias=bias, steps=steps, width=channels)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.double()
    matrix, _, activation = dense(model, artifact, table)
    x = cells(n_cells, model.n_features, seed).double()
    states = list(states_by_message(model, matrix, activation, x, steps))
    seen = []
    for block in model.blocks:
        block.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    with torch.no_grad():
        out = model(x)
    for state, expected in zip(seen, states, strict=True):
        np.testing.assert_allclose(state.numpy(), expected.reshape(state.shape), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(model.sum_units(state, 0).numpy(), expected.sum(axis=2), rtol=1e-6, atol=1e-6)
    is_output = np.isin(artifact.graph.nodes[model.n_features :], artifact.output_nodes)
    expected = states[-1][:, is_output] @ model.read.detach().numpy()
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"width": 1}, {"bias": False}])
def test_numerical_derivatives(options, loops, make, cells):
    model, _ = make(loops, **{"backend": "graphnn", "activation": "tanh", "steps": 3, "width": 2} | options)
    model.double()
    names, parameters = zip(*model.named_parameters(), strict=True)

    def function(x, *values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    inputs = (cells(2, 2).double().requires_grad_(), *parameters)
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def test_number_of_parameters(loops):
    """One weight per edge, a vector per node behind the inputs, two matrices and two vectors for all."""
    model, _ = compile_graph(loops, backend="graphnn", width=5, quiet=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == len(loops) + 4 * 5 + 2 * 25 + 2 * 5


def test_constraints_hold_in_training(loops, make, cells):
    constraint = np.array(["positive", "negative", "fixed", "positive", "negative", "fixed", *["unconstrained"] * 3])
    initial = np.array([0.5, -0.5, 0.3, 0.2, -0.1, -0.7, 0.1, 0.2, 0.3])
    edges = loops.assign(constraint=constraint, initial_weight=initial)
    model, _ = make(edges, backend="graphnn", activation="tanh", width=2)
    torch.testing.assert_close(model.edge_weights(), torch.tensor(initial, dtype=torch.float32), rtol=0, atol=0)
    optimizer, x = torch.optim.Adam(model.parameters(), lr=0.1, weight_decay=0.1), cells(30, 2)
    for step in range(60):
        optimizer.zero_grad()
        (model(x) - 100 * (-1) ** (step // 15) * x).square().mean().backward()
        optimizer.step()
    after = model.edge_weights().detach()
    assert (after[torch.as_tensor(constraint == "positive")] >= 0).all()
    assert (after[torch.as_tensor(constraint == "negative")] <= 0).all()
    fixed = torch.as_tensor(constraint == "fixed")
    assert torch.equal(after[fixed], torch.tensor(initial, dtype=torch.float32)[fixed])
    assert (after[~fixed] != torch.tensor(initial, dtype=torch.float32)[~fixed]).all()


def test_states_keep_their_scale(bipartite, cells):
    """Half of the variance comes from messages, half from the node: linear nodes keep it on average."""
    edges = bipartite(20, 4000)
    variances = []
    for seed in range(60):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model, _ = compile_graph(edges, backend="graphnn", width=16, steps=1, quiet=True)
        variances.append(float(model(cells(50, 20, seed)).var().detach()))
    # The first message has the weight 1/2 of the mixing matrix.
    assert abs(np.mean(variances) - 0.5) < 4 * np.std(variances) / 60**0.5
