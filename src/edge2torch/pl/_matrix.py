"""A matrix with names on its sides and a colour bar: cells of one size, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from edge2torch.pl._figure import ink, new_axes
from edge2torch.pl._text import points, text_size

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

#: in inches, for the usual font of 10 points: a column and a row of the matrix; width and height of the colour bar;
#: what is needed above and below the matrix besides the names of the groups, and on both sides besides the labels
COLUMN, ROW, BAR, ABOVE, BELOW, BESIDE = 0.3, 0.21, (0.13, 1.25), 0.25, 0.35, (0.2, 1.35)
#: share of the darkest colour below which a cell is pale, whatever its sign
PALE = 0.03
HATCH = "////"


def matrix_axes(
    labels: Sequence[str], groups: Sequence[str], figsize: tuple[float, float] | None, beside: float = BAR[1]
) -> Axes:
    """Open a figure with exactly the room that the labels need.

    Without ``figsize``, every cell of a matrix has the same size, however many there are. Beside it is room for what is
    so many inches high.
    """
    size = points("small")
    unit = size / 8.33
    left = max(text_size(label, size)[0] for label in labels) * 1.02 + BESIDE[0] * unit
    below = max(text_size(group, size)[0] for group in groups) + BELOW * unit
    right, above = BESIDE[1] * unit, ABOVE * unit
    width, height = len(groups) * COLUMN * unit, len(labels) * ROW * unit
    bar = (beside + 0.3) * unit
    full = figsize or (left + width + right, above + max(height + below, bar))
    if figsize:
        width, height = max(full[0] - left - right, COLUMN), max(full[1] - above - below, ROW)
    ax = new_axes(*full)
    ax.set_position((left / full[0], 1 - (above + height) / full[1], width / full[0], height / full[1]))
    return ax


def name_axes(ax: Axes, labels: Sequence[str], groups: Sequence[str], groupby: str) -> None:
    """Write the names of rows and columns, the first row on top, and what the columns are."""
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


def add_colour_bar(ax: Axes, mesh: QuadMesh, label: str) -> Axes:
    """Put a colour bar beside the first rows; returns its Axes."""
    size = points("small")
    place = ax.inset_axes((1.02, 0, 0.02, 1))
    place.set_axes_locator(Beside(ax, size / 8.33))
    bar = ax.figure.colorbar(mesh, cax=place)
    bar.set_label(label, fontsize=size, parse_math=False)
    bar.ax.tick_params(labelsize=size)
    bar.outline.set_visible(False)
    return place


def hatch_rarer_sign(ax: Axes, mesh: QuadMesh, values: npt.NDArray[np.float64], bar: Axes) -> None:
    """Hatch the cells of that sign which fewer have, and its half of the colour bar: greys of both look the same.

    Parameters
    ----------
    ax, mesh
        The matrix.
    values
        What is drawn, (rows, columns).
    bar
        Axes of its colour bar.
    """
    low, high = mesh.get_clim()
    pale = PALE * max(abs(low), abs(high))
    fewer = 1 if (values > pale).sum() < (values < -pale).sum() else -1
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": "0.55", "linewidth": 0, "hatch": HATCH}
    for row, column in zip(*np.nonzero(fewer * values > pale), strict=True):
        ax.add_patch(Rectangle((column, row), 1, 1, **look))
    bar.add_patch(Rectangle((0, 0), 1, high if fewer > 0 else low, transform=bar.get_yaxis_transform(), **look))


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


def mark(ax: Axes, mesh: QuadMesh, top: npt.NDArray[np.bool_]) -> None:
    """Put a dot on chosen cells, light on dark colours."""
    row, column = np.nonzero(top)
    colours = mesh.cmap(mesh.norm(np.ma.asarray(mesh.get_array()).reshape(top.shape)[row, column]))
    ax.scatter(column + 0.5, row + 0.5, s=5, c=[ink(colour) for colour in colours], linewidths=0)
