"""``e2t.get.graph``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from edge2torch import _keys, _slots

if TYPE_CHECKING:
    from anndata import AnnData


def graph(adata: AnnData, *, key: str = _keys.DEFAULT) -> nx.DiGraph[str]:
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
    made.add_nodes_from((str(name), row) for name, row in nodes.to_dict("index").items())
    edges = _slots.graph_table(adata, key)
    attributes = edges.drop(columns=["source", "target"]).to_dict("records")
    made.add_edges_from(zip(edges["source"], edges["target"], attributes, strict=True))
    return made
