"""``e2t.pl.features``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get._choose import check_names, labels_of
from edge2torch.get._features import features as get_features
from edge2torch.pl._figure import colours_of, finish, score_label
from edge2torch.pl._panels import Panel, draw_panels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.figure import Figure
    from mudata import MuData


def features(
    adata: AnnData | MuData,
    *,
    target: str | Sequence[str] | None = None,
    n_features: int = 20,
    sharex: bool = True,
    key: str = _keys.DEFAULT,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
) -> Figure:
    """Plot the genes with the highest scores for every output, a panel per output.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret`.
    target
        Outputs to show (classes, labels, or numbers), in this order; ``None`` for all that were explained.
    n_features
        Most genes per output.
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
        If there are no scores, or an output does not exist or was not explained.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> figure = e2t.pl.features(adata, target=["CD19+ B", "CD56+ NK"], n_features=5)
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['CD19+ B', 'CD56+ NK']
    """
    _slots.check_adata(adata, written=False)
    check_whole("n_features", n_features)
    scores = _explained(adata, target, key)
    fitted_to = _slots.params(adata, key, "fit").get("target")
    colours = colours_of(adata, fitted_to if isinstance(fitted_to, str) else "", scores.columns.tolist())
    label_of = labels_of(adata, key)
    panels = []
    for output, values in scores.items():
        best = values.dropna().sort_values(ascending=False, kind="stable").iloc[:n_features]
        labels = [label_of[name] for name in best.index]
        filled = np.ones(len(best), dtype=bool)
        panels.append(Panel(str(output), labels, best.to_numpy(dtype=float), None, filled, colours[str(output)]))
    figure = draw_panels(panels, score_label(adata, key), sharex=sharex, figsize=figsize)
    finish(show)
    return figure


def _explained(adata: AnnData | MuData, target: str | Sequence[str] | None, key: str) -> pd.DataFrame:
    """Scores of the genes in the graph for the outputs to show, genes x outputs."""
    _slots.results(adata, key, _keys.RANK_NODES, "e2t.tl.interpret")
    table = _slots.nodes_table(adata, key)
    genes = table.loc[table["kind"] == "input", "node"].astype(str).tolist()
    scores = get_features(adata, key=key).reindex(genes)  # some may have been taken out of adata since
    known = scores.columns[scores.notna().any()]
    if target is None:
        if known.empty:
            raise Edge2TorchError(f"all scores in adata.varm[{_keys.Keys(key).features!r}] are NaN")
        return scores[known]
    wanted = check_names("target", target, scores.columns)
    without = [name for name in wanted if name not in known]
    if without:
        raise Edge2TorchError(
            f"{len(without):,} of {len(wanted):,} outputs were not explained: {some(without)}; run e2t.tl.interpret "
            "with target='all', or with one of them"
        )
    return scores[wanted]
