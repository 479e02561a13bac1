"""``e2t.pl.coverage``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch.get import coverage as get_coverage
from edge2torch.pl._figure import BLUE, GREY, VERMILION, finish
from edge2torch.pl._names import place_names
from edge2torch.pl._text import points

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

#: room for so many bars, so that a single one is not a block
LEAST_ROWS = 4


def coverage(
    adata: AnnData | MuData,
    *,
    n_labels: int = 8,
    key: str = _keys.DEFAULT,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
) -> Figure:
    """Plot what of a prior was measured and is used, and why not the rest.

    - Genes: of those measured, how many the prior knows and the graph reads, and their share of all counts; of those in
      the prior, how many were measured.
    - Nodes: what became of them.
    - Each node: how many genes it has in the prior, and which share of them was measured. Hubs are marked; the nodes
      with the most genes and the ones with the lowest coverage are named.

    Parameters
    ----------
    adata
        With a graph from :func:`edge2torch.pp.build_graph`.
    n_labels
        Most names of nodes to write.
    key
        Name of the result.
    figsize
        Width and height of the figure in inches.
    show
        Whether to call ``plt.show()``; notebooks show what is open at the end of a cell anyway.

    Returns
    -------
    The Figure.

    Raises
    ------
    Edge2TorchError
        If there is no such graph.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> [ax.get_title(loc="left") for ax in e2t.pl.coverage(adata).axes]
    ['Genes', 'Nodes', 'Coverage of each node']
    """
    _slots.check_adata(adata, written=False)
    check_whole("n_labels", n_labels, least=0)
    nodes = pd.DataFrame(get_coverage(adata, key=key))
    whole = pd.Series(get_coverage(adata, per="graph", key=key))
    unit = points("medium") / 10
    with mpl.rc_context({"figure.max_open_warning": 0}):
        figure = plt.figure(figsize=figsize or (9 * unit, 5 * unit), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.25), height_ratios=(1, 1.3))
    _draw_genes(figure.add_subplot(grid[0, 0]), whole)
    _draw_nodes(figure.add_subplot(grid[1, 0]), nodes)
    each = figure.add_subplot(grid[:, 1])
    _draw_each(each, nodes)
    figure.legend(
        *each.get_legend_handles_labels(),
        loc="outside lower right",
        ncols=3,
        fontsize="small",
        frameon=False,
        handletextpad=0.1,
    )
    _name_nodes(each, nodes[nodes["status"] == "kept"], n_labels)
    finish(show)
    return figure


def _draw_genes(ax: Axes, whole: pd.Series) -> None:
    rows = [
        ("measured genes in the prior", "genes_in_prior", "genes"),
        ("measured genes in the graph", "inputs", "genes"),
        ("prior genes measured", "prior_genes_measured", "prior_genes"),
    ]
    shares = {name: whole[part] / whole[total] for name, part, total in rows}
    notes = {name: f"{whole[part]:,.0f} of {whole[total]:,.0f}" for name, part, total in rows}
    shares["counts in the graph"] = whole["share_of_counts"]
    known = pd.Series(shares).dropna()
    _bars(ax, known, [f"{share:.0%}  {notes.get(str(name), '')}".rstrip() for name, share in known.items()])
    ax.set(xlim=(0, 1.75), xticks=[0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.set_title("Genes", loc="left")


def _draw_nodes(ax: Axes, nodes: pd.DataFrame) -> None:
    counts = nodes["status"].value_counts()
    _bars(
        ax,
        counts,
        [f"{count:,} ({count / len(nodes):.0%})" for count in counts],
        [_colour(name) for name in counts.index],
    )
    ax.set_xlim(0, 1.5 * counts.max())
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.set_title("Nodes", loc="left")


def _colour(status: object) -> str:
    return BLUE if status == "kept" else GREY


def _bars(ax: Axes, values: pd.Series, labels: list[str], colours: list[str] | str = BLUE) -> None:
    """Draw a bar for each value, the first on top, with what it is beside it."""
    bars = ax.barh(np.arange(len(values))[::-1], values, color=colours, height=0.7)
    ax.set_yticks(np.arange(len(values))[::-1], [str(name) for name in values.index])
    ax.bar_label(bars, labels, padding=4, fontsize="small")
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(min(-0.6, len(values) - 0.4 - LEAST_ROWS), len(values) - 0.4)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(visible=False)


def _draw_each(ax: Axes, nodes: pd.DataFrame) -> None:
    kept = nodes["status"] == "kept"
    groups = [
        ("not in the graph", ~kept, GREY, "x"),
        ("in the graph", kept & ~nodes["hub"], BLUE, "o"),
        ("hub", kept & nodes["hub"], VERMILION, "D"),
    ]
    for name, rows, colour, marker in groups:
        if rows.any():
            part = nodes[rows]
            ax.scatter(
                part["n_genes"].clip(lower=1),
                part["share"],
                s=14,
                marker=marker,
                color=colour,
                alpha=0.6,
                linewidths=0.8,
                label=f"{name} ({len(part):,})",
            )
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    low, high = np.log10(ax.get_xlim())
    if high - low < 2:  # there may be no power of ten among nodes of about the same size
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.set_ylim(-0.04, 1.04)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set(xlabel="genes in the prior", ylabel="measured")
    ax.set_title("Coverage of each node", loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=False)


def _name_nodes(ax: Axes, kept: pd.DataFrame, n_labels: int) -> None:
    """Write names beside the hubs, the nodes with the most genes and those of which least was measured.

    A name that would lie over another one, or leave the picture, is left out.
    """
    hubs = kept[kept["hub"]].nlargest(n_labels, "degree")
    largest, lowest = kept.nlargest(n_labels, "n_genes"), kept.nsmallest(n_labels, "share")
    turns = np.array(
        [part.index[rank] for rank in range(n_labels) for part in (hubs, largest, lowest) if rank < len(part)]
    )
    named = kept.loc[pd.unique(turns)] if len(turns) else kept.iloc[:0]
    places = zip(named["label"].astype(str), named["n_genes"].clip(lower=1), named["share"], strict=True)
    place_names(ax, places, n_labels)
