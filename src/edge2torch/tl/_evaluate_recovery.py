"""``e2t.tl.evaluate_recovery``."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from edge2torch import _keys, _slots
from edge2torch._checks import check_number, check_whole
from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: name of the row that averages over groups
MEAN = "mean of groups"
#: what active nodes are compared with, from the name of a column to the roles
RIVALS = {
    "auroc_decoys": ("decoy",),
    "auroc_hubs": ("hub",),
    "auroc_both": ("decoy", "hub"),
    "auroc_all": ("decoy", "hub", "other"),
}


def evaluate_recovery(
    adata: AnnData | MuData,
    ranking: pd.DataFrame | None = None,
    *,
    by: str = "score",
    ascending: bool = False,
    absolute: bool = False,
    n_top: int | None = None,
    max_shared: float = 1.0,
    truth: str = "truth",
    key: str = _keys.DEFAULT,
) -> pd.DataFrame:
    """Compare a ranking of nodes with what is known of simulated cells.

    Parameters
    ----------
    adata
        From :func:`edge2torch.datasets.simulate`. It is not changed.
    ranking
        What ranks the nodes in each group: a DataFrame with ``group``, ``node`` and the column ``by``, or one of
        groups x nodes (names in index and columns) that holds nothing but scores, such as group means of decoupler's.
        ``None`` for ``adata.uns[key]["rank_nodes"]``.
    by
        Column with the scores.
    ascending
        Whether the best nodes have the lowest scores, such as p-values.
    absolute
        Whether signs are left out, so that nodes which are switched off can be found by scores below 0.
    n_top
        Number of best nodes among which active ones are counted; ``None`` for as many as are active in the group.
    max_shared
        Largest share of genes in common with active nodes for the nodes that these are compared with (``shared`` in the
        truth). What lies below an active node in a hierarchy has all its genes in common, and is no false positive.
    truth
        Slot of ``adata.uns`` with the truth.
    key
        Name of the result.

    Returns
    -------
    A row per group, and ``"mean of groups"``:

    ``n_active``, ``n_missing``
        Active nodes; hidden nodes that have no score (not in the ranking, or missing). These rank behind all others,
        all alike. Nodes that are only in the ranking are left out.
    ``auroc_decoys``, ``auroc_hubs``, ``auroc_both``, ``auroc_all``
        Probability that an active node has a better score than a decoy, a hub, one of both, or any hidden node that is
        not active in the group; ties count half.
    ``average_precision``
        Of active nodes among all hidden nodes; at random, their share.
    ``median_rank``
        Median rank of the active nodes among all hidden nodes, 1 being the best; equal scores share their mean rank.
    ``n_top``, ``hits``
        Active nodes among the ``n_top`` best. A node does not count if, with its equals, it would be beyond.

    Numbers are missing where a group has no active nodes, or nothing to compare them with; the mean is that of the
    groups that have them.

    Raises
    ------
    Edge2TorchError
        If there is no truth, or no ranking of all its groups, or a node is there twice.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> genes = [f"g{i}" for i in range(60)]
    >>> graph = pd.DataFrame({"source": genes, "target": [f"TF{i // 10}" for i in range(60)]})
    >>> adata = e2t.datasets.simulate(graph, {"sick": ["TF2"]}, n_cells=100, n_hubs=0)
    >>> scores = pd.DataFrame([[0.0, 0.1, 0.9, 0.2, 0.0, 0.1]] * 2, ["sick", "rest"], [f"TF{i}" for i in range(6)])
    >>> e2t.tl.evaluate_recovery(adata, scores)[["group", "auroc_decoys", "median_rank", "hits"]]
                group  auroc_decoys  median_rank  hits
    0            sick           1.0          1.0   1.0
    1            rest           NaN          NaN   0.0
    2  mean of groups           1.0          1.0   0.5
    """
    _slots.check_adata(adata, written=False)
    if n_top is not None:
        check_whole("n_top", n_top)
    check_number("max_shared", max_shared, below=1 + 1e-9)
    known = _read_truth(adata, truth, max_shared)
    if ranking is None:
        ranking = pd.DataFrame(_slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.rank_nodes"))
    scores = _read_scores(ranking, by, known["group"].unique().tolist())
    values = scores.abs() if absolute else scores
    better = -values if ascending else values
    rows = [
        {"group": group, **_evaluate(nodes, better.loc[better.index.get_level_values(0) == group].droplevel(0), n_top)}
        for group, nodes in known.groupby("group", sort=False)
    ]
    table = pd.DataFrame(rows)
    mean = table.drop(columns="group").mean()
    return pd.concat([table, pd.DataFrame([{"group": MEAN, **mean}])], ignore_index=True)


def _read_truth(adata: AnnData | MuData, slot: str, max_shared: float) -> pd.DataFrame:
    """Read what is known, with names as text; nodes that share too much have no role."""
    known = adata.uns.get(slot)
    if not isinstance(known, pd.DataFrame) or not {"group", "node", "role"} <= set(known.columns):
        raise Edge2TorchError(
            f"adata.uns[{slot!r}] is no DataFrame with group, node and role: e2t.datasets.simulate makes one"
        )
    known = known.assign(group=known["group"].astype(str), node=known["node"].astype(str))
    if max_shared >= 1:
        return known
    if "shared" not in known:
        raise Edge2TorchError(f"max_shared={max_shared!r}, but adata.uns[{slot!r}] has no 'shared'")
    much = (known["role"] != "active") & (known["shared"] > max_shared)
    return known.assign(role=known["role"].astype(str).mask(much, ""))


def _read_scores(ranking: object, by: str, groups: Collection[str]) -> pd.Series:
    """Read scores as numbers by group and node, or raise if they are not there for all groups, once for each node."""
    if not isinstance(ranking, pd.DataFrame):
        raise Edge2TorchError(f"ranking must be a DataFrame, not {type(ranking).__name__}")
    if {"group", "node"} <= set(ranking.columns):
        if by not in ranking:
            raise Edge2TorchError(f"by={by!r} is not a column of ranking; it has {some(ranking.columns)}")
        names = [ranking["group"].astype(str), ranking["node"].astype(str)]
        given, index = ranking[by], pd.MultiIndex.from_arrays(names)
    else:
        index = pd.MultiIndex.from_product([ranking.index.astype(str), ranking.columns.astype(str)])
        given = pd.Series(ranking.to_numpy().ravel(), dtype=ranking.to_numpy().dtype)
    absent = [group for group in groups if group not in set(index.get_level_values(0))]
    if absent:
        raise Edge2TorchError(
            f"ranking lacks {len(absent)} of {len(groups)} groups of the truth: {some(absent)}. It needs the columns "
            "group and node, or a row per group and a column per node"
        )
    repeated = index[index.duplicated()].unique().tolist()
    if repeated:
        raise Edge2TorchError(f"ranking has {len(repeated):,} nodes more than once in a group: {some(repeated)}")
    try:
        numbers = pd.to_numeric(given).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(f"ranking: the scores are not numbers: {error}") from error
    return pd.Series(numbers, index=index)


def _evaluate(known: pd.DataFrame, scores: pd.Series, n_top: int | None) -> dict[str, float]:
    """Compare the scores of a group, of which more is better, with the truth."""
    nodes = known["node"].drop_duplicates()
    score = scores.reindex(nodes).to_numpy()
    missing = np.isnan(score)
    # ranks order as scores do, and have a place for what has none
    standing = pd.Series(rankdata(np.where(missing, -np.inf, score), method="dense"), index=nodes)
    active = nodes.isin(known.loc[known["role"] == "active", "node"]).to_numpy()
    behind = rankdata(-standing.to_numpy())
    worst = rankdata(-standing.to_numpy(), method="max")
    n_best = int(active.sum()) if n_top is None else n_top
    some_active = bool(active.any())
    return {
        "n_active": int(active.sum()),
        "n_missing": int(missing.sum()),
        **{name: _auroc(known, standing, active, roles) for name, roles in RIVALS.items()},
        "average_precision": float(average_precision_score(active, standing)) if some_active else np.nan,
        "median_rank": float(np.median(behind[active])) if some_active else np.nan,
        "n_top": n_best,
        "hits": int((worst[active] <= n_best).sum()),
    }


def _auroc(known: pd.DataFrame, standing: pd.Series, active: npt.NDArray[np.bool_], roles: Collection[str]) -> float:
    """Area under the curve for active nodes against those that have one of some roles."""
    rival = standing.index.isin(known.loc[known["role"].isin(list(roles)), "node"]) & ~active
    if not active.any() or not rival.any():
        return float("nan")
    return float(roc_auc_score(active[active | rival], standing[active | rival]))
