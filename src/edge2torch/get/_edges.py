"""``e2t.get.edges``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def edges(adata: AnnData | MuData, *, key: str = _keys.DEFAULT) -> pd.DataFrame:
    """Get the scores of the edges, a row per group of cells and edge.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret`, called with ``edges=True``.
    key
        Name of the result.

    Returns
    -------
    ``source``, ``target``, ``weight``, ``group``, ``score``: mean over the cells of a group of the part of the target's
    conductance that arrives over the edge, in units of the logit; edges in the order of ``uns[key]["graph"]``. If all
    outputs were explained, there is a column ``output`` in front of the score.

    Raises
    ------
    Edge2TorchError
        If there are no scores, or they do not fit the edge list.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, edges=True, n_steps=5)
    >>> e2t.get.edges(adata).columns.tolist()
    ['source', 'target', 'weight', 'group', 'score']
    """
    graph = _slots.graph_table(adata, key)
    stored = _slots.results(adata, key, _keys.EDGE_SCORES, "e2t.tl.interpret with edges=True")
    scores = np.asarray(stored["score"])
    if scores.shape[1] != len(graph):
        raise Edge2TorchError(
            f"uns[{key!r}]['edge_scores'] has {scores.shape[1]:,} columns, but uns[{key!r}]['graph'] has "
            f"{len(graph):,} edges: run e2t.tl.interpret again"
        )
    n_tables, n_edges = scores.shape
    ends = {name: np.tile(graph[name].to_numpy(), n_tables) for name in ("source", "target", "weight")}
    texts = {
        name: np.array(list(map(str, stored[name])), dtype=object) for name in ("group", "output") if name in stored
    }
    names = {name: np.repeat(text, n_edges) for name, text in texts.items()}
    return pd.DataFrame({**ends, **names, "score": scores.ravel()})
