"""Rows of a matrix as tensors with the columns that a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, SubsetRandomSampler

from edge2torch.cells.matrix import is_sparse
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import locate


class Cells(Dataset[Any]):
    """Cells by features, in the order in which a model reads them; sparse until a batch is asked for.

    Parameters
    ----------
    matrix
        Cells by genes: a NumPy array or a sparse matrix.
    names
        Names of its columns.
    features
        Names of the columns to use, in order.
    labels
        One number per cell, to be returned with its features.
    where
        What holds the names, for messages.

    Raises
    ------
    Edge2TorchError
        If a feature is missing, occurs twice, or has values that are NaN, infinite or not numbers.
    """

    def __init__(
        self,
        matrix: Any,
        names: Sequence[str],
        features: Sequence[str],
        labels: npt.NDArray[np.int64] | None = None,
        where: str = "adata.var_names",
    ) -> None:
        columns = locate(features, names, where)
        in_order = np.argsort(columns)  # matrices on disk can only be read in order
        chosen = matrix[:, columns[in_order]][:, np.argsort(in_order)]
        self.matrix: Any = sp.csr_array(chosen) if is_sparse(chosen) else np.asarray(chosen)
        _check_values(self.matrix, features)
        self.labels = None if labels is None else torch.as_tensor(labels)

    def __len__(self) -> int:
        """Return the number of cells."""
        return int(self.matrix.shape[0])

    def __getitem__(self, rows: Any) -> tuple[Tensor, ...]:
        """Return float32 features (cells, features) of some rows, and their labels if there are any."""
        part: Any = self.matrix[rows]
        dense = part.toarray() if is_sparse(part) else part
        x = torch.from_numpy(np.ascontiguousarray(dense, dtype=np.float32))
        return (x,) if self.labels is None else (x, self.labels[rows])


def _check_values(matrix: Any, features: Sequence[str]) -> None:
    values = matrix.data if is_sparse(matrix) else matrix
    if not np.issubdtype(values.dtype, np.number) or np.issubdtype(values.dtype, np.complexfloating):
        raise Edge2TorchError(f"the matrix holds {values.dtype}, not real numbers: convert it")
    bad = ~np.isfinite(values)
    if bad.any():
        where = np.unique(matrix.indices[bad] if is_sparse(matrix) else np.flatnonzero(bad.any(axis=0)))
        raise Edge2TorchError(
            f"{int(bad.sum()):,} values are NaN or infinite, in {len(where):,} genes: "
            f"{some(features[i] for i in where)}; fill or remove them"
        )


def batches(
    cells: Cells, batch_size: int, rows: npt.NDArray[np.intp] | None = None, *, shuffle: torch.Generator | None = None
) -> DataLoader[tuple[Tensor, ...]]:
    """Serve cells in batches.

    Parameters
    ----------
    cells
        The cells.
    batch_size
        Cells per batch; the last one may have fewer.
    rows
        Which cells; ``None`` for all.
    shuffle
        Generator for a new order in every pass; ``None`` keeps the order.
    """
    chosen: list[int] = list(range(len(cells))) if rows is None else rows.tolist()
    order = SubsetRandomSampler(chosen, generator=shuffle) if shuffle else chosen
    return DataLoader(
        cells,
        sampler=BatchSampler(order, batch_size, drop_last=False),
        batch_size=None,
        generator=torch.Generator(),  # otherwise each pass draws a seed for workers from the global generator
    )
