"""What flows from genes over nodes to a class."""

from __future__ import annotations

from collections import defaultdict
from math import nan
from typing import TYPE_CHECKING

import networkx as nx

from edge2torch.errors import Edge2TorchError
from edge2torch.get import graph as get_graph
from edge2torch.graph.graph import INPUT, OUTPUT
from edge2torch.pl._subnetwork import Subnetwork, Wanted, context, edge_scores

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: in place of all genes and nodes that are not shown, where something comes from and where it goes to; files of AnnData
#: cannot hold such names, so that no node has one
FROM, TO = "\0from", "\0to"


def streams(adata: AnnData | MuData, wanted: Wanted, key: str) -> Subnetwork:
    """Choose what :func:`edge2torch.pl.flow` shows; its documentation gives the rule."""
    wanted.check()
    whole = get_graph(adata, key=key)
    about = context(adata, whole, wanted, key)
    scores = edge_scores(adata, about, key)
    kind = {node: data["kind"] for node, data in whole.nodes(data=True)}
    others = {node for node in whole if kind[node] == OUTPUT and node != about.output}
    scores = {edge: score for edge, score in scores.items() if edge[1] not in others and edge[0] != edge[1]}
    shown = {about.output, *about.main}
    for node in about.main:
        into = [source for source in whole.pred[node] if kind[source] == INPUT]
        shown.update(sorted(into, key=lambda gene: (-abs(scores[gene, node]), gene))[: wanted.n_genes])
    main, flow = set(about.main), defaultdict[tuple[str, str], float](float)
    for (source, target), score in scores.items():
        if source in shown and target in shown:
            flow[source, target] += score
        elif target in main:
            flow[FROM, target] += score
        elif source in main:
            flow[source, TO] += score
    value = {edge: score for edge, score in flow.items() if score != 0}
    if not value:
        raise Edge2TorchError(f"nothing flows over the nodes shown in group {about.group!r}: all scores are 0")
    graph: nx.DiGraph[str] = nx.DiGraph()
    last = max(int(data["layer"]) for _, data in whole.nodes(data=True))
    graph.add_nodes_from((node, data) for node, data in whole.nodes(data=True) if node in shown)
    of_others = {source for source, target in scores if target in main and source not in shown}
    n_genes = sum(kind[source] == INPUT for source in of_others)
    for node, end, layer, label in (
        (FROM, INPUT, 0, f"{n_genes:,} other genes" if n_genes == len(of_others) else "other genes and nodes"),
        (TO, OUTPUT, last, "other nodes"),
    ):
        if any(node in edge for edge in value):
            graph.add_node(node, kind=end, layer=layer, label=label)
    rank = {node: k for k, node in enumerate(graph)}
    graph.add_edges_from(sorted(value, key=lambda edge: (rank[edge[0]], rank[edge[1]])))
    return Subnetwork(
        graph,
        {node: about.score.get(node, nan) for node in graph},
        {edge: value[edge] for edge in graph.edges},
        "score of edge",
        len(value),
        None,
        frozenset({FROM, TO} & set(graph)),
        about.group,
        about.output,
        about.task,
    )
