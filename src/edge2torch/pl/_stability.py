"""``e2t.pl.stability``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch.errors import Edge2TorchError
from edge2torch.get import rank_nodes as get_ranked
from edge2torch.get._choose import check_names, labels_of
from edge2torch.pl._figure import BLUE, VERMILION, faint, finish, new_axes
from edge2torch.pl._text import points, text_size, wrap, wrap_all

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

#: share of the nodes of a group that are its best, as for the column ``stability``
BEST = 0.05
#: most characters of a name, and of that of a group, which agreement stands beside
AT_ROW, OF_GROUP = 60, 32
#: in inches, for the usual font of 10 points: a row, what is needed besides, the width of the picture besides the names
ROW, BESIDES, WIDTH = 0.22, 0.9, 4.2
#: part of a row that the replicates take
SPREAD = 0.6
#: where the axis of ranks begins
START = 0.75


def stability(
    adata: AnnData | MuData,
    *,
    groups: str | Sequence[str] | None = None,
    n_nodes: int = 3,
    key: str = _keys.DEFAULT,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes:
    """Plot how sure the best nodes of each group are: their rank in every replicate of the fit.

    A diamond is the rank of the node, by ``z``, in the model; dots are its ranks in the replicates, the first one on
    top. The share of replicates in which it is among the best 5 % of the nodes (grey) stands beside. Beside the name of
    a group is how much replicates agree on all its nodes: the mean rank correlation (Spearman) of their ``z``.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.rank_nodes`, and several replicates.
    groups
        Groups to show, in this order; ``None`` for all.
    n_nodes
        Nodes per group: those with the highest ``z``.
    key
        Name of the result.
    figsize
        Width and height of a new figure in inches; ``None`` for rows of the same height, however many there are.
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
        If there is no such ranking, the model has a single replicate, a group does not exist, or no node was compared
        with controls.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", n_replicates=2, max_epochs=2, progress_bar=False)
    >>> e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    >>> e2t.tl.rank_nodes(adata, n_steps=5)
    >>> ax = e2t.pl.stability(adata, groups=["CD19+ B", "CD56+ NK"], n_nodes=2)
    >>> len(ax.get_yticks())
    4
    """
    _slots.check_adata(adata, written=False)
    check_whole("n_nodes", n_nodes)
    said = _slots.results(adata, key, _keys.RANK_NODES_MODELS, "e2t.tl.rank_nodes")
    n_replicates = sum(str(kind) == "replicate" for kind in said["kind"])
    if n_replicates == 1:
        raise Edge2TorchError(
            "the model has a single replicate, which says nothing of how sure ranks are: run e2t.tl.fit with "
            "n_replicates=5, and e2t.tl.rank_nodes again"
        )
    table = get_ranked(adata, key=key).astype({"group": str, "node": str})
    known = table["group"].unique().tolist()
    shown = known if groups is None else check_names("groups", groups, known)
    table = table.dropna(subset=["z", "stability"])
    if not table["group"].isin(shown).any():
        raise Edge2TorchError(
            "no node of these groups was compared with controls: all z are missing, as for groups with a single donor"
        )
    blocks = [_Block.of(adata, key, own, n_nodes) for _, own in _parts(table, shown)]
    label_of = labels_of(adata, key)
    names = wrap_all([label_of[node] for block in blocks for node in block.nodes], AT_ROW, 1)
    if ax is None:
        unit = points("medium") / 10
        height = (len(names) + len(blocks)) * ROW + BESIDES
        longest = max(text_size(name, points("small"))[0] for name in names) / unit
        ax = new_axes(*(figsize or ((WIDTH + longest) * unit, height * unit)), "constrained")
    _draw(ax, blocks, names)
    finish(show)
    return ax


@dataclass(frozen=True, eq=False)
class _Block:
    """The best nodes of a group.

    Attributes
    ----------
    group
        Its name.
    agreement
        Mean rank correlation between the replicates, over all nodes.
    nodes
        Names, best first.
    stability
        Share of replicates in which each is among the best.
    ranks
        Of each node in each replicate, from 1, (nodes, replicates).
    n_nodes
        How many nodes were ranked.
    """

    group: str
    agreement: float
    nodes: list[str]
    stability: npt.NDArray[np.float64]
    ranks: npt.NDArray[np.float64]
    n_nodes: int

    @classmethod
    def of(cls, adata: AnnData | MuData, key: str, own: pd.DataFrame, n_nodes: int) -> _Block:
        """Rank the nodes of a group, of which the table has a row each, in every replicate."""
        group = str(own["group"].iloc[0])
        said = get_ranked(adata, group, per="model", key=key).astype({"node": str, "model": str})
        z = said[said["kind"] == "replicate"].pivot_table(index="node", columns="model", values="z", sort=False)
        alike = z.corr(method="spearman").to_numpy()
        ranks = z.rank(ascending=False, method="first").loc[own["node"].head(n_nodes)].to_numpy()
        return cls(
            group,
            float(alike[np.triu_indices(len(alike), 1)].mean()),
            own["node"].tolist()[:n_nodes],
            own["stability"].to_numpy()[:n_nodes],
            ranks,
            len(own),
        )


def _parts(table: pd.DataFrame, groups: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """Rows of each group, in the order of ``groups``; groups without any are left out."""
    return [(name, own) for name in groups if len(own := table[table["group"] == name])]


def _draw(ax: Axes, blocks: Sequence[_Block], names: Sequence[str]) -> None:
    """Draw block by block, from top to bottom: a line with the name of the group, and a row per node."""
    size, most, y = points("small"), max(block.n_nodes for block in blocks), 0
    ticks: list[int] = []
    for block in blocks:
        n, best = len(block.nodes), max(int(np.ceil(BEST * block.n_nodes)), 1)
        rows = np.arange(y + 1, y + 1 + n)
        ax.text(1, y + 0.1, wrap(block.group, OF_GROUP, 1), fontsize=size, weight="bold", va="center", parse_math=False)
        ax.annotate(
            f"agreement ρ = {block.agreement:.2f}",
            (1, y + 0.1),
            (6, 0),
            ax.get_yaxis_transform(),
            textcoords="offset points",
            fontsize=size,
            va="center",
        )
        ax.fill_between([START, best + 0.5], y + 0.5, y + n + 0.5, color=faint(0.08), linewidth=0, zorder=0)
        shift = np.linspace(-SPREAD / 2, SPREAD / 2, block.ranks.shape[1])
        ax.hlines(rows, START, most * 1.2, color="0.85", linewidth=0.5, zorder=0)
        ax.scatter(block.ranks, rows[:, None] + shift, s=9, color=BLUE, linewidths=0, zorder=3)
        ax.scatter(
            np.arange(1, n + 1),
            rows,
            s=30,
            marker="D",
            facecolors="none",
            edgecolors=VERMILION,
            linewidths=1.1,
            zorder=4,
        )
        for row, share in zip(rows, block.stability, strict=True):
            ax.annotate(
                f"{share * len(shift):.0f} of {len(shift)} in best {BEST:.0%}",
                (1, row),
                (6, 0),
                ax.get_yaxis_transform(),
                textcoords="offset points",
                fontsize=size,
                va="center",
            )
        ticks += rows.tolist()
        y += n + 1
    ax.set_yticks(ticks, names, fontsize=size, parse_math=False)
    ax.set_ylim(y - 0.4, -0.6)
    ax.set_xscale("log")
    ax.set_xlim(START, most * 1.2)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(f"rank by z, of {most:,} nodes")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(visible=False)
    _explain(ax, blocks[0].ranks.shape[1])


def _explain(ax: Axes, n_replicates: int) -> None:
    handles = [
        Line2D([], [], marker="D", color="none", markeredgecolor=VERMILION, markerfacecolor="none", markersize=5),
        Line2D([], [], marker="o", color="none", markeredgecolor="none", markerfacecolor=BLUE, markersize=4),
        Patch(color=faint(0.08), linewidth=0),
    ]
    texts = ["model", f"{n_replicates} replicates", f"best {BEST:.0%}"]
    ax.legend(
        handles,
        texts,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=3,
        fontsize="small",
        frameon=False,
        handletextpad=0.3,
        columnspacing=1.2,
        borderaxespad=0.2,
    )
