"""Placing the nodes of a layered graph, so that few edges cross and long ones run straight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import networkx as nx
import numpy as np
from scipy.optimize import isotonic_regression

if TYPE_CHECKING:
    import numpy.typing as npt

#: times that the columns are gone through, there and back
SWEEPS = 12
#: how much more it counts that an edge runs straight than that a node is near its neighbours
STRAIGHT = 4.0


class Lane(NamedTuple):
    """Where an edge crosses a column."""

    source: str
    target: str
    column: int


Node = str | Lane


@dataclass(frozen=True)
class Layout:
    """Heights of nodes, and of the points that edges pass through.

    Attributes
    ----------
    y
        Centre of each node.
    via
        For each edge, its height in every column that it crosses, from left to right.
    """

    y: dict[str, float]
    via: dict[tuple[str, str], list[float]]


def place(
    graph: nx.DiGraph[str], column: Mapping[str, int], room: Mapping[str, float], lane: Mapping[tuple[str, str], float]
) -> Layout:
    """Find a height for every node of a graph whose columns are known.

    Edges get a lane of their own in the columns that they cross. The order in a column follows the mean height of the
    neighbours; heights are then as near to those of the neighbours as order and room allow.

    Parameters
    ----------
    graph
        The graph.
    column
        Column of each node. Edges within a column, or to the left, have no influence.
    room
        Height that each node takes up.
    lane
        Height that each edge takes up where it crosses a column.

    References
    ----------
    Sugiyama, Tagawa & Toda 1981 (doi:10.1109/TSMC.1981.4308636).
    """
    long, lanes = _with_lanes(graph, column)
    columns: list[list[Node]] = [[] for _ in range(max(column.values()) + 1)]
    for node, data in long.nodes(data=True):
        columns[data["column"]].append(node)
    y = _heights(
        long, _order(long, columns), {node: lane[node[:2]] if isinstance(node, Lane) else room[node] for node in long}
    )
    return Layout({node: y[node] for node in graph}, {edge: [y[node] for node in via] for edge, via in lanes.items()})


def _with_lanes(
    graph: nx.DiGraph[str], column: Mapping[str, int]
) -> tuple[nx.DiGraph[Node], dict[tuple[str, str], list[Lane]]]:
    """Cut edges into pieces that lead from one column to the next."""
    long: nx.DiGraph[Node] = nx.DiGraph()
    long.add_nodes_from((node, {"column": column[node]}) for node in graph)
    lanes: dict[tuple[str, str], list[Lane]] = {}
    for source, target in graph.edges:
        crossed = range(column[source] + 1, column[target])
        lanes[source, target] = [Lane(source, target, k) for k in crossed]
        long.add_nodes_from((lane, {"column": lane.column}) for lane in lanes[source, target])
        if column[source] < column[target]:
            nx.add_path(long, [source, *lanes[source, target], target])
    return long, lanes


def _order(graph: nx.DiGraph[Node], columns: list[list[Node]]) -> list[list[Node]]:
    best, fewest = columns, _crossings(graph, columns)
    for sweep in range(SWEEPS):
        columns = [list(column) for column in columns]
        forward = sweep % 2 == 0
        neighbours = graph.pred if forward else graph.succ
        for k in range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1):
            beside = {node: i for i, node in enumerate(columns[k - 1 if forward else k + 1])}
            here = {node: i for i, node in enumerate(columns[k])}
            mean = {
                node: float(np.mean([beside[other] for other in neighbours[node]])) if neighbours[node] else here[node]
                for node in columns[k]
            }
            columns[k].sort(key=mean.__getitem__)
        crossings = _crossings(graph, columns)
        if crossings < fewest:
            best, fewest = columns, crossings
    return best


def _crossings(graph: nx.DiGraph[Node], columns: Sequence[Sequence[Node]]) -> int:
    """Count pairs of edges that cross."""
    rank = {node: i for column in columns for i, node in enumerate(column)}
    total = 0
    for column in columns[:-1]:
        ends = np.array([(rank[u], rank[v]) for u in column for v in graph.succ[u]]).reshape(-1, 2)
        from_, to = ends[:, :1] - ends[:, 0], ends[:, 1:] - ends[:, 1]
        total += int((from_ * to < 0).sum()) // 2
    return total


def _heights(
    graph: nx.DiGraph[Node], columns: Sequence[Sequence[Node]], room: Mapping[Node, float]
) -> dict[Node, float]:
    offset = {k: _stack([room[node] for node in column]) for k, column in enumerate(columns)}
    y = {node: value for k, column in enumerate(columns) for node, value in zip(column, offset[k], strict=True)}
    there, back = list(range(len(columns))), list(range(len(columns) - 1, -1, -1))
    for k in (there + back) * SWEEPS:
        beside = [[y[other] for other in (*graph.pred[node], *graph.succ[node])] or [y[node]] for node in columns[k]]
        wanted = np.array([np.mean(heights) for heights in beside])
        weight = [STRAIGHT if isinstance(node, Lane) else 1.0 for node in columns[k]]
        fitted = isotonic_regression(wanted - offset[k], weights=weight).x + offset[k]
        y.update(zip(columns[k], fitted.tolist(), strict=True))
    return y


def _stack(room: Sequence[float]) -> npt.NDArray[np.float64]:
    """Centres of things that stand on top of each other, around 0."""
    steps = [(one + other) / 2 for one, other in pairwise(room)]
    centres = np.concatenate([[0.0], np.cumsum(steps)])
    return centres - centres.mean() if len(room) else np.empty(0)
