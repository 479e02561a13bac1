from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData

import edge2torch as e2t

GENES = [f"g{i}" for i in range(12)]
#: enough to learn a little
LEARN = {"max_epochs": 20, "batch_size": 8, "lr": 0.05, "weight_decay": 0.0, "input_dropout": 0.0}


@pytest.fixture(scope="session")
def make_cells() -> Callable[..., AnnData]:
    """Cells of some classes, one gene up in each, with a graph of three pathways."""

    def make(classes: Sequence[str] = ("α/β T", "B", "NK"), n: int = 14, net: pd.DataFrame | None = None) -> AnnData:
        rng = np.random.default_rng(0)
        labels = np.repeat(np.arange(len(classes)), n)
        x = rng.normal(size=(labels.size, len(GENES))).astype(np.float32)
        x[np.arange(labels.size), labels] += 4
        kinds = pd.Categorical.from_codes(labels, categories=list(classes))
        order = rng.permutation(labels.size)
        adata = AnnData(
            x[order],
            obs=pd.DataFrame({"kind": kinds[order]}, index=[f"cell_{i}" for i in range(labels.size)]),
            var=pd.DataFrame(index=GENES),
        )
        if net is None:
            net = pd.DataFrame({"source": ["P", "Q/R", "π"] * 4, "target": GENES})
        e2t.pp.build_graph(adata, net, min_genes=1)
        return adata

    return make


@pytest.fixture
def adata(make_cells: Callable[..., AnnData]) -> AnnData:
    return make_cells()


@pytest.fixture(scope="session")
def fitted_once(make_cells: Callable[..., AnnData]) -> AnnData:
    adata = make_cells()
    e2t.tl.fit(adata, "kind", split=(0.6, 0.2, 0.2), progress_bar=False, **LEARN)
    return adata


@pytest.fixture
def fitted(fitted_once: AnnData) -> AnnData:
    return fitted_once.copy()


@pytest.fixture(scope="session")
def pbmc() -> AnnData:
    """Real cells with the hierarchy of Reactome, fitted with the defaults and interpreted; not to be changed."""
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "reactome")
    e2t.tl.fit(adata, "bulk_labels", progress_bar=False)
    e2t.tl.interpret(adata, cell_features=True)
    return adata


@pytest.fixture(scope="session")
def task_cells_once() -> AnnData:
    """Cells whose pathways P, Q/R and π say all there is to predict; not to be changed."""
    n, names = 160, ["b", "a", "10", "2"]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, len(GENES))).astype(np.float32)
    first, second, third = x[:, 0] + x[:, 3], x[:, 1] - x[:, 4], x[:, 2] + x[:, 5]
    signals = np.column_stack([first, second, third, first - third]).astype(float)
    kind = signals[:, :3].argmax(axis=1)
    numbers = pd.DataFrame(signals, columns=names, index=[f"cell_{i}" for i in range(n)])
    obs = numbers.copy()
    obs["kind"] = pd.Categorical.from_codes(kind, categories=["b", "a", "10"])
    obs["sign"] = np.where(first > 0, "yes", "no")
    obs["cluster"] = kind
    obs["grade"] = np.digitize(first, [-0.8, 0.8])
    obs["score"] = first.astype(float)
    obs["count"] = np.round(100 * first).astype(int)
    for k, name in enumerate(names):
        obs[f"true {name}"] = signals[:, k] > 0.5
    obs["parts"] = np.array(["train", "train", "train", "validation", "test"])[np.arange(n) % 5]
    obs["donor"] = [f"d{k}" for k in rng.integers(0, 8, n)]
    adata = AnnData(x, obs=obs, var=pd.DataFrame(index=GENES))
    adata.obsm["marks"] = (signals > 0.5).astype(np.int8)
    adata.obsm["true marks"] = signals > 0.5
    adata.obsm["proteins"] = signals
    adata.obsm["sparse"] = sp.csr_matrix(signals.clip(0))
    adata.obsm["table"] = numbers
    e2t.pp.build_graph(adata, pd.DataFrame({"source": ["P", "Q/R", "π"] * 4, "target": GENES}), min_genes=1)
    return adata


@pytest.fixture
def task_cells(task_cells_once: AnnData) -> AnnData:
    return task_cells_once.copy()
