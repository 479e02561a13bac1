"""How often nodes are dropped, against the rule written down node by node."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge2torch import Edge2TorchError, compile_graph
from edge2torch.graph import Graph, dropout_rates, fewest_sources, node_options

rates = st.floats(0, 0.99)


def by_the_rule(edges: pd.DataFrame, node: str, rate: float) -> tuple[int, float]:
    graph = nx.DiGraph(list(zip(edges["source"], edges["target"], strict=True)))
    crowds = [len(set(graph.predecessors(u)) - {u}) for u in graph.successors(node) if u != node]
    fewest = min(crowds, default=0)
    return fewest, min(rate, {1: 0.0, 2: 0.1, 3: 0.3}.get(fewest, rate))


@given(data=st.data(), cycles=st.booleans(), hidden=rates, inputs=rates)
def test_redundancy(data, cycles, hidden, inputs, acyclic_edges):
    edges = data.draw(acyclic_edges)
    between = sorted(set(edges["source"]) & set(edges["target"]))
    if cycles and between:
        back = data.draw(st.sets(st.tuples(st.sampled_from(between), st.sampled_from(between)), max_size=4))
        back = pd.DataFrame(sorted(back), columns=["source", "target"])
        edges = pd.concat([edges, back]).drop_duplicates(["source", "target"])
    graph = Graph.from_edgelist(edges, cycles=cycles)
    fewest, found = fewest_sources(graph), dropout_rates(graph, hidden, inputs=inputs)
    for name, kind, n_sources, rate in zip(graph.nodes, graph.kind, fewest, found, strict=True):
        given_rate = {"input": inputs, "hidden": hidden, "output": 0.0}[kind]
        assert (n_sources, rate) == by_the_rule(edges, name, given_rate)
    uniform = dropout_rates(graph, hidden, inputs=inputs, rule="uniform")
    assert (found <= uniform).all()
    assert set(uniform[graph.kind == "hidden"]) <= {hidden}
    assert set(uniform[graph.kind == "input"]) <= {inputs}
    assert not uniform[graph.kind == "output"].any()


@given(data=st.data())
def test_without_a_rate_nothing_is_dropped(data, acyclic_edges):
    assert not dropout_rates(Graph.from_edgelist(data.draw(acyclic_edges)), 0.0).any()


def test_another_target_does_not_make_a_node_redundant():
    """With the sources of all targets taken together, A would have five beside it."""
    pairs = [
        "g A",
        *[f"h{i} B" for i in range(5)],
        *[f"g h{i}" for i in range(5)],
        "A B",
        "A only",
        "only out",
        "B out",
    ]
    graph = Graph.from_edgelist(pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"]))
    found = dict(zip(graph.nodes.tolist(), dropout_rates(graph, 0.5).tolist(), strict=True))
    assert found == {"g": 0, "A": 0, "only": 0.1, "B": 0.1, "out": 0, **{f"h{i}": 0.5 for i in range(5)}}


@pytest.mark.parametrize("arguments", [{"dropout": 1.0}, {"dropout": 0.1, "inputs": -1.0}, {"dropout": 0, "rule": "x"}])
def test_errors(arguments):
    graph = Graph.from_edgelist(pd.DataFrame({"source": ["a"], "target": ["out"]}))
    with pytest.raises(Edge2TorchError, match=rf"{list(arguments)[-1]}="):
        dropout_rates(graph, **arguments)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
def test_in_a_model(backend):
    """Shares of states that are 0 are the rates of the table, which names of nodes win over."""
    pairs = ["g A", "g B", "g C", "A D", "B D", "C D", "A out", "D out"]
    edges = pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])
    nodes = pd.DataFrame({"node": ["B"], "dropout": [0.75]})
    width = 2
    model, artifact = compile_graph(
        edges, backend, steps=3, width=width, dropout=0.5, dropout_rule="redundancy", nodes=nodes, quiet=True
    )
    expected = {"A": 0.1, "B": 0.75, "C": 0.3, "D": 0.1, "out": 0.0}
    graph = artifact.graph
    options = node_options(
        graph,
        nodes,
        width=1,
        activation=None,
        dropout=0.5,
        dropout_rule=artifact.settings["dropout_rule"],
        check=lambda *_: None,
    )
    assert dict(zip(graph.nodes.tolist(), options.dropout.tolist(), strict=True)) == {"g": 0.0, **expected}
    states = []
    for block in model.blocks:
        dropout = block.dropout
        if dropout is not None:
            dropout.register_forward_hook(lambda _module, _inputs, out: states.append(out == 0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.constant_(parameter, 0.1)
        model(torch.randn(20_000, 1) + 5)
    if backend == "feedforward":
        zero = torch.cat(states, dim=1).float().mean(dim=0)
        names = [name for name in graph.nodes[1:] if name != "out"]
    else:
        zero, names = states[-1].float().mean(dim=0), list(graph.nodes[1:])
    units = [width if name != "out" or backend == "graphnn" else 1 for name in names]
    wanted = np.repeat([expected[name] for name in names], units)
    np.testing.assert_allclose(zero.numpy(), wanted, atol=5 * np.sqrt(0.25 / 20_000))


def test_unknown_rule():
    with pytest.raises(Edge2TorchError, match=r"dropout_rule='x' is unknown.*'uniform', 'redundancy'"):
        compile_graph(pd.DataFrame({"source": ["a"], "target": ["out"]}), dropout_rule="x", quiet=True)
