"""One walk along the path: equal to Captum called for every layer, and edges that add up to nodes."""

from __future__ import annotations

from typing import Any

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edge2torch import CompileArtifact, Edge2TorchError, compile_graph, customize_model
from edge2torch.attribution import path_scores
from edge2torch.attribution.walk import Hooked, Swept, find_walk
from edge2torch.nn import EdgeModel

CYCLIC = ["a h", "b k", "h k", "k h", "k l", "l h", "h h", "c l", "k early", "l m", "m late"]
N_STEPS = 9


def _nodes(names: list[str]) -> pd.DataFrame:
    """Every other node has three units, every third has no activation."""
    rows = [(name, 3 if i % 2 else 1, "linear" if i % 3 == 0 else "tanh") for i, name in enumerate(sorted(names))]
    return pd.DataFrame(rows, columns=["node", "width", "activation"])


MODELS: dict[str, dict[str, Any]] = {
    "feedforward": {"activation": "tanh"},
    "relu": {"activation": "relu"},
    "linear": {},
    "no bias": {"activation": "gelu", "bias": False},
    "norm": {"activation": "tanh", "norm": "batch"},
    "wide": {"activation": "tanh", "width": 3},
    "wide norm": {"activation": "silu", "width": 2, "norm": "batch"},
    "mixed": {"nodes": _nodes},
    "recurrent": {"activation": "tanh", "backend": "recurrent", "steps": 4},
    "recurrent, wide": {"activation": "relu", "backend": "recurrent", "steps": 3, "width": 2},
    "recurrent, bound": {"activation": "tanh", "backend": "recurrent", "steps": 5, "spectral_norm": 0.5},
    "recurrent, until it rests": {
        **{"activation": "tanh", "backend": "recurrent", "steps": 12},
        **{"spectral_norm": 0.6, "tolerance": 1e-3},
    },
    "graphnn": {"activation": "tanh", "backend": "graphnn", "steps": 3},
    "graphnn, channels": {"activation": "sigmoid", "backend": "graphnn", "steps": 4, "width": 3},
}


def compiled(edges: pd.DataFrame, name: str, seed: int) -> tuple[EdgeModel, CompileArtifact]:
    """A model in float64 whose parameters and running statistics all differ from their first values."""
    options = dict(MODELS[name])
    if "nodes" in options:
        hidden = set(edges["source"]) & set(edges["target"])
        options["nodes"] = options["nodes"](list(hidden)) if hidden else None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, artifact = compile_graph(edges, quiet=True, **options)
        model.double()
        for key, value in [*model.named_parameters(), *model.named_buffers()]:
            if key.endswith(("bias", "running_mean", "norm.weight")):
                nn.init.normal_(value, std=0.5)
            elif key.endswith("running_var"):
                nn.init.uniform_(value, 0.3, 3.0)
    return model.eval(), artifact


def draw_x(model: EdgeModel, seed: int, n: int = 5) -> tuple[Tensor, Tensor]:
    drawn = torch.randn(n + 1, model.n_features, generator=torch.Generator().manual_seed(seed)).double()
    return drawn[:n], drawn[n:]


def by_captum(model: nn.Module, edge_model: EdgeModel, x: Tensor, baseline: Tensor, target: int) -> Tensor:
    """Conductance of nodes, from a call of Captum for every layer or step."""
    parts = []
    for k, block in enumerate(edge_model.blocks):
        conductance = captum.attr.LayerConductance(model, block)
        each = conductance.attribute(x, baseline, target=target, n_steps=N_STEPS).detach()
        parts.append(edge_model.sum_units(each, k))
    return torch.cat(parts, dim=1) if edge_model.site == "layer" else torch.stack(parts).sum(dim=0)


def into_nodes(model: EdgeModel, edges: Tensor) -> Tensor:
    """Add up scores of edges, (..., edges), by their targets."""
    n_nodes = int(model.edge_ends.max()) + 1
    total = edges.new_zeros(*edges.shape[:-1], n_nodes).index_add(-1, model.edge_ends[1], edges)
    return total[..., model.n_features :]


RANDOM = settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])


@RANDOM
@given(data=st.data(), seed=st.integers(0, 2**31))
@pytest.mark.parametrize("name", MODELS)
def test_equals_captum_layer_by_layer_and_edges_add_up(name, acyclic_edges, data, seed):
    model, artifact = compiled(data.draw(acyclic_edges), name, seed)
    x, baseline = draw_x(model, seed)
    n_outputs = len(artifact.output_nodes)
    groups = torch.tensor([0, 1, 0, -1, 1])
    found = path_scores(model, x, torch.eye(n_outputs)[:, None], baseline=baseline, n_steps=N_STEPS, groups=groups)
    gradients = captum.attr.IntegratedGradients(model)
    for k in range(n_outputs):
        features = gradients.attribute(x, baseline, target=k, n_steps=N_STEPS + 1)
        torch.testing.assert_close(found.features[k], features, rtol=1e-6, atol=1e-8)  # its step sizes are float32
        torch.testing.assert_close(found.nodes[k], by_captum(model, model, x, baseline, k), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(found.difference, (model(x) - model(baseline)).detach().T)
    expected = torch.stack([found.nodes[:, groups == g].sum(dim=1) for g in range(2)], dim=1)
    torch.testing.assert_close(into_nodes(model, found.edges) + found.kept, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name].get("backend")])
def test_cycles(name):
    edges = pd.DataFrame([pair.split() for pair in CYCLIC], columns=["source", "target"])
    model, _ = compiled(edges, name, 0)
    x, baseline = draw_x(model, 1)
    found = path_scores(
        model, x, torch.eye(2)[:, None], baseline=baseline, n_steps=N_STEPS, groups=torch.zeros(5, dtype=torch.int64)
    )
    for k in range(2):
        torch.testing.assert_close(found.nodes[k], by_captum(model, model, x, baseline, k), rtol=1e-8, atol=1e-10)
    total = into_nodes(model, found.edges) + found.kept
    torch.testing.assert_close(total[:, 0], found.nodes.sum(dim=1), rtol=1e-7, atol=1e-9)
    assert bool(found.kept.any()) == name.startswith("graphnn")
