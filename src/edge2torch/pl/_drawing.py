"""Drawing what graphs and flows have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_rgba
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.ticker import Formatter

from edge2torch.graph.graph import INPUT, OUTPUT
from edge2torch.pl._figure import faint, ink
from edge2torch.pl._picture import BAR, BETWEEN_BARS, DISC, LETTERS, MARGIN, NOTE, PAD, SMALL, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edge2torch.pl._subnetwork import Subnetwork

#: greys of boxes without a score, such as the output; around boxes
NO_SCORE, OUTLINE = "0.92", "0.35"


def fit(ax: Axes, picture: Picture) -> float:
    """Let an Axes count in inches of the picture; returns the size of these in true inches."""
    width, height = picture.size
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    box = ax.get_window_extent()
    return float(min(box.width / width, box.height / height) / ax.figure.dpi)


def curve(corners: Sequence[tuple[float, float]]) -> tuple[list[tuple[float, float]], list[int]]:
    """A curve from the first point to the second, a line to the third, a curve, ..."""
    path, codes = [corners[0]], [int(Path.MOVETO)]
    for (x0, y0), (x1, y1) in zip(corners[::2], corners[1::2], strict=True):
        bend = (x1 - x0) / 2
        path += [(x0, y0), (x0 + bend, y0), (x1 - bend, y1), (x1, y1)]
        codes += [int(Path.LINETO), *[int(Path.CURVE4)] * 3]
    return path, codes


def draw_boxes(ax: Axes, part: Subnetwork, picture: Picture, colours: ScalarMappable, scale: float) -> None:
    for node, box in picture.boxes.items():
        score, kind = part.score[node], part.kind(node)
        face = to_rgba(NO_SCORE) if np.isnan(score) else colours.cmap(colours.norm(np.asarray(score)))
        left, low = box.x - box.width / 2, box.y - box.height / 2
        if box.radius:
            place = (left + PAD + DISC, box.y)
            ax.add_patch(Circle(place, box.radius, facecolor=face, edgecolor=OUTLINE, linewidth=0.5 * scale, zorder=3))
            face = to_rgba("white")
        ax.add_patch(
            FancyBboxPatch(
                (left, low),
                box.width,
                box.height,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor=face,
                edgecolor=OUTLINE,
                linewidth=0.7 * scale,
                linestyle=(0, (3, 2)) if node in part.links else "solid",
                zorder=2,
            )
        )
        ax.text(
            box.x + box.shift,
            box.y,
            box.text,
            ha="center",
            va="center_baseline" if "\n" not in box.text else "center",
            fontsize=box.points * scale,
            fontstyle="italic" if kind == INPUT else "normal",
            fontweight="bold" if kind == OUTPUT else "normal",
            color=ink(face),
            linespacing=1.1,
            parse_math=False,
            zorder=3,
        )


def draw_headings(ax: Axes, picture: Picture, scale: float) -> None:
    for name, x in picture.headings:
        ax.text(x, picture.size[1] - MARGIN, name, ha="center", va="top", fontsize=LETTERS * scale, color=faint(0.6))


def write_notes(ax: Axes, picture: Picture, scale: float) -> None:
    for k, note in enumerate(reversed(picture.notes)):
        place = (picture.size[0] / 2, MARGIN + k * NOTE)
        ax.text(*place, note, ha="center", va="center", fontsize=SMALL * scale, color=faint(0.7), parse_math=False)


def add_colour_bars(ax: Axes, picture: Picture, shown: Mapping[str, ScalarMappable], scale: float) -> None:
    """Put colour bars below the boxes, in the middle."""
    left = (picture.size[0] - BETWEEN_BARS) / 2 - BAR[0]
    for k, (name, mappable) in enumerate(shown.items()):
        place = ax.inset_axes((left + k * (BAR[0] + BETWEEN_BARS), picture.bars, *BAR), transform=ax.transData)
        bar = ax.figure.colorbar(mappable, cax=place, orientation="horizontal")
        bar.set_label(name, fontsize=LETTERS * scale, labelpad=4 * scale, parse_math=False)
        low, high = mappable.get_clim()
        bar.set_ticks([low, 0, high], labels=[Formatter.fix_minus(f"{low:.2g}"), "0", f"{high:.2g}"])
        bar.ax.tick_params(labelsize=LETTERS * scale, length=3.5 * scale, pad=3.5 * scale, width=0.8 * scale)
        bar.outline.set_visible(False)
