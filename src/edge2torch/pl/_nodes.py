"""``e2t.pl.nodes``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch.get._choose import check_names, labels_of, mean_scores, name_of_groups
from edge2torch.pl._figure import DIVERGING, SCORE, centred, finish
from edge2torch.pl._matrix import add_colour_bar, mark, matrix_axes, name_axes
from edge2torch.pl._text import points, wrap_all

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from mudata import MuData

#: most characters of a label
WIDTH = 76


def nodes(
    adata: AnnData | MuData,
    *,
    groupby: str | None = None,
    groups: str | Sequence[str] | None = None,
    nodes: str | Sequence[str] | None = None,
    n_nodes: int = 5,
    key: str = _keys.DEFAULT,
    cmap: str | Colormap = DIVERGING,
    vmax: float | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes:
    """Plot the mean scores of the best nodes of every group of cells.

    Rows are the ``n_nodes`` nodes with the highest mean score in each group, columns are the groups; a dot marks the
    nodes that were chosen for a group. A node that is chosen for several groups is shown once, among those of the group
    in which it scores highest. Long names lose words from the middle ("…").

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret`.
    groupby
        Column of ``adata.obs`` with the groups; ``None`` for the groups and means in ``uns[key]["rank_nodes"]``.
    groups
        Groups to show, in this order; ``None`` for all.
    nodes
        Names of hidden nodes to show, in this order, instead of the best ones.
    n_nodes
        Nodes per group.
    key
        Name of the result.
    cmap
        Diverging colours.
    vmax
        Score with the darkest colour, in units of the logit; ``None`` for the largest absolute score shown.
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
        If there are no scores, or a group or a node does not exist.

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
    means = mean_scores(adata, groupby, key)
    if groups is not None:
        means = means.loc[check_names("groups", groups, means.index)]
    if nodes is None:
        top = _top(means, n_nodes)
    else:
        wanted = check_names("nodes", nodes, means.columns)
        top = pd.DataFrame(data=False, index=means.index, columns=wanted)
    means = means[top.columns]
    norm = centred(means, vmax)
    label_of = labels_of(adata, key)
    labels = wrap_all([label_of[name] for name in means.columns], WIDTH, 1)
    if ax is None:
        ax = matrix_axes(labels, list(means.index), figsize)
    mesh = ax.pcolormesh(means.to_numpy().T, cmap=cmap, norm=norm, edgecolors="white", linewidth=0.75)
    name_axes(ax, labels, list(means.index), groupby or name_of_groups(adata, key))
    bar = add_colour_bar(ax, mesh, SCORE)
    if nodes is None:
        mark(ax, mesh, top.to_numpy().T)
        bar.text(0, -0.08, f"• top {n_nodes} of group", va="top", transform=bar.transAxes, fontsize=points("small"))
    finish(show)
    return ax


def _top(means: pd.DataFrame, n_nodes: int) -> pd.DataFrame:
    """Which nodes (columns, in the order to show) are among the best of which group."""
    best = np.argsort(-means.to_numpy(), axis=1, kind="stable")[:, :n_nodes]
    top = np.zeros(means.shape, dtype=bool)
    np.put_along_axis(top, best, values=True, axis=1)
    shown = np.flatnonzero(top.any(axis=0))
    scores = np.where(top, means, -np.inf)[:, shown]
    order = shown[np.lexsort((-scores.max(axis=0), scores.argmax(axis=0)))]
    return pd.DataFrame(top[:, order], index=means.index, columns=means.columns[order])
