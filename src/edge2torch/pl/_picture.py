"""Where boxes, letters and lines of a sub-network are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from edge2torch.graph.graph import INPUT, OUTPUT
from edge2torch.pl._figure import OUTPUTS
from edge2torch.pl._layout import place
from edge2torch.pl._text import text_size, wrap, wrap_all

if TYPE_CHECKING:
    from edge2torch.pl._subnetwork import Subnetwork

Edge = tuple[str, str]

#: most characters in a line, and most lines, of the label of a node
WIDTH, LINES = 22, 4
#: size of letters in points, and of those of nodes that only link others
LETTERS, SMALL = 8.33, 7.0
#: in inches: between columns, boxes, and lines that cross a column; around the text in a box; around the picture; above
#: the boxes, for headings
BETWEEN, GAP, LANE, PAD, MARGIN, ABOVE = 0.8, 0.14, 0.12, 0.06, 0.15, 0.45
#: put before names of what has a negative score, for prints without colours
LOWERS = "\N{BLACK DOWN-POINTING TRIANGLE}"
#: most radius of discs; height of a line of notes; in inches
DISC, NOTE = 0.17, 0.17
#: colour bars, in inches: width and height; between them; above and below them, without their captions
BAR, BETWEEN_BARS, OVER_BARS, UNDER_BARS = (1.4, 0.1), 0.6, 0.31, 0.31


@dataclass(frozen=True, eq=False)
class Box:
    """A node in a picture, in inches.

    Attributes
    ----------
    text
        Its label, in lines.
    points
        Size of its letters.
    x, y
        Centre, seen from the lower left corner of the picture.
    width, height
        Size.
    radius
        Of the disc on its left side; 0 without one.
    shift
        How far its text is to the right of the centre.
    """

    text: str
    points: float
    x: float
    y: float
    width: float
    height: float
    radius: float = 0.0
    shift: float = 0.0


@dataclass(frozen=True, eq=False)
class Picture:
    """All parts of a picture, in inches from its lower left corner.

    Attributes
    ----------
    boxes
        Per node.
    lines
        Per edge, its points: a curve leads from the first to the second, a straight line to the third, a curve ...
    headings
        Name and centre of each column.
    size
        Width and height.
    bars
        Height at which the colour bars are.
    caption
        What the colours of the boxes mean.
    notes
        What else is to be known, below all.
    """

    boxes: dict[str, Box]
    lines: dict[Edge, list[tuple[float, float]]]
    headings: list[tuple[str, float]]
    size: tuple[float, float]
    bars: float
    caption: str
    notes: list[str]


def arrange(part: Subnetwork, thickness: Mapping[Edge, float] | None = None) -> Picture:
    """Place the nodes of a sub-network in columns, a layer each, genes on the left.

    Parameters
    ----------
    part
        The sub-network.
    thickness
        Of each edge, in inches, which boxes are then high enough for; ``None`` for thin lines.
    """
    layer = {node: int(part.graph.nodes[node]["layer"]) for node in part.graph}
    last = max(layer.values()) + 1  # where cycles are allowed, nodes may be farther from the genes than what reads them
    layer.update({node: last for node in part.graph if part.kind(node) == OUTPUT})
    layers = sorted(set(layer.values()))
    column = {node: layers.index(layer[node]) for node in layer}
    boxes = _boxes(part)
    if thickness is not None:
        boxes = {node: replace(box, height=_height(part, node, box, thickness)) for node, box in boxes.items()}
    lane = {edge: LANE + (thickness or {}).get(edge, 0.0) for edge in part.graph.edges}
    layout = place(part.graph, column, {node: box.height + _gap(part, node) for node, box in boxes.items()}, lane)
    caption = part.caption if part.group == part.label(part.output) else f"{part.caption}\nin {wrap(part.group, 30, 1)}"
    notes = _notes(part, flows=thickness is not None)
    bars = UNDER_BARS + text_size(caption, LETTERS)[1] + (NOTE * len(notes) + GAP if notes else 0)
    taken = [(layout.y[node], box.height / 2) for node, box in boxes.items()]
    taken += [(y, lane[edge] / 2) for edge, crossed in layout.via.items() for y in crossed]
    up = bars + OVER_BARS - min(y - half for y, half in taken)
    top = up + max(y + half for y, half in taken)
    widths = [max(boxes[node].width for node in column if column[node] == k) for k in range(len(layers))]
    sides, width = _sides(widths, max((text_size(note, SMALL)[0] for note in notes), default=0))
    boxes = {
        node: replace(box, x=sum(sides[column[node]]) / 2, y=layout.y[node] + up, width=widths[column[node]])
        for node, box in boxes.items()
    }
    via = {edge: [y + up for y in crossed] for edge, crossed in layout.via.items()}
    kinds = {k: part.kind(node) for node, k in column.items()}
    names = [
        {INPUT: "genes", OUTPUT: OUTPUTS[part.task]}.get(kinds[k], f"layer {number}") for k, number in enumerate(layers)
    ]
    headings = [(name, sum(ends) / 2) for name, ends in zip(names, sides, strict=True)]
    lines = _lines(part, boxes, column, sides, via=via, thickness=thickness)
    return Picture(boxes, lines, headings, (width, top + ABOVE), bars, caption, notes)


def _height(part: Subnetwork, node: str, box: Box, thickness: Mapping[Edge, float]) -> float:
    """Height of a box that has room for all edges on either side."""
    sides = (part.graph.in_edges(node), part.graph.out_edges(node))
    return max(box.height, *(sum(thickness[edge] for edge in side) for side in sides))


def _notes(part: Subnetwork, *, flows: bool) -> list[str]:
    """What a reader has to know besides the colours, a line each."""
    marks = [f"{LOWERS} negative score"] if any(map(part.lowers, part.graph)) else []
    if min(part.value.values(), default=0) < 0:
        what = part.meaning.split(" (")[0]
        marks.append(f"hatched: negative {what}" if flows else f"- - -  negative {what}")
    notes = ["     ".join(marks)] if marks else []
    if part.size is not None:
        notes.append(part.size.caption)
    if len(part.value) < part.n_edges:
        notes.append(
            f"{len(part.value):,} of {part.n_edges:,} edges: the strongest, and the strongest into and out of each node"
        )
    return notes


def _boxes(part: Subnetwork) -> dict[str, Box]:
    """Sizes of the boxes; they are placed later."""
    texts = wrap_all([part.label(node) for node in part.graph], WIDTH, LINES)
    texts = [f"{LOWERS} {text}" if part.lowers(node) else text for node, text in zip(part.graph, texts, strict=True)]
    largest = 1.0 if part.size is None else max(part.size.of.values(), default=0) or 1.0
    boxes = {}
    for node, text in zip(part.graph, texts, strict=True):
        size = SMALL if node in part.links else LETTERS
        kind = part.kind(node)
        width, height = text_size(text, size, "bold" if kind == OUTPUT else "normal")
        # letters on a screen are up to 4% wider than their outlines
        width, height = 1.04 * width + 2 * PAD, height + (PAD if kind == INPUT else 2 * PAD)
        radius = room = 0.0
        if part.size is not None and node in part.size.of:
            radius, room = DISC * sqrt(part.size.of[node] / largest), 2 * DISC + PAD
            height = max(height, 2 * (radius + PAD / 2))
        boxes[node] = Box(text, size, 0, 0, width + room, height, radius, room / 2)
    return boxes


def _gap(part: Subnetwork, node: str) -> float:
    return GAP / 2 if part.kind(node) == INPUT else GAP


def _sides(widths: Sequence[float], notes: float) -> tuple[list[tuple[float, float]], float]:
    """Left and right end of each column, and the width of the picture, which has room for two colour bars and notes."""
    needed = sum(widths) + BETWEEN * (len(widths) - 1) + 2 * MARGIN
    width = max(needed, 2 * BAR[0] + BETWEEN_BARS + 4 * MARGIN, 1.04 * notes + 2 * MARGIN)
    left = MARGIN + (width - needed) / 2 + np.cumsum([0, *widths[:-1]]) + BETWEEN * np.arange(len(widths))
    return [(float(start), float(start + across)) for start, across in zip(left, widths, strict=True)], width


def _lines(
    part: Subnetwork,
    boxes: Mapping[str, Box],
    column: Mapping[str, int],
    sides: list[tuple[float, float]],
    *,
    via: Mapping[Edge, list[float]],
    thickness: Mapping[Edge, float] | None,
) -> dict[Edge, list[tuple[float, float]]]:
    leaves: dict[Edge, float] = {}
    enters: dict[Edge, float] = {}
    for node, box in boxes.items():
        ahead = {(node, other): (via[node, other] or [boxes[other].y])[0] for other in part.graph.succ[node]}
        behind = {(other, node): (via[other, node] or [boxes[other].y])[-1] for other in part.graph.pred[node]}
        leaves.update(_spread(box, ahead, thickness))
        enters.update(_spread(box, behind, thickness))
    lines = {}
    for edge in part.graph.edges:
        first, last = column[edge[0]], column[edge[1]]
        crossed = [(x, y) for k, y in enumerate(via[edge], first + 1) for x in sides[k]]
        lines[edge] = [(sides[first][1], leaves[edge]), *crossed, (sides[last][0], enters[edge])]
    return lines


def _spread(box: Box, towards: Mapping[Edge, float], thickness: Mapping[Edge, float] | None) -> dict[Edge, float]:
    """Share the side of a box among the edges that meet there, in the order of where they come from."""
    order = sorted(towards, key=towards.__getitem__)
    if thickness is not None:
        ends = np.cumsum([0.0, *(thickness[edge] for edge in order)])
        return dict(zip(order, (box.y - ends[-1] / 2 + (ends[1:] + ends[:-1]) / 2).tolist(), strict=True))
    reach = min(0.6 * box.height, 0.06 * (len(order) - 1)) / 2
    return dict(zip(order, np.linspace(box.y - reach, box.y + reach, len(order)).tolist(), strict=True))
