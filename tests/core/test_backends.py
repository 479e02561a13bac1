"""What the backends of ``compile_graph`` have in common, and in what they differ."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError, compile_graph

BACKENDS = ["feedforward", "recurrent", "graphnn"]
WITH_STEPS = ["recurrent", "graphnn"]


def shapes(model):
    return {name: tuple(part.shape) for name, part in model.state_dict().items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_and_shapes(backend, edges):
    model, artifact = compile_graph(edges, backend, quiet=True)
    assert artifact.backend == artifact.settings["backend"] == backend
    assert artifact.feature_names == artifact.input_nodes == ["a", "b", "c"]
    assert artifact.hidden_nodes == ["g", "h", "k"]
    assert sorted(artifact.output_nodes) == ["early", "late"]
    assert model(torch.zeros(7, 3)).shape == (7, 2)
    assert model.fingerprint == artifact.fingerprint


def test_alias(edges):
    """``state_update`` is the name in the original; it makes the same model, and is not what is remembered."""
    made = []
    with torch.random.fork_rng():
        for backend in ("recurrent", "state_update"):
            torch.manual_seed(0)
            made.append(compile_graph(edges, backend, activation="tanh", steps=4, quiet=True))
    (model, artifact), (again, same) = made
    x = torch.randn(5, 3)
    assert torch.equal(model(x), again(x))
    assert same.backend == same.settings["backend"] == "recurrent"
    assert same.settings == artifact.settings
    assert same.identity == artifact.identity


@pytest.mark.parametrize("backend", WITH_STEPS)
def test_cycles_and_self_loops(backend, cyclic):
    model, artifact = compile_graph(cyclic, backend, activation="tanh", steps=5, quiet=True)
    assert (artifact.input_nodes, artifact.hidden_nodes) == (["a", "b", "c"], ["h", "k", "l", "m"])
    x = torch.randn(4, 3, requires_grad=True)
    model(x).sum().backward()
    assert (x.grad != 0).all(), "all inputs reach an output"
    assert all((parameter.grad != 0).any() for parameter in model.parameters() if parameter.numel())


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["a h", "h h", "h out"], r"1 self loops: 'h -> h'; remove them, or use a backend that allows cycles$"),
        (
            ["a h", "h k", "k h", "k out"],
            r"the graph has a cycle.*: (h -> k -> h|k -> h -> k); remove .*, or use a backend that allows cycles$",
        ),
    ],
)
def test_feedforward_has_no_cycles(pairs, message):
    edges = pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])
    with pytest.raises(Edge2TorchError, match=message):
        compile_graph(edges, quiet=True)
    for backend in WITH_STEPS:
        compile_graph(edges, backend, quiet=True)


@pytest.mark.parametrize("backend", WITH_STEPS)
@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["h k", "k h", "k out"], r"no inputs"),
        (["a h", "h k", "k h"], r"no outputs"),
        (["a h", "h out", "k l", "l k", "l apart"], r"1 outputs of 2 to which no path leads .*'apart'"),
    ],
)
def test_nothing_between_inputs_and_outputs(backend, pairs, message):
    edges = pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])
    with pytest.raises(Edge2TorchError, match=message):
        compile_graph(edges, backend, quiet=True)


@st.composite
def graphs(draw: st.DrawFn) -> pd.DataFrame:
    """Draw an edge list with cycles; every node reads from an earlier one in some order, so that inputs reach all."""
    n_inputs = draw(st.integers(1, 3))
    n = n_inputs + draw(st.integers(1, 7))
    names = draw(st.permutations([f"n{i}" for i in range(n)]))
    pairs = {(draw(st.integers(0, node - 1)), node) for node in range(n_inputs, n)}
    inner = st.integers(n_inputs, n - 1)
    pairs |= set(draw(st.lists(st.tuples(st.integers(0, n - 1), inner), max_size=6)))
    return pd.DataFrame(
        [(names[source], names[target]) for source, target in draw(st.permutations(sorted(pairs)))],
        columns=["source", "target"],
    )


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(edges=graphs(), backend=st.sampled_from(WITH_STEPS))
def test_steps_must_reach_every_output(edges, backend):
    graph = nx.from_pandas_edgelist(edges, create_using=nx.DiGraph)
    inputs = [node for node, degree in graph.in_degree() if degree == 0]
    outputs = [node for node, degree in graph.out_degree() if degree == 0]
    assume(inputs and outputs)
    distance = nx.multi_source_dijkstra_path_length(graph, inputs, weight=None)
    needed = max(distance[node] for node in outputs)
    model, artifact = compile_graph(edges, backend, steps=needed, quiet=True)
    x = torch.randn(1, len(inputs), requires_grad=True)
    for column, output in enumerate(artifact.output_nodes):
        (slope,) = torch.autograd.grad(model(x)[0, column], x)
        reach = [nx.has_path(graph, node, output) for node in artifact.feature_names]
        assert slope.any(), "exactly enough steps carry a signal to each output"
        assert not slope[0, ~torch.tensor(reach)].any(), "and none from where no path leads"
    for steps in range(1, needed):
        far = [node for node in artifact.output_nodes if distance[node] > steps]
        with pytest.raises(Edge2TorchError) as caught:
            compile_graph(edges, backend, steps=steps, quiet=True)
        message = str(caught.value)
        assert f"steps={steps} is too few" in message
        assert f"{len(far)} of {len(outputs)} outputs" in message
        assert message.endswith(f"use at least {needed}")
        assert all(repr(node) in message for node in far[:5])


@pytest.mark.parametrize("backend", WITH_STEPS)
def test_as_many_features_as_other_nodes(backend):
    edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "out", "out"]})
    model, artifact = compile_graph(edges, backend, quiet=True)
    assert len(artifact.hidden_nodes + artifact.output_nodes) == len(artifact.feature_names)
    assert model(torch.ones(1, 2)).shape == (1, 1)


def test_steps_do_not_matter_for_feedforward(edges):
    with torch.random.fork_rng():
        outputs = []
        for steps in (1, 9):
            torch.manual_seed(0)
            outputs.append(compile_graph(edges, steps=steps, quiet=True)[0](torch.ones(2, 3)))
    assert torch.equal(*outputs)


@pytest.mark.parametrize("backend", WITH_STEPS)
def test_layers_are_distances(backend, cyclic):
    _, artifact = compile_graph(cyclic, backend, steps=4, quiet=True)
    graph = nx.from_pandas_edgelist(cyclic, create_using=nx.DiGraph)
    distance = nx.multi_source_dijkstra_path_length(graph, {"a", "b", "c"}, weight=None)
    expected = {f"layer_{k}": sorted(n for n in graph if distance[n] == k) for k in range(max(distance.values()) + 1)}
    assert artifact.node_names_by_layer == expected


OPTIONS = [
    {},
    {"bias": False, "activation": "relu", "width": 3, "dropout": 0.2, "steps": 5},
    {"activation": torch.nn.LeakyReLU(0.3), "width": np.int64(2), "steps": np.int64(4)},
    {"activation": torch.nn.ELU},
    {"nodes": pd.DataFrame({"node": ["h", "k"], "activation": ["relu", None], "dropout": [None, 0.4]})},
]


@pytest.mark.parametrize("options", OPTIONS, ids=["defaults", "all", "module", "class", "table"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_settings_make_the_model_again(backend, options, edges):
    model, artifact = compile_graph(edges, backend, **options, quiet=True)
    again, same = compile_graph(artifact.graph.edges, **artifact.settings, quiet=True)
    assert shapes(again) == shapes(model)
    again.load_state_dict(model.state_dict())
    x = torch.randn(5, 3)
    assert torch.equal(again.eval()(x), model.eval()(x))
    assert same.identity == artifact.identity
    assert same.settings.keys() == artifact.settings.keys()


@pytest.mark.parametrize("options", [{"tolerance": 1e-3}, {"spectral_norm": 0.5}, {"width": 2, "spectral_norm": 2}])
def test_settings_make_the_recurrent_model_again(options, cyclic):
    model, artifact = compile_graph(cyclic, "recurrent", steps=6, activation="tanh", **options, quiet=True)
    again, _ = compile_graph(cyclic, **artifact.settings, quiet=True)
    assert shapes(again) == shapes(model)
    again.load_state_dict(model.state_dict())
    x = torch.randn(5, 3)
    assert torch.equal(again.eval()(x), model.eval()(x))


def test_settings_are_a_copy(edges):
    nodes = pd.DataFrame({"node": ["h"], "width": [2]})
    _, artifact = compile_graph(edges, nodes=nodes, quiet=True)
    nodes["width"] = 5
    assert artifact.settings["nodes"]["width"].tolist() == [2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_preprocessing(backend, edges):
    """It is a note in the artifact, part of what the model is bound to, and changes no number."""
    models = []
    with torch.random.fork_rng():
        for note in ("", "log1p of counts per 10,000 – α"):
            torch.manual_seed(0)
            model, artifact = compile_graph(edges, backend, preprocessing=note, quiet=True)
            assert artifact.preprocessing == note
            assert "preprocessing" not in artifact.settings
            models.append((model, artifact.identity))
    (one, plain), (two, noted) = models
    assert {part for part in plain if plain[part] != noted[part]} == {"preprocessing"}
    assert torch.equal(one(torch.ones(1, 3)), two(torch.ones(1, 3)))
    with pytest.raises(Edge2TorchError, match="differs in 'preprocessing'"):
        two.load_state_dict(one.state_dict())


STEPS = r"steps=.* must be a whole number of at least 1"
BAD = [
    *(("recurrent", {"steps": steps}, STEPS) for steps in (0, -1, 2.5, 3.0, True, "3", None)),
    *(("graphnn", {"steps": steps}, STEPS) for steps in (0, True)),
    *((b, {"width": width}, r"width=.* must be a whole number") for b in BACKENDS for width in (0, 1.5, True, "2")),
    *((b, {"dropout": dropout}, r"dropout=.* must be a number") for b in BACKENDS for dropout in (1.0, -0.1, "x")),
    *((b, {"activation": "swish"}, r"activation='swish' is unknown") for b in BACKENDS),
    *((b, {"preprocessing": note}, r"preprocessing=.* must be text") for b in BACKENDS for note in (None, 3, b"log")),
    *(
        (backend, {name: 0.5}, rf"{name}=0.5 is an option of backend='recurrent' only: leave it out, or use that")
        for backend in ("feedforward", "graphnn")
        for name in ("tolerance", "spectral_norm")
    ),
    *(
        ("recurrent", {name: value}, rf"{name}=.* must be a number that is positive and finite")
        for name in ("tolerance", "spectral_norm")
        for value in (0, 0.0, -1, float("nan"), float("inf"), "0.5", True)
    ),
    ("recurrent", {"steps": 1}, r"steps=1 is too few: no input reaches 2 of 2 outputs .*'early', 'late'.* at least 2"),
]


@pytest.mark.parametrize(("backend", "options", "message"), BAD, ids=[f"{b} {o}" for b, o, _ in BAD])
def test_bad_option(backend, options, message, edges, capsys):
    generator, table = torch.get_rng_state(), edges.copy()
    with pytest.raises(Edge2TorchError, match=message):
        compile_graph(edges, backend, **options)
    assert torch.equal(torch.get_rng_state(), generator)
    assert capsys.readouterr().out == ""
    pd.testing.assert_frame_equal(edges, table)


def test_unknown_backend_names_the_alias(edges):
    with pytest.raises(Edge2TorchError, match="'feedforward', 'recurrent', 'graphnn', 'state_update'"):
        compile_graph(edges, "gnn", quiet=True)
