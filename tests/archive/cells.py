"""Cells in which everything is stored that edge2torch can store, and what they tell a reader."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mudata as md
import numpy as np
import pandas as pd
from anndata import AnnData

import edge2torch as e2t

GENES = [f"gene/{i}" for i in range(12)]
#: six genes each
REGULONS = {"TF α": (0, 6), "pathway/B": (3, 9), "γ": (6, 12)}
EDGES = pd.DataFrame(
    [(node, GENES[i]) for node, (first, last) in REGULONS.items() for i in range(first, last)]
    + [("wide", "TF α"), ("wide", "pathway/B")],
    columns=["source", "target"],
)
CYCLE = pd.DataFrame({"source": ["TF α", "γ"], "target": ["γ", "wide"]})
QUIET: dict[str, Any] = {"progress_bar": False}


def write(folder: Path) -> None:
    """Write an h5ad, a zipped zarr store and an h5mu, and in JSON what is to be found in them."""
    cells = make_cells()
    modalities = make_modalities(cells)
    cells.write_h5ad(folder / "cells.h5ad")
    modalities.write_h5mu(folder / "modalities.h5mu")
    with TemporaryDirectory() as unzipped:
        cells.write_zarr(f"{unzipped}/cells.zarr")
        shutil.make_archive(str(folder / "cells.zarr"), "zip", f"{unzipped}/cells.zarr")
    for name, data in {"cells": cells, "modalities": modalities}.items():
        found = {
            "tables": {key: json.loads(table.to_json(orient="split")) for key, table in tables(data).items()},
            "numbers": {key: values.astype(float).round(6).tolist() for key, values in recompute(data).items()},
        }
        text = json.dumps(found, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def make_cells() -> AnnData:
    """Three classes, of which each has one regulon up; numbers; donors; two graphs and all results of both."""
    rng = np.random.default_rng(0)
    label = np.arange(90) % 3
    names = np.array(["B/naive", "CD4+ T", "ζ"])
    x = rng.gamma(2.0, 0.3, (90, len(GENES)))
    for k, (first, last) in enumerate(REGULONS.values()):
        x[label == k, first:last] += 1.0
    adata = AnnData(x.astype(np.float32))
    adata.obs_names = [f"cell {i}" for i in range(90)]
    adata.var_names = GENES
    adata.obs["type"] = pd.Categorical(names[label])
    adata.obs["donor"] = pd.Categorical([f"donor {i}" for i in np.arange(90) // 3 % 5])
    adata.obsm["numbers"] = np.column_stack([x[:, :6].sum(1), x[:, 6:].sum(1)])
    e2t.pp.build_graph(adata, EDGES, genes="leaves")
    e2t.tl.cross_validate(adata, "type", n_splits=2, fit_kwargs={"max_epochs": 3}, **QUIET)
    e2t.tl.fit(adata, "type", groups="donor", n_replicates=2, max_epochs=30, lr=0.02, l1=0.001, **QUIET)
    e2t.tl.control(adata, ("rewired", "shuffled"), n=2, **QUIET)
    e2t.tl.interpret(adata, n_steps=5, edges=True, cell_features=True)
    e2t.tl.rank_nodes(adata, n_steps=5, **QUIET)
    e2t.tl.perturb(adata, {"TF α": 0.5})
    e2t.tl.perturb(adata, "all", one_by_one=True, mode="remove")
    e2t.pp.build_graph(adata, pd.concat([EDGES, CYCLE]), genes="leaves", key_added="cyclic")
    cyclic: dict[str, Any] = {"backend": "recurrent", "steps": 4, "tolerance": 1e-5, "spectral_norm": 0.9}
    e2t.tl.fit(adata, "numbers", task="numbers", max_epochs=3, **cyclic, **QUIET, key="cyclic")
    e2t.tl.interpret(adata, target="all", n_steps=5, groupby="type", key="cyclic")
    return adata


def make_modalities(cells: AnnData) -> md.MuData:
    """The same cells in two modalities, with a graph over both."""
    parts = {"rna": cells[:, :8], "prot": cells[:, 8:]}
    mdata = md.MuData({name: AnnData(part.X, part.obs[["type"]], part.var) for name, part in parts.items()})
    mdata.obs["type"] = cells.obs["type"]
    e2t.pp.build_graph(mdata, {"rna": EDGES, "prot": EDGES}, genes="leaves", min_genes=2)
    e2t.tl.fit(mdata, "type", backend="graphnn", width=2, steps=2, max_epochs=3, **QUIET)
    e2t.tl.interpret(mdata, n_steps=5)
    return mdata


def tables(data: AnnData | md.MuData) -> dict[str, pd.DataFrame]:
    """Whatever ``e2t.get`` hands out of the results of a file."""
    found = {"nodes": e2t.get.nodes(data).to_df(), "features": e2t.get.features(data), "metrics": e2t.get.metrics(data)}
    found["coverage"] = e2t.get.coverage(data)
    if isinstance(data, AnnData):
        found |= {
            "edges": e2t.get.edges(data),
            "control": e2t.get.control(data),
            "rank_nodes": e2t.get.rank_nodes(data),
            "rank_nodes_models": e2t.get.rank_nodes(data, per="model"),
            "perturb": e2t.get.perturb(data),
            "screen": e2t.get.perturb(data, per="screen"),
            "cyclic_rank_nodes": e2t.get.rank_nodes(data, key="cyclic"),
            "cyclic_features": e2t.get.features(data, key="cyclic"),
        }
    return found


def recompute(data: AnnData | md.MuData) -> dict[str, np.ndarray]:
    """What the stored models say of the cells, computed anew."""
    again = e2t.tl.predict(data, copy=True)
    again = e2t.tl.interpret(again, n_steps=5, copy=True)
    numbers = {"proba": again.obsm["e2t_proba"], "nodes": again.obsm["e2t_nodes"]}
    if isinstance(data, AnnData):
        again = e2t.tl.perturb(e2t.tl.predict(again, key="cyclic", copy=True), {"TF α": 0.5}, copy=True)
        numbers |= {"cyclic_values": again.obsm["cyclic_values"], "perturbed": again.obsm["e2t_perturbed"]}
    return numbers
