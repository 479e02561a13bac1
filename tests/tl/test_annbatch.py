"""``tl.fit`` and ``tl.predict`` with the loader of annbatch, where it is installed (Python 3.12 and newer)."""

from __future__ import annotations

import warnings

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
import zarr
from anndata import AnnData

import edge2torch as e2t

annbatch = pytest.importorskip("annbatch")

LEARN = {"max_epochs": 5, "batch_size": 1000, "lr": 0.02, "input_dropout": 0.0, "progress_bar": False}


@pytest.fixture(params=[None, "torch"])
def loader(adata, tmp_path, request):
    """Shuffled cells of a zarr file, in batches of its own size."""
    group = zarr.open_group(tmp_path / "cells.zarr", mode="w", zarr_format=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anndata.io.write_elem(group, "X", sp.csr_matrix(adata.X))
    stored = AnnData(anndata.io.sparse_dataset(group["X"]), obs=adata.obs[["kind"]], var=adata.var)
    made = annbatch.Loader(
        batch_size=8,
        chunk_size=4,
        preload_nchunks=4,
        shuffle=True,
        return_index=True,
        preload_to_gpu=False,
        to=request.param,
        rng=np.random.default_rng(0),
    )
    return made.add_adata(stored)


def test_it_trains_and_predicts_what_memory_does(adata, loader):
    bare = AnnData(obs=adata.obs.copy(), var=adata.var.copy(), uns=adata.uns.copy())
    e2t.tl.fit(adata, "kind", **LEARN)
    e2t.tl.fit(bare, "kind", cells=loader, **LEARN)
    np.testing.assert_allclose(bare.obsm["e2t_proba"], adata.obsm["e2t_proba"], atol=1e-4)
    query = AnnData(obs=adata.obs.copy(), var=adata.var.copy())
    e2t.tl.predict(query, adata, cells=loader)
    np.testing.assert_allclose(query.obsm["e2t_proba"], adata.obsm["e2t_proba"], atol=1e-6)
