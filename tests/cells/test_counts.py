"""A warning where values look like counts."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from edge2torch.cells import warn_if_counts

COUNTS = np.random.default_rng(0).poisson(3, (300, 20))
COUNTS[0, 0] = 57
NOT_COUNTS = {
    "log": np.log1p(COUNTS),
    "normalised": COUNTS * 1.5,
    "scaled": COUNTS - COUNTS.mean(axis=0),
    "with negative numbers": COUNTS - 1,
    "ranks or flags": np.minimum(COUNTS, 5),
    "empty": COUNTS[:0],
    "zero": COUNTS * 0,
}
KINDS = {"dense": np.asarray, "csr": sp.csr_array, "csc": sp.csc_matrix}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16])
def test_counts_are_recognised(kind, dtype):
    with pytest.warns(UserWarning, match=r"adata.X looks like raw counts \(whole numbers up to 57\).*log1p"):
        warn_if_counts(KINDS[kind](COUNTS.astype(dtype)), "adata.X")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", NOT_COUNTS)
def test_other_values_are_not(kind, case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_counts(KINDS[kind](NOT_COUNTS[case]), "adata.X")
