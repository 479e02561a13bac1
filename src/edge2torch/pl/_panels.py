"""Panels of ranked names: a row per name, best on top, with a dot where its value is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import MaxNLocator

from edge2torch.pl._text import points, text_size, wrap_all

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: most characters of a name, and fewer, for figures of a given size
WIDTH, NARROWER = 40, (32, 24, 16, 12)
#: in inches, for the usual font of 10 points: width of what is drawn and of the column of counts; a row; what is needed
#: above and below the rows, left of names and between them and what is drawn, below all; widest figure
PLOT, COUNTS, ROW, ABOVE, BELOW, BESIDE, FOOT, WIDEST = 1.5, 0.45, 0.18, 0.5, 0.5, 0.25, 0.25, 15.0
#: most characters in a line of a title
TITLE = 24
#: a panel has the height of so many rows at least
LEAST_ROWS = 3
#: of lines from 0 to the dots, and of counts
LIGHT, DIM = "0.85", "0.45"
#: luminance of ITU-R BT.709 of red, green and blue, and most that a dot may have
LUMINANCE, BRIGHTEST = np.array([0.2126, 0.7152, 0.0722]), 0.55


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows, best first.

    Attributes
    ----------
    title
        Of the panel.
    labels
        Names of the rows.
    values
        Where their dots are.
    counts
        Number of genes of each; ``None`` to show none.
    filled
        Which dots are filled.
    colour
        Of the dots.
    """

    title: str
    labels: Sequence[str]
    values: npt.NDArray[np.float64]
    counts: Sequence[int] | None
    filled: npt.NDArray[np.bool_]
    colour: str


def draw_panels(
    panels: Sequence[Panel],
    xlabel: str,
    *,
    sharex: bool,
    note: str = "",
    figsize: tuple[float, float] | None,
) -> Figure:
    """Open a figure of pyplot with exactly the room that the names need, and draw the panels.

    Parameters
    ----------
    panels
        At least one.
    xlabel
        What the values are.
    sharex
        Whether all panels have the same limits.
    note
        Said once, below the panels.
    figsize
        Width and height in inches; ``None`` for rows of the same size, however many there are.
    """
    size = points("small")
    grid = _Grid.of(panels, figsize)
    with mpl.rc_context({"figure.max_open_warning": 0}):
        figure = plt.figure(figsize=grid.size, layout="none")
    limits = _limits([panel.values for panel in panels])
    for k, panel in enumerate(panels):
        ax = figure.add_axes(grid.place(k))
        _draw(ax, panel, grid.labels[k])
        ax.set_title(grid.titles[k], fontsize=points("medium"), loc="left", pad=0.22 * 72 * _unit(), parse_math=False)
        ax.set(xlim=limits if sharex else _limits([panel.values]), ylim=(grid.rows - 0.5, -0.5))
        if k + grid.across >= len(panels) or not sharex:
            ax.set_xlabel(xlabel, fontsize=size)
    figure.text(0.5, 0.06 * size / 8.33 / grid.size[1], note, ha="center", va="bottom", fontsize=size)
    return figure


@dataclass(frozen=True)
class _Grid:
    """Where panels are: as many beside each other as fit, all of one size.

    Attributes
    ----------
    titles, labels
        Titles and names as they are written, a list of names per panel.
    names
        Width of the widest, in inches.
    above
        Height of what is above the rows, in inches.
    across, down
        Panels beside and above each other.
    rows
        Rows of each panel.
    size
        Of the figure, in inches.
    """

    titles: list[str]
    labels: list[list[str]]
    names: float
    above: float
    across: int
    down: int
    rows: int
    size: tuple[float, float]

    @classmethod
    def of(cls, panels: Sequence[Panel], figsize: tuple[float, float] | None) -> _Grid:
        """Shorten names only as far as a given size asks for it."""
        rows = max(LEAST_ROWS, *(len(panel.labels) for panel in panels))
        titles = wrap_all([panel.title for panel in panels], TITLE, 2)
        above = (ABOVE + 0.17 * max(title.count("\n") for title in titles)) * _unit()
        title = max(text_size(line, points("medium"))[0] for line in titles)
        for width in (WIDTH, *NARROWER):
            labels = [wrap_all(panel.labels, width, 1) for panel in panels]
            names = max((text_size(label, points("small"))[0] for own in labels for label in own), default=0.0)
            least = ((PLOT / 2 if figsize else PLOT) + COUNTS) * _unit()
            needed = names + BESIDE * _unit() + max(least, title + 0.1)
            across = min(max(int((figsize[0] if figsize else WIDEST * _unit()) // needed), 1), len(panels))
            down = ceil(len(panels) / across)
            across = ceil(len(panels) / down)
            full = (across * needed, down * above + (down * (rows * ROW + BELOW) + FOOT) * _unit())
            if figsize is None or (full[0] <= figsize[0] and full[1] <= figsize[1]):
                break
        return cls(titles, labels, names, above, across, down, rows, figsize or full)

    def place(self, k: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of the axes of a panel, as shares of the figure."""
        row, column = divmod(k, self.across)
        (width, height), unit = self.size, _unit()
        left, right = self.names + BESIDE * unit, COUNTS * unit
        across, down = width / self.across, (height - FOOT * unit) / self.down
        squeezed = min(1.0, down / (self.above + (BELOW + 2 * ROW) * unit))  # nothing leaves a figure that is too small
        bottom = height - (row + 1) * down + BELOW * unit * squeezed
        inner = max(across - left - right, 0.2 * unit), down - (self.above + BELOW * unit) * squeezed
        return (column * across + left) / width, bottom / height, inner[0] / width, inner[1] / height


def _unit() -> float:
    """Size of the font, relative to the usual one."""
    return points("small") / 8.33


def _draw(ax: Axes, panel: Panel, labels: Sequence[str]) -> None:
    size, rows = points("small"), np.arange(len(labels))
    ax.hlines(rows, 0, panel.values, color=LIGHT, linewidth=1, zorder=1)
    ax.axvline(0, color=LIGHT, linewidth=1, zorder=1)
    colour = _strong(panel.colour)
    fill = np.where(panel.filled, colour, "white")
    ax.scatter(panel.values, rows, s=22, c=fill, edgecolors=colour, linewidths=1.1, zorder=2, clip_on=False)
    ax.set_yticks(rows, labels, fontsize=size, parse_math=False, linespacing=1)
    ax.tick_params(axis="x", labelsize=size)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.grid(visible=False)
    if not labels:
        ax.text(0.5, 0.5, "nothing to rank", transform=ax.transAxes, ha="center", va="center", fontsize=size)
    if panel.counts:
        for row, text in zip([-1, *rows], ["genes", *(f"{count:,}" for count in panel.counts)], strict=True):
            ax.annotate(
                text,
                (1, row),
                (0.92 * COUNTS * 72 * _unit(), 0),
                xycoords=ax.get_yaxis_transform(),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=points("x-small"),
                color=DIM,
            )


def _strong(colour: str) -> str:
    """Colour as dark as filled and empty dots need to be told apart."""
    rgb = np.array(to_rgb(colour))
    return to_hex(tuple(rgb * min(1.0, BRIGHTEST / max(float(rgb @ LUMINANCE), 1e-9))))


def _limits(values: Sequence[npt.NDArray[np.float64]]) -> tuple[float, float]:
    """From 0, or the lowest value, to the highest, with room for the dots at the ends."""
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    low, high = min(float(known.min(initial=0)), 0.0), max(float(known.max(initial=0)), 0.0)
    room = 0.06 * (high - low) or 1.0
    return low - (room if low < 0 else 0), high + room
