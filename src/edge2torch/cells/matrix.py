"""Which matrix of an AnnData or MuData to use."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch._modalities import is_mudata
from edge2torch._notes import caller_level
from edge2torch.cells.features import modalities
from edge2torch.cells.loader import SAMPLE
from edge2torch.cells.side_by_side import Block, side_by_side
from edge2torch.cells.stored import is_by_column, is_sparse, read
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import locate

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: values that are read at a time from a matrix that may be on disk
VALUES_AT_ONCE = 20_000_000


def choose_matrix(
    data: AnnData | MuData, layer: str | None, use_raw: bool, features: Sequence[str] = ()
) -> tuple[Any, pd.Index]:
    """Return the matrix (cells, genes) to use, and the names of its genes; what is not in memory is not read.

    Parameters
    ----------
    data
        Cells by genes.
    layer
        Key of ``layers``, in every modality that is used; ``None`` for ``X``.
    use_raw
        Whether to use ``raw`` instead.
    features
        What is going to be used: of a MuData, only these are put side by side.

    Raises
    ------
    Edge2TorchError
        If there is no such matrix, a feature of a MuData is missing, or some of its cells are in one modality only.
    """
    if not is_mudata(data):
        return _of_anndata(data, layer, use_raw, "adata")
    return _of_mudata(data, layer, use_raw, features)


def matrix_names(data: AnnData | MuData, use_raw: bool) -> pd.Index:
    """Names of the genes of the matrix that :func:`choose_matrix` returns, of a MuData with all its genes."""
    if is_mudata(data):
        return pd.Index(
            [f"{name}:{own}" for name, names in _own_names(data, use_raw).items() for own in names], dtype=object
        )
    return pd.Index(
        [str(name) for name in (data.raw if use_raw and data.raw is not None else data).var_names], dtype=object
    )


def _own_names(data: MuData, use_raw: bool) -> dict[str, pd.Index]:
    parts = modalities(data)
    return {name: (part.raw if use_raw and part.raw is not None else part).var_names for name, part in parts.items()}


def _of_mudata(data: MuData, layer: str | None, use_raw: bool, features: Sequence[str]) -> tuple[Any, pd.Index]:
    parts, names = modalities(data), _own_names(data, use_raw)
    full = matrix_names(data, use_raw).tolist()
    wanted = np.sort(locate(features, full, "mdata, whose features are called '<modality>:<var_name>'"))
    blocks, start = [], 0
    for name, part in parts.items():
        columns = wanted[(wanted >= start) & (wanted < start + len(names[name]))] - start
        start += len(names[name])
        if columns.size:
            matrix, _ = _of_anndata(part, layer, use_raw, f"mdata[{name!r}]")
            blocks.append(Block(matrix, columns, _rows(data, part, name), f"mdata[{name!r}]"))
    return side_by_side(blocks), pd.Index([full[i] for i in wanted], dtype=object)


def _rows(data: MuData, modality: AnnData, name: str) -> npt.NDArray[np.intp] | None:
    """Rows of a modality in the order of all cells; ``None`` if they are in that order."""
    if modality.obs_names.equals(data.obs_names):
        return None
    rows = modality.obs_names.get_indexer(data.obs_names)
    absent = int((rows < 0).sum())
    if absent:
        raise Edge2TorchError(
            f"{absent:,} of {data.n_obs:,} cells are not in modality {name!r}, which the graph reads: call "
            "mdata.update() if a modality was changed, or keep the cells that are in all modalities, for example with "
            "muon.pp.intersect_obs(mdata)"
        )
    return np.asarray(rows, dtype=np.intp)


def _of_anndata(adata: AnnData, layer: str | None, use_raw: bool, where: str) -> tuple[Any, pd.Index]:
    if use_raw:
        if layer is not None:
            raise Edge2TorchError(f"use_raw=True and layer={layer!r} exclude each other: choose one")
        if adata.raw is None:
            raise Edge2TorchError(f"use_raw=True, but {where}.raw is empty")
        return adata.raw.X, adata.raw.var_names
    if layer is None:
        matrix = adata.X
        if matrix is None:
            raise Edge2TorchError(f"{where}.X is empty: put the values there, or pass layer=")
        return matrix, adata.var_names
    if layer not in adata.layers:
        layers = [name for name in adata.layers if name is not None]  # None is X, since anndata 0.13
        raise Edge2TorchError(f"layer={layer!r} is not in {where}.layers; it has {some(layers) or 'none'}")
    return adata.layers[layer], adata.var_names


def column_sums(matrix: Any) -> npt.NDArray[np.float64]:
    """Sum over cells, read some rows at a time: (genes,); NaN for genes with a negative value, which is no count."""
    n_rows, n_genes = matrix.shape
    if is_by_column(matrix):
        at_once = max(VALUES_AT_ONCE // max(n_rows, 1), 1)
        parts = [_sums(matrix[:, start : start + at_once]) for start in range(0, n_genes, at_once)]
        return np.concatenate(parts) if parts else np.zeros(0)
    total = np.zeros(n_genes)
    at_once = max(VALUES_AT_ONCE // max(n_genes, 1), 1)
    for start in range(0, n_rows, at_once):
        total += _sums(read(matrix, start, min(start + at_once, n_rows)))
    return total


def _sums(rows: Any) -> npt.NDArray[np.float64]:
    return np.where(_lowest(rows) < 0, np.nan, np.asarray(rows.sum(axis=0, dtype=float)).ravel())


def _lowest(rows: Any) -> npt.NDArray[Any]:
    """Lowest value of each gene."""
    lowest = rows.min(axis=0)
    return np.asarray(lowest.toarray() if is_sparse(lowest) else lowest).ravel()


def is_whole(matrix: Any, least: float = 0) -> bool:
    """Whether the first cells hold whole numbers only, none negative, of which the highest exceeds a number."""
    values = _first(matrix)
    whole = values.size and values.min() >= 0 and np.array_equal(values, np.round(values))
    return bool(whole and values.max() > least)


def is_counts(matrix: Any) -> bool:
    """Whether a matrix looks like raw counts: whole numbers of which some are large."""
    return is_whole(matrix, least=20)


def warn_if_counts(matrix: Any, where: str) -> None:
    """Warn if a matrix looks like raw counts.

    Parameters
    ----------
    matrix
        Cells by genes.
    where
        What to call it in the warning.
    """
    if is_counts(matrix):
        warnings.warn(
            f"{where} looks like raw counts (whole numbers up to {_first(matrix).max():.0f}); networks train and "
            "explain better on log values: sc.pp.normalize_total(adata), then sc.pp.log1p(adata)",
            UserWarning,
            stacklevel=caller_level(),
        )


def _first(matrix: Any) -> npt.NDArray[Any]:
    rows = read(matrix, 0, min(SAMPLE, matrix.shape[0]))
    return np.asarray(rows.data if is_sparse(rows) else rows.ravel())
