"""Dropout of genes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from edge2torch.cells.stored import is_sparse

#: values of an array that are looked at together: what is computed for more would leave the cache
VALUES_AT_ONCE = 1 << 16
#: an odd number whose bits are irregular, 2**64 over the golden ratio: products with it depend on all bits of a number
_MIXES = np.uint64(0x9E3779B97F4A7C15)


def drop(aligned: Any, p: float, random: np.random.Generator) -> Any:
    """Set values of CSR or an array to 0 with some probability, and scale up the others.

    Which ones does not depend on the form: each row and each gene draw a random number, and both together say what
    becomes of a value, so that nothing is drawn for values that are 0 anyway. Within a row, and within a gene, values
    are independent of each other. (A number for each gene of each cell, as torch's dropout draws it, takes longer than
    a step of training.)

    Examples
    --------
    >>> ones = np.ones((1, 4), dtype=np.float32)
    >>> [drop(form(ones), 0.5, np.random.default_rng(1)).sum() for form in (np.array, sp.csr_array)]
    [np.float32(2.0), np.float32(2.0)]
    """
    n_rows, n_genes = aligned.shape
    of_row, of_gene = (random.integers(0, 2**64, n, dtype=np.uint64) for n in (n_rows, n_genes))
    if is_sparse(aligned):
        drawn = np.repeat(of_row, np.diff(aligned.indptr)) ^ of_gene.take(aligned.indices)
        kept = _factors(drawn, p, aligned.data.dtype)
        kept *= aligned.data
        return sp.csr_array((kept, aligned.indices, aligned.indptr), shape=aligned.shape)
    kept = aligned.copy()
    at_once = max(VALUES_AT_ONCE // max(n_genes, 1), 1)
    for start in range(0, n_rows, at_once):
        here = slice(start, start + at_once)
        kept[here] *= _factors(of_row[here, None] ^ of_gene, p, kept.dtype)
    return kept


def _factors(drawn: npt.NDArray[np.uint64], p: float, dtype: Any) -> npt.NDArray[Any]:
    drawn *= _MIXES  # modulo 2**64
    return np.multiply(drawn >= np.uint64(p * 2**64), 1 / (1 - p), dtype=dtype)
