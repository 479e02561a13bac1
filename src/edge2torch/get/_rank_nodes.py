"""``e2t.get.rank_nodes``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.errors import Edge2TorchError, did_you_mean, some

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def rank_nodes(adata: AnnData | MuData, group: str | None = None, *, key: str = _keys.DEFAULT) -> pd.DataFrame:
    """Get the hidden nodes that make groups of cells different, best first.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.rank_nodes` or :func:`edge2torch.tl.interpret`.
    group
        One group; ``None`` for all.
    key
        Name of the result.

    Returns
    -------
    A row per group and node. After :func:`edge2torch.tl.interpret` only ``group``, ``node``, ``layer`` and ``score``;
    after :func:`edge2torch.tl.rank_nodes` (the method page derives each):

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
        Names of those that contribute most.

    Raises
    ------
    Edge2TorchError
        If there are none, or there is no such group.
    """
    table = pd.DataFrame(_slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.rank_nodes")).copy()
    if group is None:
        return table
    known = table["group"].astype(str)
    if not (known == group).any():
        raise Edge2TorchError(
            f"group={group!r} is not among the groups, {some(known.unique(), 20)}{did_you_mean(group, known.unique())}"
        )
    return table[known == group].reset_index(drop=True)
