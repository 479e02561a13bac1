"""Sums over edges by compiled loops, where these are there and quicker than torch's kernels.

The loops need numba, which comes with scanpy; without it, or with ``NUMBA_DISABLE_JIT=1``, torch's kernels do the same.
So they do on several threads, which the loops do not use: threads of ours beside those of torch gained nothing.
"""

from __future__ import annotations

import functools
import threading
from importlib import import_module
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from torch import Tensor

from edge2torch.errors import Edge2TorchError

#: least edges and cells for which loops, which may have to be compiled first, are worth it; with fewer cells, torch's
#: kernels are as quick
LEAST_EDGES, LEAST_CELLS = 10_000, 256
#: bytes of what is packed up to which it stays in cache, and bytes of a result beyond which it does not
CACHED, LARGE = 1 << 20, 8 << 20
#: bytes of a huge page, and from which on numpy asks the system for them; most bytes of room kept for the next loop
HUGE_PAGE, HUGE, KEPT = 2 << 20, 4 << 20, 16 << 20
#: bytes that fit in a register, or in a line of the cache
LINE = 64


@functools.cache
def loops() -> Any:
    """Get what numba compiles; ``None`` without numba."""
    try:
        numba = import_module("numba")
    except ImportError:
        return None
    return None if numba.config.DISABLE_JIT else import_module("edge2torch.nn.loops")


def suits(columns: Tensor, *given: Tensor) -> bool:
    """Whether edges should go through compiled loops: their columns, and what they read, states (nodes, cells) last."""
    enough = columns.shape[0] >= LEAST_EDGES and given[-1].shape[1] >= LEAST_CELLS
    return enough and torch.get_num_threads() == 1 and can_read(*given)


def can_read(*given: Tensor) -> bool:
    """Whether loops are there, and may read some tensors of one type."""
    return (
        all(_is_plain(tensor) and tensor.dtype == given[0].dtype for tensor in given)
        and torch._C._len_torch_dispatch_stack() == 0  # what looks at operations must see some
        and torch._C._get_tracing_state() is None
        and loops() is not None
    )


def _is_plain(tensor: Tensor) -> bool:
    return (
        tensor.device.type == "cpu"
        and tensor.dtype in (torch.float32, torch.float64)
        and type(tensor) in (Tensor, torch.nn.Parameter)
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


class Flat(NamedTuple):
    """A state as the loops read it: all numbers in a row, and whether they lie cell by cell."""

    numbers: np.ndarray
    by_cell: bool

    @classmethod
    def of(cls, state: Tensor) -> Flat:
        """See a state, (nodes, cells), in the same memory if it lies in a row there, or its transpose does."""
        by_cell = state.T.is_contiguous() and not state.is_contiguous()
        return cls(flat(state.T if by_cell else state), by_cell)


def flat(tensor: Tensor) -> np.ndarray:
    """See all numbers in a row, in the same memory if they lie there in a row."""
    found: np.ndarray = tensor.detach().contiguous().view(-1).numpy()
    return found


def _whole(tensor: Tensor) -> np.ndarray:
    return flat(tensor.to(torch.int32))


@overload
def pull(
    weight: Tensor, state: None, other: Tensor, starts: Tensor, columns: Tensor, *, bias: Tensor | None = ...
) -> tuple[Tensor, None]: ...


@overload
def pull(
    weight: None, state: Tensor, other: Tensor, starts: Tensor, columns: Tensor, *, bias: Tensor | None = ...
) -> tuple[None, Tensor]: ...


@overload
def pull(
    weight: Tensor, state: Tensor, other: Tensor, starts: Tensor, columns: Tensor, *, bias: Tensor | None = ...
) -> tuple[Tensor, Tensor]: ...


def pull(
    weight: Tensor | None,
    state: Tensor | None,
    other: Tensor,
    starts: Tensor,
    columns: Tensor,
    *,
    bias: Tensor | None = None,
) -> tuple[Tensor | None, Tensor | None]:
    """Sum states over the edges of each row, and their products with the state of the row over cells.

    Parameters
    ----------
    weight
        Of edges sorted by row, shape (edges,); no sums are computed without.
    state
        Of the rows, shape (rows, cells), in whatever layout; no products are computed without.
    other
        Of the columns, shape (columns, cells), in whatever layout; products are quicker if columns are few.
    starts, columns
        Where the edges of each row begin, and the column of each edge.
    bias
        Added to the sums, shape (rows,).

    Returns
    -------
    Sums, shape (rows, cells), and products, shape (edges,); ``None`` for what is not computed.
    """
    code, n_rows, (n_columns, cells) = loops(), starts.shape[0] - 1, other.shape
    sums = None if weight is None else empty(other, n_rows, cells)
    products = None if state is None else other.new_empty(columns.shape[0])
    nothing = other.new_empty(0)
    flat_starts, flat_columns, used = _whole(starts), _whole(columns), np.empty(0, np.int32)
    _check(weight, state, other, flat_starts, flat_columns)
    packed = Flat.of(other)
    if not packed.by_cell and flat_columns.size < 2 * n_columns:  # else there are edges of nearly all
        flat_columns, used = code.number_again(flat_columns, n_columns)
    n_packed = used.size or n_columns
    stays = n_packed * code.LANES * other.element_size() <= CACHED
    lanes = code.LANES if products is not None or stays else code.FEWER_LANES
    code.pull(lanes)(
        *Flat.of(nothing[:, None] if state is None else state),
        flat_starts,
        flat_columns,
        *(flat(nothing if tensor is None else tensor) for tensor in (weight, bias)),
        *packed,
        n_columns,
        used,
        *(flat(nothing if tensor is None else tensor) for tensor in (sums, products)),
        sums is not None and fits_past_cache(sums),
        cells,
        *rooms(other, n_packed * lanes, code.AT_ONCE * lanes),
    )
    return sums, products


def _check(weight: Tensor | None, state: Tensor | None, other: Tensor, starts: np.ndarray, columns: np.ndarray) -> None:
    """Raise if anything would be read beyond its end: the loops do not look."""
    n_edges, n_rows, n_columns = columns.size, starts.size - 1, int(columns.max(initial=-1)) + 1
    if other.shape[0] < n_columns or (state is not None and state.shape[0] < n_rows):
        raise Edge2TorchError("edges connect more nodes than there are states")
    if starts[-1] != n_edges or (weight is not None and weight.shape[0] != n_edges):
        raise Edge2TorchError(f"{n_edges} edges need a weight each, and to be of one row each")
    if state is not None and state.shape[1] != other.shape[1]:
        raise Edge2TorchError(f"states are of {state.shape[1]} and {other.shape[1]} cells")


def fits_past_cache(out: Tensor) -> bool:
    """Whether a result is too large for the cache, and each row begins at a multiple of 64 bytes."""
    row = out.shape[1] * out.element_size()
    return out.shape[0] * row > LARGE and row % LINE == 0 and out.data_ptr() % LINE == 0


def empty(like: Tensor, rows: int, cells: int) -> Tensor:
    """Get memory for a result, of the type of a tensor; in huge pages, where the system has them, if it is large.

    Where the system takes back at once what is freed, a result begins with a fault for each page.
    """
    n_bytes = rows * cells * like.element_size()
    if n_bytes < HUGE:
        return like.new_empty(rows, cells)
    room = np.empty(n_bytes + LINE, np.uint8)
    numbers = room[-room.ctypes.data % LINE :][:n_bytes].view(_dtype(like))
    return torch.from_numpy(numbers.reshape(rows, cells))  # no view: activations may work in place


def _dtype(tensor: Tensor) -> np.dtype:
    found: np.dtype = flat(tensor.new_empty(0)).dtype
    return found


class _Kept(threading.local):
    room = np.empty(0, np.uint8)


_kept = _Kept()


def rooms(like: Tensor, *sizes: int) -> list[np.ndarray]:
    """Get room for so many numbers each, of the type of a tensor, until a thread asks for the next.

    It lies in a huge page where the system has them: on many small ones, which may lie anywhere, what is read again and
    again leaves the cache earlier. A thread keeps its room, as new pages have to be cleared first.
    """
    n_bytes = sum(sizes) * like.element_size()
    room = _kept.room
    if room.size < n_bytes:
        room = np.empty(max(n_bytes + HUGE_PAGE, HUGE), np.uint8)
        room = room[-room.ctypes.data % HUGE_PAGE :]
        if n_bytes <= KEPT:
            _kept.room = room
    numbers = room[:n_bytes].view(_dtype(like))
    return np.split(numbers, np.cumsum(sizes)[:-1])
