"""``e2t.get.rank_nodes``."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError, did_you_mean, some

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

PER = ("node", "model")
#: what is kept of each model
VALUES = ("score", "z")


def rank_nodes(
    adata: AnnData | MuData,
    group: str | None = None,
    *,
    per: Literal["node", "model"] = "node",
    key: str = _keys.DEFAULT,
) -> pd.DataFrame:
    """Get the hidden nodes that make groups of cells different, best first.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.rank_nodes` or :func:`edge2torch.tl.interpret`.
    group
        One group; ``None`` for all.
    per
        ``"node"``: a row per group and node; ``"model"``: also per replicate of the model and per control model that
        :func:`edge2torch.tl.rank_nodes` compared with.
    key
        Name of the result.

    Returns
    -------
    Per node, after :func:`edge2torch.tl.interpret` only ``group``, ``node``, ``layer`` and ``score`` (beside an empty
    cell, unless another baseline is asked for); after :func:`edge2torch.tl.rank_nodes`, whose baseline is the mean cell
    (the method page derives each):

    ``group``, ``node``, ``label``, ``layer``, ``n_inputs``
        Group; node, what it stands for, its layer, and how many genes it sees.
    ``score``
        Mean conductance over the cells of the group and the replicates, in units of the logit (or of the number).
    ``control``, ``corrected``
        What a node that is wired like it scores in the controls; ``score`` minus that.
    ``z``, ``pval``, ``padj``
        How far the evidence for the node (the sum over what leads to it of the signed square root of the score that
        arrives from there) is from that in controls: as standard normal deviate; as share of controls that are as far
        from other controls, two-sided; adjusted over the nodes of the group (Benjamini & Hochberg).
    ``stability``
        Share of the replicates in which the node is among the best 5 % of the group; NaN for a single one.
    ``direction``
        From -1 to 1: whether the genes behind the score are lower or higher in the group than in all cells.
    ``support``
        How many sources (genes or nodes that lead to it) the score comes from, counted by their shares.
    ``shuffled``, ``deterministic``
        Mean score in controls of other kinds, if there are any.
    ``sources``
        Names of those that contribute most; of genes, their symbols (``gene_symbols=`` of ``pp.build_graph``).

    Per model, in the order of the models, groups and hidden nodes:

    ``model``, ``kind``
        Name of the model, as in :func:`edge2torch.get.control` or ``"replicate_0"``; ``"replicate"`` or the kind of the
        control.
    ``group``, ``node``
        Group and node.
    ``score``
        Mean conductance over the cells of the group, by this model; NaN where it has no cells.
    ``z``
        How far the evidence of this model alone is from that in the controls of the kind that were compared with
        (``by`` of :func:`edge2torch.tl.rank_nodes`). Those controls are compared with each other, each with all others:
        their ``z`` are what a node gets by chance, the null distribution behind ``pval``.

    Raises
    ------
    Edge2TorchError
        If there are none, or there is no such group.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    >>> e2t.tl.rank_nodes(adata, n_steps=5)
    >>> e2t.get.rank_nodes(adata, "CD19+ B", per="model").groupby("kind", observed=True).size().to_dict()
    {'replicate': 39, 'rewired': 78}
    """
    check_choice("per", per, PER)
    if per == "model":
        return _of_models(adata, group, key)
    table = pd.DataFrame(_slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.rank_nodes")).copy()
    if group is None:
        return table
    known = table["group"].astype(str)
    check_group(group, known.unique().tolist())
    return table[known == group].reset_index(drop=True)


def check_group(group: str, known: Collection[str]) -> None:
    """Raise if a group was not ranked."""
    if not isinstance(group, str) or group not in known:
        among = f"{some(known, 20)}{did_you_mean(group, known)}"
        raise Edge2TorchError(f"group={group!r} is not among the groups, {among}")


def _of_models(adata: AnnData | MuData, group: str | None, key: str) -> pd.DataFrame:
    """Make what each model says a table, with a row per model, group and node."""
    said = _slots.results(adata, key, _keys.RANK_NODES_MODELS, "e2t.tl.rank_nodes")
    model, kind, groups = ([str(name) for name in said[part]] for part in ("model", "kind", "group"))
    table = _slots.nodes_table(adata, key)
    nodes = table.loc[table["kind"] == "hidden", "node"].astype(str).tolist()
    shape = (len(model), len(groups), len(nodes))
    if {np.shape(said[part]) for part in VALUES} != {shape}:
        raise Edge2TorchError(
            f"adata.uns[{key!r}][{_keys.RANK_NODES_MODELS!r}] does not fit the {len(nodes):,} hidden nodes of this "
            "result: run e2t.tl.rank_nodes again"
        )
    if group is not None:
        check_group(group, groups)
    wanted = np.arange(len(groups)) if group is None else np.array([groups.index(group)])
    m, g, v = np.indices((len(model), len(wanted), len(nodes))).reshape(3, -1)
    return pd.DataFrame(
        {
            "model": pd.Categorical(model, categories=model).take(m),
            "kind": pd.Categorical(kind, categories=list(dict.fromkeys(kind))).take(m),
            "group": pd.Categorical(groups, categories=groups).take(wanted[g]),
            "node": pd.Categorical(nodes, categories=nodes).take(v),
            **{part: np.asarray(said[part])[:, wanted].ravel() for part in VALUES},
        }
    )
