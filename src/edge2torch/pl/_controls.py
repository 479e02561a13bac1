"""``e2t.pl.controls``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from scipy.stats import spearmanr

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch.errors import Edge2TorchError
from edge2torch.get import rank_nodes as get_ranked
from edge2torch.get._choose import check_nodes, labels_of, name_of_groups
from edge2torch.pl._chance import BAND, draw_best, said_of
from edge2torch.pl._figure import BLUE, GREY, VERMILION, finish, score_label
from edge2torch.pl._names import place_names
from edge2torch.pl._text import points, wrap

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

#: nodes whose adjusted p-value is lower are marked
FOUND = 0.05
#: most characters in a line of a name beside a dot; names beside dots
NAMED = 5
#: in inches, for the usual font of 10 points: a row of a node, least height of the figure, its width
ROW, LEAST, WIDTH = 0.4, 5.6, 11
#: most characters in a line of the title
TITLE = 90


def controls(
    adata: AnnData | MuData,
    *,
    group: str | None = None,
    nodes: str | Sequence[str] | None = None,
    n_nodes: int = 10,
    key: str = _keys.DEFAULT,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
) -> Figure:
    """Plot scores of nodes beside those that controls give them.

    - Score: of every node, over the number of genes that it sees. What a node wired like it scores in the controls is
      beneath: the more genes, the higher, whatever they are.
    - z: the same after the comparison. Between the dashed lines lies 95 % of what chance gives. Nodes with an adjusted
      p-value below 0.05 are diamonds, in both. In the corner is the rank correlation with the number of genes.
    - The best nodes: ``z`` of the model and of each of its replicates, above those of the control models. The controls
      of the kind that was compared with are each compared with the others: that is what chance gives.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.rank_nodes`.
    group
        One group of cells; ``None`` for all, where a dot is a node in a group.
    nodes
        Names, or labels, of hidden nodes for the last panel, in this order, instead of the best ones.
    n_nodes
        Nodes in the last panel: those with the highest ``z``, of all groups in turn. Each is shown in the group in
        which its ``z`` is highest.
    key
        Name of the result.
    figsize
        Width and height of the figure in inches; ``None`` for rows of the same height, however many there are.
    show
        Whether to call ``plt.show()``; notebooks show what is open at the end of a cell anyway.

    Returns
    -------
    The Figure.

    Raises
    ------
    Edge2TorchError
        If there is no such ranking, a group or a node does not exist, or no node was compared with controls.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    >>> e2t.tl.rank_nodes(adata, n_steps=5)
    >>> [ax.get_title(loc="left") for ax in e2t.pl.controls(adata, n_nodes=5).axes]
    ['Score', 'Against controls', 'Best nodes, and what chance gives']
    """
    _slots.check_adata(adata, written=False)
    check_whole("n_nodes", n_nodes)
    _slots.results(adata, key, _keys.RANK_NODES_MODELS, "e2t.tl.rank_nodes")
    table = get_ranked(adata, group, key=key).astype({"group": str, "node": str}).dropna(subset=["z", "score"])
    if not len(table):
        raise Edge2TorchError(
            f"no node{'' if group is None else f' of {group!r}'} was compared with controls: all z are missing, as for "
            "groups with a single donor"
        )
    table["name"] = table["node"].map(labels_of(adata, key))
    rows = _rows(table, nodes, n_nodes)
    by = str(_slots.params(adata, key, "rank_nodes")["by"])
    unit = points("medium") / 10
    with mpl.rc_context({"figure.max_open_warning": 0}):
        height = max(LEAST, ROW * len(rows) + 1.6)
        figure = plt.figure(figsize=figsize or (WIDTH * unit, height * unit), layout="constrained")
    grid = figure.add_gridspec(*((2, 2) if height < 1.3 * LEAST else (round(2 * height / LEAST), 2)))
    score, z, best = (figure.add_subplot(grid[part]) for part in ((0, 0), (1, 0), (slice(None), 1)))
    _draw_scores(score, table, by, score_label(adata, key))
    _draw_z(z, table)
    draw_best(best, rows, said_of(adata, rows, key), by, several=group is None)
    for ax, side in ((score, "left"), (best, "right")):
        handles, texts = ax.get_legend_handles_labels()
        place: Any = f"outside lower {side}"
        figure.legend(handles, texts, loc=place, ncols=3, fontsize="x-small", frameon=False, handletextpad=0.2)
    if group is not None:
        figure.suptitle(wrap(f"{name_of_groups(adata, key)}: {group}", TITLE, 2), fontsize="large", parse_math=False)
    for ax, value in ((score, "score"), (z, "z")):
        highest = table.nlargest(NAMED, value)  # of others, a name would say that they matter
        names = highest["name"] + (" (" + highest["group"].astype(str) + ")" if group is None else "")
        for text in place_names(ax, list(zip(names, _genes(highest), highest[value], strict=True)), NAMED):
            text.set_in_layout(False)
    finish(show)
    return figure


def _rows(table: pd.DataFrame, nodes: str | Sequence[str] | None, n_nodes: int) -> pd.DataFrame:
    """Nodes of the last panel, each in the group in which it is highest: the first of each group, the second, ..."""
    own = table.sort_values("z", ascending=False, kind="stable").drop_duplicates("node")
    if nodes is not None:
        label_of = dict(zip(own["node"], own["name"], strict=True))
        return own.set_index("node").loc[check_nodes(nodes, own["node"], label_of)].reset_index()
    turn = own.groupby("group", sort=False).cumcount()
    chosen = own.loc[turn.sort_values(kind="stable").index[:n_nodes]]
    order = table["group"].drop_duplicates().tolist()
    return chosen.sort_values("group", key=lambda names: names.map(order.index), kind="stable")


def _draw_scores(ax: Axes, table: pd.DataFrame, by: str, label: str) -> None:
    ax.scatter(
        _genes(table),
        table["control"],
        s=5,
        color=GREY,
        linewidths=0,
        rasterized=True,
        label=f"expected ({by} controls)",
    )
    _draw_nodes(ax, table, "score")
    ax.set_ylabel(label)
    ax.set_title("Score", loc="left", fontsize="medium", weight="bold")


def _draw_z(ax: Axes, table: pd.DataFrame) -> None:
    for line in (-BAND, BAND):
        ax.axhline(line, color="0.5", linestyle="--", linewidth=0.8, zorder=0)
    _draw_nodes(ax, table, "z")
    ax.set_ylabel("z")
    ax.set_title("Against controls", loc="left", fontsize="medium", weight="bold")


def _draw_nodes(ax: Axes, table: pd.DataFrame, value: str) -> None:
    found = table["padj"] < FOUND
    for rows, colour, marker, size, label in (
        (~found, BLUE, "o", 8, "observed"),
        (found, VERMILION, "D", 16, f"padj < {FOUND} ({found.sum():,})"),
    ):
        part = table[rows]
        edge = "white" if marker == "D" else "none"
        ax.scatter(
            _genes(part),
            part[value],
            s=size,
            marker=marker,
            color=colour,
            edgecolors=edge,
            linewidths=0.4,
            alpha=0.9 if marker == "D" else 0.5,
            label=label,
            rasterized=True,
        )
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    low, high = np.log10(ax.get_xlim())
    if high - low < 2:  # there may be no power of ten among nodes of about the same size
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.set_xlabel("genes of the node")
    varies = min(np.ptp(table[value]), np.ptp(table["n_inputs"])) > 0
    rho = f"{spearmanr(table['n_inputs'], table[value]).statistic:.2f}" if varies else "–"
    ax.set_title(f"Spearman ρ = {rho}", loc="right", fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=False)


def _genes(table: pd.DataFrame) -> pd.Series:
    return table["n_inputs"].clip(lower=1)
