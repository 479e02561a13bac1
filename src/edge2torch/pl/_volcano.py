"""``e2t.pl.volcano``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from edge2torch import _keys, _slots
from edge2torch._checks import check_number, check_whole
from edge2torch.errors import Edge2TorchError
from edge2torch.get._choose import check_name, labels_of
from edge2torch.pl._figure import GREY, VERMILION, finish, new_axes
from edge2torch.pl._names import place_names
from edge2torch.pl._text import points, wrap

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

#: numbers of genes in the legend
SIZES = (1, 10, 100, 1000, 10000)
#: nodes with a larger padj are not named
LIKELY = 0.5
#: most characters in a line of the title
TITLE = 44
NEEDS = ("corrected", "z", "padj", "n_inputs")


def volcano(
    adata: AnnData | MuData,
    *,
    group: str | None = None,
    n_labels: int = 10,
    alpha: float = 0.05,
    key: str = _keys.DEFAULT,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes:
    """Plot by how much nodes exceed what their wiring explains, against how sure that is.

    To the right is the score of a node minus that of nodes wired like it in the controls, upwards ``-log10(padj)``.
    Nodes with ``padj`` below ``alpha`` are diamonds, others circles; the more genes a node sees, the larger it is.
    Triangles at the upper edge have a ``padj`` of 0. Of nodes with ``padj`` below 0.5, those with the largest
    absolute ``z`` are named, as far as there is room.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.rank_nodes`.
    group
        Group of cells; ``None`` for the first one.
    n_labels
        Most names to write.
    alpha
        Largest ``padj`` of a node that stands out, exclusive; a dashed line marks it.
    key
        Name of the result.
    figsize
        Width and height of a new figure in inches.
    ax
        Where to draw, with the legend inside; ``None`` for a new figure.
    show
        Whether to call ``plt.show()``; notebooks show what is open at the end of a cell anyway.

    Returns
    -------
    The Axes.

    Raises
    ------
    Edge2TorchError
        If nodes were not compared with controls, or the group does not exist.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.control(adata, "rewired", n=3, progress_bar=False)
    >>> e2t.tl.rank_nodes(adata, n_steps=5)
    >>> e2t.pl.volcano(adata, group="CD19+ B").get_title(loc="left")
    'CD19+ B'
    """
    _slots.check_adata(adata, written=False)
    check_whole("n_labels", n_labels, least=0)
    check_number("alpha", alpha, below=1, positive=True)
    name, table = _compared(adata, group, key)
    own = ax is None
    if ax is None:
        unit = points("medium") / 10
        ax = new_axes(*(figsize or (5.4 * unit, 4.2 * unit)), "constrained")
    height, zero = _height(table["padj"])
    _draw(ax, table, height, zero, alpha)
    ax.axhline(-np.log10(alpha), color="0.6", linestyle="--", linewidth=0.8, zorder=1)
    ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.set(xlabel="score beyond controls (corrected)", ylabel="$-\\log_{10}$ padj", ylim=(-0.06 * height.max(), None))
    ax.margins(x=0.12, y=0.1)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=False)
    ax.set_title(wrap(name, TITLE, 2), loc="left", parse_math=False)
    # who made the figure has not left room beside it
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if own else {"loc": "best"}
    legend = ax.legend(handles=_legend(table, alpha, zero), fontsize="small", frameon=False, handletextpad=0.2, **place)
    label_of = labels_of(adata, key)
    order = np.argsort(-table["z"].abs().to_numpy(), kind="stable")
    order = order[table["padj"].to_numpy()[order] < LIKELY]
    dots = [(label_of[str(table["node"].iloc[k])], float(table["corrected"].iloc[k]), float(height[k])) for k in order]
    place_names(ax, dots[:n_labels], n_labels, avoid=legend)
    finish(show)
    return ax


def _compared(adata: AnnData | MuData, group: str | None, key: str) -> tuple[str, pd.DataFrame]:
    """Name of the group, and its nodes that were compared."""
    ranked = pd.DataFrame(_slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.rank_nodes"))
    if not set(NEEDS) <= set(ranked):
        raise Edge2TorchError(
            f"nodes in uns[{key!r}]['rank_nodes'] were not compared with controls: run e2t.tl.rank_nodes first"
        )
    groups = ranked["group"].astype(str)
    name = groups.iloc[0] if group is None else check_name("group", group, groups.unique())
    table = ranked[groups == name]
    table = table[np.isfinite(table[list(NEEDS)].to_numpy(dtype=float)).all(axis=1)]
    if table.empty:
        raise Edge2TorchError(f"all values of group {name!r} in uns[{key!r}]['rank_nodes'] are NaN: nothing to plot")
    return str(name), table.reset_index(drop=True)


def _height(padj: pd.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """``-log10(padj)``, a little above all others for 0; and which are 0."""
    values = padj.to_numpy(dtype=float)
    zero = values <= 0
    known = -np.log10(np.where(zero, 1, values))
    return np.where(zero, max(1.1 * known.max(), 2.0), np.abs(known)), zero


def _area(n_genes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Area of a dot in square points: small ones can be seen, and hubs do not hide others."""
    return np.asarray(10 + 14 * np.log10(np.maximum(np.asarray(n_genes, dtype=float), 1)))


def _draw(
    ax: Axes, table: pd.DataFrame, height: npt.NDArray[np.float64], zero: npt.NDArray[np.bool_], alpha: float
) -> None:
    stands_out = table["padj"].to_numpy() < alpha
    for rows, colour, marker, opacity in (
        (~stands_out, GREY, "o", 0.45),
        (stands_out & ~zero, VERMILION, "D", 0.85),
        (stands_out & zero, VERMILION, "^", 0.85),
    ):
        if rows.any():
            ax.scatter(
                table.loc[rows, "corrected"],
                height[rows],
                s=_area(table.loc[rows, "n_inputs"]),
                c=colour,
                marker=marker,
                alpha=opacity,
                linewidths=0,
                zorder=2,
            )


def _legend(table: pd.DataFrame, alpha: float, zero: npt.NDArray[np.bool_]) -> list[Line2D]:
    """Say what shapes and sizes are."""
    stands_out = int((table["padj"] < alpha).sum())
    n_genes = table["n_inputs"]
    within = [size for size in SIZES if n_genes.min() / 3 <= size <= n_genes.max()][-3:] or [int(n_genes.max())]

    def dot(label: str, colour: str, marker: str, area: float) -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, color=colour, markersize=area**0.5, mew=0, label=label)

    return [
        dot(f"padj < {alpha:g} ({stands_out:,})", VERMILION, "D", 30),
        dot(f"others ({len(table) - stands_out:,})", GREY, "o", 30),
        *([dot("padj = 0", VERMILION, "^", 30)] if zero.any() else []),
        *(dot(f"{size:,} gene{'s' * (size > 1)}", "0.8", "o", float(_area(size))) for size in within),
    ]
