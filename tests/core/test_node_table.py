"""Hidden nodes that differ from the others: ``compile_graph(..., nodes=)``."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError, compile_graph, get_edge_weights

BACKENDS = ["feedforward", "recurrent", "graphnn"]
FUNCTIONS = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}


def seeded(edges, backend, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return compile_graph(edges, backend, quiet=True, **options)


def table(**columns):
    return pd.DataFrame({"node": ["k", "g", "h"], **columns})


SAME = {
    "activation": ({"activation": "tanh"}, {"activation": ["tanh"] * 3}),
    "linear": ({}, {"activation": ["linear"] * 3}),
    "dropout": ({"dropout": 0.3}, {"dropout": [0.3] * 3}),
    "nothing": ({"activation": "relu", "dropout": 0.1}, {"activation": [None] * 3, "dropout": [np.nan, None, np.nan]}),
}
SAME_WIDTH = {
    "width": ({"width": 3}, {"width": [3] * 3}),
    "no width": ({"width": 2}, {"width": [None] * 3}),
    "all": (
        {"width": 2, "activation": "relu", "dropout": 0.5},
        {"width": [2] * 3, "activation": ["relu"] * 3, "dropout": [0.5] * 3},
    ),
}
CASES = [(b, s, c) for b in BACKENDS for s, c in SAME.values()]
CASES += [(b, s, c) for b in ("feedforward", "recurrent") for s, c in SAME_WIDTH.values()]


@pytest.mark.parametrize(("backend", "setting", "columns"), CASES)
def test_all_nodes_by_table(backend, setting, columns, edges):
    """A table for all hidden nodes says what an argument says; what is missing is what the argument says."""
    expected, _ = seeded(edges, backend, **setting)
    kept = {name: value for name, value in setting.items() if pd.isna(columns.get(name, [None])[0])}
    model, _ = seeded(edges, backend, **kept, nodes=table(**columns))
    x = torch.randn(6, 3)
    for each in (model.train(), model.eval()):
        expected.train(each.training)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            one = each(x)
            torch.manual_seed(1)
            assert torch.equal(one, expected(x))


def by_hand(edges, backend, function_of, x, steps):
    """Outputs in a dict: all nodes in topological order, or all at once, several times."""
    graph = nx.from_pandas_edgelist(edges, edge_attr="weight", create_using=nx.DiGraph)
    state = {node: np.zeros(len(x)) for node in graph} | {name: x[name].to_numpy() for name in x}
    for _ in range(1 if backend == "feedforward" else steps):
        before = state if backend == "feedforward" else dict(state)
        for node in nx.topological_sort(graph) if backend == "feedforward" else graph:
            if graph.in_degree(node):
                total = sum(before[source] * graph.edges[source, node]["weight"] for source in graph.pred[node])
                state[node] = function_of.get(node, lambda z: z)(total)
    return state


@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
def test_activation_of_each_node(backend, edges, frame):
    """k is linear, h has another activation than the default, g has the default; outputs have none."""
    nodes = pd.DataFrame({"node": ["h", "k", "g"], "activation": ["sigmoid", "linear", None]})
    model, artifact = seeded(edges, backend, activation="tanh", nodes=nodes, steps=4)
    weights = get_edge_weights(model, artifact)
    functions = {"h": FUNCTIONS["sigmoid"], "g": FUNCTIONS["tanh"]}
    expected = by_hand(weights, backend, functions, frame[["a", "b", "c"]], 4)
    outputs = model(torch.tensor(frame[["a", "b", "c"]].to_numpy())).detach().numpy()
    for name, column in zip(artifact.output_nodes, outputs.T, strict=True):
        np.testing.assert_allclose(column, expected[name], rtol=1e-5, atol=1e-6)


def test_activation_of_each_node_in_graphnn(cyclic):
    """What a step makes of the sums of each node, all of its channels alike."""
    nodes = pd.DataFrame({"node": ["l", "h"], "activation": ["linear", "sigmoid"]})
    model, artifact = seeded(cyclic, "graphnn", activation="relu", width=3, steps=4, nodes=nodes)
    seen = []
    model.blocks[2].register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0], output)))
    model(torch.randn(5, 3))
    sums, states = (part.detach().numpy() for part in seen[0])
    names = np.repeat(artifact.graph.nodes[3:], 3)
    functions = {"h": FUNCTIONS["sigmoid"], "k": FUNCTIONS["relu"], "m": FUNCTIONS["relu"]}
    for name, before, after in zip(names, sums.T, states.T, strict=True):
        np.testing.assert_allclose(after, functions.get(name, lambda z: z)(before), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
@pytest.mark.parametrize("default", [1, 2])
def test_width_of_each_node(backend, default, edges):
    """A weight for each pair of units of an edge, a bias for each unit."""
    nodes = pd.DataFrame({"node": ["k", "g"], "width": [3, 4]})
    model, _ = seeded(edges, backend, width=default, nodes=nodes)
    width = dict.fromkeys(("a", "b", "c", "early", "late"), 1) | {"h": default, "k": 3, "g": 4}
    n_weights = sum(width[e.source] * width[e.target] for e in edges.itertuples())
    n_biases = sum(width[name] for name in ("g", "h", "k", "early", "late"))
    assert sum(parameter.numel() for parameter in model.parameters()) == n_weights + n_biases
    assert model(torch.zeros(4, 3)).shape == (4, 2)


def test_width_with_missing_values(edges):
    """pandas makes floats of whole numbers beside missing ones."""
    nodes = pd.DataFrame({"node": ["k", "g"], "width": [3, None]})
    whole = pd.DataFrame({"node": ["k"], "width": [3]})
    model, expected = (seeded(edges, "feedforward", nodes=given)[0] for given in (nodes, whole))
    assert torch.equal(model(torch.ones(2, 3)), expected(torch.ones(2, 3)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_dropout_of_each_node(backend, edges):
    """Only h is dropped, in about its share of cells, and scaled up in the others; the model is linear otherwise."""
    nodes = pd.DataFrame({"node": ["h", "k"], "dropout": [0.25, 0.0]})
    model, artifact = seeded(edges, backend, dropout=0.0, nodes=nodes, steps=2)
    seen = []
    model.blocks[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output.detach()))
    x = torch.randn(4000, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.train()(x)
    model.eval()(x)
    names = artifact.node_names_by_layer["layer_1"] if backend == "feedforward" else artifact.graph.nodes[3:].tolist()
    for name, dropped, kept in zip(names, seen[0].T, seen[1].T, strict=True):
        if name != "h":
            assert torch.equal(dropped, kept)
            continue
        gone = dropped == 0
        share = gone.double().mean()
        assert abs(share - 0.25) < 5 * (0.25 * 0.75 / 4000) ** 0.5, "five standard errors"
        torch.testing.assert_close(dropped[~gone], kept[~gone] / 0.75)


def test_rows_in_any_order_and_other_columns(edges):
    nodes = pd.DataFrame({"node": ["h", "k"], "width": [2, 3], "activation": ["relu", "tanh"], "note": ["x", None]})
    one, _ = seeded(edges, "feedforward", nodes=nodes)
    two, _ = seeded(edges, "feedforward", nodes=nodes.iloc[::-1].drop(columns="note").set_index([[7, 7]]))
    assert torch.equal(one(torch.ones(2, 3)), two(torch.ones(2, 3)))


def test_names_that_are_numbers():
    edges = pd.DataFrame({"source": [1, 2, 10], "target": [10, 10, 3]})
    model, _ = compile_graph(edges, nodes=pd.DataFrame({"node": [10], "width": [4]}), quiet=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == 2 * 4 + 4 + 4 + 1


HIDDEN_ONLY = "nodes can set options of hidden nodes only, not of inputs and outputs: "
BAD = {
    "dict": ({"node": ["h"], "width": [2]}, "nodes must be a DataFrame with a column 'node'"),
    "series": (pd.Series([2], ["h"]), "nodes must be a DataFrame"),
    "no node": (pd.DataFrame({"name": ["h"], "width": [2]}), "nodes must be a DataFrame with a column 'node'"),
    "no option": (pd.DataFrame({"node": ["h"]}), "some of 'width', 'activation', 'dropout'"),
    "repeated": (pd.DataFrame({"node": ["h", "k", "h"], "width": 2}), "occur more than once: 'h'"),
    "unknown": (pd.DataFrame({"node": ["h", "TP53"], "width": 2}), "not in the graph: 'TP53'"),
    "input": (pd.DataFrame({"node": ["h", "a"], "width": 2}), f"{HIDDEN_ONLY}'a'$"),
    "output": (pd.DataFrame({"node": ["late"], "activation": "relu"}), f"{HIDDEN_ONLY}'late'$"),
    "both ends": (pd.DataFrame({"node": ["late", "h", "a"], "width": 2}), f"{HIDDEN_ONLY}'late', 'a'$"),
    "columns twice": (
        pd.DataFrame([["h", 2, 3]], columns=["node", "width", "width"]),
        "nodes has columns that occur more than once: 'width'",
    ),
    "width 0": (pd.DataFrame({"node": ["h"], "width": [0]}), "width=0 must be a whole number of at least 1"),
    "width 1.5": (pd.DataFrame({"node": ["h"], "width": [1.5]}), "width=1.5 must be a whole number"),
    "width True": (pd.DataFrame({"node": ["h"], "width": [True]}), "width=True must be a whole number"),
    "width text": (pd.DataFrame({"node": ["h"], "width": ["2"]}), "width='2' must be a whole number"),
    "activation": (pd.DataFrame({"node": ["h"], "activation": ["swish"]}), "activation='swish' is unknown"),
    "dropout 1": (pd.DataFrame({"node": ["h"], "dropout": [1.0]}), "dropout=1.0 must be a number"),
    "dropout -1": (pd.DataFrame({"node": ["h", "k"], "dropout": [0.1, -1]}), "dropout=-1.* must be a number"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", BAD)
def test_bad_table(case, backend, edges, capsys):
    nodes, message = BAD[case]
    before, generator = nodes.copy(), torch.get_rng_state()
    with pytest.raises(Edge2TorchError, match=message):
        compile_graph(edges, backend, nodes=nodes)
    assert torch.equal(torch.get_rng_state(), generator)
    assert capsys.readouterr().out == ""
    assert before.equals(nodes) if hasattr(nodes, "equals") else before == nodes


def test_width_in_graphnn(edges, capsys):
    nodes = pd.DataFrame({"node": ["h"], "width": [2]})
    generator = torch.get_rng_state()
    with pytest.raises(Edge2TorchError, match=r"graphnn .* same channels in all nodes: leave 'width' out"):
        compile_graph(edges, "graphnn", nodes=nodes)
    assert torch.equal(torch.get_rng_state(), generator)
    assert capsys.readouterr().out == "", "nothing is said about a graph that is refused"
    compile_graph(edges, "graphnn", nodes=nodes.assign(width=None, dropout=0.1), quiet=True)
