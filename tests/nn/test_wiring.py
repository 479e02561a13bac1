"""From nodes and edges to units and weights, and back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch.nn import Wiring

random_graphs = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
BACKENDS = ["feedforward", "recurrent", "graphnn"]


def draw_edges(data, backend, acyclic_edges, cyclic_edges):
    """Draw a graph that a backend can have, and the steps that it needs."""
    return (data.draw(acyclic_edges), 1) if backend == "feedforward" else data.draw(cyclic_edges)


def with_steps(backend, distance):
    return {"backend": backend} | ({} if backend == "feedforward" else {"steps": max(3, distance)})


@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
@random_graphs
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_wide_models_start_as_narrow_ones(backend, data, seed, acyclic_edges, cyclic_edges, hidden_nodes, make, cells):
    """All weights given, no biases, linear nodes: the units of a node share out what one would do."""
    edges, distance = draw_edges(data, backend, acyclic_edges, cyclic_edges)
    edges = edges.assign(initial_weight=np.random.default_rng(seed).normal(size=len(edges)))
    options = {"bias": False, **with_steps(backend, distance)}
    narrow, artifact = make(edges, seed, **options)
    wide, _ = make(edges, seed, nodes=data.draw(hidden_nodes(edges, ["linear"])), **options)
    x = cells(5, len(artifact.feature_names), seed)
    torch.testing.assert_close(wide(x), narrow(x), rtol=1e-4, atol=1e-4)


def test_units():
    """a -> h (3 units) -> k (2 units) -> out, and a -> out: which unit leads to which, with what."""
    wiring = Wiring(
        layer=torch.tensor([0, 1, 2, 3]),
        is_output=torch.tensor([False, False, False, True]),
        source=torch.tensor([0, 1, 2, 0]),
        target=torch.tensor([1, 2, 3, 3]),
        width=torch.tensor([1, 3, 2, 1]),
        initial_weight=torch.tensor([1.0, 6.0, -4.0, torch.nan]),
        sign=torch.tensor([0, 1, -1, 0]),
        fixed=torch.tensor([True, False, False, False]),
        dropout=torch.tensor([0.0, 0.1, 0.2, 0.0]),
        activation=torch.tensor([-1, 0, 1, -1]),
    )
    units = wiring.units()
    assert (units.n_nodes, units.n_features, units.width) == (7, 1, None)
    assert units.node.tolist() == [0, 1, 1, 1, 2, 2, 3]
    assert units.layer.tolist() == [0, 1, 1, 1, 2, 2, 3]
    assert units.activation.tolist() == [-1, 0, 0, 0, 1, 1, -1]
    assert torch.equal(units.dropout, torch.tensor([0, 0.1, 0.1, 0.1, 0.2, 0.2, 0]))
    weights = zip(units.source.tolist(), units.target.tolist(), units.edge.tolist(), strict=True)
    expected = {(0, unit, 0) for unit in (1, 2, 3)} | {(4, 6, 2), (5, 6, 2), (0, 6, 3)}
    assert set(weights) == expected | {(source, target, 1) for source in (1, 2, 3) for target in (4, 5)}
    shared = torch.tensor([1.0, 2.0, -2.0, torch.nan])[units.edge]
    torch.testing.assert_close(units.initial_weight, shared, equal_nan=True)
    assert torch.equal(units.sign, wiring.sign[units.edge])
    assert torch.equal(units.fixed, wiring.fixed[units.edge])


@pytest.mark.parametrize("width", [None, torch.ones(2, dtype=torch.long)])
def test_one_unit_each(width):
    wiring = Wiring(
        torch.tensor([0, 1]), torch.tensor([False, True]), torch.tensor([0]), torch.tensor([1]), width=width
    )
    units = wiring.units()
    assert units.width is units.node is units.edge is None
    assert units.source is wiring.source


@pytest.mark.parametrize("backend", BACKENDS)
@random_graphs
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_weights_can_be_set_and_read(backend, data, seed, acyclic_edges, cyclic_edges, constrained, hidden_nodes, make):
    """In the order of the edge list; NaN leaves a weight as it is, and so does a constraint that fixes it."""
    edges, distance = draw_edges(data, backend, acyclic_edges, cyclic_edges)
    edges = data.draw(constrained(edges))
    table = data.draw(hidden_nodes(edges, ["linear"], wide=backend != "graphnn"))
    model, _ = make(edges, seed, nodes=table, **with_steps(backend, distance))
    before = model.edge_weights().detach()
    given = torch.tensor(edges["initial_weight"].to_numpy(), dtype=torch.float32)
    known = ~given.isnan()
    torch.testing.assert_close(before[known], given[known])

    rng = np.random.default_rng(seed)
    constraint = edges["constraint"].to_numpy()
    new = rng.uniform(0.1, 2, len(edges)) * rng.choice([-1, 1], len(edges))
    new = np.select([constraint == "positive", constraint == "negative"], [abs(new), -abs(new)], new)
    left = rng.random(len(edges)) < 0.3
    model.set_edge_weights(torch.tensor(np.where(left, np.nan, new), dtype=torch.float32))
    expected = np.where(left | (constraint == "fixed"), before.numpy(), new)
    np.testing.assert_allclose(model.edge_weights().detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_that_are_not_set_stay_bit_for_bit(backend, loops, skipping, make, cells):
    edges = skipping if backend == "feedforward" else loops
    model, _ = make(edges, backend=backend, width=3)
    x = cells(4, model.n_features)
    expected = model(x)
    model.set_edge_weights(torch.full((len(edges),), torch.nan))
    assert torch.equal(model(x), expected)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
def test_weight_of_an_edge_between_wide_nodes(backend, make):
    """The sum over the units of the source, averaged over those of the target."""
    edges = pd.DataFrame([("a", "h"), ("h", "k"), ("k", "o")], columns=["source", "target"])
    table = pd.DataFrame({"node": ["h", "k"], "width": [3, 2]})
    model, _ = make(edges, backend=backend, nodes=table, bias=False)
    layers = [linear.weight for linear in model.linears()]
    flat = torch.cat(layers)  # ordered by target, then by source: 3 from a, 6 from h to k, 2 from k
    expected = [flat[:3].mean(), flat[3:9].reshape(2, 3).sum(dim=1).mean(), flat[9:].sum()]
    torch.testing.assert_close(model.edge_weights(), torch.stack(expected))


@pytest.mark.parametrize("backend", BACKENDS)
def test_sum_units(backend, make, cells):
    edges = pd.DataFrame(
        [pair.split() for pair in ["a h", "b h", "a k", "h m", "k m", "m o", "k p", "b p"]],
        columns=["source", "target"],
    )
    table = pd.DataFrame({"node": ["h", "k", "m"], "width": [2, 1, 3]})
    wide = {"width": 3} if backend == "graphnn" else {"nodes": table}
    model, artifact = make(edges, backend=backend, activation="tanh", **wide)
    width = dict.fromkeys(artifact.graph.nodes, 3) if backend == "graphnn" else {"h": 2, "m": 3}
    layers = list(artifact.node_names_by_layer.values())[1:]
    shown = layers if backend == "feedforward" else [list(artifact.graph.nodes[2:])] * len(model.blocks)
    seen = []
    for block in model.blocks:
        block.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    model(cells(4, 2))
    assert len(shown) == len(seen)
    for k, (names, state) in enumerate(zip(shown, seen, strict=True)):
        columns = state.split([width.get(name, 1) for name in names], dim=1)
        expected = torch.stack([part.sum(dim=1) for part in columns], dim=1)
        torch.testing.assert_close(model.sum_units(state, k), expected)


def test_sum_units_of_narrow_nodes_is_what_is_given(skipping, make):
    model, _ = make(skipping)
    state = torch.randn(3, 2)
    assert model.sum_units(state, 0) is state
