"""What tests of several rooms share."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import strategies as st


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Notebooks first: they are slow, and no process should be left alone with them at the end."""
    items.sort(key=lambda item: "tutorials" not in item.path.parts)


@st.composite
def _acyclic_edges(draw: st.DrawFn) -> pd.DataFrame:
    """Draw an edge list with skip edges, and outputs at any depth, in an order that says nothing about its nodes."""
    n_inputs = draw(st.integers(1, 4))
    n_nodes = n_inputs + draw(st.integers(1, 8))
    names = draw(st.permutations([f"n{i}" for i in range(n_nodes)]))
    pairs = [
        (names[source], names[target])
        for target in range(n_inputs, n_nodes)
        for source in sorted(draw(st.sets(st.integers(0, target - 1), min_size=1, max_size=4)))
    ]
    return pd.DataFrame(draw(st.permutations(pairs)), columns=["source", "target"])


@pytest.fixture(scope="session")
def acyclic_edges() -> st.SearchStrategy[pd.DataFrame]:
    return _acyclic_edges()


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
    raw = adata.raw.X if adata.raw is not None else None
    return {"X": adata.X, "raw": raw, "obs": adata.obs, "var": adata.var, **mappings}


@pytest.fixture(scope="session")
def same() -> Callable[[AnnData, AnnData], None]:
    """``same(one, two)``: raise where they differ."""
    return lambda one, two: assert_same(parts(one), parts(two))


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
def interruptible() -> Iterator[None]:
    """Ctrl-C as a user has it: shells ignore it for what runs in the background, such as tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _write(adata: AnnData, path: Path) -> None:
    """Write by the suffix of the path."""
    if path.suffix == ".h5ad":
        adata.write_h5ad(path)
        return
    with warnings.catch_warnings():
        # of zarr and anndata, on what will be, or has become, the default
        warnings.filterwarnings("ignore", "(zarr v3 autosharding|Consolidated metadata|This setting will be removed)")
        with anndata.settings.override(zarr_write_format=3):
            adata.write_zarr(path)


def _read(path: Path) -> AnnData:
    return anndata.read_h5ad(path) if path.suffix == ".h5ad" else anndata.read_zarr(path)


@pytest.fixture(scope="session")
def write() -> Callable[[AnnData, Path], None]:
    return _write


@pytest.fixture(scope="session")
def read() -> Callable[[Path], AnnData]:
    return _read


@pytest.fixture
def through_file(tmp_path: Path) -> Callable[[AnnData, str], AnnData]:
    """Write an AnnData into a file, by the suffix, and read it back."""

    def pass_on(adata: AnnData, suffix: str) -> AnnData:
        path = tmp_path / f"cells{suffix}"
        _write(adata, path)
        return _read(path)

    return pass_on
