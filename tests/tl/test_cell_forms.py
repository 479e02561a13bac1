"""Cells in any form train, predict and interpret alike."""

from __future__ import annotations

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from anndata import AnnData

import edge2torch as e2t
from edge2torch.cells import stored

LEARN = {"max_epochs": 4, "batch_size": 8, "lr": 0.05, "split": "part", "progress_bar": False}
GENES = [f"g{i}" for i in range(12)]


def make(x, part=None, kind=None, *, build=True):
    rng = np.random.default_rng(0)
    n = x.shape[0]
    kind = rng.permutation(np.arange(n) % 3) if kind is None else kind
    obs = pd.DataFrame(
        {
            "kind": pd.Categorical.from_codes(kind, ["α/β T", "B", "NK"]),
            "part": np.array(["train", "train", "validation", "test"])[rng.permutation(n) % 4]
            if part is None
            else part,
        },
        index=[f"cell_{i}" for i in range(n)],
    )
    adata = AnnData(x, obs=obs, var=pd.DataFrame(index=GENES))
    if build:
        net = pd.DataFrame({"source": ["P", "Q/R", "π"] * 4, "target": GENES})
        e2t.pp.build_graph(adata, net, min_genes=1)
    return adata


def values(n=120):
    rng = np.random.default_rng(0)
    x = np.log1p(rng.poisson(1.0, (n, 12))).astype(np.float32)
    kind = rng.permutation(np.arange(n) % 3)
    x[np.arange(n), kind] += 1
    return x, kind


def in_file(x, kind, path, **arguments):
    make(x, kind=kind).write_h5ad(path / "cells.h5ad", **arguments)
    return anndata.read_h5ad(path / "cells.h5ad", backed="r+")


def as_view(x, kind, path):
    twice = make(np.concatenate([x, x + 1]), kind=np.tile(kind, 2))
    expected = make(x, kind=kind)
    twice.obs.iloc[: len(x), 1] = expected.obs["part"].to_numpy()
    return twice[: len(x)]


def as_raw(x, kind, path):
    adata = make(x, kind=kind)
    adata.raw = adata.copy()
    adata.X = np.zeros(x.shape)
    return adata


def backed_raw(x, kind, path):
    as_raw(sp.csr_matrix(x), kind, path).write_h5ad(path / "cells.h5ad")
    return anndata.read_h5ad(path / "cells.h5ad", backed="r")


def as_layer(x, kind, path):
    adata = make(np.zeros_like(x), kind=kind)
    adata.layers["log/1p"] = sp.csr_matrix(x)
    return adata


def as_zarr(x, kind, path):
    group = zarr.open_group(str(path / "x.zarr"), mode="w", zarr_format=2)
    anndata.io.write_elem(group, "X", x)
    return make(anndata.io.sparse_dataset(group["X"]) if sp.issparse(x) else group["X"], kind=kind)


def as_dask(x, kind, path):
    dask = pytest.importorskip("dask.array")
    if sp.issparse(x):
        blocks = dask.from_array(np.arange(x.shape[0])[:, None], chunks=(25, 1))
        lazy = blocks.map_blocks(
            lambda rows: x[rows.ravel()], dtype=x.dtype, meta=x[:0], chunks=(blocks.chunks[0], (12,))
        )
        return make(lazy, kind=kind)
    return make(dask.from_array(x, chunks=(25, 5)), kind=kind)


FORMS = {
    "dense": lambda x, kind, path: make(x, kind=kind),
    "float64": lambda x, kind, path: make(x.astype(np.float64), kind=kind),
    "Fortran": lambda x, kind, path: make(np.asfortranarray(x), kind=kind),
    "csr": lambda x, kind, path: make(sp.csr_matrix(x), kind=kind),
    "csr array": lambda x, kind, path: make(sp.csr_array(x), kind=kind),
    "csc": lambda x, kind, path: make(sp.csc_matrix(x), kind=kind),
    "view": as_view,
    "raw": as_raw,
    "layer": as_layer,
    "h5ad": in_file,
    "h5ad csr": lambda x, kind, path: in_file(sp.csr_matrix(x), kind, path),
    "h5ad csc": lambda x, kind, path: in_file(sp.csc_matrix(x), kind, path),
    "h5ad csr gzip": lambda x, kind, path: in_file(sp.csr_matrix(x), kind, path, compression="gzip"),
    "h5ad raw": backed_raw,
    "zarr": as_zarr,
    "zarr csr": lambda x, kind, path: as_zarr(sp.csr_matrix(x), kind, path),
    "zarr csc": lambda x, kind, path: as_zarr(sp.csc_matrix(x), kind, path),
    "dask": as_dask,
    "dask csr": lambda x, kind, path: as_dask(sp.csr_matrix(x), kind, path),
}
WHERE = {"raw": {"use_raw": True}, "h5ad raw": {"use_raw": True}, "layer": {"layer": "log/1p"}}


def learned(adata):
    result = adata.uns["e2t"]
    weights = {name: np.asarray(value) for name, value in result["model"]["state"].items()}
    return weights, adata.obsm["e2t_proba"], result["history"], result["nodes"]["mean"].to_numpy()


@pytest.fixture(scope="module")
def expected():
    x, kind = values()
    adata = make(x, kind=kind)
    e2t.tl.fit(adata, "kind", **LEARN)
    return learned(adata)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_same_model_and_predictions(form, streamed, expected, tmp_path, monkeypatch):
    """Also if the matrix is read pool by pool: all its training cells fit into a pool, but not the whole."""
    if streamed:
        monkeypatch.setattr(stored, "POOL_BYTES", 119 * 48)
        monkeypatch.setattr(stored, "VALUES_AT_ONCE", 200)
    adata = FORMS[form](*values(), tmp_path)
    e2t.tl.fit(adata, "kind", **LEARN, **WHERE.get(form, {}))
    for one, two in zip(learned(adata), expected, strict=True):
        if isinstance(one, dict):
            assert list(one) == list(two)
            for name in one:
                np.testing.assert_array_equal(one[name], two[name], err_msg=name)
        elif isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, two)
        else:
            np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7)
    adata.obsm["e2t_proba"] = np.zeros_like(adata.obsm["e2t_proba"])
    e2t.tl.predict(adata)
    np.testing.assert_allclose(adata.obsm["e2t_proba"], expected[1], rtol=1e-5, atol=1e-7)


def test_a_file_sorted_by_label_trains_as_well_as_a_shuffled_one(tmp_path, monkeypatch):
    """In a pool of a tenth of the cells, and three classes that overlap."""
    rng = np.random.default_rng(1)
    n = 1500
    kind = np.arange(n) % 3
    x = rng.normal(size=(n, 12)).astype(np.float32)
    x[np.arange(n), kind] += 1.5
    part = np.array(["train", "train", "train", "validation", "test"])[rng.permutation(n) % 5]
    monkeypatch.setattr(stored, "POOL_BYTES", n * 12 * 4 // 10)

    def accuracy(name, order):
        make(x[order], part[order], kind[order]).write_h5ad(tmp_path / f"{name}.h5ad")
        adata = anndata.read_h5ad(tmp_path / f"{name}.h5ad", backed="r")
        e2t.tl.fit(adata, "kind", **{**LEARN, "max_epochs": 6, "batch_size": 30})
        metrics = adata.uns["e2t"]["metrics"]
        return float(metrics.loc[metrics["split"] == "test", "accuracy"].iloc[0])

    as_drawn, by_label = (
        accuracy(*case) for case in (("drawn", np.arange(n)), ("sorted", np.argsort(kind, kind="stable")))
    )
    assert as_drawn > 0.6
    assert by_label > as_drawn - 0.04


def test_cells_in_a_file_are_interpreted_like_those_in_memory(tmp_path, monkeypatch):
    x, kind = values()
    adata = make(x, kind=kind)
    e2t.tl.fit(adata, "kind", **LEARN)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.setattr(stored, "POOL_BYTES", 20 * 48)
    lazy = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    for cells in (adata, lazy):
        e2t.tl.interpret(cells, baseline="mean", n_steps=3)
    np.testing.assert_allclose(lazy.varm["e2t_features"], adata.varm["e2t_features"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(lazy.obsm["e2t_nodes"], adata.obsm["e2t_nodes"], rtol=1e-5, atol=1e-6)


def test_predictions_are_written_into_the_file_and_the_matrix_is_not_touched(tmp_path, monkeypatch):
    adata = in_file(sp.csr_matrix(values()[0]), values()[1], tmp_path)
    e2t.tl.fit(adata, "kind", **LEARN)
    e2t.tl.predict(adata)
    with monkeypatch.context() as patch:
        patch.setattr(anndata.abc.CSRDataset, "__getitem__", None)
        patch.setattr(anndata.abc.CSRDataset, "to_memory", None)
        adata.write()
    adata.file.close()
    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(read.X.toarray(), values()[0])
    np.testing.assert_array_equal(read.obsm["e2t_proba"], adata.obsm["e2t_proba"])
    assert read.obs["e2t_pred"].tolist() == adata.obs["e2t_pred"].tolist()
    e2t.tl.predict(read)


def test_what_anndata_cannot_write_into_or_copy_is_refused_first(tmp_path):
    adata = in_file(*values(), tmp_path)
    e2t.tl.fit(adata, "kind", **LEARN)
    with pytest.raises(e2t.Edge2TorchError, match=r"view of cells in a file.*to_memory"):
        e2t.tl.predict(adata[:20])
    with pytest.raises(e2t.Edge2TorchError, match=r"view of cells in a file.*to_memory"):
        e2t.tl.fit(adata[:20], "kind", **LEARN)
    for verb in (e2t.tl.predict, lambda adata, copy: e2t.tl.fit(adata, "kind", copy=copy, **LEARN)):
        with pytest.raises(e2t.Edge2TorchError, match=r"in a file and copy=True"):
            verb(adata, copy=True)
    new = adata[:20].to_memory()
    del new.uns["e2t"]
    e2t.tl.predict(new, adata[5:])
    np.testing.assert_allclose(new.obsm["e2t_proba"], adata.obsm["e2t_proba"][:20], rtol=1e-5)


@pytest.mark.parametrize("streamed", [False, True])
def test_lazily_read_anndata(tmp_path, monkeypatch, expected, streamed):
    pytest.importorskip("xarray")
    pytest.importorskip("dask")
    if streamed:
        monkeypatch.setattr(stored, "POOL_BYTES", 119 * 48)
    make(sp.csr_matrix(values()[0]), kind=values()[1], build=False).write_h5ad(tmp_path / "cells.h5ad")
    adata = anndata.experimental.read_lazy(tmp_path / "cells.h5ad")
    net = pd.DataFrame({"source": ["P", "Q/R", "π"] * 4, "target": GENES})
    with pytest.raises(e2t.Edge2TorchError, match=r"adata.obs = adata.obs.to_memory\(\)"):
        e2t.pp.build_graph(adata, net, min_genes=1)
    adata.obs = adata.obs.to_memory()
    adata.var = adata.var.to_memory()
    e2t.pp.build_graph(adata, net, min_genes=1)
    e2t.tl.fit(adata, "kind", **LEARN)
    np.testing.assert_allclose(learned(adata)[1], expected[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csc_matrix])
@pytest.mark.filterwarnings("ignore::FutureWarning:mudata")
def test_a_mudata_in_a_file(tmp_path, monkeypatch, form, streamed):
    """Its modalities are in other orders of cells."""
    x, kind = values()
    order = np.random.default_rng(3).permutation(len(x))
    one, two = make(x, kind=kind, build=False)[:, :6].copy(), make(x, kind=kind, build=False)[order][:, 6:].copy()
    one.X, two.X = form(one.X), sp.csr_matrix(two.X)
    data = mudata.MuData({"rna": one, "prot": two})
    data.obs = one.obs.copy()
    nets = {
        name: pd.DataFrame({"source": ["P", "Q/R", "π"] * 2, "target": part.var_names})
        for name, part in data.mod.items()
    }
    e2t.pp.build_graph(data, nets, min_genes=1)
    data.write(tmp_path / "cells.h5mu")
    e2t.tl.fit(data, "kind", **LEARN)
    if streamed:
        monkeypatch.setattr(stored, "POOL_BYTES", 119 * 48)
        monkeypatch.setattr(stored, "VALUES_AT_ONCE", 200)
    lazy = mudata.read_h5mu(tmp_path / "cells.h5mu", backed="r")
    e2t.tl.fit(lazy, "kind", **LEARN)
    np.testing.assert_allclose(lazy.obsm["e2t_proba"], data.obsm["e2t_proba"], rtol=1e-5, atol=1e-7)
