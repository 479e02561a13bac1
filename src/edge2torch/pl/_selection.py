"""Which nodes of a graph a picture shows, and which edges."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from math import inf, log
from typing import TYPE_CHECKING, Any

import networkx as nx

from edge2torch.errors import Edge2TorchError, did_you_mean, some
from edge2torch.graph.graph import INPUT

Edge = tuple[str, str]
Length = Callable[[Any, Any, Any], float]

if TYPE_CHECKING:
    Graph = nx.DiGraph[str]

#: a share of the largest weight below which an edge counts as nearly cut
LEAST = 1e-12


@dataclass(frozen=True)
class Selection:
    """What is shown of a graph.

    Attributes
    ----------
    nodes
        Nodes.
    links
        Those of them that are shown only because they link others.
    edges
        Edges; ``None`` for all among the nodes.
    """

    nodes: frozenset[str]
    links: frozenset[str] = field(default=frozenset())
    edges: frozenset[Edge] | None = None


def best(whole: Graph, main: Sequence[str], output: str, score: Mapping[str, float], n_genes: int) -> Selection:
    """Select nodes, the best genes that feed each of them, an output, and what links these."""
    shown = {output, *main}
    for node in main:
        shown.update(best_of(_genes(whole, whole.pred[node]), score, n_genes))
    return _linked(whole, main, shown, score, n_genes)


def around(
    whole: Graph, node: str, output: str, score: Mapping[str, float], *, n_nodes: int, n_genes: int
) -> Selection:
    """Select a node, the best that feed it and that it feeds, an output, and what links the node to that."""
    if node == output:
        raise Edge2TorchError(f"around={node!r} is the output that is shown anyway: name a gene or a hidden node")
    before, after = (set(found) - {node, output} for found in (whole.pred[node], whole.succ[node]))
    genes = set(_genes(whole, before))
    shown = {output, node, *best_of(genes, score, n_genes)}
    for side in (before - genes, after):
        shown.update(best_of(side, score, n_nodes))
    of_gene = whole.nodes[node]["kind"] == INPUT
    return _linked(whole, sorted(after & shown) if of_gene else [node], shown, score, n_genes)


def along(whole: Graph, stops: Sequence[str], n_paths: int) -> Selection:
    """Select the strongest paths that lead over some nodes.

    Raises
    ------
    Edge2TorchError
        If no path leads from one to the next.
    """
    if len(stops) == 1:
        raise Edge2TorchError(f"path: {stops[0]!r} is where paths end; name what they lead over, such as a gene")
    length, edges = length_of(whole), set[Edge]()
    for start, end in pairwise(stops):
        between = whole.subgraph((nx.descendants(whole, start) | {start}) & (nx.ancestors(whole, end) | {end}))
        if start == end or start not in between or end not in between:
            raise Edge2TorchError(f"path: no path leads from {start!r} to {end!r}")
        for way in islice(nx.shortest_simple_paths(between, start, end, weight=length), n_paths):
            edges.update(pairwise(way))
    return Selection(frozenset(node for edge in edges for node in edge), edges=frozenset(edges))


def strongest(value: Mapping[Edge, float], n_edges: int) -> set[Edge]:
    """Edges with the largest absolute values, with at least the largest into and out of each node."""
    order = sorted(value, key=lambda edge: (-abs(value[edge]), edge))
    out_of = {source: (source, target) for source, target in reversed(order)}
    into = {target: (source, target) for source, target in reversed(order)}
    needed = {*out_of.values(), *into.values()}
    others = [edge for edge in order if edge not in needed]
    return {*needed, *others[: max(n_edges - len(needed), 0)]}


def best_of(nodes: Iterable[str], score: Mapping[str, float], n: int) -> list[str]:
    """Those with the highest scores, best first."""
    return sorted(nodes, key=lambda node: (-score.get(node, -inf), node))[:n]


def find(argument: str, name: str, whole: Graph) -> str:
    """Find a node by its name, or an output by its label.

    Raises
    ------
    Edge2TorchError
        If there is none.
    """
    if name in whole:
        return name
    for node, data in whole.nodes(data=True):
        if data["kind"] == "output" and data["label"] == name:
            return str(node)
    hint = did_you_mean(name, whole) or f"; there are {some(whole)}"
    raise Edge2TorchError(f"{argument}: there is no node {name!r}{hint}")


def _genes(whole: Graph, nodes: Iterable[str]) -> list[str]:
    return [node for node in nodes if whole.nodes[node]["kind"] == INPUT]


def _linked(
    whole: Graph, main: Collection[str], shown: set[str], score: Mapping[str, float], n_genes: int
) -> Selection:
    """Add nodes on the strongest ways between nodes that would otherwise hang in the air."""
    length = length_of(whole)
    links: set[str] = set()
    for node in main:
        now = shown | links
        if not now.intersection(whole.pred[node]) and whole.pred[node]:
            below = nx.ancestors(whole, node)
            sources = {*best_of(_genes(whole, below), score, n_genes), *(now & below)}
            links.update(way(whole, sources, node, length))
        if not now.intersection(whole.succ[node]):
            ahead = nx.descendants(whole, node)
            links.update(way(whole.reverse(copy=False), now & ahead, node, length))
    return Selection(frozenset(shown | links), frozenset(links - shown))


def way(whole: nx.DiGraph[Any], sources: Collection[str], node: str, length: Length) -> list[str]:
    """Nodes on the shortest way from one of some sources."""
    return [str(step) for step in nx.multi_source_dijkstra(whole, set(sources), node, weight=length)[1]]


def length_of(whole: Graph) -> Length:
    """Lengths that make the shortest way the one with the largest product of weights, as shares of the largest."""
    largest = max(abs(edge["weight"]) for _, _, edge in whole.edges(data=True)) or 1.0

    def length(_: object, __: object, edge: Mapping[str, Any]) -> float:
        return -log(max(abs(edge["weight"]) / largest, LEAST))

    return length
