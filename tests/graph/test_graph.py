"""Layers, kinds and what a node can see, against networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch.graph import Graph, node_table

random_graphs = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def longest_paths(graph: nx.DiGraph) -> dict[str, int]:
    """Layer of each node by its definition: the longest path that ends there."""
    return {
        node: nx.dag_longest_path_length(graph.subgraph(nx.ancestors(graph, node) | {node})) for node in graph.nodes
    }


@random_graphs
@given(data=st.data())
def test_layers_are_longest_paths(data, acyclic_edges, to_networkx):
    edges = data.draw(acyclic_edges)
    graph, expected = Graph.from_edgelist(edges), longest_paths(to_networkx(edges))
    assert dict(zip(graph.nodes, graph.layer.tolist(), strict=True)) == expected
    by_layer = graph.names_by_layer()
    assert by_layer == {
        f"layer_{k}": sorted(node for node in expected if expected[node] == k) for k in range(len(by_layer))
    }
    assert graph.n_layers == len(by_layer) == max(expected.values()) + 1
    assert [name for names in by_layer.values() for name in names] == graph.nodes.tolist()


@random_graphs
@given(data=st.data())
def test_edges_and_kinds(data, acyclic_edges, to_networkx):
    edges = data.draw(acyclic_edges)
    graph, reference = Graph.from_edgelist(edges), to_networkx(edges)
    pd.testing.assert_frame_equal(graph.edges, edges)
    assert graph.nodes[graph.source].tolist() == edges["source"].tolist()
    assert graph.nodes[graph.target].tolist() == edges["target"].tolist()
    assert (graph.layer[graph.source] < graph.layer[graph.target]).all()
    in_order = graph.nodes.tolist()
    assert graph.inputs == [n for n in in_order if reference.in_degree(n) == 0]
    assert graph.outputs == [n for n in in_order if reference.out_degree(n) == 0]
    assert graph.hidden == [n for n in in_order if reference.in_degree(n) and reference.out_degree(n)]
    assert graph.inputs == graph.names_by_layer()["layer_0"]


@random_graphs
@given(data=st.data())
def test_visible_inputs(data, acyclic_edges, to_networkx):
    edges = data.draw(acyclic_edges)
    graph, reference = Graph.from_edgelist(edges), to_networkx(edges)
    seen = {node: (nx.ancestors(reference, node) | {node}) & set(graph.inputs) for node in reference}
    assert graph.visible_inputs().tolist() == [len(seen[node]) for node in graph.nodes]


def test_many_paths_do_not_overflow():
    """70 diamonds in a row: 2**70 paths lead from the one input to the output."""
    pairs = []
    for i in range(70):
        pairs += [(f"d{i}", f"x{i}"), (f"d{i}", f"y{i}"), (f"x{i}", f"d{i + 1}"), (f"y{i}", f"d{i + 1}")]
    graph = Graph.from_edgelist(pd.DataFrame(pairs, columns=["source", "target"]))
    assert set(graph.visible_inputs().tolist()) == {1}
    assert graph.n_layers == 141


@random_graphs
@given(data=st.data())
def test_node_table(data, acyclic_edges, to_networkx):
    edges = data.draw(acyclic_edges)
    graph, reference = Graph.from_edgelist(edges), to_networkx(edges)
    outputs = data.draw(st.sets(st.sampled_from(graph.outputs)))
    labels = {graph.nodes[0]: "a label", "not a node": "unused"}
    table = node_table(graph, labels, outputs).set_index("node")
    assert list(table.columns) == ["label", "kind", "layer", "in_degree", "out_degree", "n_inputs"]
    assert table.index.tolist() == graph.nodes.tolist()
    depth = longest_paths(reference)
    for node, row in table.iterrows():
        kind = "input" if reference.in_degree(node) == 0 else "output" if node in outputs else "hidden"
        assert row["label"] == ("a label" if node == graph.nodes[0] else node)
        assert row["kind"] == kind
        assert row["layer"] == depth[node]
        assert (row["in_degree"], row["out_degree"]) == (reference.in_degree(node), reference.out_degree(node))
    np.testing.assert_array_equal(table["n_inputs"], graph.visible_inputs())
