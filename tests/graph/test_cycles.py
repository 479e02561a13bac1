"""Graphs in which cycles are allowed, against networkx."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.graph import Graph

random_graphs = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])


def edges(text: str) -> pd.DataFrame:
    return pd.DataFrame([pair.split(">") for pair in text.split()], columns=["source", "target"])


def ends(graph: nx.DiGraph) -> tuple[set[str], set[str]]:
    return {n for n in graph if not graph.in_degree(n)}, {n for n in graph if not graph.out_degree(n)}


def shortest_paths(graph: nx.DiGraph) -> dict[str, int]:
    """Layer of each node by its definition: breadth first from all inputs, and unreached nodes after all others."""
    inputs, _ = ends(graph)
    layer = {node: k for k, nodes in enumerate(nx.bfs_layers(graph, inputs)) for node in nodes}
    return layer | dict.fromkeys(set(graph) - set(layer), max(layer.values()) + 1)


def objection(graph: nx.DiGraph) -> str | None:
    """What must be said about a graph, if anything."""
    inputs, outputs = ends(graph)
    if not inputs:
        return f"no inputs: all its {len(graph)} nodes have incoming edges"
    if not outputs:
        return f"no outputs: all its {len(graph)} nodes have outgoing edges"
    apart = [n for n in outputs if not nx.ancestors(graph, n) & inputs]
    return f"{len(apart)} outputs of {len(outputs)} to which no path leads from any input" if apart else None


@random_graphs
@given(data=st.data())
def test_order_and_kinds(data, directed_edges, to_networkx):
    drawn = data.draw(directed_edges)
    reference = to_networkx(drawn)
    expected = objection(reference)
    if expected:
        with pytest.raises(Edge2TorchError, match=expected):
            Graph.from_edgelist(drawn, cycles=True)
        return
    graph, layer = Graph.from_edgelist(drawn, cycles=True), shortest_paths(reference)
    inputs, outputs = ends(reference)
    assert graph.nodes.tolist() == sorted(reference, key=lambda node: (layer[node], node))
    assert graph.layer.tolist() == [layer[node] for node in graph.nodes]
    assert graph.inputs == sorted(inputs) == graph.nodes[: len(inputs)].tolist()
    assert set(graph.outputs) == outputs
    assert set(graph.hidden) == set(reference) - inputs - outputs
    pd.testing.assert_frame_equal(graph.edges, drawn)
    assert graph.nodes[graph.source].tolist() == drawn["source"].tolist()
    assert graph.nodes[graph.target].tolist() == drawn["target"].tolist()


@random_graphs
@given(data=st.data())
def test_visible_inputs(data, directed_edges, to_networkx):
    drawn = data.draw(directed_edges.filter(lambda drawn: objection(to_networkx(drawn)) is None))
    graph, reference = Graph.from_edgelist(drawn, cycles=True), to_networkx(drawn)
    seen = {node: (nx.ancestors(reference, node) | {node}) & set(graph.inputs) for node in reference}
    assert graph.visible_inputs().tolist() == [len(seen[node]) for node in graph.nodes]


@random_graphs
@given(data=st.data())
def test_without_cycles_only_the_layers_differ(data, acyclic_edges, to_networkx):
    drawn = data.draw(acyclic_edges)
    loose, strict = Graph.from_edgelist(drawn, cycles=True), Graph.from_edgelist(drawn)
    assert dict(zip(loose.nodes, loose.layer.tolist(), strict=True)) == shortest_paths(to_networkx(drawn))
    assert set(loose.hidden) == set(strict.hidden)
    assert set(loose.outputs) == set(strict.outputs)
    assert loose.inputs == strict.inputs  # so both models take the same features in the same order
    assert loose.fingerprint == strict.fingerprint


KINDS = {
    "self loop in the middle": ("in>a a>a a>out", {"in": 0, "a": 1, "out": 2}, ["a"]),
    "self loop at the end": ("in>a a>a in>out", {"in": 0, "a": 1, "out": 1}, ["a"]),
    "self loop alone": ("in>out a>a", {"in": 0, "out": 1, "a": 2}, ["a"]),
    "self loop feeds in": ("in>b b>out a>a a>b", {"in": 0, "b": 1, "out": 2, "a": 3}, ["b", "a"]),
    "cycle alone": ("in>out a>b b>a", {"in": 0, "out": 1, "a": 2, "b": 2}, ["a", "b"]),
    "feedback": ("in>a a>b b>a b>out", {"in": 0, "a": 1, "b": 2, "out": 3}, ["a", "b"]),
    "short and long way": ("in>a a>b b>out in>out", {"in": 0, "a": 1, "out": 1, "b": 2}, ["a", "b"]),
}


@pytest.mark.parametrize(("text", "layer", "hidden"), KINDS.values(), ids=KINDS.keys())
def test_layers_by_hand(text, layer, hidden):
    graph = Graph.from_edgelist(edges(text), cycles=True)
    assert dict(zip(graph.nodes, graph.layer.tolist(), strict=True)) == layer
    assert graph.nodes.tolist() == list(layer)
    assert graph.hidden == hidden


BAD: dict[str, tuple[str, str]] = {
    "no inputs": ("a>b b>a b>out", r"edgelist has no inputs: all its 3 nodes have incoming edges \('a', 'b', 'out'\);"),
    "no outputs": ("in>a a>b b>a", r"edgelist has no outputs: all its 3 nodes have outgoing edges \('in', 'a', 'b'\);"),
    "neither": ("a>a", r"edgelist has no inputs: all its 1 nodes have incoming edges \('a'\);"),
    "output behind a cycle": (
        "in>out a>b b>a b>apart",
        r"1 outputs of 2 to which no path leads from any input \('apart'\); add edges .*, or remove",
    ),
    "six outputs behind a self loop": (
        "in>out a>a " + " ".join(f"a>o{i}" for i in range(6)),
        r"6 outputs of 7 .* \('o0', 'o1', 'o2', 'o3', 'o4' and 1 more\)",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD.keys())
def test_bad(text, message):
    with pytest.raises(Edge2TorchError, match=message):
        Graph.from_edgelist(edges(text), cycles=True)


@pytest.mark.parametrize("columns", [{"source": ["a", "a"]}, {"source": ["", "a"]}, {"target": ["b", None]}])
def test_edges_are_checked_as_without_cycles(columns: dict[str, Any]):
    bad = edges("a>b c>b").assign(**columns)
    with pytest.raises(Edge2TorchError, match=r"repeated|empty|missing"):
        Graph.from_edgelist(bad, cycles=True)


def test_two_ways_out_of_one_cycle():
    """Both edges lead from the same cycle to the same node, which is reached all the same."""
    graph = Graph.from_edgelist(edges("in>a a>b b>a a>out b>out other>out"), cycles=True)
    seen = dict(zip(graph.nodes, graph.visible_inputs().tolist(), strict=True))
    assert seen == {"in": 1, "other": 1, "a": 1, "b": 1, "out": 2}


def test_a_long_ring():
    """As long as recursion would not go."""
    n = 30_000
    ring = pd.DataFrame({"source": [f"n{i}" for i in range(n)], "target": [f"n{(i + 1) % n}" for i in range(n)]})
    graph = Graph.from_edgelist(pd.concat([edges("in>n0 n0>out"), ring]), cycles=True)
    assert sorted(graph.layer.tolist()) == sorted([0, 2, *range(1, n + 1)])
    np.testing.assert_array_equal(graph.visible_inputs(), 1)
