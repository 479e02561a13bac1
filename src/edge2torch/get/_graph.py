"""``e2t.get.graph``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.get._edges import edges as get_edges
from edge2torch.get._features import features as get_features
from edge2torch.get._rank_nodes import rank_nodes as get_rank_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anndata import AnnData
    from mudata import MuData

#: of what is known of a node in a group, what a graph carries
SCORES = ("score", "corrected", "z", "padj")


def graph(adata: AnnData | MuData, *, scores: bool = False, key: str = _keys.DEFAULT) -> nx.DiGraph[str]:
    """Get the graph for networkx.

    Parameters
    ----------
    adata
        With a graph from :func:`edge2torch.pp.build_graph`; for ``scores``, with a result of
        :func:`edge2torch.tl.interpret` or :func:`edge2torch.tl.rank_nodes`.
    scores
        Whether nodes and edges carry their scores, too.
    key
        Name of the result.

    Returns
    -------
    A directed graph in the direction of computation (gene -> pathway -> class). Nodes and edges carry the columns of
    ``uns[key]["nodes"]`` and ``uns[key]["graph"]``. With ``scores``, as far as they are known:

    - hidden nodes ``score_<group>`` and, after :func:`edge2torch.tl.rank_nodes`, ``corrected_<group>``, ``z_<group>``
      and ``padj_<group>``, see :func:`edge2torch.get.rank_nodes`;
    - genes ``score_<output>``, see :func:`edge2torch.get.features`;
    - edges ``score_<group>``, after :func:`edge2torch.tl.interpret` with ``edges=True``.

    They are numbers; what is NaN is left out. Where every output was explained in all cells, the score of a group is
    that for the output with its name; in groups that are no outputs, there is ``score_<group>: <output>`` for each.

    Raises
    ------
    Edge2TorchError
        If there is no graph, or there are no scores.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> graph = e2t.get.graph(adata)
    >>> sorted(graph.successors("CD3E"))
    ['HALLMARK_ALLOGRAFT_REJECTION']
    """
    made: nx.DiGraph[str] = nx.DiGraph()
    nodes = _slots.nodes_table(adata, key).set_index("node")
    for name, row in nodes.to_dict("index").items():
        made.add_node(str(name), **{str(column): value for column, value in row.items()})
    edges = _slots.graph_table(adata, key)
    for row in edges.to_dict("records"):
        made.add_edge(row.pop("source"), row.pop("target"), **{str(column): value for column, value in row.items()})
    if scores:
        _add_scores(made, adata, key)
    return made


def _add_scores(made: nx.DiGraph[str], adata: AnnData | MuData, key: str) -> None:
    _slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.interpret")
    ranked = _named(get_rank_nodes(adata, key=key).astype({"node": str}))
    for group, own in ranked.groupby("group", sort=False):
        for column in SCORES:
            if column in own:
                _add(made.nodes, f"{column}_{group}", own["node"], own[column])
    if _keys.Keys(key).features in adata.varm:
        genes = [node for node, data in made.nodes.items() if data["kind"] == "input"]
        for output, values in get_features(adata, key=key).reindex(genes).items():
            _add(made.nodes, f"score_{output}", genes, values)
    if _keys.EDGE_SCORES in adata.uns[key]:
        scored = _named(get_edges(adata, key=key))
        for group, own in scored.groupby("group", sort=False):
            _add(made.edges, f"score_{group}", zip(own["source"], own["target"], strict=True), own["score"])


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """A table with one score per group: that for the output of its name, or else those for all, each with a name."""
    group = table["group"].astype(str)
    if "output" not in table:
        return table.assign(group=group)
    output = table["output"].astype(str)
    own = group == output
    is_output = group.isin(group[own])
    return table.assign(group=group.where(is_output, group + ": " + output))[own | ~is_output]


def _add(place: Any, name: str, items: Iterable[object], values: pd.Series) -> None:
    """Set an attribute of nodes or edges, but for NaN."""
    known = np.isfinite(values.to_numpy(dtype=float))
    for item, value, there in zip(items, values.to_numpy(dtype=float).tolist(), known.tolist(), strict=True):
        if there:
            place[item][name] = value
