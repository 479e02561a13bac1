"""``e2t.pl.rank_nodes``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch.errors import Edge2TorchError
from edge2torch.get._choose import check_names, criterion, highest, labels_of, mean_scores, name_of_groups
from edge2torch.get._rank_nodes import rank_nodes as get_rank_nodes
from edge2torch.pl._figure import colours_of, finish, score_label
from edge2torch.pl._panels import Panel, draw_panels

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.figure import Figure
    from mudata import MuData

#: nodes with a smaller padj have a filled dot
ALPHA = 0.05


def rank_nodes(
    adata: AnnData | MuData,
    *,
    groups: str | Sequence[str] | None = None,
    n_nodes: int = 20,
    sharex: bool = True,
    key: str = _keys.DEFAULT,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
) -> Figure:
    """Plot the best nodes of every group of cells, a panel per group.

    After :func:`edge2torch.tl.rank_nodes`, nodes are ordered by ``z``, and those with ``padj`` below 0.05 have a filled
    dot; after :func:`edge2torch.tl.interpret` only, they are ordered by their mean score. The number on the right is
    that of the genes that a node sees. Long names lose words from the middle ("…").

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.rank_nodes` or :func:`edge2torch.tl.interpret`.
    groups
        Groups to show, in this order; ``None`` for all.
    n_nodes
        Most nodes per group.
    sharex
        Whether all panels have the same limits.
    key
        Name of the result.
    figsize
        Width and height of the figure in inches; ``None`` for as much as it takes.
    show
        Whether to call ``plt.show()``; notebooks show what is open at the end of a cell anyway.

    Returns
    -------
    The Figure.

    Raises
    ------
    Edge2TorchError
        If there is no ranking, a group does not exist, or all values are NaN.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> figure = e2t.pl.rank_nodes(adata, groups=["CD19+ B", "CD56+ NK"], n_nodes=5)
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['CD19+ B', 'CD56+ NK']
    """
    _slots.check_adata(adata, written=False)
    check_whole("n_nodes", n_nodes)
    means = mean_scores(adata, None, key)
    if groups is not None:
        means = means.loc[check_names("groups", groups, means.index)]
    best = highest(criterion(adata, means, key)[1], n_nodes)
    if not any(best.values()):
        raise Edge2TorchError(f"all values in uns[{key!r}]['rank_nodes'] are NaN: there is nothing to rank")
    ranked = get_rank_nodes(adata, key=key).astype({"group": str, "node": str})
    compared = "z" in ranked
    genes = _slots.nodes_table(adata, key).astype({"node": str}).set_index("node")["n_inputs"]
    colours, label_of = colours_of(adata, name_of_groups(adata, key), list(best)), labels_of(adata, key)
    panels = []
    for group, names in best.items():
        own = ranked[ranked["group"] == group].drop_duplicates("node").set_index("node").loc[names]
        panels.append(
            Panel(
                title=group,
                labels=[label_of[name] for name in names],
                values=(own["z"] if compared else means.loc[group, names]).to_numpy(dtype=float),
                filled=own["padj"].to_numpy() < ALPHA if compared else np.ones(len(names), dtype=bool),
                counts=genes[names].tolist(),
                colour=colours[group],
            )
        )
    note = f"filled: padj < {ALPHA}" if compared else ""
    figure = draw_panels(
        panels, "z" if compared else score_label(adata, key), sharex=sharex, note=note, figsize=figsize
    )
    finish(show)
    return figure
