"""Which column of a matrix each feature is."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor

from edge2torch.cells.stored import is_sparse
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import locate

LARGEST = float(np.finfo(np.float32).max)


class Columns:
    """Brings rows of a matrix into the order of features, as float32.

    Parameters
    ----------
    names
        Names of the columns of the matrix.
    features
        Names of the columns to use, in order.
    where
        What holds the names, for messages.
    fill
        Values for features that are absent, shape (features,); ``None`` if none may be.

    Raises
    ------
    Edge2TorchError
        If a feature occurs twice, or is absent and has no finite value to fill it with.
    """

    def __init__(
        self, names: Sequence[str], features: Sequence[str], where: str, fill: npt.NDArray[np.floating] | None
    ) -> None:
        self.features = [str(name) for name in features]
        present = np.ones(len(self.features), dtype=bool)
        if fill is not None:
            known = pd.Index(self.features).isin([str(name) for name in names])
            present = np.asarray(known | ~np.isfinite(fill), dtype=bool)
        self.present = np.flatnonzero(present)
        self.absent = np.flatnonzero(~present)
        self._fill = np.zeros(0, np.float32) if fill is None else np.asarray(fill, np.float32)[self.absent]
        self.used = locate([self.features[i] for i in self.present], names, where)
        self._number(len(names))

    def _number(self, n_names: int) -> None:
        self.n_names = n_names
        self._feature_of = np.full(n_names, -1, dtype=np.int32)
        self._feature_of[self.used] = self.present
        self._as_they_are = np.array_equal(self._feature_of, np.arange(len(self)))

    def __len__(self) -> int:
        """Return the number of features."""
        return len(self.features)

    def of_aligned(self) -> Columns:
        """Columns of what is aligned already."""
        new = copy(self)
        new.used = self.present
        new._number(len(self))
        new._as_they_are = True
        return new

    def select(self, matrix: Any) -> Any:
        """Align a whole matrix of any format: CSR, or an array in C order. Faster than :meth:`align` for many rows."""
        if is_sparse(matrix):
            return self.place(sp.csr_array(sp.csr_array(matrix[:, self.used])))
        return np.ascontiguousarray(self.align(matrix))

    def align(self, rows: Any) -> Any:
        """Put features of rows (CSR or array) in order, float32; absent ones are 0."""
        if is_sparse(rows):
            return self._align_sparse(rows)
        if self._as_they_are:
            return _single(rows)
        chosen = _single(np.take(rows, self.used, axis=1))  # in C order, which indexing would not give
        if not self.absent.size:
            return chosen
        aligned = np.zeros((len(chosen), len(self)), dtype=np.float32)
        aligned[:, self.present] = chosen
        return aligned

    def _align_sparse(self, rows: Any) -> sp.csr_array[np.float32]:
        shape = (rows.shape[0], len(self))
        if self._as_they_are:
            return sp.csr_array((_single(rows.data), rows.indices, rows.indptr), shape=shape)
        feature = self._feature_of[rows.indices]
        used = feature >= 0
        if used.all():
            return sp.csr_array((_single(rows.data), feature, rows.indptr), shape=shape)
        starts = np.concatenate([[0], np.cumsum(used)])[rows.indptr]
        return sp.csr_array((_single(rows.data[used]), feature[used], starts), shape=shape)

    def place(self, chosen: sp.csr_array[Any]) -> sp.csr_array[np.float32]:
        """Align rows that have the columns ``used``."""
        indices = self.present[chosen.indices] if self.absent.size else chosen.indices
        return sp.csr_array((_single(chosen.data), indices, chosen.indptr), shape=(chosen.shape[0], len(self)))

    def fill(self, aligned: Any) -> Any:
        """Fill absent features of aligned rows, and return them."""
        if not self.absent.size:
            return aligned
        if not is_sparse(aligned):
            aligned[:, self.absent] = self._fill
            return aligned
        n_rows, n = aligned.shape[0], self.absent.size
        missing = (np.tile(self._fill, n_rows), np.tile(self.absent, n_rows), np.arange(n_rows + 1) * n)
        return sp.csr_array(aligned + sp.csr_array(missing, shape=aligned.shape))

    def dense(self, aligned: Any) -> npt.NDArray[np.float32]:
        """Aligned rows as an array (rows, features), absent features filled."""
        array = aligned.toarray() if is_sparse(aligned) else aligned
        return np.ascontiguousarray(self.fill(array), dtype=np.float32)

    def tensor(self, aligned: Any, *, csr: bool = False) -> Tensor:
        """Aligned rows as a tensor (rows, features), absent features filled; CSR if asked for and they are sparse."""
        if csr and is_sparse(aligned):
            return _csr_tensor(self.fill(aligned))
        return torch.from_numpy(self.dense(aligned))

    def not_finite(self, rows: Any) -> npt.NDArray[np.int64]:
        """Count NaN and infinite values of each feature, in rows that are not aligned."""
        values = rows.data if is_sparse(rows) else rows
        if _all_finite(values):
            return np.zeros(len(self), dtype=np.int64)  # nearly always, and without another copy
        return count_not_finite(self.align(rows))


def check_numbers(dtype: np.dtype[Any]) -> None:
    """Raise if values are not real numbers."""
    if dtype.kind not in "iuf":
        raise Edge2TorchError(f"the matrix holds {dtype}, not real numbers: convert it")


def count_not_finite(aligned: Any) -> npt.NDArray[np.int64]:
    """Count NaN and infinite values of each feature, in rows that are aligned."""
    if is_sparse(aligned):
        return np.bincount(aligned.indices[~np.isfinite(aligned.data)], minlength=aligned.shape[1])
    if _all_finite(aligned):
        return np.zeros(aligned.shape[1], dtype=np.int64)
    return np.asarray((~np.isfinite(aligned)).sum(axis=0))


def raise_not_finite(counts: npt.NDArray[np.int64], features: Sequence[str]) -> None:
    """Raise if some features have values that are NaN or infinite."""
    where = np.flatnonzero(counts)
    if where.size:
        raise Edge2TorchError(
            f"{int(counts.sum()):,} values are NaN or infinite, in {where.size:,} genes: "
            f"{some(features[i] for i in where.tolist())}; fill or remove them"
        )


def _all_finite(values: npt.NDArray[Any]) -> bool:
    """Whether values are finite, also in single precision: tells NaN and infinity by the extremes, without a copy."""
    return not values.size or bool(values.min() >= -LARGEST and values.max() <= LARGEST)


def _csr_tensor(rows: sp.csr_array[np.float32]) -> Tensor:
    begins, columns = (torch.from_numpy(np.asarray(part, np.int32)) for part in (rows.indptr, rows.indices))
    _hear_of_beta_state()
    return torch.sparse_csr_tensor(
        begins, columns, torch.from_numpy(_single(rows.data)), size=rows.shape, check_invariants=False
    )


@functools.cache
def _hear_of_beta_state() -> None:
    """Make the first CSR tensor, of which torch warns, once, without a warning."""
    whole = torch.zeros(1, dtype=torch.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(whole, whole[:0], torch.zeros(0), size=(0, 0), check_invariants=False)


def _single(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # becomes infinite, and is reported as such
        return values.astype(np.float32, copy=False)
