"""``e2t.pl.graph``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from edge2torch import _keys, _slots
from edge2torch.errors import Edge2TorchError
from edge2torch.pl._drawing import add_colour_bars, curve, draw_boxes, draw_headings, fit, write_notes
from edge2torch.pl._figure import DIVERGING, centred, finish, new_axes
from edge2torch.pl._page import Page, page
from edge2torch.pl._picture import LETTERS, Picture, arrange
from edge2torch.pl._subnetwork import Subnetwork, Wanted, subnetwork
from edge2torch.pl._text import points

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from mudata import MuData

#: grey along edges, as weak ones are almost white
EDGING = "0.75"


def graph(
    adata: AnnData | MuData,
    *,
    group: str | None = None,
    target: str | None = None,
    nodes: str | Sequence[str] | None = None,
    around: str | None = None,
    path: Sequence[str] | None = None,
    n_nodes: int = 5,
    n_genes: int = 3,
    n_paths: int = 3,
    edges: Literal["weight", "score"] = "weight",
    n_edges: int = 200,
    size: Literal["activation", "reach"] | None = None,
    key: str = _keys.DEFAULT,
    cmap: str | Colormap = DIVERGING,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    interactive: bool = False,
) -> Axes | Page:
    """Plot a part of the graph, from genes to a class.

    Which part:

    - The best nodes of a group (by ``z`` after :func:`edge2torch.tl.rank_nodes`, else by mean score), or ``nodes``; the
      ``n_genes`` genes with the highest score among those that feed each of them directly, and the output of the class.
      Where nothing shown feeds a node, the strongest way to it is added, from another node or from one of the
      ``n_genes`` highest-scoring genes under it; where a node feeds nothing shown, the strongest way onwards is added.
      Nodes that are only on such a way have a dashed outline and small letters. All edges between these nodes.
    - The neighbourhood of a node (``around``): the best genes and nodes that lead to it, the best nodes that it leads
      to, and the class.
    - The strongest paths over some nodes (``path``), to the class.

    The strongest way is the one with the largest product of absolute edge weights, each as a share of the largest in
    the graph. Of more than ``n_edges`` edges, the strongest are drawn, and the strongest into and out of each node.

    Every box is coloured by its mean score in the group, or for the class if it is a gene; a name after a triangle has
    a negative score. Colour and width of a line show the weight or the score of the edge; negative ones are dashed. A
    score can be positive behind negative weights, as two of them in a row raise the logit. Columns are the layers of
    the model; layers without a node are left out.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret`.
    group
        A group in ``uns[key]["rank_nodes"]``; ``None`` for that of the ``target``, or the first one.
    target
        Class whose output node and gene scores are shown; ``None`` for the class that was explained, or the one with
        the name of the group.
    nodes
        Names, or labels, of hidden nodes to show instead of the best ones.
    around
        Name of a gene or a hidden node whose neighbourhood is shown instead.
    path
        Names that paths lead over, such as ``[gene, node, class]``, instead.
    n_nodes
        Number of hidden nodes; of a neighbourhood, on each side.
    n_genes
        Genes per node.
    n_paths
        Paths between each name in ``path`` and the next.
    edges
        What lines show: ``"weight"``, or ``"score"``, the mean score of the edge in the group, for which
        :func:`edge2torch.tl.interpret` needs ``edges=True``.
    n_edges
        Most edges.
    size
        What the area of a disc in each box shows, which then has the colour of the score: ``"reach"``, the number of
        genes that a node sees; ``"activation"``, by how many standard deviations (over all cells) the mean activation
        of the node, or the mean value of the gene, in the group differs from that in all cells.
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
    interactive
        Whether to make a page for a browser instead, in which nodes are found by name and moved, and which shows the
        scores of what is under the pointer.

    Returns
    -------
    The Axes; of an interactive picture, a page, which a notebook shows and whose ``save(path)``
    writes one HTML file that needs nothing else.

    Raises
    ------
    Edge2TorchError
        If there are no scores, a group, class or node does not exist, or a group is not a class and ``target`` is not
        given.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> ax = e2t.pl.graph(adata, group="CD19+ B", n_nodes=2, n_genes=1)
    >>> ax.texts[-1].get_text()
    'CD19+ B'
    """
    _slots.check_adata(adata, written=False)
    wanted = Wanted(group, target, nodes, around, path, n_nodes, n_genes, n_paths, edges, n_edges, size)
    part = subnetwork(adata, wanted, key)
    picture = arrange(part)
    boxes = ScalarMappable(centred(list(part.score.values())), cmap)
    lines = ScalarMappable(centred(list(part.value.values())), cmap)
    if interactive:
        if ax is not None:
            raise Edge2TorchError("an interactive picture is a page of its own: pass ax or interactive=True, not both")
        return page(part, picture, _slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.interpret"), boxes, lines)
    if ax is None:
        unit = points("small") / LETTERS
        ax = new_axes(*(figsize or (picture.size[0] * unit, picture.size[1] * unit)))
    scale = fit(ax, picture)
    _draw_lines(ax, part, picture, lines, scale)
    draw_headings(ax, picture, scale)
    write_notes(ax, picture, scale)
    draw_boxes(ax, part, picture, boxes, scale)
    add_colour_bars(ax, picture, {picture.caption: boxes, part.meaning: lines}, scale)
    finish(show)
    return ax


def _draw_lines(ax: Axes, part: Subnetwork, picture: Picture, colours: ScalarMappable, scale: float) -> None:
    """Draw edges, the weakest at the back."""
    largest = max(map(abs, part.value.values()), default=0) or 1.0
    for edge, value in sorted(part.value.items(), key=lambda item: abs(item[1])):
        width = (0.4 + 2.6 * abs(value) / largest) * scale
        ax.add_patch(
            PathPatch(
                Path(*curve(picture.lines[edge])),
                facecolor="none",
                edgecolor=colours.cmap(colours.norm(np.asarray(value))),
                linewidth=width,
                linestyle=(0, (4, 1.5)) if value < 0 else "solid",
                capstyle="butt",
                path_effects=[withStroke(linewidth=width + 0.4 * scale, foreground=EDGING)],
                zorder=1,
            )
        )
