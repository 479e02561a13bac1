"""Names beside dots, none over another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.colors import to_hex, to_rgba
from matplotlib.transforms import Bbox

from edge2torch.pl._text import points, wrap

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

#: most characters in a line
WIDTH = 22
#: where a name may stand, in points for the usual font of 10: how it is aligned, to the right, upwards
NEAR = (("left", 5, 0), ("right", -5, 0), ("center", 0, 12), ("center", 0, -12))
#: farther away, with a line to the dot
FAR = tuple(
    (side, x * turn, y)
    for x, y in ((14, 14), (14, -14), (18, 26), (18, -26), (34, 8), (34, -8), (24, 42), (24, -42), (44, 60), (44, -60))
    for side, turn in (("left", 1), ("right", -1))
)
#: every dot under a name, and the line to one, are as bad as so many places further down the list
UNDER, LINE = 4, 3


def place_names(
    ax: Axes, names: Iterable[tuple[str, float, float]], n: int, *, avoid: Artist | None = None
) -> list[Annotation]:
    """Write names beside dots, as far as possible off other dots; one that has no room is left out.

    No name lies over a dot that has a name, or would have one if there were room.

    Parameters
    ----------
    ax
        With everything else in it: places are only known once nothing moves any more.
    names
        Name and place of each dot, the most important first.
    n
        Most names to write.
    avoid
        What else no name may lie over.
    """
    figure = ax.get_figure(root=True)
    if figure is not None:
        for _ in range(2):  # layouts decide only then where axes are, and move them once more
            figure.draw_without_rendering()
    frame, dots = ax.get_window_extent(), _dots(ax)
    taken = [] if avoid is None else [avoid.get_window_extent()]
    written: list[Annotation] = []
    listed = list(names)
    named = ax.transData.transform([(x, y) for _, x, y in listed]) if listed else np.empty((0, 2))
    for name, x, y in listed:
        if len(written) == n:
            break
        boxes = _boxes(ax, name, (x, y))
        costs = [
            np.inf
            if not (frame.contains(*text.min) and frame.contains(*text.max))
            or any(map(whole.overlaps, taken))
            or _count(named, text)
            else UNDER * _count(dots, text) + LINE * (k >= len(NEAR)) + k / len(boxes)
            for k, (text, whole) in enumerate(boxes)
        ]
        best = int(np.argmin(costs))
        if costs[best] < np.inf:
            taken.append(boxes[best][1])
            written.append(_write(ax, name, (x, y), (*NEAR, *FAR)[best], line=best >= len(NEAR)))
    return written


def _boxes(ax: Axes, name: str, dot: tuple[float, float]) -> list[tuple[Bbox, Bbox]]:
    """Where a name would be at each spot, in pixels; and the same with the line to it."""
    measured = _write(ax, name, dot, NEAR[0], line=False)
    size = measured.get_window_extent().size
    measured.remove()
    pixel = points("medium") / 10 * ax.figure.dpi / 72
    place = ax.transData.transform(dot)
    boxes = []
    for k, (side, x, y) in enumerate((*NEAR, *FAR)):
        spot = place + np.array([x, y]) * pixel
        low = spot - size * np.array([{"left": 0.0, "center": 0.5, "right": 1.0}[side], 0.5])
        text = Bbox([low, low + size])
        boxes.append((text, Bbox.union([text, Bbox([place, place])]) if k >= len(NEAR) else text))
    return boxes


def _write(ax: Axes, name: str, dot: tuple[float, float], spot: tuple[str, float, float], *, line: bool) -> Annotation:
    side, x, y = spot
    scale = points("medium") / 10
    return ax.annotate(
        wrap(name, WIDTH, 2),
        dot,
        (x * scale, y * scale),
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize="x-small",
        linespacing=1,
        parse_math=False,
        annotation_clip=True,
        arrowprops={"arrowstyle": "-", "color": "0.5", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3} if line else None,
        path_effects=[patheffects.withStroke(linewidth=2.5, foreground=_behind(ax))],  # dots stay off the letters
    )


def _behind(ax: Axes) -> str:
    """Colour of what letters stand on."""
    seen = [colour for colour in (ax.get_facecolor(), mpl.rcParams["figure.facecolor"]) if to_rgba(colour)[3] > 0]
    return to_hex(seen[0]) if seen else "white"


def _dots(ax: Axes) -> npt.NDArray[np.float64]:
    """Where dots are, in pixels."""
    places = [np.asarray(dots.get_offsets(), dtype=float) for dots in ax.collections]
    return np.asarray(ax.transData.transform(np.vstack(places))) if places else np.empty((0, 2))


def _count(dots: npt.NDArray[np.float64], box: Bbox) -> int:
    low, high = np.array(box.min), np.array(box.max)
    return int(((dots >= low - 2) & (dots <= high + 2)).all(axis=1).sum())
