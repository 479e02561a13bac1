"""Reading rows of matrices that are in files, or are computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from anndata.abc import CSCDataset, CSRDataset
from scipy.sparse import get_index_dtype

from edge2torch.errors import Edge2TorchError

#: bytes of cells that are held in memory to be shuffled; a matrix that has fewer is read as a whole
POOL_BYTES = 200 * 2**20
#: values that are read at a time
VALUES_AT_ONCE = 5_000_000
#: rows that are not wanted, but are read because that is faster than to read twice
GAP = 64


def is_sparse(matrix: Any) -> bool:
    """Whether something is a sparse matrix or array of SciPy."""
    return bool(sp.issparse(matrix))


def is_stored(matrix: Any) -> bool:
    """Whether a matrix is somewhere else than in memory."""
    return not isinstance(matrix, np.ndarray) and not is_sparse(matrix)


def is_by_column(matrix: Any) -> bool:
    """Whether a matrix is in a file column by column, so that no row can be read without all others."""
    return isinstance(matrix, CSCDataset)


def read(matrix: Any, start: int, stop: int) -> Any:
    """Read consecutive rows of any matrix: a NumPy array or a CSR array."""
    rows = matrix[start:stop]
    if _is_dask(rows):
        rows = rows.compute()
    return _with_short_indices(sp.csr_array(rows)) if is_sparse(rows) else np.asarray(rows)


def _with_short_indices(rows: sp.csr_array[Any]) -> sp.csr_array[Any]:
    """Use int32 for positions where it is enough: of rows in a file, SciPy's sparse arrays keep int64."""
    kind = get_index_dtype(maxval=max(rows.nnz, rows.shape[1]))
    indices, starts = (part.astype(kind, copy=False) for part in (rows.indices, rows.indptr))
    return sp.csr_array((rows.data, indices, starts), shape=rows.shape)


def rows_at_once(matrix: Any) -> int:
    """How many rows of a matrix in memory to look at at once."""
    n_values = matrix.nnz if is_sparse(matrix) else matrix.size
    return _at_once(n_values / max(matrix.shape[0], 1))


def _at_once(values: float) -> int:
    return max(int(VALUES_AT_ONCE / max(values, 1)), 1)


class Store:
    """A matrix that is not in memory.

    Parameters
    ----------
    matrix
        Cells by genes: an array of h5py, zarr or dask, a sparse dataset of anndata, or several side by side.

    Raises
    ------
    Edge2TorchError
        If its rows cannot be read.
    """

    def __init__(self, matrix: Any) -> None:
        _check_readable(matrix)
        self.matrix = matrix
        self.shape: tuple[int, int] = matrix.shape
        self.dtype: np.dtype[Any] = matrix.dtype
        self.is_sparse, self.values_per_row = _contents(matrix)
        self.rows_at_once = _at_once(self.values_per_row)

    def bytes_per_row(self, n_features: int) -> float:
        """Bytes of a row in memory, aligned to features; of sparse rows at most."""
        return self.values_per_row * 8 if self.is_sparse else n_features * 4.0

    @property
    def rows_together(self) -> int:
        """How many rows the store reads at once, whatever is asked for: those of one of its own chunks."""
        sparse = isinstance(self.matrix, CSRDataset)
        chunks = getattr(self.matrix.group["data"] if sparse else self.matrix, "chunks", None)
        if not chunks:
            return 1
        longest = int(np.max(chunks[0]))  # a number, or in dask one for each chunk
        return int(longest / max(self.values_per_row, 1)) if sparse else longest

    def rows(self, rows: npt.NDArray[np.intp], change: Callable[[Any], Any]) -> Any:
        """Read rows, some at a time.

        Parameters
        ----------
        rows
            Ascending.
        change
            What to make of those that are read at once, for example the columns that are needed.
        """
        runs = list(_runs(rows, self.rows_at_once))
        parts = (self._part(*run, change) for run in runs)
        if not runs:
            return change(read(self.matrix, 0, 0))
        return next(parts) if len(runs) == 1 else _below_each_other(parts, rows.size)

    def _part(self, start: int, stop: int, wanted: npt.NDArray[np.intp], change: Callable[[Any], Any]) -> Any:
        part = read(self.matrix, start, stop)
        return change(part if wanted.size == stop - start else part[wanted])

    def columns(self, columns: npt.NDArray[np.intp]) -> sp.csr_array[Any]:
        """Read columns, in the order that is asked for, of what is stored by column; some at a time."""
        n_rows, n_columns = self.shape
        values_per_column = self.values_per_row * n_rows / max(n_columns, 1)
        order = np.argsort(columns)
        blocks = [
            sp.csc_array(self.matrix[:, start:stop])[:, wanted]
            for start, stop, wanted in _runs(columns[order], _at_once(values_per_column))
        ]
        if not blocks:
            return sp.csr_array((n_rows, 0), dtype=self.dtype)
        return sp.csr_array(sp.csc_array(sp.hstack(blocks, format="csc"))[:, np.argsort(order)])


def _below_each_other(parts: Iterator[Any], n_rows: int) -> Any:
    """Join parts as they come, so that the whole is in memory once; ``vstack`` needs it twice."""
    first = next(parts)
    if not is_sparse(first):
        whole = np.empty((n_rows, first.shape[1]), dtype=first.dtype)
        start = 0
        for part in chain([first], parts):
            whole[start : start + len(part)] = part
            start += len(part)
        return whole
    # arrays of bytes grow where they are, if the system can; those of NumPy do not since version 2.5
    data, indices, starts, n_values = bytearray(), bytearray(), [np.zeros(1, np.int64)], 0
    for part in chain([first], parts):
        data.extend(part.data)
        indices.extend(part.indices.astype(first.indices.dtype, copy=False))
        starts.append(part.indptr[1:] + np.int64(n_values))
        n_values += part.data.size
    kind = get_index_dtype(maxval=max(n_values, first.shape[1]))
    columns = np.frombuffer(indices, first.indices.dtype).astype(kind, copy=False)
    places = (columns, np.concatenate(starts).astype(kind, copy=False))
    return sp.csr_array((np.frombuffer(data, first.dtype), *places), shape=(n_rows, first.shape[1]))


def _runs(rows: npt.NDArray[np.intp], most: int) -> Iterator[tuple[int, int, npt.NDArray[np.intp]]]:
    """Divide ascending rows into what is read at once: the first, the one behind the last, which ones are wanted."""
    start = 0
    for end in [*(np.flatnonzero(np.diff(rows) > GAP) + 1).tolist(), rows.size]:
        while start < end:
            stop = start + int(np.searchsorted(rows[start:end], rows[start] + most))
            wanted = rows[start:stop]
            yield int(wanted[0]), int(wanted[-1]) + 1, wanted - wanted[0]
            start = stop


def _contents(matrix: Any) -> tuple[bool, float]:
    """Whether a stored matrix is sparse, and how many values a row has, on average."""
    n_rows, n_columns = matrix.shape
    if isinstance(matrix, CSRDataset | CSCDataset):
        return True, matrix.group["data"].shape[0] / max(n_rows, 1)
    if hasattr(matrix, "contents"):
        return matrix.contents  # type: ignore[no-any-return]
    if not n_rows or not _is_dask(matrix) or isinstance(matrix._meta, np.ndarray):
        return False, float(n_columns)
    looked_at = [read(matrix, start, start + 100) for start in {0, n_rows // 2, max(n_rows - 100, 0)}]
    if not is_sparse(looked_at[0]):
        return False, float(n_columns)
    return True, sum(part.nnz for part in looked_at) / sum(part.shape[0] for part in looked_at)


def _is_dask(matrix: Any) -> bool:
    """Whether something is a dask array; asked without importing dask."""
    return type(matrix).__module__.split(".")[0] == "dask" and hasattr(matrix, "compute")


def _check_readable(matrix: Any) -> None:
    if not hasattr(matrix, "dtype") or len(getattr(matrix, "shape", ())) != 2:
        raise Edge2TorchError(
            f"the matrix is a {type(matrix).__name__}, which cannot be read; it may be a NumPy array, a sparse matrix, "
            "an array of h5py, zarr or dask, or a sparse dataset of anndata"
        )
    if any(np.isnan(size) for size in matrix.shape):
        raise Edge2TorchError("the matrix is a dask array of unknown shape: call compute_chunk_sizes() on it")
