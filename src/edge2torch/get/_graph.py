"""``e2t.get.graph``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from edge2torch import _keys, _slots

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def graph(adata: AnnData | MuData, *, key: str = _keys.DEFAULT) -> nx.DiGraph[str]:
    """Get the graph for networkx.

    Parameters
    ----------
    adata
        With a graph from :func:`edge2torch.pp.build_graph`.
    key
        Name of the result.

    Returns
    -------
    A directed graph in the direction of computation (gene -> pathway -> class). Nodes and edges carry the columns of
    ``uns[key]["nodes"]`` and ``uns[key]["graph"]``.

    Raises
    ------
    Edge2TorchError
        If there is no graph.
    """
    made: nx.DiGraph[str] = nx.DiGraph()
    nodes = _slots.nodes_table(adata, key).set_index("node")
    for name, row in nodes.to_dict("index").items():
        made.add_node(str(name), **{str(column): value for column, value in row.items()})
    edges = _slots.graph_table(adata, key)
    for row in edges.to_dict("records"):
        made.add_edge(row.pop("source"), row.pop("target"), **{str(column): value for column, value in row.items()})
    return made
