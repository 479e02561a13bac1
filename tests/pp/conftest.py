from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

GENES = ["CD3E", "CD2", "LCK", "MS4A1", "CD79A", "LYZ", "unknown"]


@pytest.fixture
def adata() -> AnnData:
    rng = np.random.default_rng(0)
    return AnnData(
        rng.random((5, len(GENES)), dtype=np.float32),
        obs=pd.DataFrame({"cell_type": list("aabbb")}, index=[f"cell_{i}" for i in range(5)]),
        var=pd.DataFrame({"symbol": GENES}, index=GENES),
        uns={"other": {"kept": np.arange(3)}},
        obsm={"X_pca": rng.random((5, 2))},
        layers={"counts": sp.csr_array(np.ones((5, len(GENES)), dtype=np.float32))},
    )


@pytest.fixture
def net() -> pd.DataFrame:
    """Three pathways; the last has one measured gene."""
    sets = {"T cell": ["CD3E", "CD2", "LCK"], "B/plasma α": ["MS4A1", "CD79A", "JCHAIN"], "myeloid": ["LYZ", "S100A8"]}
    rows = [(node, gene) for node, genes in sets.items() for gene in genes]
    return pd.DataFrame(rows, columns=["source", "target"])
