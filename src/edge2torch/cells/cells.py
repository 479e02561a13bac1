"""Cells as a model reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from edge2torch.cells import stored
from edge2torch.cells.columns import Columns, check_numbers, count_not_finite, raise_not_finite
from edge2torch.cells.loader import SAMPLE, LoadedCells
from edge2torch.errors import Edge2TorchError


class Cells:
    """Cells by features, in the order in which a model reads them; sparse until a batch is asked for.

    A matrix in memory is left as it is, and features are brought into order batch by batch; it is copied if they are
    fewer than half of its columns, or if it is stored by column (CSC, Fortran order), which makes rows slow. A matrix
    elsewhere is read when its cells are asked for, or at once if it is small. Of one that is in a file by column (CSC),
    the features are read into memory.

    Parameters
    ----------
    matrix
        Cells by genes: a NumPy array, a sparse matrix, an array of h5py, zarr or dask, or a sparse dataset of anndata.
    names
        Names of its columns.
    features
        Names of the columns to use, in order.
    targets
        What is known of each cell, (cells,) or (cells, outputs), to be returned with its features.
    where
        What holds the names, for messages.
    fill
        Values for features that are absent, shape (features,); ``None`` if none may be.

    Attributes
    ----------
    features
        Their names.
    targets
        As a tensor, or ``None``.
    columns
        Where the features are in the matrix.

    Raises
    ------
    Edge2TorchError
        If a feature is absent, occurs twice, or has values that are NaN, infinite or not numbers. Of a matrix that is
        not in memory, values are looked at when they are read.
    """

    def __init__(
        self,
        matrix: Any,
        names: Sequence[str],
        features: Sequence[str],
        targets: npt.NDArray[Any] | None = None,
        *,
        where: str = "adata.var_names",
        fill: npt.NDArray[np.floating] | None = None,
    ) -> None:
        self.columns = Columns(names, features, where, fill)
        self.features = self.columns.features
        self.targets = None if targets is None else torch.as_tensor(targets)
        self._store: stored.Store | None = None
        if stored.is_stored(matrix):
            self._store = stored.Store(matrix)
            check_numbers(self._store.dtype)
            matrix = self._read_if_small(self._store)
        self._n = int(matrix.shape[0]) if self._store is None else self._store.shape[0]
        if self._store is None:
            self._hold(matrix)

    def _read_if_small(self, store: stored.Store) -> Any:
        """Read the matrix, aligned, if it may be in memory."""
        if stored.is_by_column(store.matrix):
            matrix = self.columns.place(store.columns(self.columns.used))
        elif store.bytes_per_row(len(self.features)) * store.shape[0] <= stored.POOL_BYTES:
            matrix = store.rows(np.arange(store.shape[0]), self.columns.align)
        else:
            return None
        self.columns, self._store = self.columns.of_aligned(), None
        return matrix

    def _hold(self, matrix: Any) -> None:
        """Keep a matrix in memory, aligned if it is slow otherwise, and look at its values."""
        check_numbers(matrix.dtype)
        by_row = matrix.format == "csr" if stored.is_sparse(matrix) else matrix.flags.c_contiguous
        if not by_row or self.columns.used.size < self.columns.n_names / 2:
            matrix, self.columns = self.columns.select(matrix), self.columns.of_aligned()
        self._matrix = sp.csr_array(matrix) if stored.is_sparse(matrix) else np.asarray(matrix)
        at_once = stored.rows_at_once(self._matrix)
        blocks = (self._matrix[start : start + at_once] for start in range(0, self._n, at_once))
        counts = np.zeros(len(self.features), dtype=np.int64)
        for block in blocks:
            counts += self.columns.not_finite(block)
        raise_not_finite(counts, self.features)

    def __len__(self) -> int:
        """Return the number of cells."""
        return self._n

    def __getitem__(self, rows: Any) -> tuple[Tensor, ...]:
        """Return float32 features (cells, features) of some rows, and what is known of them if anything is."""
        return self.tensors(self.aligned(rows), rows)

    def tensors(self, aligned: Any, rows: Any, *, csr: bool = False) -> tuple[Tensor, ...]:
        """Return aligned rows as float32 features (cells, features), and what is known of them if anything is."""
        x = self.columns.tensor(aligned, csr=csr)
        return (x,) if self.targets is None else (x, self.targets[rows])

    def aligned(self, rows: Any) -> Any:
        """Features of some rows in order, float32, as CSR or as an array; absent features are 0."""
        if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "iu":
            rows = np.arange(self._n)[rows]
        if self._store is None:
            return self.columns.align(self._matrix[rows])
        order = np.argsort(rows, kind="stable")
        block = self.ascending(rows[order])
        return block if np.array_equal(order, np.arange(order.size)) else block[np.argsort(order)]

    def ascending(self, rows: npt.NDArray[np.intp]) -> Any:
        """Rows as in :meth:`aligned`, of which each follows the one before it in the matrix: read some at a time."""
        if self._store is None:
            return self.columns.align(self._matrix[rows])
        return self._store.rows(rows, self._checked)

    def blocks(self) -> Iterator[tuple[slice, Any]]:
        """All rows as in :meth:`aligned`, some at a time, and which they are."""
        for start in range(0, self._n, self.rows_at_once):
            rows = np.arange(start, min(start + self.rows_at_once, self._n))
            yield slice(start, start + rows.size), self.ascending(rows)

    def _checked(self, rows: Any) -> Any:
        aligned = self.columns.align(rows)
        raise_not_finite(count_not_finite(aligned), self.features)
        return aligned

    @property
    def in_memory(self) -> bool:
        """Whether all cells are in memory."""
        return self._store is None

    @property
    def matrix(self) -> Any:
        """All cells as in :meth:`aligned`: CSR or an array, (cells, features) float32."""
        if self._store is not None:
            raise Edge2TorchError(
                "the matrix is not in memory, and this needs all of it at once: pass adata.to_memory(), with fewer "
                "cells if it is too large"
            )
        return self.columns.fill(self.columns.align(self._matrix))

    def head(self, n: int = SAMPLE) -> Any:
        """First rows, as in :meth:`aligned`."""
        return self.ascending(np.arange(min(n, self._n)))

    @property
    def pool_rows(self) -> int:
        """How many rows may be held in memory to be shuffled: all, if they are there anyway."""
        if self._store is None:
            return self._n
        return max(int(stored.POOL_BYTES / max(self._store.bytes_per_row(len(self.features)), 1)), 1)

    @property
    def rows_at_once(self) -> int:
        """How many rows to read at a time, where their order does not matter."""
        return stored.rows_at_once(self._matrix) if self._store is None else self._store.rows_at_once

    @property
    def rows_together(self) -> int:
        """How many consecutive rows are read at once, because they are stored together."""
        return 1 if self._store is None else self._store.rows_together


def gene_means(cells: Cells | LoadedCells, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Mean of each feature over some cells, (features,), in one pass over all cells, whose values are looked at.

    Parameters
    ----------
    cells
        The cells.
    rows
        Which cells to average; NaN without any.

    Raises
    ------
    Edge2TorchError
        If a value of any cell is NaN or infinite.

    Examples
    --------
    >>> cells = Cells(np.array([[1.0, 2.0], [3.0, 4.0]]), ["a", "b"], ["b", "a"])
    >>> gene_means(cells, np.array([0, 1])).tolist()
    [3.0, 2.0]
    """
    times = np.bincount(rows, minlength=len(cells))
    total = np.zeros(len(cells.features))
    for where, block in cells.blocks():
        total += np.asarray(block.T @ times[where].astype(np.float64)).ravel()
    with np.errstate(invalid="ignore"):
        return np.asarray(total / times.sum())
