"""``e2t.pl.history``."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.ticker import MaxNLocator

from edge2torch import _keys, _slots
from edge2torch.pl._figure import BLUE, VERMILION, finish, new_axes
from edge2torch.pl._text import points

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

#: what is minimised, by task
LOSSES = {"classes": "cross-entropy", "labels": "binary cross-entropy", "numbers": "squared error"}


def history(
    adata: AnnData | MuData,
    *,
    key: str = _keys.DEFAULT,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes:
    """Plot the loss of training and validation cells over the epochs.

    A point marks the epoch whose weights were kept: the one with the lowest loss on the validation cells. Replicates
    have a line each.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.fit`.
    key
        Name of the result.
    figsize
        Width and height of a new figure in inches.
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
        If there is no trained model.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> ax = e2t.pl.history(adata)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('epoch', 'loss (cross-entropy)')
    """
    _slots.check_adata(adata, written=False)
    losses = pd.DataFrame(_slots.results(adata, key, _keys.HISTORY, "e2t.tl.fit"))
    if ax is None:
        unit = points("medium") / 10
        width, height = figsize or (4.2 * unit, 3 * unit)
        ax = new_axes(width, height, "constrained")
    for n, (_, own) in enumerate(losses.groupby("replicate")):
        _draw(ax, own, named=n == 0)
    best = losses.loc[losses.fillna(inf).groupby("replicate")["val_loss"].idxmin()]
    kept = best["epoch"].to_numpy()
    if len(best) == 1:
        ax.axvline(kept[0], color="0.5", linestyle="--", linewidth=1, zorder=1)
    ax.plot(
        kept,
        best["val_loss"],
        "o",
        color=VERMILION,
        markeredgecolor="white",
        markersize=7,
        label=f"kept: epoch {kept[0]}" if kept.min() == kept.max() else f"kept: epochs {kept.min()}-{kept.max()}",
        zorder=3,
    )
    task = str(_slots.params(adata, key, "fit")["task"])
    ax.set(xlabel="epoch", ylabel=f"loss ({LOSSES[task]})")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=False)
    ax.legend(frameon=True, framealpha=1, edgecolor="none", fontsize="small")  # the frame hides the line behind it
    finish(show)
    return ax


def _draw(ax: Axes, losses: pd.DataFrame, *, named: bool) -> None:
    """Draw the losses of one replicate."""
    marker = "o" if len(losses) < 10 else ""
    for column, name, colour in (("train_loss", "training", BLUE), ("val_loss", "validation", VERMILION)):
        label = name if named else None
        ax.plot(losses["epoch"], losses[column], color=colour, label=label, marker=marker, markersize=4, linewidth=1.5)
