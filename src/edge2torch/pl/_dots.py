"""Dots in the cells of a matrix, and what their size means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from edge2torch import _keys
from edge2torch.get import nodes as get_nodes
from edge2torch.get._choose import of_ranking
from edge2torch.pl._matrix import BAR, PALE, ROW
from edge2torch.pl._text import points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colors import Colormap, Normalize
    from mudata import MuData

#: in inches, for the usual font of 10 points: the colour bar, and below it what sizes mean
HEIGHT = BAR[1] + 1.5
#: diameters of the smallest and the largest dot, as shares of the height of a row
SMALLEST, LARGEST = 0.22, 0.92
#: adjusted p-values that sizes tell apart: all above the first are the smallest, all below the last the largest dot
PVALUES = (1.0, 0.05, 1e-3, 1e-5)


@dataclass(frozen=True, eq=False)
class Sizes:
    """How large dots are.

    Attributes
    ----------
    title
        What the sizes are.
    share
        Of the largest diameter, (nodes, groups).
    legend
        Shares, and what they mean.
    """

    title: str
    share: npt.NDArray[np.float64]
    legend: Sequence[tuple[float, str]]


def find_sizes(adata: AnnData | MuData, means: pd.DataFrame, groupby: str, key: str) -> Sizes:
    """Find how sure mean scores are.

    Parameters
    ----------
    adata
        The cells.
    means
        Mean scores, groups x nodes.
    groupby
        Column of ``adata.obs`` with the groups.
    key
        Name of the result.

    Returns
    -------
    The adjusted p-value, where these groups were compared with controls; else the share of the cells of a group whose
    score is positive; else, where no scores of cells are kept, the absolute mean score.
    """
    padj = of_ranking(adata, means, "padj", key)
    if padj is not None:
        return Sizes("padj", _of_padj(padj.to_numpy().T), [(float(_of_padj(p)), f"{p:g}") for p in PVALUES])
    if groupby in adata.obs and _keys.Keys(key).nodes in adata.obsm:
        scores = get_nodes(adata, key=key).to_df()[means.columns]
        positive = (scores > 0).where(scores.notna()).astype(float)  # cells may have no score
        positive = positive.groupby(adata.obs[groupby].astype(str).to_numpy()).mean()
        if set(means.index) <= set(positive.index):
            legend = [(share, f"{share:.0%}") for share in (0.25, 0.5, 0.75, 1.0)]
            return Sizes("cells with\nscore > 0", positive.loc[means.index].to_numpy().T, legend)
    sizes = np.abs(means.to_numpy().T)
    most = float(np.nanmax(sizes, initial=0)) or 1.0
    return Sizes("|mean score|", sizes / most, [(share, f"{share * most:.2g}") for share in (0.25, 0.5, 0.75, 1.0)])


def _of_padj(padj: npt.ArrayLike) -> npt.NDArray[np.float64]:
    least = PVALUES[-1]
    return np.asarray(np.log10(np.clip(padj, least, 1)) / np.log10(least))


def draw_dots(
    ax: Axes,
    values: npt.NDArray[np.float64],
    sizes: Sizes,
    chosen: npt.NDArray[np.bool_],
    *,
    cmap: str | Colormap,
    norm: Normalize,
) -> PathCollection:
    """Draw a dot per node and group, with a black rim if it was chosen, and say what sizes mean.

    Parameters
    ----------
    ax
        Where to draw.
    values
        What colours are, (nodes, groups).
    sizes
        How large dots are.
    chosen
        Which get a rim, (nodes, groups).
    cmap, norm
        From values to colours.
    """
    row, column = np.nonzero(np.isfinite(values))
    rim = chosen[row, column]
    dots = ax.scatter(
        column + 0.5,
        row + 0.5,
        s=_diameter(np.nan_to_num(sizes.share[row, column])) ** 2,
        c=values[row, column],
        cmap=cmap,
        norm=norm,
        edgecolors=np.where(rim, "black", "0.75").tolist(),
        linewidths=np.where(rim, 1.0, 0.4).tolist(),
    )
    # greys of both signs look the same
    low = values[row, column] < -PALE * float(norm.vmax or 0)
    ax.scatter(column[low] + 0.5, row[low] + 0.5, s=14, marker="_", color="black", linewidths=0.8)
    ax.set_xlim(0, values.shape[1])
    _explain(ax, sizes)
    return dots


def _diameter(share: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """In points, from shares of the largest: areas are proportional to shares, but for the least."""
    row = ROW * 72 * points("small") / 8.33
    return np.asarray(np.sqrt(np.maximum(share, (SMALLEST / LARGEST) ** 2)) * LARGEST * row)


def _explain(ax: Axes, sizes: Sizes) -> None:
    unit = points("small") / 8.33
    down = ScaledTranslation(0.1 * unit, -(BAR[1] + 0.4) * unit, ax.figure.dpi_scale_trans)
    dots = [
        Line2D(
            [], [], linestyle="", marker="o", color="0.85", markeredgecolor="0.4", markersize=float(_diameter(share))
        )
        for share, _ in sizes.legend
    ]
    legend = ax.legend(
        dots,
        [text for _, text in sizes.legend],
        title=sizes.title,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        bbox_transform=ax.transAxes + down,
        borderpad=0,
        borderaxespad=0,
        fontsize=points("small"),
        title_fontsize=points("small"),
        frameon=False,
        alignment="left",
        handletextpad=0.3,
    )
    legend.set_in_layout(False)
