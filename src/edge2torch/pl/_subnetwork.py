"""The part of a graph that explains one class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import inf, log, nan
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from edge2torch import _slots
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get import features as get_features
from edge2torch.get import graph as get_graph
from edge2torch.get._choose import check_names, mean_scores
from edge2torch.graph.graph import INPUT, OUTPUT
from edge2torch.tl._explained import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData


@dataclass(frozen=True, eq=False)
class Subnetwork:
    """Nodes to show, and the edges among them.

    Attributes
    ----------
    graph
        Nodes with ``kind``, ``label``, ``layer``; edges with ``weight``.
    score
        Mean score of genes and hidden nodes; NaN for the output, and for genes without a score.
    links
        Nodes that are shown only because they link others.
    group
        The group of cells.
    output
        The output node.
    """

    graph: nx.DiGraph[str]
    score: dict[str, float]
    links: frozenset[str]
    group: str
    output: str

    def kind(self, node: str) -> str:
        """``"input"``, ``"hidden"`` or ``"output"``."""
        return str(self.graph.nodes[node]["kind"])

    def label(self, node: str) -> str:
        """What a node stands for."""
        return str(self.graph.nodes[node]["label"])

    @property
    def weights(self) -> dict[tuple[str, str], float]:
        """Weight of each edge."""
        return {(source, target): float(edge["weight"]) for source, target, edge in self.graph.edges(data=True)}


def subnetwork(
    adata: AnnData | MuData,
    *,
    group: str | None,
    target: str | None,
    nodes: str | Sequence[str] | None,
    n_nodes: int,
    n_genes: int,
    key: str,
) -> Subnetwork:
    """Choose the nodes that :func:`edge2torch.pl.graph` shows; its documentation gives the rule."""
    means = mean_scores(adata, None, key, target)
    name = means.index[0] if group is None else check_names("group", str(group), means.index)[0]
    of_nodes = means.T[name]
    if nodes is None:
        main = of_nodes.sort_values(ascending=False, kind="stable").index[:n_nodes].tolist()
    else:
        main = check_names("nodes", nodes, of_nodes.index)
    whole = get_graph(adata, key=key)
    label, output = _class_of(adata, name, target, whole, key)
    of_genes = get_features(adata, key=key)[label]
    if of_genes.isna().all():
        raise Edge2TorchError(f"no gene has a score for {label!r}: run e2t.tl.interpret with target={label!r}")
    score = {**of_genes.to_dict(), **of_nodes.to_dict()}
    whole.remove_nodes_from([node for node in whole if whole.nodes[node]["kind"] == OUTPUT and node != output])
    shown = {output, *main}
    for node in main:
        shown.update(_best_genes(whole, whole.pred[node], score, n_genes))
    links = _links(whole, main, shown, score, n_genes)
    graph = whole.copy()
    graph.remove_nodes_from([node for node in whole if node not in shown | links])
    return Subnetwork(graph, {node: float(score.get(node, nan)) for node in graph}, frozenset(links), name, output)


def _class_of(
    adata: AnnData | MuData, group: str, target: str | None, whole: nx.DiGraph[str], key: str
) -> tuple[str, str]:
    """Class whose scores are shown, and its output node."""
    output_of = {data["label"]: node for node, data in whole.nodes(data=True) if data["kind"] == OUTPUT}
    if target is not None:
        label = check_names("target", target, output_of)[0]
        return label, output_of[label]
    explained = _slots.params(adata, key, "interpret").get("target", "label")
    is_word = isinstance(explained, str) and explained in WORDS
    named = "" if is_word else str(np.ravel(explained)[0])  # a name in a list is a name in any case
    for label in (named, group):
        if label in output_of:
            return label, output_of[label]
    raise Edge2TorchError(
        f"group {group!r} is not a class of the model: pass target=, the class to show; there are {some(output_of, 20)}"
    )


def _best_genes(whole: nx.DiGraph[str], nodes: Iterable[str], score: Mapping[str, float], n_genes: int) -> list[str]:
    genes = [node for node in nodes if whole.nodes[node]["kind"] == INPUT]
    return sorted(genes, key=lambda gene: (-score.get(gene, -inf), gene))[:n_genes]


def _links(
    whole: nx.DiGraph[str], main: Collection[str], shown: set[str], score: Mapping[str, float], n_genes: int
) -> set[str]:
    """Nodes on the strongest ways between nodes that would otherwise hang in the air."""
    length = _length(whole)
    links: set[str] = set()
    for node in main:
        now = shown | links
        if not now.intersection(whole.pred[node]):
            below = nx.ancestors(whole, node)
            sources = {*_best_genes(whole, below, score, n_genes), *(now & below)}
            links.update(_way(whole, sources, node, length))
        if not now.intersection(whole.succ[node]):
            ahead = nx.descendants(whole, node)
            links.update(_way(whole.reverse(copy=False), now & ahead, node, length))
    return links - shown


def _way(
    whole: nx.DiGraph[Any], sources: Collection[str], node: str, length: Callable[[str, str, dict[str, Any]], float]
) -> list[str]:
    """Nodes on the shortest way from one of some sources."""
    return [str(step) for step in nx.multi_source_dijkstra(whole, set(sources), node, weight=length)[1]]


def _length(whole: nx.DiGraph[str]) -> Callable[[str, str, dict[str, Any]], float]:
    """Lengths that make the shortest way the one with the largest product of weights, as shares of the largest."""
    largest = max(abs(edge["weight"]) for _, _, edge in whole.edges(data=True)) or 1.0

    def length(_: str, __: str, edge: dict[str, Any]) -> float:
        return -log(max(abs(edge["weight"]) / largest, 1e-12))

    return length
