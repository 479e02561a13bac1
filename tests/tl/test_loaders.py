"""``tl.fit`` and ``tl.predict`` with cells that a loader serves."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

import edge2torch as e2t
from edge2torch import Edge2TorchError

#: one batch per epoch, so that the order of cells makes no difference
LEARN = {"max_epochs": 5, "batch_size": 1000, "lr": 0.02, "input_dropout": 0.0, "progress_bar": False}


class Loader:
    """Serves cells in its own order, a new one in every pass."""

    def __init__(self, adata, size=9, index=True):
        self.adata, self.size, self.index, self.passes = adata, size, index, 0

    def __iter__(self):
        self.passes += 1
        order = np.random.default_rng(self.passes).permutation(self.adata.n_obs)
        for start in range(0, order.size, self.size):
            rows = order[start : start + self.size]
            yield {
                "X": sp.csr_matrix(self.adata.X[rows]),
                "obs": self.adata.obs.iloc[rows],
                "index": rows if self.index else None,
            }


@pytest.fixture
def bare(adata):
    """The same cells without values."""
    return AnnData(obs=adata.obs.copy(), var=adata.var.copy(), uns=adata.uns.copy())


@pytest.mark.parametrize("index", [True, False], ids=["index", "names"])
def test_a_loader_trains_what_memory_trains(adata, bare, index):
    e2t.tl.fit(adata, "kind", **LEARN)
    loader = Loader(adata, index=index)
    e2t.tl.fit(bare, "kind", cells=loader, **LEARN)
    for name, values in adata.uns["e2t"]["model"]["state"].items():
        np.testing.assert_allclose(bare.uns["e2t"]["model"]["state"][name], values, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(bare.obsm["e2t_proba"], adata.obsm["e2t_proba"], atol=1e-4)
    nodes = [one.uns["e2t"]["nodes"]["mean"] for one in (adata, bare)]
    np.testing.assert_allclose(*nodes, rtol=1e-5)
    assert (bare.obs["e2t_split"] == adata.obs["e2t_split"]).all()
    assert bare.X is None
    assert loader.passes > 2 * LEARN["max_epochs"]


def test_predict(adata, bare):
    e2t.tl.fit(adata, "kind", **LEARN)
    del bare.uns["e2t"]
    e2t.tl.predict(bare, adata, cells=Loader(adata))
    np.testing.assert_allclose(bare.obsm["e2t_proba"], adata.obsm["e2t_proba"], atol=1e-6)


def test_missing_genes_are_filled(adata, capsys):
    e2t.tl.fit(adata, "kind", **LEARN)
    genes = adata.var_names[:-1]
    served = AnnData(np.asarray(adata.X)[:, :-1], obs=adata.obs[[]])
    query = AnnData(obs=adata.obs[["kind"]], var=adata.var.loc[genes])
    e2t.tl.predict(query, adata, cells=Loader(served))
    assert "1 of 12 genes of the model are missing" in capsys.readouterr().out
    whole = AnnData(np.asarray(adata.X).copy(), obs=adata.obs[["kind"]], var=adata.var)
    mean = adata.uns["e2t"]["nodes"].set_index("node").loc[adata.var_names[-1], "mean"]
    whole.X[:, -1] = mean
    e2t.tl.predict(whole, adata)
    np.testing.assert_allclose(query.obsm["e2t_proba"], whole.obsm["e2t_proba"], atol=1e-6)


def test_without_the_loader_there_are_no_values(bare):
    with pytest.raises(Edge2TorchError, match=r"adata\.X is empty"):
        e2t.tl.fit(bare, "kind", **LEARN)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "counts"}, "cells= serves the values, so layer= and use_raw= have nothing to say"),
        ({"use_raw": True}, "cells= serves the values"),
        ({"compare": True}, "compare=True needs all cells in memory"),
        ({"cells": 5}, "cannot be iterated over again and again"),
        ({"cells": iter([])}, "cannot be iterated over again and again"),
        ({"cells": []}, "served 0 of the"),
        ({"cells": [{"X": np.zeros((2, 3)), "index": [0, 1]}]}, r"X of shape \(2, 3\), but there are 12 names"),
    ],
)
def test_wrong_loaders(adata, bare, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.tl.fit(bare, "kind", **{"cells": Loader(adata), **LEARN, **arguments})
    assert "e2t_pred" not in bare.obs
    assert "model" not in bare.uns["e2t"]
