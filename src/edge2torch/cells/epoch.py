"""Passes over cells, in batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from torch import Tensor

from edge2torch._checks import check_whole
from edge2torch.cells.cells import Cells
from edge2torch.cells.dropout import drop
from edge2torch.cells.loader import LoadedCells
from edge2torch.cells.stored import is_sparse
from edge2torch.errors import Edge2TorchError

#: a last batch of fewer cells is joined to the one before it: so few say little about the direction of a step
FEWEST = 8
#: a pool has at least so many chunks of consecutive rows, so that it has cells from everywhere
CHUNKS_PER_POOL = 64
#: most rows of a chunk, if no more are stored together
CHUNK_ROWS = 1024


def batches(
    cells: Cells | LoadedCells,
    batch_size: int,
    rows: npt.NDArray[np.intp] | None = None,
    *,
    seed: int | None = None,
    dropout: float = 0.0,
) -> Batches:
    """Serve cells in batches.

    Parameters
    ----------
    cells
        The cells.
    batch_size
        Cells per batch, of all processes together. If fewer than 8 are left over, they join the last batch.
    rows
        Which cells; ``None`` for all.
    seed
        Seed of a new order in every pass; ``None`` keeps the order. A loader of another package has its own order.
    dropout
        Probability with which a value is set to 0; others are scaled up, so that the mean stays. Which ones does not
        depend on how cells are stored.

    Examples
    --------
    >>> cells = Cells(np.arange(20.0)[:, None], ["CD4"], ["CD4"])
    >>> [len(x) for (x,) in batches(cells, 10)]
    [10, 10]
    """
    check_whole("batch_size", batch_size)
    rows = np.arange(len(cells)) if rows is None else rows
    if isinstance(cells, LoadedCells):
        return LoadedBatches(cells, batch_size, rows, seed=seed, dropout=dropout)
    return ShuffledBatches(cells, batch_size, rows, seed=seed, dropout=dropout)


class Batches(ABC):
    """Batches of cells; see :func:`batches`. Each iteration is a pass over all of them.

    Attributes
    ----------
    csr
        Whether to serve features of sparse cells as CSR, not dense.
    """

    cells: Cells | LoadedCells
    csr = False

    def __init__(self, batch_size: int, rows: npt.NDArray[np.intp], *, seed: int | None, dropout: float) -> None:
        self.batch_size = batch_size
        self._seed = seed
        self._dropout = dropout
        self._epoch = 0
        self.rows = rows
        self._own = slice(None)
        edges = np.append(np.arange(0, rows.size, batch_size), rows.size)
        if edges.size > 2 and edges[-1] - edges[-2] < FEWEST:
            edges = np.delete(edges, -2)
        self._edges = edges if rows.size else edges[:1]

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._edges.size - 1

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; without it, passes are counted."""
        self._epoch = epoch

    @abstractmethod
    def numbered(self) -> Iterator[tuple[npt.NDArray[np.intp], tuple[Tensor, ...]]]:
        """Serve all cells once, each batch with the rows of its cells."""

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Serve all cells once."""
        return (batch for _, batch in self.numbered())

    def share(self, rank: int, n_processes: int) -> None:
        """Serve, from the next pass on, the part of every batch that is for one of some processes.

        Raises
        ------
        Edge2TorchError
            If there are batches with fewer cells than processes.
        """
        smallest = int(np.diff(self._edges).min(initial=self.batch_size))
        if smallest < n_processes:
            raise Edge2TorchError(
                f"a batch of {smallest:,} cells cannot be divided among {n_processes} processes: use a larger "
                "batch_size, or fewer devices"
            )
        self._own = slice(rank, None, n_processes)

    def _count(self) -> int:
        """Begin a pass; return its number."""
        epoch, self._epoch = self._epoch, self._epoch + 1
        self._random = np.random.default_rng([self._seed or 0, epoch, 1 + self._own.indices(self.rows.size)[0]])
        return epoch

    def _batch(self, rows: npt.NDArray[np.intp], aligned: Any) -> tuple[npt.NDArray[np.intp], tuple[Tensor, ...]]:
        """Make a batch of aligned rows."""
        if self._dropout:
            aligned = drop(aligned, self._dropout, self._random)
        return rows, self.cells.tensors(aligned, rows, csr=self.csr)


class ShuffledBatches(Batches):
    """Batches in order, or in an order that depends on a seed and on the number of the pass alone.

    The order is the same in every process. Cells in memory are shuffled. Of cells in a file, chunks of consecutive rows
    are read in random order into a pool, and shuffled there, so that batches have cells from all over the file, however
    it is sorted.
    """

    cells: Cells

    def __init__(
        self, cells: Cells, batch_size: int, rows: npt.NDArray[np.intp], *, seed: int | None, dropout: float
    ) -> None:
        super().__init__(batch_size, rows if seed is None else np.sort(rows), seed=seed, dropout=dropout)
        self.cells = cells

    def numbered(self) -> Iterator[tuple[npt.NDArray[np.intp], tuple[Tensor, ...]]]:
        """Serve all cells once, each batch with the rows of its cells."""
        order = self._order(self._count())
        for start, stop in self._pools():
            edges = self._edges[start : stop + 1]
            yield from self._serve([order[low:high][self._own] for low, high in pairwise(edges)])

    def _serve(self, own: list[npt.NDArray[np.intp]]) -> Iterator[tuple[npt.NDArray[np.intp], tuple[Tensor, ...]]]:
        """Serve the batches of a pool."""
        if self.cells.in_memory:
            yield from (self._batch(rows, self.cells.aligned(rows)) for rows in own)
            return
        pool, positions = np.unique(np.concatenate(own), return_inverse=True)
        held = self.cells.ascending(pool)
        for rows, where in zip(own, np.split(positions, np.cumsum([rows.size for rows in own])[:-1]), strict=True):
            yield self._batch(rows, held[where])

    def _pools(self) -> list[tuple[int, int]]:
        """First batch of each pool, and the one behind its last."""
        most = self.cells.pool_rows
        if self._seed is None:  # in order, so that no more is needed than what is read at a time
            most = min(most, self.cells.rows_at_once)
        at_once = max(len(self) if self.rows.size <= most else most // self.batch_size, 1)
        return [(start, min(start + at_once, len(self))) for start in range(0, len(self), at_once)]

    def _order(self, epoch: int) -> npt.NDArray[np.intp]:
        """Rows in the order of a pass; those of a pool are from a few chunks."""
        if self._seed is None:
            return self.rows
        random = np.random.default_rng([self._seed, epoch])
        pools = self._pools()
        if len(pools) < 2:
            return random.permutation(self.rows)
        chunk = self.rows // self._chunk_rows()
        chunks = np.split(self.rows, np.flatnonzero(np.diff(chunk)) + 1)
        mixed = np.concatenate([chunks[i] for i in random.permutation(len(chunks))])
        return np.concatenate([random.permutation(mixed[self._edges[a] : self._edges[b]]) for a, b in pools])

    def _chunk_rows(self) -> int:
        """Rows to read together: enough to be read fast, few enough to have many chunks in a pool."""
        rows = min(self.cells.pool_rows // CHUNKS_PER_POOL, CHUNK_ROWS)
        most = self.cells.pool_rows // (CHUNKS_PER_POOL // 8)  # of rows that could not be read apart anyway
        return max(rows, min(2 * self.cells.rows_together, most), 1)  # a chunk starts anywhere


class LoadedBatches(Batches):
    """Batches of the cells that a loader of another package serves, in its order."""

    cells: LoadedCells

    def __init__(
        self, cells: LoadedCells, batch_size: int, rows: npt.NDArray[np.intp], *, seed: int | None, dropout: float
    ) -> None:
        super().__init__(batch_size, rows, seed=seed, dropout=dropout)
        self.cells = cells

    def set_epoch(self, epoch: int) -> None:
        """Tell the loader, too, if it wants to know."""
        super().set_epoch(epoch)
        tell = getattr(self.cells.loader, "set_epoch", None)
        if callable(tell):
            tell(epoch)

    def numbered(self) -> Iterator[tuple[npt.NDArray[np.intp], tuple[Tensor, ...]]]:
        """Serve all cells once, each batch with the rows of its cells."""
        self._count()
        sizes = np.diff(self._edges).tolist()
        for rows, block in self._batches(sizes):
            yield self._batch(rows[self._own], block[self._own])

    def _batches(self, sizes: list[int]) -> Iterator[tuple[npt.NDArray[np.intp], Any]]:
        """Cut what the loader serves anew, without the cells that are not wanted."""
        wanted = np.zeros(len(self.cells), dtype=bool)
        wanted[self.rows] = True
        waiting: list[tuple[npt.NDArray[np.intp], Any]] = []
        for served, part in self.cells.blocks():
            keep = np.flatnonzero(wanted[served])
            waiting.append((served[keep], part[keep]))
            while sizes and sum(rows.size for rows, _ in waiting) >= sizes[0]:
                size = sizes.pop(0)
                rows, block = np.concatenate([rows for rows, _ in waiting]), _joined([part for _, part in waiting])
                yield rows[:size], block[:size]
                waiting = [(rows[size:], block[size:])]
        if sizes:
            n_served = self.rows.size - sum(sizes) + sum(rows.size for rows, _ in waiting)
            raise Edge2TorchError(
                f"the loader served {n_served:,} of the {self.rows.size:,} cells that are wanted: pass drop_last=False "
                "to the loader, and see that it has all cells of adata"
            )


def _joined(blocks: list[Any]) -> Any:
    if len(blocks) == 1:
        return blocks[0]
    return sp.csr_array(sp.vstack(blocks)) if is_sparse(blocks[0]) else np.concatenate(blocks)
