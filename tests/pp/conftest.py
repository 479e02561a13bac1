from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

GENES = ["CD3E", "CD2", "LCK", "MS4A1", "CD79A", "LYZ", "unknown"]


def assert_same(one: Any, two: Any, where: str = "adata") -> None:
    """Compare what an AnnData may hold, deeply."""
    assert type(one) is type(two), where
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, two, obj=where)
    elif isinstance(one, dict):
        assert list(one) == list(two), where
        for name in one:
            assert_same(one[name], two[name], f"{where}[{name!r}]")
    elif sp.issparse(one):
        assert_same(one.toarray(), two.toarray(), where)
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype, where
        np.testing.assert_array_equal(one, two, err_msg=where)
    else:
        assert one == two, where


def parts(adata: AnnData) -> dict[str, Any]:
    mappings = {name: dict(getattr(adata, name)) for name in ("obsm", "varm", "obsp", "varp", "layers", "uns")}
    return {"X": adata.X, "obs": adata.obs, "var": adata.var, **mappings}


@pytest.fixture(scope="session")
def unchanged() -> Callable[[AnnData], AbstractContextManager[None]]:
    """``with unchanged(adata):`` nothing in it may differ afterwards."""

    @contextmanager
    def check(adata: AnnData) -> Iterator[None]:
        before = adata.copy()
        yield
        assert_same(parts(adata), parts(before))

    return check


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
