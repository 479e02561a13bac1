"""A small graph, cells for it, and a record of everything that has to stay as it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from edge2torch import CompileArtifact, compile_graph
from edge2torch.nn import EdgeModel


@pytest.fixture(scope="session")
def edges() -> pd.DataFrame:
    """Skip edges, and two outputs at different depths."""
    pairs = ["b h", "c h", "a h", "h k", "a k", "c g", "g early", "k late", "h late", "g k"]
    return pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])


@pytest.fixture(scope="session")
def cyclic() -> pd.DataFrame:
    """A self loop, cycles of two and three nodes, and two outputs at different distances."""
    pairs = ["a h", "b k", "h k", "k h", "k l", "l h", "h h", "c l", "k early", "l m", "m late"]
    return pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])


@pytest.fixture
def compiled(edges: pd.DataFrame) -> tuple[EdgeModel, CompileArtifact]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return compile_graph(edges, activation="relu", quiet=True)


@pytest.fixture
def model(compiled: tuple[EdgeModel, CompileArtifact]) -> EdgeModel:
    return compiled[0]


@pytest.fixture
def artifact(compiled: tuple[EdgeModel, CompileArtifact]) -> CompileArtifact:
    return compiled[1]


@pytest.fixture
def frame() -> pd.DataFrame:
    """Six named cells; the features are not in the order of the model."""
    values = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    return pd.DataFrame(values, columns=["b", "c", "a"], index=[f"cell {i}" for i in "uvwxyz"])


@pytest.fixture
def snapshot() -> Callable[[nn.Module], dict[str, Any]]:
    """Everything about a model and the process that a function may not change, as something to compare."""

    def take(model: nn.Module) -> dict[str, Any]:
        record: dict[str, Any] = {
            "torch generator": torch.get_rng_state().tolist(),
            "numpy generator": [np.asarray(part).tolist() for part in np.random.get_state()],  # noqa: NPY002
            "python generator": random.getstate(),
            "process": (torch.is_grad_enabled(), torch.get_num_threads(), torch.get_default_dtype()),
        }
        for name, module in model.named_modules():
            record[f"{name}: mode"] = module.training
            record[f"{name}: attributes"] = sorted(key for key in vars(module) if not key.startswith("_"))
            for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
                record[f"{name}: {hooks}"] = len(getattr(module, hooks))
        for name, parameter in model.named_parameters():
            gradient = None if parameter.grad is None else parameter.grad.tolist()
            record[f"parameter {name}"] = (parameter.tolist(), parameter.requires_grad, gradient)
        for name, buffer in model.named_buffers():
            record[f"buffer {name}"] = buffer.tolist()
        return record

    return take
