"""Matrices of several modalities as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from edge2torch.cells.stored import Store, is_by_column, is_sparse, is_stored, read
from edge2torch.errors import Edge2TorchError


@dataclass(frozen=True, eq=False)
class Block:
    """Part of the matrix of a modality.

    Attributes
    ----------
    matrix
        Cells by genes.
    columns
        Which genes.
    rows
        Row of every cell; ``None`` if they are in order.
    where
        What holds the matrix, for messages.
    """

    matrix: Any
    columns: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp] | None
    where: str


def side_by_side(blocks: list[Block]) -> Any:
    """Put blocks side by side: in memory, or :class:`SideBySide` if one of them is stored by row.

    Raises
    ------
    Edge2TorchError
        If one does not hold real numbers.
    """
    for block in blocks:
        if block.matrix.dtype.kind not in "biuf":
            raise Edge2TorchError(f"{block.where} holds {block.matrix.dtype}, not real numbers: convert it")
    if any(is_stored(block.matrix) and not is_by_column(block.matrix) for block in blocks):
        return SideBySide([block if is_stored(block.matrix) else _choose(block) for block in map(_in_rows, blocks)])
    together = SideBySide([_in_rows(block) for block in blocks])
    return together[0 : together.shape[0]]


def _in_rows(block: Block) -> Block:
    """Read the columns of what is stored by column."""
    if not is_by_column(block.matrix):
        return block
    return _only(block, Store(block.matrix).columns(block.columns))


def _choose(block: Block) -> Block:
    """Copy the columns once, where many slices of rows are going to be read."""
    chosen = block.matrix[:, block.columns]
    return _only(block, sp.csr_array(chosen) if is_sparse(chosen) else np.ascontiguousarray(chosen))


def _only(block: Block, chosen: Any) -> Block:
    return Block(chosen, np.arange(block.columns.size), block.rows, block.where)


class SideBySide:
    """Blocks of which rows are read when they are asked for.

    Attributes
    ----------
    shape, dtype
        Of the whole.
    contents
        Whether rows are sparse, and how many values they have on average.
    """

    def __init__(self, blocks: list[Block]) -> None:
        self._blocks = blocks
        self._stores = [Store(block.matrix) if is_stored(block.matrix) else None for block in blocks]
        first = blocks[0]
        n_rows = first.matrix.shape[0] if first.rows is None else first.rows.size
        self.shape = (n_rows, sum(block.columns.size for block in blocks))
        self.dtype = np.result_type(*[block.matrix.dtype for block in blocks])
        values = [self._values_per_row(k) for k in range(len(blocks))]
        self.contents = any(sparse for sparse, _ in values), sum(n for _, n in values)

    def _values_per_row(self, k: int) -> tuple[bool, float]:
        block, store = self._blocks[k], self._stores[k]
        n_columns = block.matrix.shape[1]
        if store is not None:
            sparse, n = store.is_sparse, store.values_per_row
        else:
            sparse = is_sparse(block.matrix)
            n = block.matrix.nnz / max(block.matrix.shape[0], 1) if sparse else n_columns
        return sparse, n * block.columns.size / max(n_columns, 1)

    def __getitem__(self, rows: slice) -> Any:
        """Read consecutive rows."""
        parts = [self._part(k, rows) for k in range(len(self._blocks))]
        if any(is_sparse(part) for part in parts):
            return sp.hstack([sp.csr_array(part) for part in parts], format="csr")
        return np.hstack(parts)

    def _part(self, k: int, rows: slice) -> Any:
        block, store = self._blocks[k], self._stores[k]
        if block.rows is None:
            return read(block.matrix, rows.start, rows.stop)[:, block.columns]
        wanted = block.rows[rows]
        if store is None:
            return block.matrix[:, block.columns][wanted]
        order = np.argsort(wanted)
        return store.rows(wanted[order], lambda part: part[:, block.columns])[np.argsort(order)]
