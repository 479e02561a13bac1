"""Scores of models that take steps, and of nodes with several units."""

from __future__ import annotations

import re

import captum.attr
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from edge2torch import (
    Edge2TorchError,
    compile_graph,
    customize_model,
    get_edge_weights,
    interpret_model,
    set_edge_weights,
)
from edge2torch.attribution import METHODS

CYCLIC = ["a h", "b k", "h k", "k h", "k l", "l h", "h h", "c l", "k early", "l m", "m late"]
STEPS = 5
WITH_STEPS = ["recurrent", "graphnn"]
#: nodes behind the inputs, by their distance from an input, then by name
INNER = ["h", "k", "l", "early", "m", "late"]


@pytest.fixture(scope="session")
def cyclic() -> pd.DataFrame:
    return pd.DataFrame([pair.split() for pair in CYCLIC], columns=["source", "target"])


def by_captum(name, model, block, x, **options):
    """Scores of the units of a block, from Captum without the package."""
    return getattr(captum.attr, name)(model, block).attribute(x, **options).detach()


@pytest.mark.parametrize("backend", WITH_STEPS)
def test_names(backend, make, cyclic, x):
    model, artifact = make(cyclic, "tanh", backend=backend, steps=STEPS, width=2)
    graph = nx.from_pandas_edgelist(cyclic, create_using=nx.DiGraph)
    distance = nx.multi_source_dijkstra_path_length(graph, {"a", "b", "c"}, weight=None)
    assert sorted(set(graph) - {"a", "b", "c"}, key=lambda node: (distance[node], node)) == INNER
    cells = pd.DataFrame(x.numpy(), columns=["a", "b", "c"], index=[f"cell {i}" for i in range(4)])
    scores = interpret_model(model, artifact, cells, "nodes", output="late", quiet=True)
    assert list(scores) == [f"step_{k}" for k in range(1, STEPS + 1)]
    for table in scores.values():
        assert table.columns.tolist() == INNER
        pd.testing.assert_index_equal(table.index, cells.index)
    features = interpret_model(model, artifact, cells, output="late", as_table=True, quiet=True)
    assert features.columns.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("backend", WITH_STEPS)
@pytest.mark.parametrize("method", ["LayerConductance", "LayerActivation", "LayerGradientXActivation"])
def test_one_table_adds_steps_up(method, backend, make, cyclic, x):
    model, artifact = make(cyclic, "tanh", backend=backend, steps=STEPS, width=2)
    output = None if method == "LayerActivation" else 1
    arguments = (model, artifact, x, "nodes", method)
    scores = interpret_model(*arguments, output=output, quiet=True)
    table = interpret_model(*arguments, output=output, as_table=True, quiet=True)
    pd.testing.assert_frame_equal(table, sum(scores.values()))


@pytest.mark.parametrize("width", [1, 3])
def test_one_table_puts_layers_beside_each_other(width, make, x):
    model, artifact = make("skipping", "tanh", width=width)
    scores = interpret_model(model, artifact, x, "nodes", output=1, quiet=True)
    table = interpret_model(model, artifact, x, "nodes", output=1, as_table=True, quiet=True)
    pd.testing.assert_frame_equal(table, pd.concat(scores.values(), axis=1))
    assert [names.columns.tolist() for names in scores.values()] == [["g", "h"], ["early", "k"], ["late"]]


UNITS = {
    "feedforward": {"g": 2, "h": 3, "early": 1, "k": 4, "late": 1},
    "recurrent": {"h": 3, "k": 2, "l": 4, "early": 1, "m": 2, "late": 1},
    "graphnn": dict.fromkeys(INNER, 3),
}


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("LayerConductance", {"n_steps": 20}),
        ("LayerIntegratedGradients", {"n_steps": 20}),
        ("InternalInfluence", {"n_steps": 20}),
        ("LayerGradientXActivation", {}),
        ("LayerDeepLift", {}),
    ],
)
@pytest.mark.parametrize("backend", UNITS)
def test_units_of_a_node_are_added_up(backend, method, options, make, cyclic, x):
    """Captum, called on each block, scores units; those of a node stand beside each other."""
    units = UNITS[backend]
    if backend == "graphnn":
        model, artifact = make(cyclic, "tanh", backend=backend, steps=STEPS, width=3)
    else:
        wide = [name for name in units if units[name] > 1]
        nodes = pd.DataFrame({"node": wide, "width": [units[name] for name in wide]})
        graph = "skipping" if backend == "feedforward" else cyclic
        model, artifact = make(graph, "tanh", backend=backend, steps=STEPS, nodes=nodes)
    scores = interpret_model(model, artifact, x, "nodes", method, output=1, quiet=True, **options)
    assert len(scores) == len(model.blocks)
    for block, table in zip(model.blocks, scores.values(), strict=True):
        each = by_captum(method, model, block, x, target=1, **options)
        parts = each.split([units[name] for name in table], dim=1)
        expected = torch.stack([part.sum(dim=1) for part in parts], dim=1)
        np.testing.assert_allclose(table.to_numpy(), expected.numpy(), rtol=1e-6, atol=1e-9)
    assert any(table.to_numpy().any() for table in scores.values())


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), more=st.integers(0, 2), seed=st.integers(0, 2**31))
@pytest.mark.parametrize("method", ["LayerConductance", "LayerGradientXActivation", "LayerDeepLift"])
def test_linear_nodes_score_as_in_the_feedforward_model(method, acyclic_edges, data, more, seed):
    """Without cycles, and with enough steps, each path to an output is taken once."""
    edges = data.draw(acyclic_edges)
    longest = nx.dag_longest_path_length(nx.from_pandas_edgelist(edges, create_using=nx.DiGraph))
    one, artifact = compile_graph(edges, quiet=True)
    two, stepwise = compile_graph(edges, "recurrent", steps=longest + more, quiet=True)
    set_edge_weights(two, stepwise, get_edge_weights(one, artifact))
    one.double(), two.double()
    x = torch.randn(3, len(artifact.feature_names), generator=torch.Generator().manual_seed(seed)).double()
    columns = [stepwise.output_nodes.index(name) for name in artifact.output_nodes]
    torch.testing.assert_close(two(x)[:, columns], one(x))
    for output in artifact.output_nodes:
        expected, found = (
            interpret_model(model, names, x, "nodes", method, output=output, as_table=True, quiet=True)
            for model, names in ((one, artifact), (two, stepwise))
        )
        pd.testing.assert_frame_equal(found[expected.columns], expected, rtol=1e-7, atol=1e-9)


MODELS = {
    "feedforward": ("skipping", {}),
    "wide": ("skipping", {"width": 3}),
    "recurrent": (None, {"backend": "recurrent", "steps": 5}),
    "recurrent, acyclic": ("skipping", {"backend": "recurrent", "steps": 4}),
    "recurrent, wide": (None, {"backend": "recurrent", "steps": 5, "width": 2}),
    "recurrent, bound": (None, {"backend": "recurrent", "steps": 9, "spectral_norm": 0.8}),
    "recurrent, until it rests": (
        None,
        {"backend": "recurrent", "steps": 80, "spectral_norm": 0.6, "tolerance": 1e-12},
    ),
    "graphnn": (None, {"backend": "graphnn", "steps": 5}),
    "graphnn, channels": (None, {"backend": "graphnn", "steps": 4, "width": 3}),
}


@pytest.fixture(params=MODELS)
def compiled(request, make, cyclic):
    graph, options = MODELS[request.param]
    model, artifact = make(cyclic if graph is None else graph, "tanh", **options)
    return model.eval(), artifact


def test_integrated_gradients_add_up(compiled, x, baseline):
    model, artifact = compiled
    difference = (model(x) - model(baseline)).detach().numpy()
    for output in range(2):
        scores = interpret_model(model, artifact, x, output=output, baseline=baseline, n_steps=200, quiet=True)
        np.testing.assert_allclose(scores.sum(axis=1), difference[:, output], atol=1e-6)
        assert (scores.abs().to_numpy().max(axis=0) > 0).any()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("backend", WITH_STEPS)
@pytest.mark.parametrize("width", [1, 2])
def test_deeplift_adds_up(width, backend, activation, make, cyclic, x, baseline):
    """The rescale rule conserves the difference where each use of an activation is a module of its own."""
    model, artifact = make(cyclic, activation, backend=backend, steps=STEPS, width=width)
    difference = (model(x) - model(baseline)).detach().numpy()
    for output in range(2):
        scores = interpret_model(model, artifact, x, method="DeepLift", output=output, baseline=baseline, quiet=True)
        np.testing.assert_allclose(scores.sum(axis=1), difference[:, output], rtol=1e-6, atol=1e-8)


def test_deeplift_of_mixed_activations(make, cyclic, x, baseline):
    nodes = pd.DataFrame({"node": ["h", "l"], "activation": ["relu", "linear"]})
    model, artifact = make(cyclic, "tanh", backend="recurrent", steps=STEPS, nodes=nodes)
    scores = interpret_model(model, artifact, x, method="DeepLift", output=1, baseline=baseline, quiet=True)
    np.testing.assert_allclose(scores.sum(axis=1), (model(x) - model(baseline))[:, 1].detach(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("backend", WITH_STEPS)
def test_last_step_holds_the_output(backend, make, cyclic, x):
    """All that reaches an output passes its own node in the last step."""
    model, artifact = make(cyclic, "tanh", backend=backend, steps=STEPS)
    zero = model(torch.zeros_like(x))
    scores = interpret_model(model, artifact, x, "nodes", "LayerConductance", output="late", n_steps=400, quiet=True)[
        f"step_{STEPS}"
    ]
    np.testing.assert_allclose(scores["late"], (model(x) - zero)[:, 1].detach(), atol=1e-2)
    assert not scores.drop(columns="late").to_numpy().any(), "nothing else is read"


@pytest.mark.parametrize(
    ("target", "method", "other"),
    [("features", "LRP", "IntegratedGradients"), ("nodes", "LayerLRP", "LayerConductance")],
)
@pytest.mark.parametrize("backend", WITH_STEPS)
@pytest.mark.parametrize("wrap", [lambda model: model, customize_model, nn.Sequential], ids=["bare", "custom", "nn"])
def test_no_lrp(wrap, backend, target, method, other, make, cyclic, x):
    """The message names all other methods for the same target, and none else."""
    model, artifact = make(cyclic, "relu", backend=backend, steps=STEPS)
    message = (
        f"^{method} is not defined for backends that take steps, whose weights are used several times; use one of "
    )
    with pytest.raises(Edge2TorchError, match=message) as caught:
        interpret_model(wrap(model), artifact, x, target, method, output=1, quiet=True)
    named = re.findall("'(.*?)'", str(caught.value))
    assert set(named) == {name for name, each in METHODS.items() if each.target == target} - {method}
    assert other in named


@pytest.mark.parametrize(("target", "method"), [("features", "GuidedBackprop"), ("features", "DeepLift")])
def test_activations_of_single_nodes_count(target, method, make, cyclic, x):
    """One node with an activation that a method has no rule for is one too many."""
    nodes = pd.DataFrame({"node": ["m"], "activation": ["gelu"]})
    model, artifact = make(cyclic, "relu", backend="recurrent", steps=STEPS, nodes=nodes)
    with pytest.raises(Edge2TorchError, match=f"{method} is not defined for 'GELU'"):
        interpret_model(model, artifact, x, target, method, output=1, quiet=True)


@pytest.mark.parametrize("backend", ["feedforward", *WITH_STEPS])
def test_chunks_of_cells(backend, make, cyclic, x):
    graph = "skipping" if backend == "feedforward" else cyclic
    model, artifact = make(graph, "tanh", backend=backend, steps=STEPS, width=2)
    expected = interpret_model(model, artifact, x, "nodes", output=1, as_table=True, quiet=True)
    for size in (1, 3):
        found = interpret_model(model, artifact, x, "nodes", output=1, batch_size=size, as_table=True, quiet=True)
        pd.testing.assert_frame_equal(found, expected)


def test_head(make, cyclic, x):
    """Steps are found inside; the head's output is what is explained."""
    model, artifact = make(cyclic, "tanh", backend="recurrent", steps=STEPS)
    head = nn.Linear(2, 1, bias=False).double()
    nn.init.ones_(head.weight)
    found = interpret_model(customize_model(model, head=head), artifact, x, "nodes", as_table=True, quiet=True)
    singly = [interpret_model(model, artifact, x, "nodes", output=i, as_table=True, quiet=True) for i in range(2)]
    pd.testing.assert_frame_equal(found, singly[0] + singly[1])
