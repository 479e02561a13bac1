"""A network as a page for a browser."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from html import escape
from importlib.resources import files
from math import isnan
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_hex, to_rgb

from edge2torch._new_file import check_new_file, new_files
from edge2torch.graph.graph import INPUT, OUTPUT
from edge2torch.pl._figure import OUTPUTS, ink
from edge2torch.pl._picture import DISC, PAD

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

    from edge2torch.pl._picture import Box, Picture
    from edge2torch.pl._subnetwork import Subnetwork

#: pixels per inch and per point of a browser
INCH, POINT = 96, 96 / 72
#: colours of a colour bar
STOPS = 9
#: how much wider than high a picture is to be, as a screen is, and by how much columns are moved apart at most for that
WIDE, MOST = 1.5, 6
#: box without a score
NO_SCORE = "#ebebeb"
#: columns of the ranking that are shown, and what they are called
RANKED = {
    "z": "z against controls",
    "padj": "adjusted p",
    "stability": "stability",
    "sources": "comes from",
}


class Page:
    """A network that stands alone: one HTML file, which any browser opens, also without the internet.

    Nodes are found by name and can be moved; under the pointer are the scores; a click shows what leads to a node and
    what it leads to. A notebook shows it in a frame. It is drawn by Cytoscape.js (Franz et al. 2016,
    doi:10.1093/bioinformatics/btv557).

    Attributes
    ----------
    html
        The file's text.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the file.

        Parameters
        ----------
        path
            Where to; its name should end in ``.html``.
        overwrite
            Whether to replace a file that is there.

        Returns
        -------
        Where it is.

        Raises
        ------
        Edge2TorchError
            If the file exists and is not to be replaced, or cannot be written.
        """
        target = check_new_file(path, overwrite=overwrite)
        with new_files(target) as (unfinished,):
            unfinished.write_text(self.html, encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return f"Page of {len(self.html):,} characters: .save(path) writes it, a notebook shows it"

    def _repr_html_(self) -> str:
        """A frame with the page in it."""
        return (
            f'<iframe srcdoc="{escape(self.html)}" style="width: 100%; height: 640px; border: 1px solid #ccc"></iframe>'
        )


def page(
    part: Subnetwork, picture: Picture, ranked: pd.DataFrame, boxes: ScalarMappable, lines: ScalarMappable
) -> Page:
    """Turn a picture into a page.

    Parameters
    ----------
    part, picture
        What is shown, and where.
    ranked
        The ranking, whose rows of the group are shown, as far as there are any.
    boxes, lines
        Colours of scores and of edges.
    """
    rows = ranked[ranked["group"].astype(str) == part.group].drop_duplicates("node")
    of_node = {str(row["node"]): row for row in rows.to_dict("records")}
    nodes = [_node(part, picture, node, of_node.get(node, {}), boxes) for node in part.graph]
    stretch = min(max(WIDE * picture.size[1] / picture.size[0], 1), MOST)
    for node in nodes:
        node["position"]["x"] = round(stretch * node["position"]["x"], 1)
    largest = max(map(abs, part.value.values()), default=0) or 1.0
    edges = [_edge(part, edge, value, largest, lines) for edge, value in part.value.items()]
    bars = [_bar(picture.caption.replace("\n", " "), boxes), _bar(part.meaning, lines)]
    signs = ["dashed, with a bar at its end: negative"] if min(part.value.values(), default=0) < 0 else []
    notes = [note for note in picture.notes if "- - -" not in note]
    data = {"nodes": nodes, "edges": edges, "bars": bars, "notes": [*signs, *notes]}
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")  # which might end the script
    here = files("edge2torch.pl") / "page"
    read = {
        name: (here / file).read_text(encoding="utf-8")
        for name, file in {"style": "page.css", "library": "cytoscape.min.js", "script": "page.js"}.items()
    }
    title = escape(f"{part.label(part.output)}: what leads to it")
    return Page(Template((here / "page.html").read_text(encoding="utf-8")).substitute(title=title, data=text, **read))


def _node(
    part: Subnetwork, picture: Picture, node: str, row: Mapping[Hashable, Any], boxes: ScalarMappable
) -> dict[str, Any]:
    """A node, in the words of Cytoscape.js."""
    box, score, kind = picture.boxes[node], part.score[node], part.kind(node)
    face = NO_SCORE if isnan(score) else _hex(boxes, score)
    about = part.graph.nodes[node]
    details = [("", {INPUT: "gene", OUTPUT: OUTPUTS[part.task]}.get(kind, f"node of layer {about['layer']}"))]
    if part.label(node) != node:
        details.append(("name", node))
    if not isnan(score):
        details.append(("mean score", _text(score)))
    if kind not in (INPUT, OUTPUT):
        details.append(("genes", f"{about['n_inputs']:,}"))
    details += [(name, _text(row[column])) for column, name in RANKED.items() if _known(row.get(column))]
    if part.size is not None and node in part.size.of:
        details.append((part.size.caption.removeprefix("area of discs: ").split(" (")[0], _text(part.size.of[node])))
    data = {
        "id": node,
        "label": part.label(node),
        "title": part.label(node),
        "kind": kind,
        "text": box.text,
        "colour": face,
        "ink": ink(to_rgb(face)),
        "letters": round(box.points * POINT * 0.96, 2),
        "width": round(box.width * INCH, 1),
        "height": round(box.height * INCH, 1),
        "link": node in part.links,
        "details": details,
    }
    if box.radius:
        data.update(_disc(box, face))
    return {"data": data, "position": {"x": round(box.x * INCH, 1), "y": round(-box.y * INCH, 1)}}


def _disc(box: Box, face: str) -> dict[str, Any]:
    """The disc in a box, which has the colour instead of the box."""
    circle = f'<circle cx="50" cy="50" r="48" fill="{face}" stroke="#595959" stroke-width="3"/>'
    across = round(2 * box.radius * INCH, 1)
    view = f'width="{across}" height="{across}" viewBox="0 0 100 100"'
    image = f'<svg xmlns="http://www.w3.org/2000/svg" {view}>{circle}</svg>'
    return {
        "colour": "#ffffff",
        "ink": "black",
        "disc": f"data:image/svg+xml;utf8,{quote(image)}",
        "left": round((PAD + DISC - box.radius) * INCH, 1),
        "shift": round(box.shift * INCH, 1),
    }


def _edge(
    part: Subnetwork, edge: tuple[str, str], value: float, largest: float, lines: ScalarMappable
) -> dict[str, Any]:
    """An edge, likewise."""
    data = {
        "source": edge[0],
        "target": edge[1],
        "title": " \N{RIGHTWARDS ARROW} ".join(map(part.label, edge)),
        "details": [(part.meaning, _text(value))],
        "colour": _hex(lines, value),
        "width": round(0.6 + 4 * abs(value) / largest, 2),
        "strength": abs(value),
        "negative": value < 0,
    }
    return {"data": data}


def _bar(name: str, colours: ScalarMappable) -> dict[str, Any]:
    """A colour bar: its ends, and colours in between."""
    low, high = colours.get_clim()
    stops = [_hex(colours, value) for value in np.linspace(low, high, STOPS)]
    return {"name": name, "low": _text(low), "high": _text(high), "colours": stops}


def _hex(colours: ScalarMappable, value: float) -> str:
    red, green, blue, _ = np.ravel(colours.to_rgba(np.array([value])))
    return to_hex((red, green, blue))


def _known(value: object) -> bool:
    """Whether a cell of the ranking says something."""
    return value is not None and value != "" and value == value  # noqa: PLR0124 - NaN differs from itself


def _text(value: object) -> str:
    return str(value) if isinstance(value, str) else f"{value:.3g}"
