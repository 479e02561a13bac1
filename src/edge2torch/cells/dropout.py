"""Dropout of genes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from edge2torch.cells.stored import is_sparse

#: rows for which random numbers are drawn at once: what is drawn for more would leave the cache
ROWS_DRAWN = 64


def drop(aligned: Any, p: float, random: np.random.Generator) -> Any:
    """Set values of CSR or an array to 0 with some probability, rounded to a multiple of 2**-16; scale up the others.

    Which ones does not depend on the form. Four values share a random number of 64 bits: torch's dropout, with a number
    for each gene, takes longer than a step of training.

    Examples
    --------
    >>> ones = np.ones((1, 4), dtype=np.float32)
    >>> [drop(form(ones), 0.5, np.random.default_rng(1)).sum() for form in (np.array, sp.csr_array)]
    [np.float32(6.0), np.float32(6.0)]
    """
    if is_sparse(aligned):
        kept = aligned.data.copy()
        for start in range(0, aligned.shape[0], ROWS_DRAWN):
            starts = aligned.indptr[start : start + ROWS_DRAWN + 1]
            here = slice(starts[0], starts[-1])
            row = np.repeat(np.arange(starts.size - 1), np.diff(starts))
            drawn = _draw((starts.size - 1, aligned.shape[1]), random)
            kept[here] *= _factors(drawn.ravel().take(row * aligned.shape[1] + aligned.indices[here]), p, kept.dtype)
        return sp.csr_array((kept, aligned.indices, aligned.indptr), shape=aligned.shape)
    kept = aligned.copy()
    for start in range(0, len(kept), ROWS_DRAWN):
        here = slice(start, start + ROWS_DRAWN)
        kept[here] *= _factors(_draw(kept[here].shape, random), p, kept.dtype)
    return kept


def _draw(shape: tuple[int, ...], random: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Draw 16 bits for each value of some rows."""
    size = shape[0] * shape[1]
    return random.integers(0, 2**64, -(-size // 4), dtype=np.uint64).view(np.uint16)[:size].reshape(shape)


def _factors(drawn: npt.NDArray[np.uint16], p: float, dtype: Any) -> npt.NDArray[Any]:
    least = min(round(p * 2**16), 2**16 - 1)
    return np.multiply(drawn >= least, 2**16 / (2**16 - least), dtype=dtype)
