"""Sparse cells as CSR tensors: the same numbers as dense ones."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from edge2torch.cells import Cells, LoadedCells, batches

N, NAMES = 70, [f"g{i}" for i in range(12)]
FEATURES = ["g5", "g0", "g11", "g3", "absent"]
X = sp.random_array((N, 12), density=0.4, format="csr", rng=np.random.default_rng(0))
KNOWN = np.arange(N)


def fill():
    return np.array([np.nan, np.nan, np.nan, np.nan, 0.5])


def in_memory(matrix):
    return Cells(matrix, NAMES, FEATURES, KNOWN, fill=fill())


def loaded(matrix):
    served = [{"X": matrix[start : start + 20], "index": KNOWN[start : start + 20]} for start in range(0, N, 20)]
    return LoadedCells(served, NAMES, FEATURES, KNOWN, obs_names=KNOWN, fill=fill())


def serve(cells, *, csr, **arguments):
    served = batches(cells, 32, seed=1, **arguments)
    served.csr = csr
    return list(served)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("make", [in_memory, loaded])
@pytest.mark.parametrize("form", ["csr", "csc"])
def test_batches_hold_what_dense_ones_hold(form, make, dropout):
    cells = make(X.asformat(form))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = serve(cells, csr=True, dropout=dropout)
    expected = serve(cells, csr=False, dropout=dropout)
    assert len(found) == len(expected) == 3 - (N % 32 < 8)
    for (x, known), (dense, of_dense) in zip(found, expected, strict=True):
        assert x.layout == torch.sparse_csr
        assert x.dtype == torch.float32
        assert torch.equal(x.to_dense(), dense)
        assert torch.equal(known, of_dense)


def test_dense_cells_stay_dense():
    found, expected = (serve(in_memory(X.toarray()), csr=csr) for csr in (True, False))
    assert all(torch.equal(x, dense) for (x, _), (dense, _) in zip(found, expected, strict=True))
