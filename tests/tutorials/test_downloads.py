"""What notebooks find instead of downloads is what the package would have downloaded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy.sparse import issparse

from edge2torch import settings
from edge2torch.prior.remote import load_remote

from . import downloads
from .networks import NAMED, NETWORKS, RECEPTORS


@pytest.fixture
def without_tables(monkeypatch, tmp_path):
    monkeypatch.setattr(downloads, "SHARED", tmp_path / "nowhere")


@pytest.fixture
def own_cache():
    yield
    settings.cache_dir = None


@pytest.mark.parametrize("name", NETWORKS)
def test_made_up_networks_are_read_as_they_were_made(name, tmp_path, without_tables, own_cache):
    environment = downloads.provide(f'build_graph(adata, "{name}")', tmp_path)
    settings.cache_dir = environment["EDGE2TORCH_CACHE_DIR"]
    read = load_remote(name).sets
    pd.testing.assert_frame_equal(read, NETWORKS[name].make_up()[read.columns], check_dtype=False)
    assert set(np.unique(read["weight"])) == {-1, 1}


def test_made_up_regulons_have_the_factors_that_notebooks_name():
    sizes = NETWORKS["collectri"].make_up().groupby("source").size()
    assert (sizes[list(NAMED)] > 50).all()


def test_made_up_interactions_have_the_receptors_that_notebooks_name():
    rows = NETWORKS["omnipath"].make_up()
    assert set(RECEPTORS) <= set(rows["source"])
    assert not rows.duplicated(["source", "target"]).any()


def test_kept_output_is_never_of_made_up_networks(tmp_path, without_tables):
    with pytest.raises(FileNotFoundError, match="real network"):
        downloads.provide('"collectri"', tmp_path, real=True)


def test_only_what_a_notebook_names_is_there(tmp_path):
    downloads.provide("sc.datasets.pbmc68k_reduced()", tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["cache"]


def test_pbmc3k_is_that_of_10x(tmp_path, monkeypatch):
    downloads.provide("sc.datasets.pbmc3k()", tmp_path)
    monkeypatch.chdir(tmp_path)
    adata = sc.datasets.pbmc3k()
    assert adata.shape == (2700, 32738)  # 10x Genomics, 26 May 2016
    assert list(adata.var) == ["gene_ids"]
    assert adata.var["gene_ids"].str.match(r"ENSG\d{11}$").all()
    assert adata.var_names.is_unique
    assert adata.obs_names.str.fullmatch(r"[ACGT]{14}-1").all()
    assert issparse(adata.X)
    assert (adata.X.data == np.round(adata.X.data)).all()
    assert adata.X.sum() == pytest.approx(6_390_631)
