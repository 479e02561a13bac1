"""Weights of edges, by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from edge2torch import Edge2TorchError, compile_graph, customize_model, get_edge_weights, set_edge_weights

BACKENDS = ["feedforward", "recurrent", "graphnn"]


def given(edges, seed=0):
    weights = np.random.default_rng(seed).normal(size=len(edges)).astype(np.float32)
    return edges[["source", "target"]].assign(weight=weights)


def by_edge(weights):
    return weights.set_index(["source", "target"])["weight"].sort_index()


def bits(model):
    """The state of a model, NaN included."""
    return {name: part.numpy().tobytes() for name, part in model.state_dict().items()}


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("backend", BACKENDS)
def test_round_trip(backend, width, edges):
    """What is set is what comes back, whatever the order of the rows; the order that comes back is the edge list's."""
    model, artifact = compile_graph(edges, backend, width=width, quiet=True)
    expected = given(edges)
    table = expected.sample(frac=1, random_state=1).assign(note="x")
    before = table.copy()
    assert set_edge_weights(model, artifact, table) is None
    found = get_edge_weights(model, artifact)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6)
    pd.testing.assert_frame_equal(table, before)
    bitwise = bits(model)
    set_edge_weights(model, artifact, found)
    after = get_edge_weights(model, artifact)
    if width == 1 or backend == "graphnn":
        assert bits(model) == bitwise
    pd.testing.assert_frame_equal(after, expected, rtol=1e-6)


def test_what_the_weights_do(edges, frame):
    """Outputs of a linear network: sums over paths, by powers of the matrix of weights."""
    expected = given(edges)
    names = sorted(set(edges["source"]) | set(edges["target"]))
    matrix = expected.pivot_table(index="source", columns="target", values="weight", fill_value=0.0)
    matrix = matrix.reindex(index=names, columns=names, fill_value=0.0).to_numpy()
    state = frame.reindex(columns=names, fill_value=0.0).to_numpy()
    paths = sum(np.linalg.matrix_power(matrix, n) for n in range(5))
    total = pd.DataFrame(state @ paths, columns=names)
    for backend, width in (("feedforward", 1), ("feedforward", 3), ("recurrent", 1), ("recurrent", 2)):
        model, artifact = compile_graph(edges, backend, width=width, steps=5, quiet=True)
        set_edge_weights(model, artifact, expected.iloc[::-1])
        out = model(torch.tensor(frame[artifact.feature_names].to_numpy())).detach()
        np.testing.assert_allclose(out, total[artifact.output_nodes], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_some_edges(backend, edges):
    model, artifact = compile_graph(edges, backend, quiet=True)
    before = by_edge(get_edge_weights(model, artifact))
    some = given(edges).iloc[[7, 2]]
    set_edge_weights(model, artifact, some)
    expected = by_edge(some).combine_first(before)
    pd.testing.assert_series_equal(by_edge(get_edge_weights(model, artifact)), expected)
    bitwise = bits(model)
    set_edge_weights(model, artifact, some.iloc[:0])
    assert bits(model) == bitwise


def test_biases_and_generators_stay(edges):
    model, artifact = compile_graph(edges, "graphnn", width=2, activation="tanh", quiet=True)
    before, generator = bits(model), torch.get_rng_state()
    set_edge_weights(model, artifact, given(edges))
    changed = {name for name, part in bits(model).items() if part != before[name]}
    assert changed == {"from_inputs.weight", "between.weight"}
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("wrap", [customize_model, lambda model: nn.Sequential(nn.Identity(), model)])
def test_model_inside_a_model(wrap, compiled, edges):
    model, artifact = compiled
    set_edge_weights(wrap(model), artifact, given(edges))
    pd.testing.assert_frame_equal(get_edge_weights(wrap(model), artifact), given(edges))
    pd.testing.assert_frame_equal(get_edge_weights(model, artifact), given(edges))


def test_names_that_are_numbers():
    edges = pd.DataFrame({"source": [1, 2, 10], "target": [10, 10, 3]})
    model, artifact = compile_graph(edges, quiet=True)
    set_edge_weights(model, artifact, edges.assign(weight=[1, 2, 3]).iloc[::-1])
    found = get_edge_weights(model, artifact)
    assert found["source"].tolist() == ["1", "2", "10"]
    assert found["weight"].tolist() == [1.0, 2.0, 3.0]


def test_names_with_the_same_text():
    edges = pd.DataFrame({"source": [1, 2, 10], "target": [10, 10, 3]})
    model, artifact = compile_graph(edges, quiet=True)
    both = pd.DataFrame({"source": [1, "1"], "target": [10, 10], "weight": [5.0, 6.0]})
    before = bits(model)
    with pytest.raises(Edge2TorchError, match=r"more than once: .*1 -> 10"):
        set_edge_weights(model, artifact, both)
    assert bits(model) == before


ORDERS = [
    (backend, graph, options)
    for backend in BACKENDS
    for graph in ("edges", "cyclic", "constrained")
    for options in ({}, {"width": 2}, {"nodes": pd.DataFrame({"node": ["k", "h"], "width": [3, 2]})})
    if (backend, graph) != ("feedforward", "cyclic")
    if backend != "graphnn" or "nodes" not in options
]


@pytest.mark.parametrize(("backend", "graph", "options"), ORDERS, ids=[f"{b} {g} {[*o]}" for b, g, o in ORDERS])
def test_artifact_with_rows_in_another_order(backend, graph, options, request):
    """The fingerprint does not depend on the order of rows, so weights go by name for such an artifact, too."""
    edges = request.getfixturevalue(graph)
    model, artifact = compile_graph(edges, backend, steps=4, quiet=True, **options)
    shuffled = edges.sample(frac=1, random_state=2)
    _, other = compile_graph(shuffled, backend, steps=4, quiet=True, **options)
    assert other.graph.edges["source"].tolist() != artifact.graph.edges["source"].tolist()
    found = get_edge_weights(model, other)
    pd.testing.assert_frame_equal(found[["source", "target"]], other.graph.edges[["source", "target"]])
    pd.testing.assert_series_equal(by_edge(found), by_edge(get_edge_weights(model, artifact)))
    free = shuffled if graph != "constrained" else shuffled[shuffled["constraint"] != "fixed"]
    new = given(free)
    if graph == "constrained":
        new["weight"] *= np.where(free["constraint"].isin(["positive", "negative"]), np.sign(new["weight"]), 1)
        new["weight"] *= np.where(free["constraint"] == "negative", -1, 1).astype(np.float32)
    expected = by_edge(new).combine_first(by_edge(found))
    set_edge_weights(model, other, new)
    for names in (artifact, other):
        pd.testing.assert_series_equal(by_edge(get_edge_weights(model, names)), expected, rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_some_edges_of_an_artifact_with_rows_in_another_order(backend, edges):
    model, artifact = compile_graph(edges, backend, quiet=True)
    _, other = compile_graph(edges.iloc[::-1], backend, quiet=True)
    before = by_edge(get_edge_weights(model, artifact))
    some = given(edges).iloc[[7, 2, 0]]
    set_edge_weights(model, other, some)
    pd.testing.assert_series_equal(by_edge(get_edge_weights(model, artifact)), by_edge(some).combine_first(before))


def test_double(edges):
    """Weights of a model in float64 are as precise as it is."""
    model, artifact = compile_graph(edges, quiet=True)
    model.double()
    expected = given(edges).assign(weight=np.random.default_rng(0).normal(size=len(edges)))
    set_edge_weights(model, artifact, expected)
    pd.testing.assert_frame_equal(get_edge_weights(model, artifact), expected, check_exact=True)


CONSTRAINTS = ["positive", "negative", "fixed", None, "positive", "unconstrained", "negative", "fixed", None, None]


@pytest.fixture
def constrained(edges):
    weights = [1.0, -1.0, 0.25, 2.0, np.nan, np.nan, np.nan, -3.0, np.nan, 0.5]
    return edges.assign(constraint=CONSTRAINTS, initial_weight=weights)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_constraints(backend, width, constrained):
    """Weights are those that the model uses, also where the parameter has the wrong sign; zero fits either sign."""
    model, artifact = compile_graph(constrained, backend, width=width, quiet=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    found = get_edge_weights(model, artifact)["weight"]
    constraint = pd.Series(CONSTRAINTS)
    assert (found[constraint == "positive"] >= 0).all()
    assert (found[constraint == "negative"] <= 0).all()
    assert found[constraint == "fixed"].tolist() == [0.25, -3.0]
    free = constrained[constraint != "fixed"]
    signs = free["constraint"].map({"positive": 1, "negative": -1}).fillna(1)
    expected = free[["source", "target"]].assign(weight=(np.arange(len(free)) * signs).astype(np.float32))
    set_edge_weights(model, artifact, expected)
    found = get_edge_weights(model, artifact)
    pd.testing.assert_frame_equal(found[constraint != "fixed"], expected, rtol=1e-6)
    assert found["weight"][constraint == "fixed"].tolist() == [0.25, -3.0]


FIXED_WIDTHS = [1, 2, 3]


@pytest.mark.parametrize("width", FIXED_WIDTHS)
@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
def test_what_is_got_can_be_set(backend, width, edges):
    """Also of edges that are fixed, where it changes nothing."""
    weight = np.random.default_rng(0).normal(size=len(edges))
    fixed = edges.assign(constraint=["fixed", None] * 5, initial_weight=weight)
    model, artifact = compile_graph(fixed, backend, width=width, quiet=True)
    found = get_edge_weights(model, artifact)
    np.testing.assert_allclose(found["weight"][::2], weight[::2], rtol=1e-6)
    set_edge_weights(model, artifact, found)
    pd.testing.assert_frame_equal(get_edge_weights(model, artifact), found, rtol=1e-6)


def test_what_is_got_can_be_set_in_graphnn(constrained):
    model, artifact = compile_graph(constrained, "graphnn", width=3, quiet=True)
    found = get_edge_weights(model, artifact)
    set_edge_weights(model, artifact, found)
    pd.testing.assert_frame_equal(get_edge_weights(model, artifact), found)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_what_is_got_can_be_set_in_other_floating_types(dtype, edges):
    model, artifact = compile_graph(edges.assign(constraint="fixed", initial_weight=0.1), quiet=True)
    model.to(dtype)
    set_edge_weights(model, artifact, get_edge_weights(model, artifact))


def test_own_value_of_a_fixed_edge(constrained):
    """As it was given, in double precision; beside others that do change."""
    model, artifact = compile_graph(constrained.assign(initial_weight=0.1).drop([1, 6]), quiet=True)
    set_edge_weights(model, artifact, second("a", "h", 0.1))
    found = by_edge(get_edge_weights(model, artifact))
    assert found["h", "k"] == 9.0
    assert found["a", "h"] == np.float32(0.1)
    with pytest.raises(Edge2TorchError, match=FIXED):
        set_edge_weights(model, artifact, second("a", "h", 0.10001))


def row(source, target, weight=1.0):
    return pd.DataFrame({"source": [source], "target": [target], "weight": [weight]})


def second(*bad):
    """A row that can be used, then one that cannot."""
    return pd.concat([row("h", "k", 9.0).astype(object), row(*bad).astype(object)], ignore_index=True)


FINITE = "weights has weights that are not finite 32-bit numbers: 'k -> late'$"
COLUMNS = "weights must be a DataFrame with the columns source, target and weight, each once"
FIXED = (
    r"1 edges are fixed, so their weight is part of the graph \(leave them out, or compile another graph\): 'a -> h'"
)
BAD = {
    "unknown edge": (second("a", "late"), "not in the graph: 'a -> late'"),
    "reversed edge": (second("k", "h"), "not in the graph: 'k -> h'"),
    "unknown name": (second("TP53", "h"), "not in the graph: 'TP53 -> h'"),
    "None": (second(None, "h"), "not in the graph"),
    "repeated": (second("h", "k", 9.0), "more than once: 'h -> k'"),
    "NaN": (second("k", "late", np.nan), FINITE),
    "inf": (second("k", "late", np.inf), FINITE),
    "-inf": (second("k", "late", -np.inf), FINITE),
    "beyond float32": (second("k", "late", 1e39), FINITE),
    "text": (second("k", "late", "much"), FINITE),
    "None weight": (second("k", "late", None), FINITE),
    "fixed": (second("a", "h", 0.3), FIXED),
    "positive": (second("b", "h", -0.1), "1 edges are positive, but get a negative weight: 'b -> h'"),
    "negative": (second("c", "h", 0.1), "1 edges are negative, but get a positive weight: 'c -> h'"),
    "no weight": (second("k", "late").drop(columns="weight"), COLUMNS),
    "no target": (second("k", "late").drop(columns="target"), COLUMNS),
    "no source": (second("k", "late").drop(columns="source"), COLUMNS),
    "dict": ({"source": ["k"], "target": ["late"], "weight": [1.0]}, COLUMNS),
    "None at all": (None, COLUMNS),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", BAD)
def test_bad_weights(case, backend, constrained):
    """Also the rows that could be used are not."""
    table, message = BAD[case]
    model, artifact = compile_graph(constrained, backend, quiet=True)
    before = bits(model)
    with pytest.raises(Edge2TorchError, match=message):
        set_edge_weights(model, artifact, table)
    assert bits(model) == before


@pytest.mark.parametrize("column", ["source", "target", "weight"])
def test_columns_twice(column, compiled):
    table = row("b", "h")
    table = pd.concat([table, table[[column]]], axis=1)
    with pytest.raises(Edge2TorchError, match=COLUMNS):
        set_edge_weights(*compiled, table)


def test_other_columns_may_be_there_twice(compiled):
    model, artifact = compiled
    table = row("b", "h", 2.5).assign(a=1, b=1)
    set_edge_weights(model, artifact, table.set_axis(["source", "target", "weight", "note", "note"], axis=1))
    assert by_edge(get_edge_weights(model, artifact))["b", "h"] == 2.5


def test_wrong_artifact(compiled, edges):
    model, _ = compiled
    _, other = compile_graph(edges.replace("k", "kinase"), quiet=True)
    before = bits(model)
    with pytest.raises(Edge2TorchError, match="differ in 'graph'"):
        set_edge_weights(model, other, given(other.graph.edges))
    with pytest.raises(Edge2TorchError, match="differ in 'graph'"):
        get_edge_weights(model, other)
    assert bits(model) == before
    with pytest.raises(Edge2TorchError, match="must hold one model from compile_graph; it holds 0"):
        get_edge_weights(nn.Linear(3, 2), other)


def feedback(weights, inner):
    here = weights["source"].isin(inner) & weights["target"].isin(inner)
    return weights[here].pivot_table(index="target", columns="source", values="weight", fill_value=0.0).to_numpy()


def test_bound_on_feedback_holds_for_weights_that_are_set(cyclic):
    """The largest singular value, by SciPy's SVD of the weights between hidden nodes."""
    model, artifact = compile_graph(cyclic, "recurrent", steps=4, spectral_norm=0.9, activation="tanh", quiet=True)
    weights = given(cyclic).assign(weight=0.01)
    weights.loc[(weights["source"] == "h") & (weights["target"] == "h"), "weight"] = 5.0
    set_edge_weights(model.eval(), artifact, weights)
    used = get_edge_weights(model, artifact)
    assert np.linalg.norm(feedback(used, artifact.hidden_nodes), 2) <= 0.9 * 1.01
