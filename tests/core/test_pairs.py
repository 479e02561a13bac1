"""Model and artifact have to come from the same graph, features, outputs and preprocessing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError, compile_graph, get_edge_weights, interpret_model, io

TOGETHER = "model and artifact do not belong together"
BACKENDS = ["feedforward", "recurrent", "graphnn"]


@pytest.fixture(params=["interpret", "get_edge_weights", "save_model"])
def use(request, tmp_path):
    def interpret(model, artifact):
        interpret_model(model, artifact, torch.zeros(1, len(artifact.feature_names)), output=0, quiet=True)

    def save(model, artifact):
        io.save_model(model, artifact, tmp_path / "model.safetensors")

    return {"interpret": interpret, "get_edge_weights": get_edge_weights, "save_model": save}[request.param]


CHANGES = {
    "an edge more": (lambda e: pd.concat([e, pd.DataFrame({"source": ["b"], "target": ["k"]})]), {"graph"}),
    "a hidden name": (lambda e: e.replace("k", "kinase"), {"graph"}),
    "a feature": (lambda e: e.replace("a", "A"), {"graph", "features"}),
    "an output": (lambda e: e.replace("late", "later"), {"graph", "outputs"}),
    "both ends": (lambda e: e.replace({"late": "later", "a": "A"}), {"graph", "features", "outputs"}),
    "fixed weights": (lambda e: e.assign(constraint="fixed", initial_weight=0.5), {"graph"}),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("change", CHANGES)
def test_another_graph(change, backend, use, edges):
    make, differing = CHANGES[change]
    model, _ = compile_graph(edges, backend, quiet=True)
    _, other = compile_graph(make(edges), backend, quiet=True)
    with pytest.raises(Edge2TorchError, match=TOGETHER) as caught:
        use(model, other)
    parts = {"graph", "backend", "features", "outputs", "preprocessing"}
    assert {part for part in parts if f"'{part}'" in str(caught.value)} == differing


def test_another_fixed_weight(use, edges):
    model, _ = compile_graph(edges.assign(constraint="fixed", initial_weight=0.5), quiet=True)
    _, other = compile_graph(edges.assign(constraint="fixed", initial_weight=0.25), quiet=True)
    with pytest.raises(Edge2TorchError, match=f"{TOGETHER}, they differ in 'graph'"):
        use(model, other)


def test_another_preprocessing(use, edges):
    model, _ = compile_graph(edges, preprocessing="log1p", quiet=True)
    _, other = compile_graph(edges, preprocessing="counts", quiet=True)
    with pytest.raises(Edge2TorchError, match=f"{TOGETHER}, they differ in 'preprocessing'"):
        use(model, other)


def test_outputs_in_another_order(use):
    """Backends order nodes by longest and by shortest paths: p is behind q, or beside it."""
    edges = pd.DataFrame([pair.split() for pair in ["a h", "h k", "k p", "h p", "h q"]], columns=["source", "target"])
    model, artifact = compile_graph(edges, quiet=True)
    _, other = compile_graph(edges, "recurrent", quiet=True)
    assert (artifact.output_nodes, other.output_nodes) == (["q", "p"], ["p", "q"])
    with pytest.raises(Edge2TorchError, match=TOGETHER) as caught:
        use(model, other)
    assert "they differ in 'backend', 'outputs': " in str(caught.value)


def test_weights_and_other_settings_do_not_matter(use, edges):
    """Another draw of the same graph, other initial weights, another activation: names are the same."""
    model, _ = compile_graph(edges, activation="tanh", quiet=True)
    _, other = compile_graph(edges.assign(initial_weight=np.arange(10.0)), width=1, quiet=True)
    use(model, other)


@pytest.mark.parametrize("other", BACKENDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_artifact_of_another_backend(backend, other, use):
    """Backends order hidden nodes by longest or shortest paths; scores must not come back under the wrong names."""
    edges = pd.DataFrame(
        [pair.split() for pair in ["a z", "z b", "a b", "b out", "z out"]], columns=["source", "target"]
    )
    model, artifact = compile_graph(edges, backend, quiet=True)
    _, another = compile_graph(edges, other, quiet=True)
    if backend == other:
        use(model, another)
        return
    with pytest.raises(Edge2TorchError, match=f"{TOGETHER}, they differ in 'backend': use the two"):
        use(model, another)
    assert artifact.fingerprint == another.fingerprint, "it is the same graph"


def test_orders_of_hidden_nodes_differ():
    """Why the backend is part of what a model is bound to."""
    edges = pd.DataFrame(
        [pair.split() for pair in ["a z", "z b", "a b", "b out", "z out"]], columns=["source", "target"]
    )
    orders = [compile_graph(edges, backend, quiet=True)[1].hidden_nodes for backend in BACKENDS]
    assert orders == [["z", "b"], ["b", "z"], ["b", "z"]]
