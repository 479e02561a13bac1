"""``e2t.pl.flow``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from edge2torch import _keys, _slots
from edge2torch.pl._drawing import add_colour_bars, curve, draw_boxes, draw_headings, fit, write_notes
from edge2torch.pl._figure import DIVERGING, centred, finish, new_axes
from edge2torch.pl._picture import BAR, BETWEEN_BARS, LETTERS, MARGIN, Picture, arrange
from edge2torch.pl._streams import FROM, TO, streams
from edge2torch.pl._subnetwork import Subnetwork, Wanted
from edge2torch.pl._text import points

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from mudata import MuData

    from edge2torch.pl._subnetwork import Edge

#: in inches: height of all that flows through the fullest column, most of the ribbon in the legend
HEIGHT, LEGEND = 3.0, 0.26
#: places in a map of colours of what is positive and negative; colour of what comes from or goes to nodes not shown
SIGNS, OTHERS, HATCH = (0.8, 0.2), "0.8", "////"


def flow(
    adata: AnnData | MuData,
    *,
    group: str | None = None,
    target: str | None = None,
    nodes: str | Sequence[str] | None = None,
    n_nodes: int = 5,
    n_genes: int = 3,
    key: str = _keys.DEFAULT,
    cmap: str | Colormap = DIVERGING,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes:
    """Plot how the score of a class flows from genes over nodes to its output, as a Sankey diagram.

    Shown are the best nodes of a group (by ``z`` after :func:`edge2torch.tl.rank_nodes`, else by mean score), the
    ``n_genes`` genes that give each of them most, and the class. The height of a ribbon is the absolute score of the
    edge; what is negative is hatched. As much flows out of a node as into it, as far as both have one sign. Grey
    ribbons, in one piece, are what the nodes get from all other genes and nodes, and what they hand on to other nodes;
    there, opposite signs cancel. What does not flow through a node shown is left out. The colour of a box is its mean
    score, as in :func:`edge2torch.pl.graph`.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret`, called with ``edges=True``.
    group
        A group in ``uns[key]["rank_nodes"]``; ``None`` for that of the ``target``, or the first one.
    target
        Class whose output is shown; ``None`` for the class that was explained, or the one with the name of the group.
    nodes
        Names, or labels, of hidden nodes to show instead of the best ones.
    n_nodes
        Number of hidden nodes.
    n_genes
        Genes per node.
    key
        Name of the result.
    cmap
        Diverging colours.
    figsize
        Width and height of a new figure in inches; ``None`` for what the picture needs.
    ax
        Where to draw; ``None`` for a new figure. The picture, with its letters, is fitted into it.
    show
        Whether to call ``plt.show()``; notebooks show what is open at the end of a cell anyway.

    Returns
    -------
    The Axes.

    Raises
    ------
    Edge2TorchError
        If edges have no scores, a group, class or node does not exist, or nothing flows.

    References
    ----------
    What flows over an edge is the part of the conductance of its target (Dhamdhere et al. 2019, arXiv:1805.12233) that
    arrives over it.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5, edges=True)
    >>> ax = e2t.pl.flow(adata, group="CD19+ B", n_nodes=2, n_genes=1)
    >>> [text.get_text() for text in ax.texts][:3]
    ['genes', 'layer 1', 'class']
    """
    _slots.check_adata(adata, written=False)
    part = streams(adata, Wanted(group, target, nodes, n_nodes=n_nodes, n_genes=n_genes), key)
    unit = HEIGHT / _fullest(part)
    picture = arrange(part, {edge: unit * abs(value) for edge, value in part.value.items()})
    if ax is None:
        size = points("small") / LETTERS
        ax = new_axes(*(figsize or (picture.size[0] * size, picture.size[1] * size)))
    scale = fit(ax, picture)
    boxes = ScalarMappable(centred(list(part.score.values())), cmap)
    _draw_ribbons(ax, part, picture, boxes, unit)
    draw_headings(ax, picture, scale)
    write_notes(ax, picture, scale)
    _draw_height(ax, part, picture, boxes, unit=unit, scale=scale)
    draw_boxes(ax, part, picture, boxes, scale)
    add_colour_bars(ax, picture, {picture.caption: boxes}, scale)
    finish(show)
    return ax


def _fullest(part: Subnetwork) -> float:
    """How much flows through the fullest column."""
    through: dict[int, float] = {}
    for node, data in part.graph.nodes(data=True):
        sides = (part.graph.in_edges(node), part.graph.out_edges(node))
        most = max(sum(abs(part.value[edge]) for edge in side) for side in sides)
        through[data["layer"]] = through.get(data["layer"], 0.0) + most
    return max(through.values())


def _draw_ribbons(ax: Axes, part: Subnetwork, picture: Picture, colours: ScalarMappable, unit: float) -> None:
    """Draw edges, the widest at the back."""
    for edge, value in sorted(part.value.items(), key=lambda item: -abs(item[1])):
        corners, half = picture.lines[edge], unit * abs(value) / 2
        upper, lower = ([(x, y + side * half) for x, y in corners] for side in (1, -1))
        there, codes = curve(upper)
        back, codes_back = curve(lower[::-1])
        path = Path([*there, *back, there[0]], [*codes, int(Path.LINETO), *codes_back[1:], int(Path.CLOSEPOLY)])
        _ribbon(ax, part, edge, path, colours)


def _ribbon(ax: Axes, part: Subnetwork, edge: Edge, path: Path, colours: ScalarMappable) -> None:
    """Draw one edge."""
    negative = part.value[edge] < 0
    colour = OTHERS if {FROM, TO} & set(edge) else colours.cmap(SIGNS[negative])
    ax.add_patch(
        PathPatch(
            path,
            facecolor=colour,
            edgecolor="white" if negative else colour,  # the hatching has the colour of the edge
            hatch=HATCH if negative else None,
            linewidth=0.4,
            alpha=0.75,
            zorder=1,
        )
    )


def _draw_height(
    ax: Axes, part: Subnetwork, picture: Picture, colours: ScalarMappable, *, unit: float, scale: float
) -> None:
    """Draw a ribbon of known height, where graphs have their second colour bar."""
    most = LEGEND / unit
    step = 10.0 ** np.floor(np.log10(most))
    height = float(step * max(k for k in (1, 2, 5) if k * step <= most))
    left, middle = (picture.size[0] + BETWEEN_BARS) / 2, picture.bars + BAR[1] / 2
    corner = (left, middle - unit * height / 2)
    ax.add_patch(Rectangle(corner, LEGEND, unit * height, facecolor=colours.cmap(SIGNS[0]), alpha=0.75))
    ax.text(
        left + LEGEND + MARGIN / 2, middle, f"{height:g}{part.unit}", va="center_baseline", fontsize=LETTERS * scale
    )
