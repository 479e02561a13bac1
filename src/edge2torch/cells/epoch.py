"""Passes over cells, in batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edge2torch._checks import check_whole
from edge2torch.cells.cells import Cells
from edge2torch.errors import Edge2TorchError

#: a last batch of fewer cells is joined to the one before it: so few say little about the direction of a step
FEWEST = 8
#: a pool has at least so many chunks of consecutive rows, so that it has cells from everywhere
CHUNKS_PER_POOL = 64
#: most rows of a chunk, if no more are stored together
CHUNK_ROWS = 1024


def batches(
    cells: Cells,
    batch_size: int,
    rows: npt.NDArray[np.intp] | None = None,
    *,
    seed: int | None = None,
    divide: bool = True,
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
        Seed of a new order in every pass; ``None`` keeps the order.
    divide
        Whether the processes of ``torch.distributed`` divide every batch among them; each serves all of it otherwise.

    Examples
    --------
    >>> cells = Cells(np.arange(20.0)[:, None], ["CD4"], ["CD4"])
    >>> [len(x) for (x,) in batches(cells, 10)]
    [10, 10]
    """
    check_whole("batch_size", batch_size)
    return Batches(cells, batch_size, np.arange(len(cells)) if rows is None else rows, seed=seed, divide=divide)


class Batches:
    """Batches of cells; see :func:`batches`. Each iteration is a pass over all of them.

    The order of a pass depends on the seed and on the number of the pass alone, and is the same in every process. Cells
    in memory are shuffled. Of cells in a file, chunks of consecutive rows are read in random order into a pool, and
    shuffled there, so that batches have cells from all over the file, however it is sorted.
    """

    #: Lightning asks loaders that have a sampler
    batch_sampler = None

    def __init__(
        self, cells: Cells, batch_size: int, rows: npt.NDArray[np.intp], *, seed: int | None, divide: bool
    ) -> None:
        self.cells = cells
        self.batch_size = batch_size
        self.rows = rows if seed is None else np.sort(rows)
        self._seed = seed
        self._divide = divide
        self._epoch = 0
        edges = np.append(np.arange(0, rows.size, batch_size), rows.size)
        if edges.size > 2 and edges[-1] - edges[-2] < FEWEST:
            edges = np.delete(edges, -2)
        self._edges = edges if rows.size else edges[:1]

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._edges.size - 1

    @property
    def sampler(self) -> Batches:
        """What Lightning tells the number of the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; without it, passes are counted."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Serve all cells once."""
        epoch, self._epoch = self._epoch, self._epoch + 1
        order = self._order(epoch)
        share = self._share()
        for start, stop in self._pools():
            own = [
                order[low:high][share]
                for low, high in zip(self._edges[start:stop], self._edges[start + 1 : stop + 1], strict=True)
            ]
            yield from self._serve(own)

    def _serve(self, own: list[npt.NDArray[np.intp]]) -> Iterator[tuple[Tensor, ...]]:
        """Serve the batches of a pool."""
        if self.cells.in_memory:
            yield from (self.cells[rows] for rows in own)
            return
        pool, positions = np.unique(np.concatenate(own), return_inverse=True)
        held = self.cells.ascending(pool)
        for rows, where in zip(own, np.split(positions, np.cumsum([rows.size for rows in own])[:-1]), strict=True):
            yield self.cells.tensors(held[where], rows)

    def _pools(self) -> list[tuple[int, int]]:
        """First batch of each pool, and the one behind its last."""
        at_once = max(self.cells.pool_rows // self.batch_size, 1)
        if self.rows.size <= self.cells.pool_rows:
            at_once = max(len(self), 1)
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
        return max(rows, min(self.cells.rows_together, most), 1)

    def _share(self) -> slice:
        """Which cells of a batch are for this process."""
        distributed = torch.distributed
        if not self._divide or not distributed.is_available() or not distributed.is_initialized():
            return slice(None)
        rank, n_processes = distributed.get_rank(), distributed.get_world_size()
        smallest = int(np.diff(self._edges).min(initial=self.batch_size))
        if smallest < n_processes:
            raise Edge2TorchError(
                f"a batch of {smallest:,} cells cannot be divided among {n_processes} processes: use a larger "
                "batch_size, or fewer devices"
            )
        return slice(rank, None, n_processes)
