"""Blocks of code on pages run, on small cells in which the names are there."""

from __future__ import annotations

import functools

import anndata
import decoupler as dc
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch
from anndata import AnnData

import edge2torch as e2t
from edge2torch.training import AuxiliaryHeads, heads_loss, shrink

SETS = {"STAT1": ["CD3E", "CD2"], "PAX5": ["CD79A", "CD19"], "EBF1": ["CD19", "MS4A1"], "CEBPB": ["LYZ", "CD14"]}
GENES = sorted({gene for genes in SETS.values() for gene in genes})
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:decoupler")


def cells():
    rng = np.random.default_rng(0)
    kind = np.arange(60) % 3
    x = rng.random((60, len(GENES)), dtype=np.float32)
    x[np.arange(60), kind] += 2
    obs = pd.DataFrame({"cell_type": np.array(["T", "B", "Mono"])[kind]}, index=[f"cell {i}" for i in range(60)])
    adata = AnnData(x, obs=obs, var=pd.DataFrame(index=GENES))
    e2t.pp.build_graph(adata, SETS, min_genes=1)
    return adata


@pytest.fixture
def fitted():
    adata = cells()
    e2t.tl.fit(adata, "cell_type", max_epochs=2, progress_bar=False)
    return adata


@pytest.fixture
def run(read_code):
    """Run blocks of a page one after the other; returns what their names hold in the end."""

    def run_blocks(page, names, which=slice(None)):
        for _, block in read_code(page)[which]:
            exec(block, names)
        return names

    return run_blocks


def test_perturbation(run, fitted):
    run("docs/perturbation.md", {"e2t": e2t, "adata": fitted})
    assert set(e2t.get.perturb(fitted, per="screen")["node"].astype(str)) == set(SETS)
    assert e2t.get.perturb(fitted, per="cell").shape == (60, 3)


def test_simulation(run):
    rng = np.random.default_rng(0)
    genes = [f"gene {i}" for i in range(300)]
    net = pd.DataFrame({"source": np.repeat([f"TF{i}" for i in range(60)], 10), "target": rng.choice(genes, 600)})
    net = net.drop_duplicates().assign(weight=1.0)
    adata = AnnData(np.ones((2, len(genes)), np.float32), var=pd.DataFrame(index=genes))
    e2t.pp.build_graph(adata, net)
    names = run("docs/simulation.md", {"e2t": e2t, "sc": sc, "dc": dc, "adata": adata, "net": net})
    assert names["means"].shape == (5, 60)
    assert (names["cells"].uns["truth"]["role"] == "active").any()


def test_models(run):
    edges = [(f"g{i}", node) for i in range(6) for node in ("MAPK", "TP53")]
    edges += [(node, f"class {k}") for node in ("MAPK", "TP53") for k in range(10)]
    names = {"e2t": e2t, "pd": pd, "edges": pd.DataFrame(edges, columns=["source", "target"])}
    run("docs/models.md", names, slice(0, 1))
    width = dict(
        zip(("MAPK", "TP53"), names["model"].node_of_unit[:9].unique(return_counts=True)[1].tolist(), strict=True)
    )
    assert width == {"MAPK": 8, "TP53": 1}
    names |= {"AuxiliaryHeads": AuxiliaryHeads, "heads_loss": heads_loss, "shrink": shrink}
    names |= {"x": torch.randn(20, 6), "y": torch.arange(20) % 10, "loss": torch.nn.functional.cross_entropy}
    names["optimizer"] = torch.optim.Adam(names["model"].parameters())
    run("docs/models.md", names, slice(1, None))
    there = e2t.get_edge_weights(names["model"], names["artifact"]).query("source == 'TP53'")["weight"]
    np.testing.assert_allclose(there, 0.1, rtol=1e-6)


def test_training(run, fitted, tmp_path, monkeypatch):
    short = {"max_epochs": 2}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(e2t.tl, "tune", functools.partial(e2t.tl.tune, fit_kwargs=short, progress_bar=False))
    run("docs/training.md", {"e2t": e2t, "adata": fitted}, slice(0, 1))
    assert len(e2t.get.trials(fitted)) == 20
    AnnData(fitted.X, obs=fitted.obs[[]], var=fitted.var).write_h5ad("cells.h5ad")
    names = run("docs/training.md", {"e2t": e2t, "anndata": anndata, "reference": fitted}, slice(1, 2))
    names["adata"].file.close()
    assert "e2t_pred" in anndata.read_h5ad("cells.h5ad").obs
