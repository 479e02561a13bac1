"""Nodes row by row: what the model says above what chance gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from edge2torch.get import rank_nodes as get_ranked
from edge2torch.pl._figure import BLUE, GREY, VERMILION, faint
from edge2torch.pl._text import points, wrap, wrap_all

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

#: deviates between which 95 % of what chance gives lie
BAND = 1.96
#: most characters in a line of a name, and of a group
AT_ROW, OF_GROUP = 30, 20
#: room for so many rows, so that a few are not far apart
LEAST_ROWS = 6
#: markers of controls of kinds that were not compared with
OTHERS = {"rewired": "o", "shuffled": "^", "deterministic": "s"}


def said_of(adata: AnnData | MuData, rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """What each model says of the nodes of some groups, with the number of the row."""
    found = []
    for group, own in rows.assign(row=np.arange(len(rows))).groupby("group", sort=False):
        each = get_ranked(adata, str(group), per="model", key=key).astype({"node": str, "kind": str, "model": str})
        found.append(each.merge(own[["node", "row"]], on="node"))
    return pd.concat(found, ignore_index=True)


def draw_best(ax: Axes, rows: pd.DataFrame, said: pd.DataFrame, by: str, *, several: bool) -> None:
    """Draw a row per node.

    Parameters
    ----------
    ax
        Where to draw.
    rows
        The nodes: ``group``, ``node``, ``name``, ``z``, ``padj`` and ``n_inputs``.
    said
        As of :func:`said_of`.
    by
        Kind of the controls that were compared with.
    several
        Whether the nodes are of several groups, whose names are then written.
    """
    ax.axvspan(-BAND, BAND, color=faint(0.06), linewidth=0, zorder=0)
    ax.axvline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.hlines(np.arange(len(rows) - 1) + 0.5, 0, 1, color="0.88", linewidth=0.6, transform=ax.get_yaxis_transform())
    others = [kind for kind in OTHERS if kind != by and (said["kind"] == kind).any()]
    for kind, marker, filled in [(by, "o", True), *((kind, OTHERS[kind], False) for kind in others)]:
        own = said[said["kind"] == kind]
        fill = GREY if filled else "none"
        ax.scatter(
            own["z"],
            own["row"] + 0.2,
            s=16,
            marker=marker,
            facecolors=fill,
            edgecolors="0.45",
            linewidths=0.7,
            label=f"{kind} controls",
        )
    own = said[said["kind"] == "replicate"]
    if len(own) > len(rows):  # a single one is the model
        ax.scatter(own["z"], own["row"] - 0.18, s=12, color=BLUE, alpha=0.7, linewidths=0, label="replicates")
    ax.scatter(
        rows["z"],
        np.arange(len(rows)) - 0.18,
        s=36,
        marker="D",
        color=VERMILION,
        edgecolors="white",
        linewidths=0.7,
        label="model",
        zorder=3,
    )
    names = wrap_all(rows["name"].tolist(), AT_ROW, 2)
    ax.set_yticks(np.arange(len(rows)), names, fontsize="small", parse_math=False, linespacing=1)
    ax.set_ylim(max(len(rows), LEAST_ROWS) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    _write_beside(ax, rows, several=several)
    ax.set_xlabel("z")
    ax.set_title("Best nodes, and what chance gives", loc="left", fontsize="medium", weight="bold", pad=16)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(visible=False)


def _write_beside(ax: Axes, rows: pd.DataFrame, *, several: bool) -> None:
    """Write numbers of genes and p-values at the rows, and the groups if there are several."""
    size = points("x-small")
    columns = [
        (36, "right", "genes", rows["n_inputs"].map("{:,.0f}".format)),
        (76, "right", "padj", rows["padj"].map(lambda p: f"{p:.2g}" if p >= 0.001 else f"{p:.0e}")),
    ]
    if several:
        columns.append((84, "left", "", rows["group"].map(lambda group: wrap(group, OF_GROUP, 2))))
    for x, side, title, texts in columns:
        for y, text in enumerate([title, *texts], -1):
            ax.annotate(
                text,
                (1, max(y, -0.5)),
                (x * size / 6.94, 4 if y < 0 else 0),
                ax.get_yaxis_transform(),
                textcoords="offset points",
                ha=side,
                va="bottom" if y < 0 else "center",
                fontsize=size,
                parse_math=False,
                linespacing=1,
            )
