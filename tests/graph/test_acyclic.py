"""Cycles, and how they are cut, compared with networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge2torch.graph import has_cycle, lead_away

many = settings(deadline=None, max_examples=60)


def numbered(edges: pd.DataFrame):
    code, names = pd.factorize(pd.concat([edges["source"], edges["target"]]))
    return code[: len(edges)], code[len(edges) :], len(names)


def distances(graph: nx.DiGraph) -> dict[str, int]:
    """Least number of edges from any input."""
    inputs = [node for node in graph if not graph.in_degree(node)]
    return nx.multi_source_dijkstra_path_length(graph, set(inputs), weight=None) if inputs else {}


@many
@given(data=st.data())
def test_cycles_are_those_of_networkx(data, directed_edges, to_networkx):
    """With self loops, without inputs, in several parts."""
    edges = data.draw(directed_edges)
    assert has_cycle(*numbered(edges)) == (not nx.is_directed_acyclic_graph(to_networkx(edges)))


@many
@given(data=st.data())
def test_no_cycle_in_an_acyclic_graph_and_nothing_to_cut(data, acyclic_edges):
    edges = data.draw(acyclic_edges)
    assert not has_cycle(*numbered(edges))
    assert lead_away(*numbered(edges)).all()


@many
@given(data=st.data())
def test_what_stays_is_acyclic_and_as_close_to_the_inputs(data, cyclic_edges, to_networkx):
    edges = data.draw(cyclic_edges)
    stays = lead_away(*numbered(edges))
    before, after = to_networkx(edges), to_networkx(edges[stays])
    assume(len(distances(before)) == len(before))  # inputs reach all others
    assert nx.is_directed_acyclic_graph(after)
    assert distances(after) == distances(before), "no node is lost or farther away"
    circles = [part for part in nx.strongly_connected_components(before) if len(part) > 1]
    for source, target in edges[~stays][["source", "target"]].itertuples(index=False):
        assert any({source, target} <= part for part in circles)


@many
@given(data=st.data())
def test_the_rule(data, directed_edges, to_networkx):
    """An edge on a cycle stays if it leads away from the inputs; nodes that no input reaches are at no distance."""
    edges = data.draw(directed_edges)
    graph = to_networkx(edges)
    far = distances(graph)
    part = {node: i for i, nodes in enumerate(nx.strongly_connected_components(graph)) for node in nodes}
    expected = [
        part[s] != part[t] or far.get(s, -1) < far.get(t, -1)
        for s, t in zip(edges["source"], edges["target"], strict=True)
    ]
    stays = lead_away(*numbered(edges))
    assert stays.tolist() == expected
    assert nx.is_directed_acyclic_graph(to_networkx(edges[stays]))


@many
@given(data=st.data())
def test_order_of_edges_does_not_matter(data, cyclic_edges):
    edges = data.draw(cyclic_edges).reset_index(drop=True)
    order = data.draw(st.permutations(range(len(edges))))
    shuffled = edges.iloc[order]
    np.testing.assert_array_equal(lead_away(*numbered(shuffled)), lead_away(*numbered(edges))[order])
