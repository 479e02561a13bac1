"""Which groups and nodes are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get._nodes import nodes as get_nodes

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def mean_scores(adata: AnnData | MuData, groupby: str | None, key: str, output: str | None = None) -> pd.DataFrame:
    """Mean score of each hidden node in each group of cells, groups x nodes.

    Parameters
    ----------
    adata
        With a result of ``e2t.tl.interpret``.
    groupby
        Column of ``adata.obs``; ``None`` for the means that ``e2t.tl.interpret`` wrote.
    key
        Name of the result.
    output
        Which output is explained, where ``e2t.tl.interpret`` explained all in every cell; ``None`` for the one that has
        the name of the group.

    Returns
    -------
    The means; the name of the index is the column of ``adata.obs`` with the groups.
    """
    ranked = pd.DataFrame(_slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.interpret"))
    if groupby is None:
        ranked = ranked.astype({"group": str, "node": str})
        if "output" in ranked:
            ranked = _of_one_output(ranked, output)
        means = ranked.pivot_table(values="score", index="group", columns="node")
        means = means.reindex(index=ranked["group"].unique(), columns=ranked["node"].unique())
        return means.rename_axis(index=name_of_groups(adata, key))
    if not isinstance(groupby, str) or groupby not in adata.obs:
        raise Edge2TorchError(f"groupby={groupby!r} is not a column of adata.obs; it has {some(adata.obs)}")
    scores = get_nodes(adata, key=key).to_df()
    groups = adata.obs[groupby].astype("category").cat.remove_unused_categories()
    if groups.isna().all():
        raise Edge2TorchError(f"adata.obs[{groupby!r}] is missing in all cells")
    means = pd.DataFrame(scores.groupby(groups, observed=True).mean())
    return means.set_axis(means.index.astype(str)).rename_axis(index=groupby)


def _of_one_output(ranked: pd.DataFrame, output: str | None) -> pd.DataFrame:
    """Scores for one output in each group, out of those for all outputs."""
    outputs = ranked["output"].astype(str)
    if output is not None:
        check_names("target", output, outputs.unique())
    chosen = ranked[outputs == (ranked["group"] if output is None else output)]
    without = ranked["group"][~ranked["group"].isin(chosen["group"])].unique()
    if len(without):
        raise Edge2TorchError(
            f"{len(without):,} groups are no outputs of the model: {some(without)}. After e2t.tl.interpret with "
            "target='all', groups have scores for every output: run it with another target, or with a groupby whose "
            "groups are the outputs"
        )
    return chosen


def best_nodes(adata: AnnData | MuData, means: pd.DataFrame, n_nodes: int, key: str) -> dict[str, list[str]]:
    """Names of the best nodes of each group, best first.

    Parameters
    ----------
    adata
        With a result of ``e2t.tl.interpret`` or ``e2t.tl.rank_nodes``.
    means
        As of :func:`mean_scores`.
    n_nodes
        Most nodes per group.
    key
        Name of the result.

    Returns
    -------
    By :func:`criterion`; by the mean score in groups of which that says nothing, as they had too few controls.
    """
    order = criterion(adata, means, key)[1]
    return highest(order.fillna(means[order.isna().all(axis=1)]), n_nodes)


def highest(values: pd.DataFrame, n_nodes: int) -> dict[str, list[str]]:
    """Names of the nodes with the highest values in each group, best first; none where values are missing.

    Parameters
    ----------
    values
        Groups x nodes.
    n_nodes
        Most nodes per group.
    """
    return {
        str(group): row.dropna().sort_values(ascending=False, kind="stable").index[:n_nodes].tolist()
        for group, row in values.iterrows()
    }


def criterion(adata: AnnData | MuData, means: pd.DataFrame, key: str) -> tuple[str, pd.DataFrame]:
    """What says which nodes are best, and what it is for each node in each group.

    Parameters
    ----------
    adata, means, key
        As of :func:`best_nodes`.

    Returns
    -------
    ``"z"``, where ``e2t.tl.rank_nodes`` compared these very groups with controls, else ``"score"``, the mean score.
    """
    z = of_ranking(adata, means, "z", key)
    return ("score", means) if z is None else ("z", z)


def of_ranking(adata: AnnData | MuData, means: pd.DataFrame, column: str, key: str) -> pd.DataFrame | None:
    """Find a column of the ranking for the groups and nodes of ``means``; ``None`` if they were not ranked."""
    ranked = pd.DataFrame(_slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.interpret"))
    same = means.index.name == name_of_groups(adata, key)  # clusterings have the same names, "0", "1", ...
    if not same or column not in ranked or not set(means.index) <= set(ranked["group"].astype(str)):
        return None
    table = ranked.astype({"group": str, "node": str}).pivot_table(values=column, index="group", columns="node")
    return table.reindex(index=means.index, columns=means.columns)


def name_of_groups(adata: AnnData | MuData, key: str, step: str | None = None) -> str:
    """What a function of ``e2t.tl`` averaged over: a column of ``adata.obs``.

    Where no groups were named and the model predicts no classes, the groups are what was explained: outputs.

    Parameters
    ----------
    adata, key
        As of :func:`best_nodes`.
    step
        ``"rank_nodes"`` or ``"interpret"``; ``None`` for whichever was last.
    """
    steps = ("rank_nodes", "interpret") if step is None else (step,)
    last = next((called for name in steps if (called := _slots.params(adata, key, name))), {})
    fit = _slots.params(adata, key, "fit")
    if "groupby" in last:
        return str(last["groupby"])
    return str(fit["target"]) if str(fit.get("task")) == "classes" else "output"


def labels_of(adata: AnnData | MuData, key: str) -> dict[str, str]:
    """What each node is called in a plot."""
    table = _slots.nodes_table(adata, key)
    return dict(zip(table["node"].astype(str), table["label"].astype(str), strict=True))


def check_names(argument: str, wanted: str | Sequence[str], known: Iterable[str]) -> list[str]:
    """Names that the user asked for, once each.

    Raises
    ------
    Edge2TorchError
        If there are none, or some do not exist.
    """
    several = isinstance(wanted, Iterable) and not isinstance(wanted, str)
    names = list(dict.fromkeys(map(str, wanted) if several else [str(wanted)]))
    choices = list(known)
    if not names:
        raise Edge2TorchError(f"{argument} is empty; there are {some(choices, 20)}")
    unknown = [name for name in names if name not in set(choices)]
    if unknown:
        raise Edge2TorchError(
            f"{len(unknown):,} of {len(names):,} {argument} do not exist: {some(unknown)}; "
            f"there are {some(choices, 20)}"
        )
    return names


def check_nodes(wanted: str | Sequence[str], known: Iterable[str], label_of: Mapping[str, str]) -> list[str]:
    """Nodes that the user asked for, once each: by name, or by a label that only one of them has.

    Parameters
    ----------
    wanted
        Names or labels.
    known
        Names of the nodes to choose from.
    label_of
        Their labels: the node ``"CIITA (node)"`` is ``"CIITA"``.

    Raises
    ------
    Edge2TorchError
        If there are none, or some do not exist.

    Examples
    --------
    >>> check_nodes(["CIITA", "NFKB"], ["CIITA (node)", "NFKB"], {"CIITA (node)": "CIITA", "NFKB": "NFKB"})
    ['CIITA (node)', 'NFKB']
    """
    choices = [str(name) for name in known]
    times = Counter(label_of[name] for name in choices)
    named = {label_of[name]: name for name in choices if times[label_of[name]] == 1}
    named |= {name: name for name in choices}
    asked = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else wanted
    return check_names("nodes", [named.get(str(one), str(one)) for one in asked], choices)


def check_name(argument: str, wanted: object, known: Iterable[str]) -> str:
    """The one name that the user asked for; see :func:`check_names`."""
    if isinstance(wanted, Iterable) and not isinstance(wanted, str):
        raise Edge2TorchError(f"{argument}={wanted!r} must be one name; there are {some(list(known), 20)}")
    return check_names(argument, str(wanted), known)[0]
