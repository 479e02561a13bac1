"""A compiled model computes the formula of its nodes, with one weight per edge."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError, compile_graph

random_graphs = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
activations = st.sampled_from(["relu", "tanh", None])
seeds = st.integers(0, 2**31)


def cells(n_cells: int, n_features: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n_cells, n_features, generator=torch.Generator().manual_seed(seed))


@random_graphs
@given(data=st.data(), activation=activations, bias=st.booleans(), seed=seeds, n_cells=st.integers(1, 5))
def test_states_and_outputs(data, activation, bias, seed, n_cells, acyclic_edges, make, states_by_formula):
    model, artifact = make(data.draw(acyclic_edges), seed, activation=activation, bias=bias)
    x = cells(n_cells, len(artifact.feature_names), seed)
    seen = []
    for block in model.blocks:
        block.register_forward_hook(lambda _module, _inputs, out: seen.append(out.detach().numpy()))
    outputs = model(x)
    state = states_by_formula(model, artifact, x, activation)
    close = {"rtol": 1e-5, "atol": 1e-5}
    expected = np.stack([state[name] for name in artifact.output_nodes], axis=1)
    np.testing.assert_allclose(outputs.detach().numpy(), expected, **close)
    assert len(seen) == len(artifact.node_names_by_layer) - 1
    for k, block_output in enumerate(seen, start=1):
        names = artifact.node_names_by_layer[f"layer_{k}"]
        np.testing.assert_allclose(block_output, np.stack([state[name] for name in names], axis=1), **close)


@random_graphs
@given(data=st.data(), activation=activations)
def test_one_weight_per_edge_and_one_bias_per_node(data, activation, acyclic_edges):
    edges = data.draw(acyclic_edges)
    n_nodes = len(set(edges["target"]))
    for bias, expected in ((True, len(edges) + n_nodes), (False, len(edges))):
        model, _ = compile_graph(edges, bias=bias, activation=activation, quiet=True)
        assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_nothing_is_as_large_as_a_dense_layer(bipartite):
    """200 sources and 300 targets with 900 edges, which have two ends: a dense matrix would have 60,000 elements."""
    rng = np.random.default_rng(0)
    edges = pd.DataFrame(
        {"source": [f"s{i}" for i in rng.integers(0, 200, 900)], "target": [f"t{i}" for i in rng.integers(0, 300, 900)]}
    ).drop_duplicates()
    edges = edges.assign(initial_weight=1.0, constraint=rng.choice(["fixed", "positive", "unconstrained"], len(edges)))
    model, _ = compile_graph(edges, quiet=True)
    tensors = [*model.parameters(), *model.buffers()]
    tensors += [value for module in model.modules() for value in vars(module).values() if torch.is_tensor(value)]
    assert max(tensor.numel() for tensor in tensors) <= 2 * len(edges)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "sigmoid", None])
def test_gradients(activation, skipping, make):
    model, _ = make(skipping, activation=activation)
    model.double()
    names, parameters = zip(*model.named_parameters(), strict=True)

    def function(x, *values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    x = cells(4, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(function, (x, *parameters))


def test_gradients_with_constraints(skipping, make):
    constraint = ["positive", "negative", "fixed", "unconstrained", "positive", "negative", "fixed", *[None] * 4]
    weight = [0.5, -0.7, 0.3, 0.2, 0.9, -1.1, -0.4, *[0.1] * 4]
    model, _ = make(skipping.assign(constraint=constraint, initial_weight=weight), activation="tanh")
    model.double()
    names, parameters = zip(*model.named_parameters(), strict=True)

    def function(*values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (cells(4, 3).double(),))

    assert torch.autograd.gradcheck(function, parameters)


@random_graphs
@given(data=st.data(), seed=seeds)
def test_rows_of_the_edge_list_may_come_in_any_order(data, seed, acyclic_edges, make):
    edges = data.draw(acyclic_edges).assign(initial_weight=lambda e: np.linspace(-1, 1, len(e)))
    order = data.draw(st.permutations(range(len(edges))))
    one, artifact = make(edges, seed, activation="tanh")
    other, _ = make(edges.iloc[order], seed, activation="tanh")
    x = cells(3, len(artifact.feature_names), seed)
    torch.testing.assert_close(one(x), other(x), rtol=0, atol=0)
    torch.testing.assert_close(one.edge_weights()[order], other.edge_weights(), rtol=0, atol=0)


def test_each_cell_is_on_its_own(skipping, make):
    model, _ = make(skipping, activation="tanh")
    x = cells(7, 3)
    torch.testing.assert_close(torch.cat([model(row[None]) for row in x]), model(x))
    assert model(x[:0]).shape == (0, 2)


@pytest.mark.parametrize("layout", ["transposed", "strided", "expanded"])
def test_memory_layout_of_the_input_does_not_matter(layout, skipping, make):
    model, _ = make(skipping, activation="tanh")
    x = {
        "transposed": cells(3, 7).T,
        "strided": cells(14, 6)[::2, ::2],
        "expanded": cells(1, 3).expand(7, 3),
    }[layout]
    assert x.shape == (7, 3)
    torch.testing.assert_close(model(x), model(x.clone(memory_format=torch.contiguous_format)), rtol=0, atol=0)


@pytest.mark.parametrize("n_features", [2, 4])
def test_input_of_another_width(n_features, skipping, make):
    """Columns are features in the order of the artifact: more or fewer of them cannot be meant."""
    model, _ = make(skipping)
    with pytest.raises((ValueError, RuntimeError), match=rf"\b3\b.*\b{n_features}\b|\b{n_features}\b.*\b3\b"):
        model(cells(5, n_features))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.bfloat16, 5e-2), (torch.float16, 5e-3)])
def test_dtype(dtype, tolerance, skipping, make):
    model, _ = make(skipping.assign(initial_weight=0.5, constraint="positive"), activation="tanh")
    x = cells(5, 3)
    expected = model(x)
    moved = copy.deepcopy(model).to(dtype)
    outputs = moved(x.to(dtype))
    assert outputs.dtype == dtype
    assert {parameter.dtype for parameter in moved.parameters()} == {dtype}
    torch.testing.assert_close(outputs.float(), expected, rtol=tolerance, atol=tolerance)


def test_state_dict(skipping, make):
    """All that a model computes with is in it; weights that may differ are loaded."""
    constraint = ["fixed"] * 3 + ["positive"] * 8
    trained, _ = make(skipping.assign(initial_weight=0.25, constraint=constraint), seed=1, activation="tanh")
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn_like(parameter))
    weights = [0.25] * 3 + [0.5] * 8
    other, _ = make(skipping.assign(initial_weight=weights, constraint=constraint), seed=2, activation="tanh")
    x = cells(5, 3)
    assert not torch.equal(other(x), trained(x))
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other(x), trained(x))
    assert torch.equal(other.edge_weights(), trained.edge_weights())


def test_state_dict_of_other_fixed_weights_is_refused(skipping, make):
    """The value of a fixed weight is part of what a model is."""
    constraint = ["fixed"] * 3 + ["positive"] * 8
    model, other = (make(skipping.assign(initial_weight=w, constraint=constraint))[0] for w in (0.25, 0.5))
    before = other.edge_weights()
    with pytest.raises(Edge2TorchError, match="differs in 'graph'"):
        other.load_state_dict(model.state_dict())
    assert torch.equal(other.edge_weights(), before)


def test_state_dict_of_another_graph_is_refused(skipping, make):
    model, _ = make(skipping)
    other, _ = make(skipping.iloc[:-1])
    with pytest.raises(Edge2TorchError, match="differs in 'graph'"):
        other.load_state_dict(model.state_dict())


def test_deepcopy(skipping, make):
    model, _ = make(skipping, activation="tanh")
    twin, x = copy.deepcopy(model), cells(5, 3)
    before = model(x).detach().clone()
    assert torch.equal(twin(x), before)
    twin(x).sum().backward()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(model(x), before)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert twin.fingerprint == model.fingerprint


def test_edge_weights_pass_gradients_on(skipping, make):
    """A penalty on the weights, in the order of the edge list, reaches the parameters behind them."""
    model, _ = make(skipping)
    penalty = torch.arange(len(skipping), dtype=torch.float32)
    (model.edge_weights() * penalty).sum().backward()
    gradients = torch.cat([block.linear.weight.grad for block in model.blocks])
    assert sorted(gradients.tolist()) == penalty.tolist()
