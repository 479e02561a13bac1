from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData

import edge2torch as e2t


@pytest.fixture(scope="session")
def fitted_once() -> AnnData:
    """Real cells with a two-level graph; class names carry "/"."""
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "reactome", min_genes=25)
    e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=3, cell_features=True, edges=True)
    return adata


@pytest.fixture
def fitted(fitted_once: AnnData) -> AnnData:
    return fitted_once.copy()


@pytest.fixture
def built() -> AnnData:
    """A graph without a model."""
    genes = ["CD3E", "CD2", "TF1", "LYZ"]
    adata = AnnData(np.ones((3, 4), dtype=np.float32), var=pd.DataFrame(index=genes))
    net = pd.DataFrame(
        {
            "source": ["TF1", "TF1", "T/cell", "T/cell"],
            "target": ["CD3E", "LYZ", "CD2", "TF1"],
            "weight": [1.0, -2.0, 3.0, 4.0],
        }
    )
    e2t.pp.build_graph(adata, net, min_genes=1)
    return adata
