"""One walk along the path: equal to Captum called for every layer, and edges that add up to nodes."""

from __future__ import annotations

from typing import Any

import captum.attr
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edge2torch import CompileArtifact, Edge2TorchError, compile_graph, customize_model
from edge2torch.attribution import METHODS, Request, feature_scores, node_scores, path_scores
from edge2torch.attribution.walk import Hooked, Swept, find_walk
from edge2torch.nn import EdgeModel

CYCLIC = ["a h", "b k", "h k", "k h", "k l", "l h", "h h", "c l", "k early", "l m", "m late"]
N_STEPS = 9


def _nodes(names: list[str]) -> pd.DataFrame:
    """Every other node has three units, every third has no activation."""
    rows = [(name, 3 if i % 2 else 1, "linear" if i % 3 == 0 else "tanh") for i, name in enumerate(sorted(names))]
    return pd.DataFrame(rows, columns=["node", "width", "activation"])


MODELS: dict[str, dict[str, Any]] = {
    "feedforward": {"activation": "tanh"},
    "relu": {"activation": "relu"},
    "linear": {},
    "no bias": {"activation": "gelu", "bias": False},
    "norm": {"activation": "tanh", "norm": "batch"},
    "wide": {"activation": "tanh", "width": 3},
    "wide norm": {"activation": "silu", "width": 2, "norm": "batch"},
    "mixed": {"nodes": _nodes},
    "recurrent": {"activation": "tanh", "backend": "recurrent", "steps": 4},
    "recurrent, wide": {"activation": "relu", "backend": "recurrent", "steps": 3, "width": 2},
    "recurrent, bound": {"activation": "tanh", "backend": "recurrent", "steps": 5, "spectral_norm": 0.5},
    "recurrent, until it rests": {
        "activation": "tanh",
        "backend": "recurrent",
        "steps": 12,
        "spectral_norm": 0.6,
        "tolerance": 1e-3,
    },
    "graphnn": {"activation": "tanh", "backend": "graphnn", "steps": 3},
    "graphnn, channels": {"activation": "sigmoid", "backend": "graphnn", "steps": 4, "width": 3},
}


def compiled(edges: pd.DataFrame, name: str, seed: int) -> tuple[EdgeModel, CompileArtifact]:
    """A model in float64 whose parameters and running statistics all differ from their first values."""
    options = dict(MODELS[name])
    if "nodes" in options:
        hidden = set(edges["source"]) & set(edges["target"])
        options["nodes"] = options["nodes"](list(hidden)) if hidden else None
    if "steps" in options:  # all outputs must be reached
        graph = nx.from_pandas_edgelist(edges, create_using=nx.DiGraph)
        inputs = {name for name, degree in graph.in_degree if not degree}
        distance = nx.multi_source_dijkstra_path_length(graph, inputs, weight=None)
        options["steps"] = max(options["steps"], *distance.values())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, artifact = compile_graph(edges, quiet=True, **options)
        model.double()
        for key, value in [*model.named_parameters(), *model.named_buffers()]:
            if key.endswith(("bias", "running_mean", "norm.weight")):
                nn.init.normal_(value, std=0.5)
            elif key.endswith("running_var"):
                nn.init.uniform_(value, 0.3, 3.0)
    return model.eval(), artifact


def draw_x(model: EdgeModel, seed: int, n: int = 5) -> tuple[Tensor, Tensor]:
    drawn = torch.randn(n + 1, model.n_features, generator=torch.Generator().manual_seed(seed)).double()
    return drawn[:n], drawn[n:]


def by_captum(model: nn.Module, edge_model: EdgeModel, x: Tensor, baseline: Tensor, target: int) -> Tensor:
    """Conductance of nodes, from a call of Captum for every layer or step."""
    parts = []
    for k, block in enumerate(edge_model.blocks):
        conductance = captum.attr.LayerConductance(model, block)
        each = conductance.attribute(x, baseline, target=target, n_steps=N_STEPS).detach()
        parts.append(edge_model.sum_units(each, k))
    return torch.cat(parts, dim=1) if edge_model.site == "layer" else torch.stack(parts).sum(dim=0)


def into_nodes(model: EdgeModel, edges: Tensor) -> Tensor:
    """Add up scores of edges, (..., edges), by their targets."""
    n_nodes = int(model.edge_ends.max()) + 1
    total = edges.new_zeros(*edges.shape[:-1], n_nodes).index_add(-1, model.edge_ends[1], edges)
    return total[..., model.n_features :]


RANDOM = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])


@RANDOM
@given(data=st.data(), seed=st.integers(0, 2**31))
@pytest.mark.parametrize("name", MODELS)
def test_equals_captum_layer_by_layer_and_edges_add_up(name, acyclic_edges, data, seed):
    model, artifact = compiled(data.draw(acyclic_edges), name, seed)
    x, baseline = draw_x(model, seed)
    n_outputs = len(artifact.output_nodes)
    groups = torch.tensor([0, 1, 0, -1, 1])
    found = path_scores(model, x, torch.eye(n_outputs)[:, None], baseline=baseline, n_steps=N_STEPS, groups=groups)
    gradients = captum.attr.IntegratedGradients(model)
    for k in range(n_outputs):
        features = gradients.attribute(x, baseline, target=k, n_steps=N_STEPS + 1)
        torch.testing.assert_close(found.features[k], features, rtol=1e-6, atol=1e-8)  # its step sizes are float32
        torch.testing.assert_close(found.nodes[k], by_captum(model, model, x, baseline, k), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(found.difference, (model(x) - model(baseline)).detach().T)
    expected = torch.stack([found.nodes[:, groups == g].sum(dim=1) for g in range(2)], dim=1)
    torch.testing.assert_close(into_nodes(model, found.edges) + found.kept, expected, rtol=1e-7, atol=1e-9)


BY_CAPTUM: dict[str, dict[str, Any]] = {
    "LayerConductance": {"n_steps": N_STEPS},
    "InternalInfluence": {"n_steps": N_STEPS},
    "LayerGradientXActivation": {},
    "LayerActivation": {},
}


@settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), seed=st.integers(0, 2**31))
@pytest.mark.parametrize("name", MODELS)
def test_methods_equal_captum_layer_by_layer(name, acyclic_edges, data, seed):
    """One walk for all layers, for each of the methods that need no more, and for an output of each cell."""
    model, artifact = compiled(data.draw(acyclic_edges), name, seed)
    x, baseline = draw_x(model, seed)
    target = torch.randint(len(artifact.output_nodes), (5,), generator=torch.Generator().manual_seed(seed))
    for method, steps in BY_CAPTUM.items():
        record = METHODS[method]
        reference = baseline if record.baseline else None
        found = node_scores(model, record, x, Request(output=target, baseline=reference, n_steps=N_STEPS))
        for k, (block, table) in enumerate(zip(model.blocks, found, strict=True)):
            explain = getattr(captum.attr, method)(model, block)
            arguments = {"baselines": baseline} if record.baseline else {}
            arguments |= {} if record.output is None else {"target": target}
            given_x = x.clone().requires_grad_()
            each = model.sum_units(explain.attribute(given_x, **arguments, **steps).detach(), k)
            torch.testing.assert_close(table, each, rtol=1e-6, atol=1e-8)
    for method, expected in {
        "InputXGradient": captum.attr.InputXGradient(model)
        .attribute(x.clone().requires_grad_(), target=target)
        .detach(),
        "IntegratedGradients": captum.attr.IntegratedGradients(model).attribute(x, target=target, n_steps=N_STEPS),
    }.items():
        found_features = feature_scores(model, METHODS[method], x, Request(output=target, n_steps=N_STEPS))
        torch.testing.assert_close(found_features, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", BY_CAPTUM)
@pytest.mark.parametrize("name", ["feedforward", "recurrent", "graphnn"])
def test_one_pass_for_all_layers(name, method, acyclic):
    """What is around the model is called once for all layers, as often as it would be for one."""
    model, _ = compiled(acyclic, name, 0)
    x, _ = draw_x(model, 1)
    around, calls = nn.Sequential(model), []
    around.register_forward_hook(lambda *_: calls.append(1))
    node_scores(around, METHODS[method], x, Request(output=0))
    assert len(calls) == 1 < len(model.blocks)


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name].get("backend")])
def test_cycles(name):
    edges = pd.DataFrame([pair.split() for pair in CYCLIC], columns=["source", "target"])
    model, _ = compiled(edges, name, 0)
    x, baseline = draw_x(model, 1)
    found = path_scores(
        model, x, torch.eye(2)[:, None], baseline=baseline, n_steps=N_STEPS, groups=torch.zeros(5, dtype=torch.int64)
    )
    for k in range(2):
        torch.testing.assert_close(found.nodes[k], by_captum(model, model, x, baseline, k), rtol=1e-8, atol=1e-10)
    total = into_nodes(model, found.edges) + found.kept
    torch.testing.assert_close(total[:, 0], found.nodes.sum(dim=1), rtol=1e-7, atol=1e-9)
    assert bool(found.kept.any()) == name.startswith("graphnn")


def edges_by_hand(model: EdgeModel, edges: pd.DataFrame, artifact: CompileArtifact, x: Tensor, output: int) -> Tensor:
    """Share conductance out edge by edge, cell by cell, interval by interval, on the graph of names alone."""
    weight = dict(zip(zip(edges["source"], edges["target"], strict=True), model.edge_weights().detach(), strict=True))
    names = [name for layer in artifact.node_names_by_layer.values() for name in layer]
    inner = names[len(artifact.feature_names) :]
    bias = dict(zip(inner, torch.cat([block.linear.bias for block in model.blocks]).detach(), strict=True))
    points = np.polynomial.legendre.leggauss(N_STEPS + 1)[0]
    total = dict.fromkeys(weight, 0.0)
    for cell in x:
        sums, states, of_states = [], [], []
        for point in (1 + points) / 2:
            state = dict(zip(artifact.feature_names, (point * cell).requires_grad_(), strict=True))
            before = {}
            for name in inner:
                given = [weight[edge] * state[edge[0]] for edge in weight if edge[1] == name]
                before[name] = sum(given) + bias[name]
                state[name] = before[name] if name in artifact.output_nodes else before[name].tanh()
            gradients = torch.autograd.grad(
                state[artifact.output_nodes[output]], [state[n] for n in inner], allow_unused=True
            )
            states.append({name: value.item() for name, value in state.items()})
            sums.append({name: value.item() for name, value in before.items()})
            of_states.append({n: 0.0 if g is None else g.item() for n, g in zip(inner, gradients, strict=True)})
        for k in range(N_STEPS):
            for (source, target), w in weight.items():
                per_sum = (states[k + 1][target] - states[k][target]) / (sums[k + 1][target] - sums[k][target])
                moved = w.item() * (states[k + 1][source] - states[k][source])
                total[source, target] += of_states[k][target] * per_sum * moved
    return torch.tensor(list(total.values()), dtype=x.dtype)


@settings(deadline=None, max_examples=5, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), seed=st.integers(0, 2**31))
def test_edges_by_hand(acyclic_edges, data, seed):
    edges = data.draw(acyclic_edges)
    model, artifact = compiled(edges, "feedforward", seed)
    x, _ = draw_x(model, seed, 2)
    one = torch.zeros(2, dtype=torch.int64)
    for k, weights in enumerate(torch.eye(len(artifact.output_nodes))):
        found = path_scores(model, x, weights[None, None], n_steps=N_STEPS, groups=one).edges[0, 0]
        torch.testing.assert_close(found, edges_by_hand(model, edges, artifact, x, k), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
def test_edges_of_linear_nodes(backend, make):
    """Without activations, an edge's part is its weight times its source times the weights of all ways onwards."""
    model, artifact = make("skipping", None, backend=backend, steps=3)
    x, _ = draw_x(model, 0)
    edges = artifact.graph.edges
    names = [name for layer in artifact.node_names_by_layer.values() for name in layer]
    weights = np.zeros((len(names), len(names)))
    of_edge = (edges["source"].map(names.index).to_numpy(), edges["target"].map(names.index).to_numpy())
    weights[of_edge] = model.edge_weights().detach()
    ways = np.linalg.inv(np.eye(len(names)) - weights)  # of any length
    states = np.hstack([x.numpy(), np.zeros((5, len(names) - 3))]) @ ways
    late = artifact.output_nodes.index("late")
    found = path_scores(model, x, torch.eye(2)[late][None, None], groups=torch.zeros(5, dtype=torch.int64))
    expected = states[:, of_edge[0]].sum(axis=0) * weights[of_edge] * ways[of_edge[1], names.index("late")]
    # between the first and the last of 21 points
    first, last = np.polynomial.legendre.leggauss(21)[0][[0, -1]]
    np.testing.assert_allclose(found.edges[0, 0], expected * (last - first) / 2, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["feedforward", "wide norm", "recurrent", "graphnn, channels"])
@pytest.mark.parametrize("head", [False, True])
def test_parts_add_up(name, head, acyclic):
    """Batches, groups, cells with weights and baselines of their own, and contrasts of outputs."""
    edge_model, _ = compiled(acyclic, name, 3)
    model = customize_model(edge_model, head=nn.Sequential(nn.Linear(2, 3), nn.Tanh()).double()) if head else edge_model
    n_outputs = 3 if head else 2
    x, _ = draw_x(edge_model, 4, 6)
    baselines, _ = draw_x(edge_model, 5, 6)
    weights = torch.randn(2, 6, n_outputs, generator=torch.Generator().manual_seed(6)).double()
    groups = torch.tensor([2, 0, -1, 2, 0, 2])
    found = path_scores(model, x, weights, baseline=baselines, groups=groups)
    assert found.edges.shape == (2, 3, edge_model.n_edges)
    again = path_scores(model, x, weights, baseline=baselines, groups=groups, batch_size=2)
    classes = torch.eye(n_outputs, dtype=torch.float64)[:, None]
    each = [
        path_scores(model, x[[i]], classes, baseline=baselines[[i]], groups=torch.zeros(1, dtype=torch.int64))
        for i in range(6)
    ]
    for part in ("features", "nodes", "states", "difference", "edges", "kept"):
        torch.testing.assert_close(getattr(again, part), getattr(found, part))
        if part == "states":
            torch.testing.assert_close(torch.cat([one.states for one in each]), found.states)
        elif part in ("edges", "kept"):
            one_by_one = [
                torch.tensordot(w, getattr(one, part)[:, 0], 1) for w, one in zip(weights.unbind(1), each, strict=True)
            ]
            expected = torch.stack(
                [sum((one_by_one[i] for i in range(6) if groups[i] == g), 0 * one_by_one[0]) for g in range(3)]
            )
            torch.testing.assert_close(getattr(found, part), expected.transpose(0, 1))
        else:
            one_by_one = [torch.tensordot(weights[:, i], getattr(one, part)[:, 0], 1) for i, one in enumerate(each)]
            torch.testing.assert_close(getattr(found, part), torch.stack(one_by_one, dim=1))


@pytest.fixture(scope="session")
def acyclic() -> pd.DataFrame:
    """Skip edges, outputs at two depths, three inputs."""
    pairs = ["a h", "b h", "b g", "c g", "h k", "g k", "a k", "g early", "c early", "k late", "c late", "h late"]
    return pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])


@pytest.mark.parametrize("name", [name for name in MODELS if "backend" not in MODELS[name]])
def test_the_quick_way_equals_the_other(name, acyclic):
    """A module around a model is enough for the way by hooks."""
    model, _ = compiled(acyclic, name, 0)
    x, baseline = draw_x(model, 1)
    assert isinstance(find_walk(model, x, baseline), Swept)
    around = nn.Sequential(model)
    assert isinstance(find_walk(around, x, baseline), Hooked)
    arguments = {"weights": torch.eye(2)[:, None], "baseline": baseline, "groups": torch.tensor([0, 0, 1, 1, -1])}
    one, other = (vars(path_scores(each, x, **arguments)) for each in (model, around))
    for part in one:
        torch.testing.assert_close(one[part], other[part], rtol=1e-9, atol=1e-11)


def test_hooks_of_the_user_are_called(acyclic):
    """They may change a state or the outputs; then there is no quick way."""
    model, _ = compiled(acyclic, "feedforward", 0)
    x, baseline = draw_x(model, 1)
    weights = torch.eye(2)[:, None]
    plain = path_scores(model, x, weights, baseline=baseline)
    for module in (model, model.blocks[-1]):
        with module.register_forward_hook(lambda _module, _given, out: 2 * out):
            assert isinstance(find_walk(model, x, baseline), Hooked)
            found = path_scores(model, x, weights, baseline=baseline)
        torch.testing.assert_close(found.difference[1], 2 * plain.difference[1])
    assert isinstance(find_walk(model, x, baseline), Swept)


def test_sums_that_hardly_move():
    """Where what arrives cancels out, an edge's part follows from the derivative; still, all add up."""
    edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "h", "out"], "initial_weight": [3.0, -3.0, 1.0]})
    model, _ = compile_graph(edges, activation="tanh", quiet=True)
    x = torch.tensor([[2.0, 2.0 + shift] for shift in (0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)])
    of_cells = [path_scores(model, cell[None], torch.ones(1, 1, 1), groups=torch.tensor([0]), n_steps=10) for cell in x]
    for found in of_cells:
        a, b, h = found.edges[0, 0]
        # the slope of tanh at 0 is 1: of 21 points, the first and last are not at the ends
        assert abs(a - 6) < 0.3
        assert abs(b + 6) < 0.3
        assert abs(a + b - found.nodes[0, 0, 0]) < 1e-6
        assert abs(h - found.nodes[0, 0, 1]) < 1e-6


BAD = {
    "weights": ({"weights": torch.ones(1, 2)}, r"weights must be \(explained, 1 or 5 cells, outputs\), not \(1, 2\)"),
    "cells of weights": ({"weights": torch.ones(1, 3, 2)}, r"weights must be .*not \(1, 3, 2\)"),
    "baseline": ({"baseline": torch.ones(2, 3)}, r"baseline must be \(1 or 5 cells, features\), not \(2, 3\)"),
    "groups": ({"groups": torch.zeros(4, dtype=torch.int64)}, "groups must be a whole number from -1 for each of 5"),
    "fractions": ({"groups": torch.zeros(5)}, "groups must be a whole number"),
    "below": ({"groups": torch.full((5,), -2)}, "groups must be a whole number from -1"),
    "batch_size": ({"batch_size": 0}, "batch_size=0 must be a whole number"),
    "n_steps": ({"n_steps": 0}, "n_steps=0 must be a whole number"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input(arguments, message, acyclic):
    model, _ = compiled(acyclic, "feedforward", 0)
    x, _ = draw_x(model, 1)
    with pytest.raises(Edge2TorchError, match=message):
        path_scores(model, x, **{"weights": torch.eye(2)[:, None], **arguments})
