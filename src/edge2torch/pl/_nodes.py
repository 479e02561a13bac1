"""``e2t.pl.nodes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice, check_whole
from edge2torch.errors import Edge2TorchError
from edge2torch.get._choose import (
    check_names,
    check_nodes,
    criterion,
    highest,
    labels_of,
    mean_scores,
    name_of_groups,
    of_ranking,
)
from edge2torch.pl._dots import HEIGHT, draw_dots, find_sizes
from edge2torch.pl._figure import DIVERGING, centred, finish, score_label
from edge2torch.pl._matrix import add_colour_bar, hatch_rarer_sign, mark, matrix_axes, name_axes
from edge2torch.pl._text import points, wrap_all

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from mudata import MuData

#: most characters of a label
WIDTH = 76
KINDS, VALUES = ("matrix", "dot"), ("score", "z")


def nodes(
    adata: AnnData | MuData,
    *,
    groupby: str | None = None,
    groups: str | Sequence[str] | None = None,
    nodes: str | Sequence[str] | None = None,
    n_nodes: int = 5,
    kind: Literal["matrix", "dot"] = "matrix",
    values: Literal["score", "z"] = "score",
    key: str = _keys.DEFAULT,
    cmap: str | Colormap = DIVERGING,
    vmax: float | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes:
    """Plot the mean scores of the best nodes of every group of cells, as a matrix or as dots.

    Rows are the ``n_nodes`` best nodes of each group, columns are the groups; the nodes that were chosen for a group
    are marked. Best are those with the highest ``z``, where :func:`edge2torch.tl.rank_nodes` compared these groups with
    controls, else those with the highest mean score; the picture says which. A node that is chosen for several groups
    is shown once, among those of the group in which it is highest. Long names lose words from the middle ("…").

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret` or :func:`edge2torch.tl.rank_nodes`.
    groupby
        Column of ``adata.obs`` with the groups; ``None`` for the groups and means in ``uns[key]["rank_nodes"]``.
    groups
        Groups to show, in this order; ``None`` for all.
    nodes
        Names, or labels, of hidden nodes to show, in this order, instead of the best ones.
    n_nodes
        Nodes per group.
    kind
        ``"matrix"``, or ``"dot"`` for dots whose size says how sure a score is: the adjusted p-value, where these
        groups were compared with controls, else the share of the cells of the group with a positive score.
    values
        What colours are: the mean ``"score"``, or ``"z"``, where these groups were compared with controls.
    key
        Name of the result.
    cmap
        Diverging colours.
    vmax
        Value with the darkest colour; ``None`` for the largest absolute value shown.
    figsize
        Width and height of a new figure in inches; ``None`` for cells of the same size, however many there are.
    ax
        Where to draw; ``None`` for a new figure.
    show
        Whether to call ``plt.show()``; notebooks show what is open at the end of a cell anyway.

    Returns
    -------
    The Axes.

    Raises
    ------
    Edge2TorchError
        If there are no scores, a group or a node does not exist, or ``z`` is wanted where there is none.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> ax = e2t.pl.nodes(adata, groups=["CD19+ B", "CD56+ NK"], n_nodes=2)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['CD19+ B', 'CD56+ NK']
    """
    _slots.check_adata(adata, written=False)
    check_whole("n_nodes", n_nodes)
    check_choice("kind", kind, KINDS)
    check_choice("values", values, VALUES)
    means = mean_scores(adata, groupby, key)
    if groups is not None:
        means = means.loc[check_names("groups", groups, means.index)]
    by, order = criterion(adata, means, key)
    label_of = labels_of(adata, key)
    if nodes is None:
        top = _top(order, highest(order, n_nodes))
    else:
        wanted = check_nodes(nodes, means.columns, label_of)
        top = pd.DataFrame(data=False, index=means.index, columns=wanted)
    means = means[top.columns]
    shown = means if values == "score" else _deviates(adata, means, key)
    norm = centred(shown, vmax)
    name = groupby or name_of_groups(adata, key)
    sizes = find_sizes(adata, means, name, key) if kind == "dot" else None
    labels = wrap_all([label_of[node] for node in means.columns], WIDTH, 1)
    columns = wrap_all(means.index.tolist(), WIDTH // 2, 1)
    if ax is None:
        ax = matrix_axes(labels, columns, figsize, *((HEIGHT,) if sizes is not None else ()))
    chosen = top.to_numpy().T
    if sizes is None:
        drawn: Any = ax.pcolormesh(shown.to_numpy().T, cmap=cmap, norm=norm, edgecolors="white", linewidth=0.75)
    else:
        drawn = draw_dots(ax, shown.to_numpy().T, sizes, chosen, cmap=cmap, norm=norm)
    name_axes(ax, labels, columns, name)
    bar = add_colour_bar(ax, drawn, score_label(adata, key) if values == "score" else "z")
    if sizes is None:
        hatch_rarer_sign(ax, drawn, shown.to_numpy().T, bar)
    if nodes is None:
        if sizes is None:
            mark(ax, drawn, chosen)
        sign = "•" if sizes is None else "○"
        bar.text(0, -0.08, f"{sign} top {n_nodes} by {by}", va="top", transform=bar.transAxes, fontsize=points("small"))
    finish(show)
    return ax


def _top(order: pd.DataFrame, best: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Which nodes (columns, in the order to show) are among the best of which group."""
    top = np.stack([order.columns.isin(best[str(group)]) for group in order.index])
    shown = np.flatnonzero(top.any(axis=0))
    if not len(shown):
        raise Edge2TorchError("no group has a node to show: all means are missing")
    values = np.where(top, order, -np.inf)[:, shown]
    rows = shown[np.lexsort((-values.max(axis=0), values.argmax(axis=0)))]
    return pd.DataFrame(top[:, rows], index=order.index, columns=order.columns[rows])


def _deviates(adata: AnnData | MuData, means: pd.DataFrame, key: str) -> pd.DataFrame:
    z = of_ranking(adata, means, "z", key)
    if z is None:
        raise Edge2TorchError(
            "values='z': these groups were not compared with controls; run e2t.tl.rank_nodes, with groupby= if they "
            "are not those of the fit, or pass values='score'"
        )
    return z
