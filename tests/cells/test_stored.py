"""Cells that are not in memory: read when they are asked for, and served as if they were."""

from __future__ import annotations

import tracemalloc

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import zarr
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.cells import Cells, batches, choose_matrix, gene_means, stored

N, NAMES = 300, [f"g{i}" for i in range(7)]
FEATURES = ["g5", "g0", "g3", "g6"]
X = np.random.default_rng(0).poisson(0.8, (N, len(NAMES))).astype(np.float32)


def h5_group(path):
    return h5py.File(path / "cells.h5", "w")


def zarr_group(path):
    return zarr.open_group(str(path / "cells.zarr"), mode="w", zarr_format=2)


def element(group, x):
    anndata.io.write_elem(group, "x", x)
    return anndata.io.sparse_dataset(group["x"]) if sp.issparse(x) else group["x"]


def backed(path, x):
    AnnData(x, var=pd.DataFrame(index=NAMES)).write_h5ad(path / "cells.h5ad")
    return choose_matrix(anndata.read_h5ad(path / "cells.h5ad", backed="r"), None, False)[0]


STORED = {
    "h5 dense": lambda path: element(h5_group(path), X),
    "h5 integers": lambda path: element(h5_group(path), X.astype(np.int16)),
    "h5 csr": lambda path: element(h5_group(path), sp.csr_array(X)),
    "h5 csc": lambda path: element(h5_group(path), sp.csc_array(X)),
    "zarr dense": lambda path: element(zarr_group(path), X),
    "zarr csr": lambda path: element(zarr_group(path), sp.csr_matrix(X.astype(np.float64))),
    "zarr csc": lambda path: element(zarr_group(path), sp.csc_matrix(X)),
    "backed dense": lambda path: backed(path, X),
    "backed csr": lambda path: backed(path, sp.csr_matrix(X)),
}
STREAMED = [name for name in STORED if "csc" not in name]


@pytest.fixture(scope="module", params=STORED)
def matrix(request, tmp_path_factory):
    return STORED[request.param](tmp_path_factory.mktemp("stored"))


@pytest.fixture(scope="module", params=STREAMED)
def streamed(request, tmp_path_factory):
    return STORED[request.param](tmp_path_factory.mktemp("streamed"))


@pytest.fixture
def small_pool(monkeypatch):
    """A pool of about 30 dense cells, or 60 of the sparse ones."""
    monkeypatch.setattr(stored, "POOL_BYTES", 30 * len(FEATURES) * 4)
    monkeypatch.setattr(stored, "VALUES_AT_ONCE", 50)


def served(loader):
    parts = list(loader)
    return [torch.cat([part[k] for part in parts]).numpy() for k in range(2)]


def test_a_small_matrix_is_read_at_once(matrix):
    assert Cells(matrix, NAMES, FEATURES).in_memory


def test_what_is_stored_by_column_is_read_at_once(small_pool, tmp_path):
    cells = Cells(STORED["h5 csc"](tmp_path), NAMES, FEATURES)
    assert cells.in_memory
    np.testing.assert_array_equal(cells.matrix.toarray(), X[:, [5, 0, 3, 6]])


@pytest.mark.usefixtures("small_pool")
def test_any_rows_in_any_order(matrix):
    cells = Cells(matrix, NAMES, FEATURES, np.arange(N))
    for rows in ([3], [250, 4, 4, 0, 251], [], list(range(N))[::-1]):
        x, y = cells[np.array(rows, dtype=np.intp)]
        np.testing.assert_array_equal(x, X[rows][:, [5, 0, 3, 6]])
        assert y.tolist() == rows


@pytest.mark.usefixtures("small_pool")
def test_a_pass_in_order(streamed):
    cells = Cells(streamed, NAMES, FEATURES, np.arange(N))
    assert not cells.in_memory
    assert cells.pool_rows < N / 4
    rows = np.flatnonzero(np.random.default_rng(1).random(N) < 0.6)
    x, y = served(batches(cells, 16, rows))
    assert y.tolist() == rows.tolist()
    np.testing.assert_array_equal(x, X[rows][:, [5, 0, 3, 6]])


@pytest.mark.usefixtures("small_pool")
def test_a_pass_in_order_holds_no_more_than_is_read_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "POOL_BYTES", 200 * 8)
    cells = Cells(STORED["h5 csr"](tmp_path), NAMES, FEATURES, np.arange(N))
    held, ascending = [], Cells.ascending
    monkeypatch.setattr(Cells, "ascending", lambda self, rows: held.append(rows.size) or ascending(self, rows))
    assert served(batches(cells, 4))[1].tolist() == list(range(N))
    assert max(held) <= cells.rows_at_once < cells.pool_rows


@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_what_is_read_in_parts_is_in_memory_once(tmp_path, monkeypatch, kind):
    """With 4 bytes for a value and, of a sparse one, 4 for its column, though positions are int64 in the file."""
    monkeypatch.setattr(stored, "POOL_BYTES", 0)
    monkeypatch.setattr(stored, "VALUES_AT_ONCE", 10_000)
    x = np.random.default_rng(0).random((10_000, 300), dtype=np.float32) + 1
    x[:, ::4] = 0
    whole = sp.csr_array(x)
    whole.indices, whole.indptr = whole.indices.astype(np.int64), whole.indptr.astype(np.int64)
    names = [f"g{i}" for i in range(300)]
    cells = Cells(element(h5_group(tmp_path), x if kind == "dense" else whole), names, names)
    rows = np.flatnonzero(np.random.default_rng(1).random(10_000) < 0.8)
    tracemalloc.start()
    held = cells.ascending(rows)
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    values = held.toarray() if sp.issparse(held) else held
    np.testing.assert_array_equal(values, x[rows])
    assert highest < 1.3 * (held.nnz * 8 if sp.issparse(held) else held.nbytes)


@pytest.mark.usefixtures("small_pool")
def test_a_shuffled_pass(streamed):
    cells = Cells(streamed, NAMES, FEATURES, np.arange(N))
    loader = batches(cells, 16, np.arange(0, N, 2), seed=3)
    passes = [served(loader) for _ in range(2)]
    for x, y in passes:
        assert sorted(y.tolist()) == list(range(0, N, 2))
        np.testing.assert_array_equal(x, X[y][:, [5, 0, 3, 6]])
    assert passes[0][1].tolist() != passes[1][1].tolist()
    loader.set_epoch(0)
    assert served(loader)[1].tolist() == passes[0][1].tolist()


@pytest.mark.parametrize("seed", [None, 5])
def test_if_all_chosen_cells_fit_into_the_pool_the_order_is_that_of_memory(streamed, monkeypatch, seed):
    monkeypatch.setattr(stored, "POOL_BYTES", 200 * len(NAMES) * 8)
    rows = np.arange(10, 120)
    monkeypatch.setattr(Cells, "_read_if_small", lambda *_: None)
    cells = Cells(streamed, NAMES, FEATURES, np.arange(N))
    expected = served(batches(Cells(X, NAMES, FEATURES, np.arange(N)), 16, rows, seed=seed))
    for one, two in zip(served(batches(cells, 16, rows, seed=seed)), expected, strict=True):
        np.testing.assert_array_equal(one, two)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_every_row_once_whatever_the_pool(data):
    """Also in pools of a row, and with chunks that the store cannot read apart."""
    n, batch_size, pool = (data.draw(st.integers(1, most)) for most in (300, 40, 100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cells, "in_memory", False)
        patch.setattr(Cells, "pool_rows", pool)
        patch.setattr(Cells, "rows_together", data.draw(st.integers(1, 50)))
        cells = Cells(np.arange(n, dtype=np.float32)[:, None], ["g"], ["g"], np.arange(n))
        rows = np.array(data.draw(st.lists(st.integers(0, n - 1), unique=True, min_size=1)))
        loader = batches(cells, batch_size, rows, seed=data.draw(st.integers(0, 9)))
        x, y = served(loader)
    assert sorted(y.tolist()) == sorted(rows.tolist())
    assert x.ravel().tolist() == y.tolist()


def test_batches_of_a_sorted_file_have_cells_from_all_over_it(monkeypatch):
    """The labels of 10 classes, one after the other, in a pool of a tenth: near what a full shuffle gives."""
    n, kinds = 20_000, 10
    labels = np.repeat(np.arange(kinds), n // kinds)
    monkeypatch.setattr(Cells, "in_memory", False)
    monkeypatch.setattr(Cells, "pool_rows", n // 10)
    cells = Cells(np.zeros((n, 1), np.float32), ["g"], ["g"], labels)
    seen = [np.bincount(y, minlength=kinds) for _, y in batches(cells, 100, seed=0)]
    assert np.mean([np.count_nonzero(counts) for counts in seen]) > 9
    assert np.max(seen) < 40


@pytest.mark.usefixtures("small_pool")
def test_means_in_one_pass(matrix):
    rows = np.arange(7, 200)
    means = gene_means(Cells(matrix, NAMES, FEATURES), rows)
    assert means.dtype == np.float64
    np.testing.assert_allclose(means, X[rows][:, [5, 0, 3, 6]].mean(axis=0, dtype=float), rtol=1e-12)


@pytest.mark.usefixtures("small_pool")
@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
def test_values_that_are_not_finite_are_found_in_the_pass_for_the_means(tmp_path, kind, bad):
    x = X.astype(np.float64)
    x[250, 0] = bad
    x[250, 1] = np.nan  # not a feature
    matrix = element(h5_group(tmp_path), x if kind == "dense" else sp.csr_array(x))
    cells = Cells(matrix, NAMES, FEATURES)
    with pytest.raises(Edge2TorchError, match=r"1 values are NaN or infinite, in 1 genes: 'g0'"):
        gene_means(cells, np.arange(10))


@pytest.mark.usefixtures("small_pool")
def test_all_cells_at_once_only_from_memory(tmp_path):
    cells = Cells(STORED["h5 csr"](tmp_path), NAMES, FEATURES)
    with pytest.raises(Edge2TorchError, match=r"not in memory.*adata.to_memory"):
        _ = cells.matrix
    np.testing.assert_array_equal(cells.head().toarray(), X[:200][:, [5, 0, 3, 6]])


@pytest.mark.parametrize("pool", [0, 10**9])
@pytest.mark.parametrize("kind", ["dense array", "array", "csr", "csc", "h5 csr", "zarr dense"])
def test_absent_features_are_filled(tmp_path, monkeypatch, kind, pool):
    monkeypatch.setattr(stored, "POOL_BYTES", pool)
    in_memory = {"dense array": np.asarray, "array": np.asfortranarray, "csr": sp.csr_array, "csc": sp.csc_array}
    matrix = in_memory[kind](X) if kind in in_memory else STORED[kind](tmp_path)
    cells = Cells(matrix, NAMES, ["absent", "g2", "gone", "g0"], fill=np.array([0.5, np.nan, -1, 7]))
    expected = np.column_stack([np.full(N, 0.5), X[:, 2], np.full(N, -1), X[:, 0]])
    np.testing.assert_array_equal(cells[np.arange(N)][0], expected)
    if cells.in_memory:
        whole = cells.matrix
        np.testing.assert_array_equal(whole.toarray() if sp.issparse(whole) else whole, expected)
    with pytest.raises(Edge2TorchError, match=r"1 of 2 features .* missing"):
        Cells(matrix, NAMES, ["g0", "absent"], fill=np.array([0.0, np.nan]))


@pytest.mark.parametrize(
    ("matrix", "words"),
    [([[1.0]], "cannot be read"), (np.zeros((2, 7), bool), "not real numbers"), (None, "cannot be read")],
)
def test_what_is_no_matrix(matrix, words):
    with pytest.raises(Edge2TorchError, match=words):
        Cells(matrix, NAMES, ["g0"])


def test_processes_divide_every_batch():
    cells = Cells(np.arange(100.0)[:, None], ["a"], ["a"], np.arange(100))
    alone = [y.tolist() for _, y in batches(cells, 32, seed=1)]
    parts = []
    for rank in range(2):
        served = batches(cells, 32, seed=1)
        served.share(rank, 2)
        parts.append([y.tolist() for _, y in served])
    for whole, first, second in zip(alone, *parts, strict=True):
        assert (first, second) == (whole[::2], whole[1::2])


def test_a_batch_too_small_to_be_divided():
    cells = Cells(np.arange(8.0)[:, None], ["a"], ["a"])
    with pytest.raises(Edge2TorchError, match="batch of 1 cells cannot be divided among 2 processes"):
        batches(cells, 1).share(0, 2)
