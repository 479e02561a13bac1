"""``e2t.get.metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

PARTS = {"split": _keys.METRICS, "output": _keys.METRICS_OF_OUTPUTS}


def metrics(
    adata: AnnData | MuData, *, per: Literal["split", "output"] = "split", key: str = _keys.DEFAULT
) -> pd.DataFrame:
    """Get how good predictions are.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.fit`.
    per
        ``"split"``: a row per part of the split (and per simple model, if there are any); ``"output"``: also per class,
        label or number.
    key
        Name of the result.

    Returns
    -------
    Columns ``model`` (``"network"`` or what it is compared with), ``split``, ``n_cells`` and, per split,

    - for classes ``accuracy``, ``balanced_accuracy`` (mean recall of the classes that occur), ``macro_f1``, ``auroc``
      (mean over classes, each against the others), ``log_loss`` and ``calibration_error`` (expected calibration error
      of the most probable class, 15 bins; Guo et al. 2017, arXiv:1706.04599);
    - for labels means over labels of ``balanced_accuracy``, ``macro_f1``, ``auroc``, ``average_precision``,
      ``log_loss`` and ``calibration_error``;
    - for numbers means over numbers of ``r2``, ``pearson`` and ``mse``.

    Per output, ``precision``, ``recall``, ``f1`` and ``auroc`` of a class or label, or ``r2``, ``pearson`` and ``mse``
    of a number. NaN where it cannot be said, such as the AUROC of a class without cells.

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
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.get.metrics(adata)["split"].tolist()
    ['train', 'validation', 'test']
    """
    check_choice("per", per, PARTS)
    return pd.DataFrame(_slots.results(adata, key, PARTS[per], "e2t.tl.fit")).copy()
