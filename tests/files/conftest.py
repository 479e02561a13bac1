from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData

import edge2torch as e2t


@pytest.fixture(scope="session")
def paths(
    processed: AnnData, write: Callable[[AnnData, Path], None], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Files of ``processed`` by suffix."""
    folder = tmp_path_factory.mktemp("files")
    made = {suffix: folder / f"cells{suffix}" for suffix in (".h5ad", ".zarr")}
    for path in made.values():
        write(processed, path)
    return made


@pytest.fixture(scope="session")
def processed() -> AnnData:
    """Real cells with a deep graph and everything that can be written; not to be changed."""
    adata = sc.datasets.pbmc68k_reduced()
    del adata.uns["rank_genes_groups"]  # scanpy's record array, of which zarr 3 warns
    adata.layers["half"] = adata.X / 2
    adata.var["symbol"] = adata.var_names.to_numpy()
    e2t.pp.build_graph(adata, "reactome", gene_symbols="symbol", min_genes=20)
    weights = {str(name): float(k + 1) for k, name in enumerate(adata.obs["bulk_labels"].cat.categories)}
    assert any("/" in name for name in weights)
    e2t.tl.fit(adata, "bulk_labels", layer="half", class_weight=weights, max_epochs=2, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=3, cell_features=True, edges=True, groupby="louvain")
    e2t.pp.build_graph(adata, "progeny", key_added="second")
    adata.obs["half"] = np.where(np.arange(adata.n_obs) % 2, "odd", "even/α")
    e2t.tl.fit(adata, "half", key="second", activation=None, readout="top", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(adata, key="second", method="DeepLift", baseline="mean", target="odd")
    return adata
