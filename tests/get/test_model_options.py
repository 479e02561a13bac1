"""Models with batch normalisation and dropout by redundancy come back from an AnnData and from its files."""

from __future__ import annotations

import warnings

import anndata
import numpy as np
import pytest
import torch

import edge2torch as e2t
from edge2torch.get._model import describe_models


@pytest.mark.parametrize("suffix", ["", ".h5ad", ".zarr"])
def test_round_trip(suffix, fitted, tmp_path):
    """With running statistics that are not those of the start."""
    edges = fitted.uns["e2t"]["graph"][["source", "target"]]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, artifact = e2t.compile_graph(
            edges, activation="tanh", norm="batch", dropout=0.5, dropout_rule="redundancy", quiet=True
        )
        x = e2t.align_features_to_input_nodes(fitted, artifact)
        model(x)
        model(x)
    del fitted.uns["rank_genes_groups"]  # scanpy's record array, of which zarr 3 warns
    fitted.uns["e2t"]["model"] |= describe_models([model], artifact)
    path = tmp_path / f"cells{suffix}"
    if suffix == ".h5ad":
        fitted.write_h5ad(path)
        fitted = anndata.read_h5ad(path)
    elif suffix == ".zarr":
        with warnings.catch_warnings():
            # of zarr and anndata, on what will be, or has become, the default
            warnings.filterwarnings("ignore", "(zarr v3 autosharding|Consolidated metadata|This setting will be)")
            with anndata.settings.override(zarr_write_format=3):
                fitted.write_zarr(path)
            fitted = anndata.read_zarr(path)
    rebuilt, again = e2t.get.model(fitted)
    assert (again.settings["norm"], again.settings["dropout_rule"]) == ("batch", "redundancy")
    assert torch.equal(rebuilt(x), model.eval()(x))
    rates = [block.dropout.p for block in rebuilt.blocks if block.dropout is not None]
    expected = [block.dropout.p for block in model.blocks if block.dropout is not None]
    for found, wanted in zip(rates, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    statistics = [block.norm.norm for block in rebuilt.blocks if block.norm is not None]
    assert {int(norm.num_batches_tracked) for norm in statistics} == {2}
    assert all(bool(norm.running_mean.any()) for norm in statistics)
