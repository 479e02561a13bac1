"""``tl.interpret`` on cells in a file that is open."""

from __future__ import annotations

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import edge2torch as e2t
from edge2torch import _in_place
from edge2torch.cells import stored
from edge2torch.tl import _scores

ARRAYS = ("e2t_nodes", "e2t_activations", "e2t_features")


@pytest.fixture
def path(fitted, tmp_path):
    fitted.obsm["X_other"] = np.arange(84.0).reshape(42, 2)
    fitted.uns["other"] = {"a": 1}
    fitted.X = sp.csr_matrix(fitted.X)
    fitted.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


@pytest.fixture
def in_file(path):
    adata = anndata.read_h5ad(path, backed="r+")
    yield adata
    adata.file.close()


def same_scores(one, two):
    for name in ARRAYS:
        assert (name in one.obsm) == (name in two.obsm)
        if name in two.obsm:
            np.testing.assert_allclose(one.obsm[name], two.obsm[name], atol=1e-6)
    np.testing.assert_allclose(one.varm["e2t_features"], two.varm["e2t_features"], atol=1e-6)
    for part in ("rank_nodes", "completeness"):
        pd.testing.assert_frame_equal(one.uns["e2t"][part], two.uns["e2t"][part], atol=1e-5)


def contents(path):
    """Everything in a file, by path."""
    found = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, part: found.update({name: part[()] if isinstance(part, h5py.Dataset) else None}))
    return found


@pytest.mark.parametrize("arguments", [{"cell_features": True}, {"target": "all"}, {"per_cell": False}])
@pytest.mark.parametrize("is_small", [True, False])
def test_the_file_holds_all_results_at_once(fitted, path, in_file, monkeypatch, arguments, is_small):
    if not is_small:
        monkeypatch.setattr(stored, "POOL_BYTES", 20 * 48)
        monkeypatch.setattr(_scores, "CELLS_AT_ONCE", 9)
    e2t.tl.interpret(fitted, n_steps=4, edges=True, **arguments)
    e2t.tl.interpret(in_file, n_steps=4, edges=True, **arguments)
    same_scores(in_file, fitted)
    in_file.file.close()
    read = anndata.read_h5ad(path)
    same_scores(read, fitted)
    pd.testing.assert_frame_equal(e2t.get.edges(read), e2t.get.edges(fitted), atol=1e-6)
    assert set(read.uns) == {"e2t", "other"}
    assert set(read.uns["e2t"]) == set(fitted.uns["e2t"])
    np.testing.assert_array_equal(read.obsm["X_other"], fitted.obsm["X_other"])
    np.testing.assert_array_equal(read.X.toarray(), fitted.X.toarray())
    e2t.tl.interpret(read, n_steps=4, edges=True, **arguments)
    same_scores(read, fitted)


def test_the_arrays_are_ordinary(in_file, path, tmp_path):
    e2t.tl.interpret(in_file, n_steps=3, cell_features=True)
    kept = {name: np.array(in_file.obsm[name]) for name in ARRAYS}
    for name in ARRAYS:
        assert type(in_file.obsm[name]) is np.ndarray
        assert in_file.obsm[name].flags.c_contiguous
    view = in_file[5:20]
    np.testing.assert_array_equal(e2t.get.nodes(view).X, kept["e2t_nodes"][5:20])
    np.testing.assert_array_equal(in_file.to_memory().obsm["e2t_nodes"], kept["e2t_nodes"])
    in_file.write_h5ad(tmp_path / "other.h5ad")
    in_file.file.close()
    written = anndata.read_h5ad(tmp_path / "other.h5ad")
    in_file = anndata.read_h5ad(path, backed="r+")
    e2t.tl.interpret(in_file, n_steps=3, cell_features=True)
    in_file.obs["new"] = "x"
    in_file.obsm["A_first"] = np.ones((42, 300))  # so that arrays are not written where they were
    in_file.write()
    in_file.file.close()
    again = anndata.read_h5ad(path)
    for name in ARRAYS:
        np.testing.assert_array_equal(written.obsm[name], kept[name])
        np.testing.assert_array_equal(again.obsm[name], kept[name])
        np.testing.assert_array_equal(in_file.obsm[name], kept[name])


def test_scores_before_are_removed_from_the_file(in_file):
    e2t.tl.interpret(in_file, n_steps=3, cell_features=True)
    e2t.tl.interpret(in_file, n_steps=3)
    assert set(in_file.file["obsm"]) == {"X_other", "e2t_proba", "e2t_nodes", "e2t_activations"}
    e2t.tl.interpret(in_file, n_steps=3, per_cell=False)
    assert set(in_file.file["obsm"]) == {"X_other", "e2t_proba"} == set(in_file.obsm)


def test_a_closed_file_is_opened_again(fitted, in_file, path):
    in_file.file.close()
    e2t.tl.interpret(in_file, n_steps=3)
    in_file.file.close()
    assert "e2t_nodes" in anndata.read_h5ad(path).obsm


def fail_in_scoring(monkeypatch):
    once, calls = _scores.path_scores, []

    def fails(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise MemoryError
        return once(*args, **kwargs)

    monkeypatch.setattr(_scores, "CELLS_AT_ONCE", 10)
    monkeypatch.setattr(_scores, "path_scores", fails)


def fail_in_writing(monkeypatch):
    import anndata.io

    once, calls = anndata.io.write_elem, []

    def fails(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return once(*args, **kwargs)

    monkeypatch.setattr(anndata.io, "write_elem", fails)


@pytest.mark.parametrize("fail", [fail_in_scoring, fail_in_writing])
@pytest.mark.parametrize("is_first", [True, False])
def test_after_a_failure_the_file_is_as_before(in_file, path, monkeypatch, fail, is_first):
    if not is_first:
        e2t.tl.interpret(in_file, n_steps=3, cell_features=True, target="B")
    in_file.file["/"].file.flush()
    before, obsm = contents(path), dict(in_file.obsm)
    with monkeypatch.context() as patch:
        fail(patch)
        with pytest.raises(MemoryError):
            e2t.tl.interpret(in_file, n_steps=2)
    assert list(in_file.obsm) == list(obsm)
    assert ("rank_nodes" in in_file.uns["e2t"]) is not is_first
    in_file.file.close()
    after = contents(path)
    assert list(after) == list(before)
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    assert [file.name for file in path.parent.iterdir()] == ["cells.h5ad"]
    e2t.tl.interpret(in_file, n_steps=3)


def test_what_an_interrupted_run_left_is_removed(in_file):
    in_file.file["uns"].create_group(_in_place.UNFINISHED)
    e2t.tl.interpret(in_file, n_steps=3)
    assert set(in_file.file["uns"]) == {"e2t", "other"}


def test_a_file_that_is_open_for_reading_is_not_changed(fitted, path):
    """As with ``tl.fit`` and ``tl.predict``: results are in memory."""
    before = path.read_bytes()
    adata = anndata.read_h5ad(path, backed="r")
    e2t.tl.interpret(adata, n_steps=3, cell_features=True)
    e2t.tl.interpret(fitted, n_steps=3, cell_features=True)
    same_scores(adata, fitted)
    adata.file.close()
    assert path.read_bytes() == before


def test_nothing_is_written_if_values_are_not_numbers(fitted, tmp_path):
    fitted.X[3, 4] = np.nan
    fitted.write_h5ad(tmp_path / "nan.h5ad")
    adata = anndata.read_h5ad(tmp_path / "nan.h5ad", backed="r+")
    with pytest.raises(e2t.Edge2TorchError, match="NaN or infinite"):
        e2t.tl.interpret(adata)
    assert set(adata.file["obsm"]) == {"e2t_proba"}
    adata.file.close()
