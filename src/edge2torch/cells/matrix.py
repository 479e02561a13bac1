"""Which matrix of an AnnData to use."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

#: rows that are looked at to recognise counts
SAMPLE = 200


def choose_matrix(adata: AnnData, layer: str | None, use_raw: bool) -> tuple[Any, pd.Index]:
    """Return the matrix (cells, genes) to use, and the names of its genes.

    Parameters
    ----------
    adata
        Cells by genes.
    layer
        Key of ``adata.layers``; ``None`` for ``adata.X``.
    use_raw
        Whether to use ``adata.raw`` instead.

    Raises
    ------
    Edge2TorchError
        If there is no such matrix.
    """
    if use_raw:
        if layer is not None:
            raise Edge2TorchError(f"use_raw=True and layer={layer!r} exclude each other: choose one")
        if adata.raw is None:
            raise Edge2TorchError("use_raw=True, but adata.raw is empty")
        return adata.raw.X, adata.raw.var_names
    if layer is None:
        if adata.X is None:
            raise Edge2TorchError("adata.X is empty: put the values there, or pass layer=")
        return adata.X, adata.var_names
    if layer not in adata.layers:
        raise Edge2TorchError(f"layer={layer!r} is not in adata.layers; it has {some(adata.layers) or 'none'}")
    return adata.layers[layer], adata.var_names


def is_sparse(matrix: Any) -> bool:
    """Whether something is a sparse matrix or array of SciPy."""
    return bool(sp.issparse(matrix))


def warn_if_counts(matrix: Any, where: str) -> None:
    """Warn if a matrix looks like raw counts: whole numbers of which some are large.

    Parameters
    ----------
    matrix
        Cells by genes.
    where
        What to call it in the warning.
    """
    rows = matrix[: min(SAMPLE, matrix.shape[0])]
    values = rows.data if is_sparse(rows) else np.asarray(rows).ravel()
    if values.size and values.min() >= 0 and values.max() > 20 and np.array_equal(values, np.round(values)):
        warnings.warn(
            f"{where} looks like raw counts (whole numbers up to {values.max():.0f}); networks train and explain "
            "better on log values: sc.pp.normalize_total(adata), then sc.pp.log1p(adata)",
            UserWarning,
            stacklevel=3,
        )
