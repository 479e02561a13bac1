from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import scanpy as sc

import edge2torch as e2t

mpl.use("Agg")


def fitted(net, target):
    adata = sc.datasets.pbmc68k_reduced()[::2].copy()
    e2t.pp.build_graph(adata, net)
    e2t.tl.fit(adata, target, max_epochs=3, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=3)
    return adata


@pytest.fixture(scope="session")
def reactome():
    """Long names, eight layers of pathways, classes such as "CD4+/CD45RO+ Memory"."""
    return fitted("reactome", "bulk_labels")


@pytest.fixture(scope="session")
def hallmark():
    return fitted("hallmark", "louvain")


@pytest.fixture(scope="session")
def everything():
    """What every plot has something to show of: replicates, controls, a ranking, edge scores, perturbations."""
    adata = sc.datasets.pbmc68k_reduced()[::2].copy()
    e2t.pp.build_graph(adata, "hallmark")
    e2t.tl.fit(adata, "louvain", max_epochs=3, n_replicates=2, progress_bar=False)
    e2t.tl.control(adata, n=2, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=3, edges=True)
    e2t.tl.rank_nodes(adata, n_steps=3, n_cells=20)
    e2t.tl.perturb(adata, "HALLMARK_HYPOXIA", mode="remove")
    e2t.tl.perturb(adata, "all", mode="remove")
    return adata


@pytest.fixture
def unfitted():
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "hallmark")
    return adata


@pytest.fixture(autouse=True)
def leaves_no_trace(monkeypatch):
    """No plot changes settings or shows itself."""

    def show(*args, **kwargs):
        raise AssertionError("a plot called show")

    monkeypatch.setattr(plt, "show", show)
    before = mpl.rcParams.copy()
    yield
    assert mpl.rcParams == before
    plt.close("all")
