"""A graph to simulate with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def regulons():
    """30 regulators of 5 to 60 of 400 genes, some of which they have in common."""
    generator = np.random.default_rng(0)
    sizes = np.linspace(5, 60, 30).astype(int)
    pairs = [
        (f"g{gene:03}", f"TF/{k:02}") for k, n in enumerate(sizes) for gene in generator.choice(400, n, replace=False)
    ]
    return pd.DataFrame(pairs, columns=["source", "target"])
