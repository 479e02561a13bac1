"""``e2t.pl.nodes``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.transforms import Bbox

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch.get._choose import check_names, labels_of, mean_scores, name_of_groups
from edge2torch.pl._figure import DIVERGING, SCORE, centred, finish, ink, new_axes
from edge2torch.pl._text import points, text_size, wrap_all

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colors import Colormap
    from mudata import MuData

#: most characters of a label
WIDTH = 76
#: in inches, for the usual font of 10 points: a column and a row of the matrix; width and height of the colour bar;
#: what is needed above and below the matrix besides the names of the groups, and on both sides besides the labels
COLUMN, ROW, BAR, ABOVE, BELOW, BESIDE = 0.3, 0.21, (0.13, 1.25), 0.25, 0.35, (0.2, 1.35)


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
        ax = _new_axes(labels, list(means.index), figsize)
    mesh = ax.pcolormesh(means.to_numpy().T, cmap=cmap, norm=norm, edgecolors="white", linewidth=0.75)
    _name_axes(ax, labels, list(means.index), groupby or name_of_groups(adata, key))
    bar = _add_colour_bar(ax, mesh)
    if nodes is None:
        _mark(ax, mesh, top.to_numpy().T)
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


def _new_axes(labels: Sequence[str], groups: Sequence[str], figsize: tuple[float, float] | None) -> Axes:
    """Open a figure with exactly the room that the labels need.

    Without ``figsize``, every cell of a matrix has the same size, however many there are.
    """
    size = points("small")
    unit = size / 8.33
    left = max(text_size(label, size)[0] for label in labels) * 1.02 + BESIDE[0] * unit
    below = max(text_size(group, size)[0] for group in groups) + BELOW * unit
    right, above = BESIDE[1] * unit, ABOVE * unit
    width, height = len(groups) * COLUMN * unit, len(labels) * ROW * unit
    bar = (BAR[1] + 0.3) * unit
    full = figsize or (left + width + right, above + max(height + below, bar))
    if figsize:
        width, height = max(full[0] - left - right, COLUMN), max(full[1] - above - below, ROW)
    ax = new_axes(*full)
    ax.set_position((left / full[0], 1 - (above + height) / full[1], width / full[0], height / full[1]))
    return ax


def _name_axes(ax: Axes, labels: Sequence[str], groups: Sequence[str], groupby: str) -> None:
    size = points("small")
    upright = max(text_size(group, size)[0] for group in groups) > COLUMN * 0.8 * size / 8.33
    ax.set_xticks(np.arange(len(groups)) + 0.5, groups, rotation=90 if upright else 0, fontsize=size, parse_math=False)
    ax.set_yticks(np.arange(len(labels)) + 0.5, labels, fontsize=size, parse_math=False, linespacing=1)
    ax.tick_params(length=0)
    ax.set_ylim(len(labels), 0)
    wide = text_size(groupby, size)[0] > len(groups) * COLUMN * size / 8.33  # it would run into the colour bar
    ax.set_xlabel(groupby, loc="right" if wide else "center", fontsize=size, parse_math=False)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)


def _add_colour_bar(ax: Axes, mesh: QuadMesh) -> Axes:
    size = points("small")
    place = ax.inset_axes((1.02, 0, 0.02, 1))
    place.set_axes_locator(Beside(ax, size / 8.33))
    bar = ax.figure.colorbar(mesh, cax=place)
    bar.set_label(SCORE, fontsize=size)
    bar.ax.tick_params(labelsize=size)
    bar.outline.set_visible(False)
    return place


@dataclass(frozen=True)
class Beside:
    """Where the colour bar is: beside the first rows, of the same size however large the matrix is.

    Attributes
    ----------
    matrix
        Axes with the matrix.
    unit
        Size of the font, relative to the usual one.
    """

    matrix: Axes
    unit: float

    def __call__(self, _: object, renderer: object) -> Bbox:
        """Place in the figure, as a locator of matplotlib."""
        inch = self.unit * self.matrix.figure.dpi
        box = self.matrix.get_window_extent()
        place = Bbox.from_bounds(box.x1 + 0.12 * inch, box.y1 - BAR[1] * inch, BAR[0] * inch, BAR[1] * inch)
        return place.transformed(self.matrix.figure.transSubfigure.inverted())


def _mark(ax: Axes, mesh: QuadMesh, top: npt.NDArray[np.bool_]) -> None:
    """Put a dot on chosen cells, light on dark colours."""
    row, column = np.nonzero(top)
    colours = mesh.cmap(mesh.norm(np.ma.asarray(mesh.get_array()).reshape(top.shape)[row, column]))
    ax.scatter(column + 0.5, row + 0.5, s=5, c=[ink(colour) for colour in colours], linewidths=0)
