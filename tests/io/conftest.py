"""Models of every backend, and with everything that an edge list may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch
from anndata import AnnData
from torch import Tensor, nn

import edge2torch as e2t
from edge2torch import CompileArtifact, compile_graph
from edge2torch.nn import EdgeModel

PAIRS = ["b h", "c h", "a h", "h k", "a k", "c g", "g early", "k late", "h late", "g k"]


@pytest.fixture(scope="session")
def edges() -> pd.DataFrame:
    """Skip edges, and two outputs at different depths."""
    return pd.DataFrame([pair.split() for pair in PAIRS], columns=["source", "target"])


@pytest.fixture(scope="session")
def cyclic() -> pd.DataFrame:
    pairs = ["a h", "b k", "h k", "k h", "k l", "l h", "h h", "c l", "k early", "l m", "m late"]
    return pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])


def _trained(edges: pd.DataFrame, backend: str = "feedforward", **options: Any) -> tuple[EdgeModel, CompileArtifact]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model, artifact = compile_graph(edges, backend, quiet=True, **options)
        for parameter in model.parameters():
            nn.init.normal_(parameter)
        if options.get("spectral_norm"):
            for _ in range(3):
                model.train()(torch.zeros(1, len(artifact.feature_names)))
    return model.eval(), artifact


@pytest.fixture(scope="session")
def trained() -> Callable[..., tuple[EdgeModel, CompileArtifact]]:
    """Compile a graph, with other values than at the beginning in all parameters, biases included."""
    return _trained


@pytest.fixture
def x() -> Tensor:
    return torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def bits() -> Callable[[nn.Module], dict[str, bytes]]:
    """All tensors of a module, as bytes, so that NaN equals NaN."""
    return lambda module: {name: part.cpu().numpy().tobytes() for name, part in module.state_dict().items()}


@pytest.fixture(scope="session")
def explained() -> AnnData:
    """Real cells; "/" in names of classes and of a column."""
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "reactome", min_genes=15)
    e2t.tl.fit(adata, "bulk_labels", max_epochs=3, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=3, edges=True)
    adata.obs["score/100"] = np.arange(adata.n_obs) / 7
    return adata


@pytest.fixture
def adata(explained: AnnData) -> AnnData:
    return explained.copy()
