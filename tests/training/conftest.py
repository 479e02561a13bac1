from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scanpy as sc
import torch
from anndata import AnnData
from torch import nn

import edge2torch as e2t
from edge2torch.cells import Cells, batches
from edge2torch.training import CLASSES, Learner, Loss

CLASS_WEIGHT = torch.tensor([0.5, 2.0, 1.0])


@pytest.fixture(scope="session")
def untrained() -> AnnData:
    """Blood cells with a graph; to be copied."""
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "hallmark")
    return adata


@pytest.fixture
def cells() -> Cells:
    """90 cells of three classes that noise hides well enough to overfit."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 30)
    x = rng.normal(size=(90, 6)).astype(np.float32)
    x[np.arange(90), labels] += 1
    names = [f"g{i}" for i in range(6)]
    return Cells(x, names, names, labels)


@pytest.fixture
def make_module() -> Callable[..., Learner]:
    def make(**arguments: Any) -> Learner:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            models = [
                nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 3)) for _ in range(arguments.pop("n", 1))
            ]
        settings = {"lr": 0.05, "weight_decay": 0.0, **arguments}
        return Learner(models, Loss(CLASSES, CLASS_WEIGHT), **settings)

    return make


@pytest.fixture
def loaders(cells: Cells) -> tuple[Any, Any]:
    """Loaders of 45 cells to train on and 45 to validate on, half of each class."""
    rows = np.arange(90)
    return (
        batches(cells, 16, rows[rows % 2 == 0], seed=3),
        batches(cells, 1024, rows[rows % 2 == 1]),
    )
