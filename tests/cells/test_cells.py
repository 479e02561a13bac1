"""Cells as tensors: every kind of matrix gives the same batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.cells import Cells, batches, choose_matrix

NAMES = [f"g{i}" for i in range(7)]
FEATURES = ["g5", "g0", "g3"]
KINDS = {
    "float32": lambda x: x.astype(np.float32),
    "float64": lambda x: x.astype(np.float64),
    "float16": lambda x: x.astype(np.float16),
    "int64": lambda x: x.astype(np.int64),
    "int8": lambda x: x.astype(np.int8),
    "Fortran order": lambda x: np.asfortranarray(x.astype(np.float32)),
    "csr_matrix": lambda x: sp.csr_matrix(x.astype(np.float32)),
    "csr_array": lambda x: sp.csr_array(x.astype(np.float64)),
    "csc_matrix": lambda x: sp.csc_matrix(x.astype(np.float32)),
    "csc_array": lambda x: sp.csc_array(x.astype(np.int64)),
    "integer csr": lambda x: sp.csr_matrix(x.astype(np.int32)),
}


def as_x(matrix):
    return AnnData(matrix, var=pd.DataFrame(index=NAMES)), {"layer": None, "use_raw": False}


def as_layer(matrix):
    made = AnnData(np.zeros(matrix.shape), var=pd.DataFrame(index=NAMES), layers={"log/1p": matrix})
    return made, {"layer": "log/1p", "use_raw": False}


def as_raw(matrix):
    """``raw`` has all genes, ``X`` just two and other values."""
    made = AnnData(np.zeros((matrix.shape[0], 2)), var=pd.DataFrame(index=["g1", "g2"]))
    made.raw = as_x(matrix)[0]
    return made, {"layer": None, "use_raw": True}


def as_view(matrix):
    made, where = as_x(
        sp.vstack([matrix] * 2, format=matrix.format) if sp.issparse(matrix) else np.tile(matrix, (2, 1))
    )
    return made[: matrix.shape[0]], where


@pytest.fixture
def values():
    return np.random.default_rng(0).poisson(0.8, (11, len(NAMES)))


@pytest.mark.parametrize("place", [as_x, as_layer, as_raw, as_view])
@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_of_matrices_give_equal_batches(values, kind, place):
    adata, where = place(KINDS[kind](values))
    matrix, names = choose_matrix(adata, **where)
    labels = np.arange(11)
    served = list(batches(Cells(matrix, list(names), FEATURES, labels), 4))
    expected = values[:, [5, 0, 3]].astype(np.float32)
    assert [x.shape for x, _ in served] == [(4, 3), (7, 3)]
    assert all(x.dtype == torch.float32 and x.is_contiguous() for x, _ in served)
    np.testing.assert_array_equal(torch.cat([x for x, _ in served]), expected)
    np.testing.assert_array_equal(torch.cat([y for _, y in served]), labels)


@pytest.mark.parametrize("kind", ["float32", "csr_array", "csc_matrix"])
def test_a_batch_is_a_copy(values, kind):
    matrix = KINDS[kind](values)
    cells = Cells(matrix, NAMES, NAMES)
    cells[[0, 1]][0].fill_(99)
    np.testing.assert_array_equal(matrix.toarray() if sp.issparse(matrix) else matrix, values)


def test_without_labels_a_batch_holds_features_only(values):
    (x,) = Cells(values, NAMES, FEATURES)[[2, 0]]
    np.testing.assert_array_equal(x, values[[2, 0]][:, [5, 0, 3]])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["float32", "float64", "csr_matrix", "csc_matrix"])
def test_values_that_are_not_finite_are_named_by_gene(values, kind, bad):
    x = values.astype(float)
    x[3, 0] = x[4, 0] = x[9, 5] = bad
    with pytest.raises(Edge2TorchError, match=r"3 values are NaN or infinite, in 2 genes: 'g5', 'g0'"):
        Cells(KINDS[kind](x), NAMES, FEATURES)


@pytest.mark.parametrize("kind", ["float32", "csc_matrix"])
def test_genes_that_are_not_used_may_hold_anything(values, kind):
    x = values.astype(float)
    x[:, [1, 2, 4, 6]] = np.nan
    assert len(Cells(KINDS[kind](x), NAMES, FEATURES)) == 11


@pytest.mark.parametrize("dtype", [object, bool, complex])
def test_values_must_be_real_numbers(values, dtype):
    with pytest.raises(Edge2TorchError, match="not real numbers"):
        Cells(values.astype(dtype), NAMES, FEATURES)


def test_missing_genes_are_counted_and_named(values):
    with pytest.raises(Edge2TorchError, match=r"2 of 3 features .* missing in adata.raw.var_names: 'h1', 'h2'"):
        Cells(values, NAMES, ["h1", "g0", "h2"], where="adata.raw.var_names")


def test_repeated_genes_matter_only_if_they_are_used(values):
    names = ["g0", "x", "x", "g3", "g4", "g5", "g5"]
    assert len(Cells(values, names, ["g0", "g3"])) == 11
    with pytest.raises(Edge2TorchError, match=r"more than once .*'g5'"):
        Cells(values, names, FEATURES)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.data())
def test_every_chosen_row_is_served_once_in_order(n_cells, batch_size, data):
    x = np.arange(n_cells, dtype=np.float32)[:, None]
    rows = data.draw(st.none() | st.lists(st.integers(0, n_cells - 1), unique=True, min_size=1))
    cells = Cells(x, ["g"], ["g"], np.arange(n_cells))
    loader = batches(cells, batch_size, None if rows is None else np.array(rows, dtype=np.intp))
    served = list(loader)
    expected = list(range(n_cells)) if rows is None else rows
    assert [int(v) for _, y in served for v in y] == expected
    assert [float(v) for x, _ in served for v in x] == expected
    sizes = [len(y) for _, y in served]
    assert len(loader) == len(sizes)
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] < batch_size + 8
    assert len(sizes) == 1 or sizes[-1] >= min(8, batch_size)


def order(loader):
    return [int(v) for _, y in loader for v in y]


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(0, 2**31))
def test_a_new_order_in_every_pass_given_by_seed_and_epoch(n_cells, batch_size, seed):
    cells = Cells(np.zeros((n_cells + 5, 1)), ["g"], ["g"], np.arange(n_cells + 5))
    rows = np.arange(n_cells)
    one, two = (batches(cells, batch_size, rows, seed=seed) for _ in range(2))
    passes = [order(one) for _ in range(3)]
    assert all(sorted(p) == rows.tolist() for p in passes)
    for epoch in (2, 0, 1):
        two.set_epoch(epoch)
        assert order(two) == passes[epoch]
    if n_cells > 15:  # 15! orders
        assert passes[0] != passes[1] != passes[2]


def test_the_order_in_which_rows_are_given_does_not_matter_in_a_shuffle():
    cells = Cells(np.zeros((30, 1)), ["g"], ["g"], np.arange(30))
    rows = np.arange(3, 25)
    assert order(batches(cells, 7, rows, seed=1)) == order(batches(cells, 7, rows[::-1], seed=1))
    assert order(batches(cells, 7, rows, seed=1)) != order(batches(cells, 7, rows, seed=2))


@pytest.mark.parametrize("seed", [None, 3])
def test_serving_neither_reads_nor_moves_the_global_generators(seed):
    cells = Cells(np.zeros((30, 1)), ["g"], ["g"], np.arange(30))
    orders = []
    for state in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(state)
            np.random.seed(state)  # noqa: NPY002 - the global one
            before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
            orders.append(order(batches(cells, 7, seed=seed)))
            assert torch.equal(torch.get_rng_state(), before[0])
            assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert orders[0] == orders[1]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"layer": "log", "use_raw": False}, ["'log'", "'counts'"]),
        ({"layer": "counts", "use_raw": True}, ["use_raw", "layer", "choose one"]),
        ({"layer": None, "use_raw": True}, ["adata.raw is empty"]),
        ({"layer": None, "use_raw": False}, ["adata.X is empty"]),
    ],
)
def test_matrices_that_do_not_exist(values, where, words):
    adata = AnnData(None, obs=pd.DataFrame(index=list("abcdefghijk")), var=pd.DataFrame(index=NAMES))
    adata.layers["counts"] = values
    with pytest.raises(Edge2TorchError) as error:
        choose_matrix(adata, **where)
    for word in words:
        assert word in str(error.value)
