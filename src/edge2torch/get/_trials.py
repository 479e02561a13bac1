"""``e2t.get.trials``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edge2torch import _keys, _slots

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def trials(adata: AnnData | MuData, *, key: str = _keys.DEFAULT) -> pd.DataFrame:
    """Return what was tried by :func:`edge2torch.tl.tune`.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.tune`.
    key
        Name of the result.

    Returns
    -------
    A row per trial, in the order in which they were made: ``trial``, ``state`` (``"complete"`` or ``"fail"``), the
    metric on the validation cells under its name (NaN for failed ones), ``n_epochs``, ``seconds``, and the arguments
    that were tried; choices that are neither text nor numbers are JSON.

    Raises
    ------
    Edge2TorchError
        If there are none.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> quick = {"max_epochs": 2}
    >>> e2t.tl.tune(adata, "bulk_labels", {"width": [1, 2]}, n_trials=2, fit_kwargs=quick, progress_bar=False)
    >>> e2t.get.trials(adata)["state"].tolist()
    ['complete', 'complete']
    """
    return pd.DataFrame(_slots.results(adata, key, _keys.TRIALS, "e2t.tl.tune")).copy()
