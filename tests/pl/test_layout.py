from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch.pl._layout import place


@st.composite
def layered(draw):
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    column = {f"{k}.{i}": k for k, size in enumerate(sizes) for i in range(size)}
    pairs = [(u, v) for u in column for v in column if column[u] < column[v]]
    graph = nx.DiGraph()
    graph.add_nodes_from(column)
    graph.add_edges_from(draw(st.lists(st.sampled_from(pairs), max_size=20, unique=True)))
    return graph, column, {node: draw(st.floats(0.1, 2)) for node in column}


@settings(deadline=None, max_examples=50)
@given(layered())
def test_nothing_overlaps(case):
    """In a column, boxes and the lanes of passing edges have all the room they asked for."""
    graph, column, room = case
    layout = place(graph, column, room, lane=dict.fromkeys(graph.edges, 0.1))
    for k in set(column.values()):
        here = [(layout.y[node], room[node]) for node in graph if column[node] == k]
        for (u, v), heights in layout.via.items():
            if column[u] < k < column[v]:
                here.append((heights[k - column[u] - 1], 0.1))
        here.sort()
        for (y0, room0), (y1, room1) in pairwise(here):
            assert y1 - y0 >= (room0 + room1) / 2 - 1e-9


@given(layered())
@settings(deadline=None, max_examples=20)
def test_edges_have_a_lane_in_every_column_they_cross(case):
    graph, column, room = case
    via = place(graph, column, room, lane=dict.fromkeys(graph.edges, 0.1)).via
    assert {edge: len(lanes) for edge, lanes in via.items()} == {
        (u, v): column[v] - column[u] - 1 for u, v in graph.edges
    }


def test_untangles_a_matching():
    """Edges that can be drawn without a crossing are."""
    order = np.random.default_rng(0).permutation(8)
    column = {**{f"a{i}": 0 for i in range(8)}, **{f"b{i}": 1 for i in order}}
    graph = nx.DiGraph()
    graph.add_nodes_from(column)
    graph.add_edges_from((f"a{i}", f"b{i}") for i in range(8))
    y = place(graph, column, dict.fromkeys(column, 1.0), lane=dict.fromkeys(graph.edges, 0.1)).y
    for i in range(8):
        assert y[f"a{i}"] == pytest.approx(y[f"b{i}"], abs=1e-3)


def test_same_result_each_time():
    graph = nx.gn_graph(30, seed=1)
    graph = nx.relabel_nodes(graph.reverse(), str)
    column = {node: k for k, layer in enumerate(nx.topological_generations(graph)) for node in layer}
    room, lane = dict.fromkeys(column, 1.0), dict.fromkeys(graph.edges, 0.1)
    assert place(graph, column, room, lane) == place(graph, column, room, lane)


def test_edges_within_a_column_and_backwards_do_no_harm():
    graph = nx.DiGraph([("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")])
    layout = place(graph, {"a": 0, "b": 1, "c": 1}, dict.fromkeys("abc", 1.0), dict.fromkeys(graph.edges, 0.1))
    assert abs(layout.y["b"] - layout.y["c"]) >= 1
    assert layout.via[("b", "c")] == []
