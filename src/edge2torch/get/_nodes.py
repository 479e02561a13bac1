"""``e2t.get.nodes``."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING

from anndata import AnnData

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import pandas as pd
    from mudata import MuData

#: Arrays in ``obsm`` that scanpy takes for a summary of ``X`` without being asked: neighbours, dendrograms and t-SNE of
#: nodes would silently be those of genes, and ``sc.pp.neighbors`` would look for eigenvalues that are not there.
SUMMARIES_OF_X = ("X_pca", "X_diffmap")
#: What squidpy and others call coordinates, images and neighbours on a slide: true whatever the variables are.
SPATIAL = "spatial"


def nodes(adata: AnnData | MuData, *, of: str = "scores", key: str = _keys.DEFAULT) -> AnnData:
    """Get the scores, or the activations, of the hidden nodes as cells by nodes.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret`.
    of
        ``"scores"``: how much each node contributes to what is explained in a cell. ``"activations"``: its state in the
        cell, whose sign and scale are the network's own.
    key
        Name of the result.

    Returns
    -------
    A new AnnData: ``X`` holds the scores (cells x hidden nodes, in units of the logit) or the activations, ``var`` the
    rows of ``uns[key]["nodes"]`` for these nodes; ``obs``, embeddings in ``obsm``, the colours in ``uns`` and what is
    known of places on a slide come along, so that all of ``scanpy.pl`` works on it. What was computed from genes and
    would be taken for a summary of the nodes stays behind: ``X_pca``, ``X_diffmap``, neighbours, dendrograms. Call
    ``sc.pp.pca`` or ``sc.pp.neighbors`` for those of the nodes.

    Raises
    ------
    Edge2TorchError
        If there are none, or they do not fit the table of nodes.

    Notes
    -----
    Scores and activations are signed, and not logarithms of counts: the ``logfoldchanges`` of
    ``sc.tl.rank_genes_groups`` mean nothing here. They are NaN, with a warning of NumPy, where the means of group and
    rest differ in sign, and have the wrong sign where both are negative. Its test is that of the values, as is the
    ``meanchange`` of ``decoupler.tl.rankby_group``; but the p-values of both take cells for independent and do not know
    what wiring explains. :func:`edge2torch.tl.rank_nodes` compares with control networks.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> nodes = e2t.get.nodes(adata)
    >>> nodes.shape  # cells x nodes
    (700, 39)
    """
    check_choice("of", of, ("scores", "activations"))
    keys = _keys.Keys(key)
    table = hidden_nodes(adata, key)
    slot = keys.nodes if of == "scores" else keys.activations
    if slot not in adata.obsm:
        raise Edge2TorchError(f"adata.obsm has no {slot!r}: {_why(adata, key)}")
    scores = adata.obsm[slot]
    if scores.shape[1] != len(table):
        raise Edge2TorchError(
            f"adata.obsm[{slot!r}] has {scores.shape[1]:,} columns, but uns[{key!r}]['nodes'] has "
            f"{len(table):,} hidden nodes: run e2t.tl.interpret again"
        )
    made = AnnData(X=scores.copy(), obs=adata.obs.copy(), var=table.set_index("node", drop=True))
    made.var.index.name = None
    own = {*_of_results(adata), *getattr(adata, "mod", ()), *SUMMARIES_OF_X}  # a MuData has its modalities in obsm
    made.obsm.update({name: value.copy() for name, value in adata.obsm.items() if name not in own})
    made.obsp.update({name: value.copy() for name, value in adata.obsp.items() if name.startswith(SPATIAL)})
    kept = [name for name in adata.uns if name.endswith("_colors") or name.startswith(SPATIAL)]
    made.uns.update({name: deepcopy(adata.uns[name]) for name in kept})
    return made


def _of_results(adata: AnnData | MuData) -> set[str]:
    """Names of what this package has written into ``obsm``, under any key."""
    found = [
        name
        for name, value in adata.uns.items()
        if isinstance(value, Mapping) and _keys.GRAPH in value and _keys.NODES in value and "/" not in name
    ]
    return {slot for name in found for slot in _keys.Keys(name).of_graph.slots}


def _why(adata: AnnData | MuData, key: str) -> str:
    """Why there are no results for single cells, and what to do."""
    called = _slots.params(adata, key, "interpret")
    if not called.get("per_cell", True):
        return "e2t.tl.interpret was called with per_cell=False; means are in uns[key]['rank_nodes']"
    if str(called.get("target")) == "all":
        return (
            "with target='all', a cell has scores for every output, which are not kept; means are in "
            "uns[key]['rank_nodes']. For scores of single cells, run e2t.tl.interpret with another target"
        )
    return "run e2t.tl.interpret first"


def hidden_nodes(adata: AnnData | MuData, key: str) -> pd.DataFrame:
    """Rows of the table of nodes that are hidden nodes, in model order."""
    table = _slots.nodes_table(adata, key)
    return table[table["kind"] == "hidden"].reset_index(drop=True)
