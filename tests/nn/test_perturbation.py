"""What perturbed models compute, beside dense matrices with states changed by hand, and models without the edges."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.nn import Perturbations, last_states, output_changes, perturbed_sweep, units_of_nodes
from edge2torch.nn.perturbation import compute_anew

random_graphs = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
ACTIVATIONS = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
}


def changes_of(models, x, perturbations, **options):
    """All changes, (models, perturbations, outputs, cells)."""
    return torch.cat([found for _, found in output_changes(models, x, perturbations, **options)], dim=1)


@st.composite
def random_perturbations(draw, units, n_models=1):
    """Up to six perturbations of up to three units each."""
    chosen = draw(st.lists(st.sets(st.sampled_from(units), min_size=1, max_size=3), min_size=1, max_size=6))
    of = torch.tensor([k for k, some in enumerate(chosen) for _ in some])
    unit = torch.tensor([one for some in chosen for one in some])
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    factor = torch.rand(len(of), generator=numbers) * torch.tensor(
        draw(st.lists(st.sampled_from([0, 1, 2]), min_size=len(of), max_size=len(of)))
    )
    shift = torch.randn(n_models, len(of), generator=numbers)
    return Perturbations(len(chosen), of, unit, factor.double(), shift.double())


def remove(model, nodes):
    """A perturbation for each of some nodes, whose states are 0."""
    of, unit = units_of_nodes(model, torch.as_tensor(nodes))
    return Perturbations(len(nodes), of, unit, torch.zeros(len(of)), torch.zeros(1, len(of)))


def changed(state, unit, factor, shift):
    """States, (cells, units), with some of them changed."""
    state = state.copy()
    state[:, unit] = factor * state[:, unit] + shift
    return state


def by_layers(matrix, bias, activation, x, entries):
    """States of all units of a feedforward network, one after the other, with those of some changed."""
    state = np.zeros((len(x), len(matrix)))
    state[:, : x.shape[1]] = x
    touched = {unit: rest for unit, *rest in entries}
    for unit in range(len(matrix)):
        if unit >= x.shape[1]:
            function = ACTIVATIONS[activation[unit - x.shape[1]]]
            state[:, unit] = function(state @ matrix[unit] + bias[unit - x.shape[1]])
        if unit in touched:
            factor, shift = touched[unit]
            state[:, unit] = factor * state[:, unit] + shift
    return state


def by_steps(matrix, bias, activation, x, entries, steps):
    """The same of a recurrent network after some steps, changed after each; inputs stay changed."""
    n = x.shape[1]
    state = np.hstack([x, np.zeros((len(x), len(matrix) - n))])
    for step in range(steps + 1):
        if step:
            total = state @ matrix[n:].T + bias
            state[:, n:] = np.stack([ACTIVATIONS[name](z) for name, z in zip(activation, total.T, strict=True)], axis=1)
        for unit, factor, shift in entries:
            if (unit < n) == (step == 0):
                state[:, unit] = factor * state[:, unit] + shift
    return state


@random_graphs
@given(data=st.data(), seed=st.integers(0, 2**31), n_cells=st.sampled_from([0, 1, 530]))
@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
def test_equals_dense_states_changed_by_hand(
    backend, data, seed, n_cells, acyclic_edges, cyclic_edges, hidden_nodes, make, dense, cells
):
    steps = 4
    if backend == "feedforward":
        edges, options = data.draw(acyclic_edges), {}
    else:
        edges, distance = data.draw(cyclic_edges)
        steps = max(steps, distance)
        options = {"steps": steps}
    table = data.draw(hidden_nodes(edges, list(ACTIVATIONS)))
    model, artifact = make(edges, seed, backend=backend, nodes=table, **options)
    model.double()
    matrix, bias, activation = dense(model, artifact, table)
    width = {} if table is None else dict(zip(table["node"], table["width"], strict=True))
    nodes = [name for name in artifact.graph.nodes for _ in range(width.get(name, 1))]
    is_output = np.isin(nodes, artifact.output_nodes)
    perturbations = data.draw(random_perturbations(np.flatnonzero(~is_output).tolist()))
    x = cells(n_cells, model.n_features, seed).double()
    found = changes_of([model], x, perturbations)[0]

    def outputs(entries):
        given = (matrix.numpy(), bias.numpy(), activation, x.numpy(), entries)
        return (by_layers(*given) if backend == "feedforward" else by_steps(*given, steps))[:, is_output]

    as_it_is = outputs([])
    for k in range(perturbations.n):
        part = perturbations.part(k, k + 1)
        entries = list(zip(part.unit.tolist(), part.factor.tolist(), part.shift[0].tolist(), strict=True))
        np.testing.assert_allclose(found[k].T, outputs(entries) - as_it_is, rtol=1e-6, atol=1e-9)


BACKENDS = {
    "feedforward": {},
    "all of it": {"activation": torch.nn.PReLU},
    "recurrent": {"backend": "recurrent", "steps": 5},
    "graphnn": {"backend": "graphnn", "steps": 4, "width": 3},
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_to_remove_a_node_is_to_cut_its_edges(backend, skipping, make, cells):
    model, artifact = make(skipping, **BACKENDS[backend])
    hidden = [list(artifact.graph.nodes).index(name) for name in artifact.hidden_nodes]
    x = cells(9, model.n_features)
    found = changes_of([model], x, remove(model, hidden))[0]
    for name, change in zip(artifact.hidden_nodes, found, strict=True):
        cut = copy.deepcopy(model)
        weights = torch.full((len(skipping),), torch.nan)
        weights[(artifact.graph.edges["source"] == name).to_list()] = 0
        cut.set_edge_weights(weights)
        with torch.no_grad():
            torch.testing.assert_close(change.T, cut(x) - model(x), rtol=1e-5, atol=1e-6)
    assert found.abs().amax(dim=(1, 2)).min() > 1e-3, "each of them has an influence"


@pytest.mark.parametrize("backend", BACKENDS)
def test_inputs_equal_another_x(backend, skipping, make, cells):
    model, _ = make(skipping, **BACKENDS[backend])
    x = cells(7, model.n_features)
    of, unit = torch.tensor([0, 1, 1]), torch.tensor([1, 0, 2])
    perturbations = Perturbations(2, of, unit, torch.tensor([2.0, 0.0, 0.5]), torch.tensor([[0.0, 3.0, 1.0]]))
    found = changes_of([model], x, perturbations)[0]
    for k, other in enumerate([changed(x.numpy(), 1, 2.0, 0.0), changed(changed(x.numpy(), 0, 0, 3.0), 2, 0.5, 1.0)]):
        with torch.no_grad():
            torch.testing.assert_close(found[k].T, model(torch.from_numpy(other)) - model(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_not_touched_does_not_change(backend, skipping, make, cells):
    # All of a network is computed anew for copies of the cells, and torch may round the last of many numbers otherwise.
    rounding = 0 if backend == "feedforward" else 1e-6
    edges = pd.concat([skipping, pd.DataFrame({"source": ["d", "apart"], "target": ["apart", "island"]})])
    model, artifact = make(edges, **BACKENDS[backend])
    names = list(artifact.graph.nodes)
    x = cells(1030, model.n_features)
    found = changes_of([model], x, remove(model, [names.index("h1"), names.index("apart")]))[0]
    island = artifact.output_nodes.index("island")
    assert (found[0, island].abs() <= rounding).all()
    assert (found[1].abs().amax(dim=1) > rounding).tolist() == [k == island for k in range(3)]
    hidden = [names.index(name) for name in artifact.hidden_nodes]
    of, unit = units_of_nodes(model, torch.tensor(hidden))
    same = Perturbations(len(hidden), of, unit, torch.ones(len(of)), torch.zeros(1, len(of)))
    assert (changes_of([model], x, same).abs() <= rounding).all(), "a factor of 1"
    jointly = Perturbations(1, torch.zeros_like(of), unit, torch.ones(len(of)), torch.zeros(1, len(of)))
    assert (changes_of([model], x, jointly).abs() <= rounding).all()


@pytest.mark.parametrize("options", [{}, {"nodes": "wide"}, {"nodes": "mixed"}])
def test_own_state_changes_nothing(options, skipping, make, cells):
    tables = {
        "wide": pd.DataFrame({"node": ["h1", "h2", "k"], "width": [2, 1, 3]}),
        "mixed": pd.DataFrame({"node": ["h1", "h2", "k"], "activation": ["relu", "tanh", "linear"]}),
    }
    model, artifact = make(skipping, **{name: tables[value] for name, value in options.items()})
    hidden = [list(artifact.graph.nodes).index(name) for name in artifact.hidden_nodes]
    of, unit = units_of_nodes(model, torch.tensor(hidden))
    x = cells(1, model.n_features)
    own = last_states(model, x)[:, unit - model.n_features]
    found = changes_of([model], x, Perturbations(len(hidden), of, unit, torch.zeros(len(of)), own))
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-7)


def test_units_of_nodes(skipping, make):
    table = pd.DataFrame({"node": ["h1", "h2", "k"], "width": [2, 1, 3]})
    model, artifact = make(skipping, nodes=table)
    names = list(artifact.graph.nodes)
    assert names[:6] == ["a", "b", "c", "h1", "h2", "early"]
    of, unit = units_of_nodes(model, torch.tensor([names.index("k"), 1, 3]))
    assert of.tolist() == [0, 0, 0, 1, 2, 2]
    assert unit.tolist() == [7, 8, 9, 1, 3, 4]
    model, _ = make(skipping, backend="graphnn", width=2)
    assert units_of_nodes(model, torch.tensor([2, 3]))[1].tolist() == [2, 3, 4]


@pytest.mark.parametrize("norm", [None, "batch"])
def test_however_many_are_done_at_once(norm, acyclic_edges, make, cells, monkeypatch):
    rng = np.random.default_rng(0)
    layers = [[f"{'ghkm'[k]}{i}" for i in range(n)] for k, n in enumerate((30, 20, 10, 5))]
    below = [np.concatenate(layers[:k]) for k in range(1, 4)]
    pairs = [
        (str(rng.choice(names)), name) for names, layer in zip(below, layers[1:], strict=True) for name in layer * 4
    ]
    pairs += [(name, out) for part in layers[1:] for name in part for out in ("x", "y")]
    edges = pd.DataFrame(pairs, columns=["source", "target"]).drop_duplicates(ignore_index=True)
    models = [make(edges, seed, activation="tanh", norm=norm)[0] for seed in (0, 1)]
    for model in models:
        for name, buffer in model.named_buffers():
            if "running" in name:
                torch.nn.init.uniform_(buffer, 0.5, 2)
    x = cells(530, models[0].n_features)
    of, unit = units_of_nodes(models[0], torch.arange(models[0].n_features + 35))
    shift = torch.randn(2, len(of), generator=torch.Generator().manual_seed(0))
    perturbations = Perturbations(models[0].n_features + 35, of, unit, torch.full((len(of),), 0.5), shift)
    found = changes_of(models, x, perturbations)
    with torch.no_grad():
        for model in models:
            model.eval()
        anew = torch.cat([part for _, part in compute_anew(models, x, perturbations, 2000)], dim=1)
    torch.testing.assert_close(found, anew, rtol=1e-4, atol=2e-6)
    for name in ("ROWS_AT_ONCE", "OUTPUTS_AT_ONCE"):
        monkeypatch.setattr(perturbed_sweep, name, 1)
    torch.testing.assert_close(changes_of(models, x, perturbations), found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_models_stay_as_they_are(backend, skipping, make, cells):
    model, _ = make(skipping, **BACKENDS[backend])
    model.train()
    before = copy.deepcopy(model.state_dict())
    for _ in output_changes([model], cells(3, model.n_features), remove(model, [3, 4]), rows_at_once=1):
        assert torch.is_grad_enabled()
        assert all(module.training for module in model.modules())
    assert not model.is_watched()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_bad_input(skipping, make, cells):
    model, _ = make(skipping)
    with pytest.raises(Edge2TorchError, match="1 rows for 2 models"):
        changes_of([model, model], cells(3, 3), remove(model, [3]))
    with pytest.raises(Edge2TorchError, match="reads"):
        changes_of([model], cells(3, 4), remove(model, [3]))
