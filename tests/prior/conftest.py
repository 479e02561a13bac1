from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from edge2torch.prior import Prior

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with real networks beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("reference data not available")
    return folder


@pytest.fixture(scope="session")
def measured() -> Callable[..., pd.Series]:
    """Symbols of measured genes whose inputs are called like them."""

    def make(*symbols: str) -> pd.Series:
        return pd.Series(list(symbols), index=list(symbols), dtype=object)

    return make


@pytest.fixture(scope="session")
def prior() -> Callable[..., Prior]:
    """Prior from gene sets ``{node: genes}`` and parts ``{parent: children}``."""

    def make(sets: dict[str, list[str]], parts: dict[str, list[str]] | None = None) -> Prior:
        members = [(node, gene) for node, genes in sets.items() for gene in genes]
        children = [(parent, child) for parent, below in (parts or {}).items() for child in below]
        return Prior(
            "test",
            pd.DataFrame(members, columns=["source", "target"]),
            pd.DataFrame(children, columns=["parent", "child"]),
        )

    return make
