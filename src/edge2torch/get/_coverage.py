"""``e2t.get.coverage``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

MADE_BY = "e2t.pp.build_graph"


def coverage(
    adata: AnnData | MuData, *, per: Literal["node", "graph"] = "node", key: str = _keys.DEFAULT
) -> pd.DataFrame | pd.Series:
    """Get what of a prior was measured, what is used, and why not the rest.

    Parameters
    ----------
    adata
        With a graph from :func:`edge2torch.pp.build_graph`.
    per
        ``"node"``, or ``"graph"`` for numbers about the whole.
    key
        Name of the result.

    Returns
    -------
    A row per node of the prior, those in the graph first:

    ``node``, ``label``, ``id``, ``prior``
        Name in the graph; name in the prior; identifier in its database, or the name; where it is from.
    ``status``
        ``"kept"``; ``"merged"`` into another; or why it is not in the graph: ``"not below roots"``, ``"too deep"``,
        ``"not included"``, ``"excluded"``, ``"without genes"`` (in the prior), ``"not measured"`` (none of its genes),
        ``"too few genes"``, ``"too many genes"``, ``"low coverage"``.
    ``merged_into``
        The node in whose place it stands.
    ``n_genes``, ``n_measured``, ``share``
        Genes in the prior, its own and those of the nodes below it; how many were measured.
    ``degree``, ``hub``
        Edges in the graph, and whether these are unusually many: above the third quartile by more than 1.5 times the
        distance between the quartiles, of the logarithm (Tukey's rule). A model is drawn to hubs whatever they mean.
    ``same_genes_as``
        The node in the graph that reads the same genes, and that ``merge=True`` would put in its place: what is found
        for the one holds for the other.

    Or a Series: ``genes`` measured, ``genes_in_prior`` (of these), ``prior_genes``, ``prior_genes_measured``,
    ``inputs`` (genes in the graph), ``nodes_in_prior``, ``nodes`` (in the graph), ``edges``, ``layers``, ``cyclic`` (1
    if there are cycles), ``edges_cut``, ``unreachable`` (nodes of the prior without a measured gene), ``hubs``,
    ``redundant`` (nodes that ``merge=True`` would take out), ``share_of_counts`` (that the inputs have of all counts in
    ``layers["counts"]`` or else ``X``; NaN if there are negative values).

    Raises
    ------
    Edge2TorchError
        If there is no such result.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark", min_genes=10)  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.get.coverage(adata)["status"].value_counts().to_dict()
    {'kept': 25, 'too few genes': 24, 'not measured': 1}
    """
    check_choice("per", per, ("node", "graph"))
    if per == "node":
        return pd.DataFrame(_slots.results(adata, key, _keys.COVERAGE, MADE_BY)).copy()
    summary = pd.DataFrame(_slots.results(adata, key, _keys.SUMMARY, MADE_BY))
    return pd.Series(summary["value"].to_numpy(copy=True), index=summary["quantity"].astype(str).to_numpy(), name=key)
