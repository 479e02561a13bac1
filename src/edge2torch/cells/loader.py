"""Cells that a loader of another package serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor

from edge2torch.cells.columns import Columns, check_numbers, count_not_finite, raise_not_finite
from edge2torch.cells.stored import is_sparse
from edge2torch.errors import Edge2TorchError, some

#: first cells, which are looked at to recognise counts
SAMPLE = 200


class LoadedCells:
    """Cells from anything that can be iterated over again and again, such as the loaders of ``annbatch``.

    Each iteration is a pass over all cells, in an order that is the loader's own. It serves mappings: ``"X"`` (cells by
    genes: NumPy, SciPy or torch, dense or sparse), ``"index"`` (position of each cell among all) or, without it,
    ``"obs"`` (a DataFrame whose index are names of cells).

    Parameters
    ----------
    loader
        What serves the cells.
    names
        Names of the columns of ``"X"``.
    features
        Names of the columns to use, in order.
    targets
        What is known of each cell, (cells,) or (cells, outputs).
    obs_names
        Names of all cells, in the order of ``targets`` and of ``"index"``.
    where
        What holds the names of the columns, for messages.
    fill
        Values for features that are absent, shape (features,); ``None`` if none may be.

    Raises
    ------
    Edge2TorchError
        If something cannot be iterated over twice, or a feature is absent or occurs twice. Batches are looked at when
        they are served.

    Examples
    --------
    >>> loader = [{"X": np.eye(2), "obs": None, "index": np.array([1, 0])}]
    >>> cells = LoadedCells(loader, ["CD4", "CD8A"], ["CD8A"], np.array([5, 6]), obs_names=pd.Index(["a", "b"]))
    >>> [(rows.tolist(), aligned.ravel().tolist()) for rows, aligned in cells.blocks()]
    [([1, 0], [0.0, 1.0])]
    """

    in_memory = False

    def __init__(
        self,
        loader: Iterable[Mapping[str, Any]],
        names: Sequence[str],
        features: Sequence[str],
        targets: npt.NDArray[Any] | None = None,
        *,
        obs_names: pd.Index,
        where: str = "adata.var_names",
        fill: npt.NDArray[np.floating] | None = None,
    ) -> None:
        if not isinstance(loader, Iterable) or isinstance(loader, Iterator):
            raise Edge2TorchError(
                f"cells is a {type(loader).__name__}, which cannot be iterated over again and again: pass a loader, or "
                "an object whose __iter__ starts a new pass"
            )
        self.loader = loader
        self.columns = Columns(names, features, where, fill)
        self.features = self.columns.features
        self.targets = None if targets is None else torch.as_tensor(targets)
        self._obs_names = obs_names

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self._obs_names)

    def tensors(self, aligned: Any, rows: Any, *, csr: bool = False) -> tuple[Tensor, ...]:
        """Return aligned rows as float32 features (cells, features), and what is known of them if anything is."""
        x = self.columns.tensor(aligned, csr=csr)
        return (x,) if self.targets is None else (x, self.targets[rows])

    def blocks(self) -> Iterator[tuple[npt.NDArray[np.intp], Any]]:
        """All cells, in the order and in the batches of the loader: which they are, and their features, aligned.

        A cell that comes again, as where batches are filled up, is left out: it would take the place of another.
        """
        seen = np.zeros(len(self), dtype=bool)
        for batch in self.loader:
            matrix = self._matrix(batch)
            rows = self._rows(batch)
            if rows.size != matrix.shape[0]:
                raise Edge2TorchError(f"the loader served {matrix.shape[0]:,} cells with {rows.size:,} positions")
            aligned = self.columns.align(matrix)
            raise_not_finite(count_not_finite(aligned), self.features)
            new = np.sort(np.unique(rows, return_index=True)[1])
            new = new[~seen[rows[new]]]
            seen[rows[new]] = True
            yield (rows, aligned) if new.size == rows.size else (rows[new], aligned[new])

    def head(self, n: int = SAMPLE) -> Any:
        """First rows of the first batch, aligned."""
        for batch in self.loader:
            return self.columns.align(self._matrix(batch)[:n])
        return np.zeros((0, len(self.features)), dtype=np.float32)

    @property
    def matrix(self) -> Any:
        """Raise: a loader does not hold all cells at once."""
        raise Edge2TorchError("cells from a loader are not in memory, and this needs all of them at once")

    def _matrix(self, batch: Mapping[str, Any]) -> Any:
        if not isinstance(batch, Mapping) or "X" not in batch:
            raise Edge2TorchError(
                f"the loader must serve mappings with 'X' and 'index' (or 'obs'), not {type(batch).__name__}"
            )
        matrix = _on_cpu(batch["X"])
        if matrix.ndim != 2 or matrix.shape[1] != self.columns.n_names:
            raise Edge2TorchError(
                f"the loader served an X of shape {tuple(matrix.shape)}, but there are {self.columns.n_names:,} names "
                "of columns"
            )
        check_numbers(matrix.dtype)
        return matrix

    def _rows(self, batch: Mapping[str, Any]) -> npt.NDArray[np.intp]:
        """Position of each cell of a batch among all cells."""
        index, obs = batch.get("index"), batch.get("obs")
        if index is not None:
            rows = np.asarray(index).ravel().astype(np.intp)
            wrong = (rows < 0) | (rows >= len(self))
            if wrong.any():
                raise Edge2TorchError(
                    f"the loader served {int(wrong.sum()):,} cells whose 'index' is not from 0 to {len(self) - 1:,}: "
                    f"{some(rows[wrong].tolist())}"
                )
            return rows
        if obs is None:
            raise Edge2TorchError(
                "the loader serves neither 'index' nor 'obs', so that its cells are unknown: pass return_index=True to "
                "the loader"
            )
        rows = np.asarray(self._obs_names.get_indexer(obs.index), dtype=np.intp)
        if (rows < 0).any():
            raise Edge2TorchError(
                f"the loader served {int((rows < 0).sum()):,} cells whose names are not in adata.obs_names: "
                f"{some(obs.index[rows < 0])}; pass return_index=True to the loader"
            )
        return rows


def _on_cpu(matrix: Any) -> Any:
    """Return what a loader serves as a NumPy array or CSR array."""
    if isinstance(matrix, Tensor):
        if matrix.layout == torch.sparse_coo:
            matrix = matrix.to_sparse_csr()
        matrix = matrix.detach().cpu()
        if matrix.layout != torch.sparse_csr:
            return matrix.numpy()
        values, columns, starts = (
            part.numpy() for part in (matrix.values(), matrix.col_indices(), matrix.crow_indices())
        )
        return sp.csr_array((values, columns, starts), shape=tuple(matrix.shape))
    if not isinstance(matrix, np.ndarray) and hasattr(matrix, "get"):  # of cupy
        matrix = matrix.get()
    return sp.csr_array(matrix) if is_sparse(matrix) else np.asarray(matrix)
