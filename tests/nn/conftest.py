"""Random graphs, models of them with random biases, and the formula of a node written down with dictionaries."""

from __future__ import annotations

import math
from collections.abc import Callable
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import CompileArtifact, compile_graph
from edge2torch.nn import EdgeModel

FUNCTIONS = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, None: lambda z: z}


@pytest.fixture(scope="session")
def make() -> Callable[..., tuple[EdgeModel, CompileArtifact]]:
    """Compile an edge list and draw biases, which would be 0 otherwise."""

    def make(edges: pd.DataFrame, seed: int = 0, **options: Any) -> tuple[EdgeModel, CompileArtifact]:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model, artifact = compile_graph(edges, quiet=True, **options)
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    torch.nn.init.normal_(parameter)
        return model, artifact

    return make


@pytest.fixture(scope="session")
def states_by_formula() -> Callable[..., dict[str, np.ndarray]]:
    """Compute ``s_v = act(sum w_uv s_u + b_v)`` node by node, in float64; outputs have no activation."""

    def states(
        model: EdgeModel, artifact: CompileArtifact, x: torch.Tensor, activation: str | None
    ) -> dict[str, np.ndarray]:
        into: dict[str, dict[str, float]] = {}
        weights = model.edge_weights().tolist()
        for (_, edge), weight in zip(artifact.graph.edges.iterrows(), weights, strict=True):
            into.setdefault(edge["target"], {})[edge["source"]] = weight
        feeding = {source for sources in into.values() for source in sources}
        bias = {}
        for k, block in enumerate(model.blocks, start=1):
            names = artifact.node_names_by_layer[f"layer_{k}"]
            values = [0.0] * len(names) if block.linear.bias is None else block.linear.bias.tolist()
            bias.update(zip(names, values, strict=True))
        state = dict(zip(artifact.feature_names, x.double().numpy().T, strict=True))
        for node in TopologicalSorter({target: sources.keys() for target, sources in into.items()}).static_order():
            if node in into:
                z = bias[node] + sum(weight * state[source] for source, weight in into[node].items())
                state[node] = FUNCTIONS[activation](z) if node in feeding else z
        return state

    return states


@pytest.fixture(scope="session")
def skipping() -> pd.DataFrame:
    """Two outputs at different depths, one beside a hidden node, and edges that skip one and two layers."""
    pairs = ["a h1", "b h1", "b h2", "c h2", "h1 k", "h2 k", "a k", "h2 early", "k late", "c late", "h1 late"]
    return pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])


@pytest.fixture(scope="session")
def bipartite() -> Callable[[int, int], pd.DataFrame]:
    """Every one of ``in_degree`` inputs leads to each of so many outputs that there are ``n_edges``."""

    def edges(in_degree: int, n_edges: int) -> pd.DataFrame:
        n_targets = math.ceil(n_edges / in_degree)
        return pd.DataFrame(
            {
                "source": np.tile([f"in{i}" for i in range(in_degree)], n_targets),
                "target": np.repeat([f"out{i}" for i in range(n_targets)], in_degree),
            }
        )

    return edges
