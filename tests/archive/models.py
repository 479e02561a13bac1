"""Models of every backend, and what they compute."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import torch

import edge2torch as e2t

EDGES = pd.DataFrame(
    [
        ("gene/1", "TF α", "positive", 0.5),
        ("gene/1", "pathway B", None, None),
        ("gene 2", "TF α", "negative", None),
        ("gene 2", "pathway B", "fixed", -0.25),
        ("γ", "pathway B", None, 1.5),
        ("γ", "late", None, None),
        ("TF α", "pathway B", None, None),
        ("TF α", "early", None, None),
        ("pathway B", "late", None, None),
    ],
    columns=["source", "target", "constraint", "initial_weight"],
)
FEEDBACK = pd.DataFrame(
    {"source": ["pathway B", "TF α"], "target": ["TF α"] * 2, "constraint": "unconstrained", "initial_weight": 0.125}
)
NODES = pd.DataFrame({"node": ["pathway B", "TF α"], "activation": ["linear", "sigmoid"], "dropout": [0.25, 0.5]})
MODELS = {
    "feedforward": (EDGES, {"activation": "tanh", "width": 2, "nodes": NODES.assign(width=[1, 3])}),
    "recurrent": (
        pd.concat([EDGES, FEEDBACK], ignore_index=True),
        {"activation": "tanh", "steps": 4, "nodes": NODES, "spectral_norm": 0.5, "tolerance": 1e-6},
    ),
    "graphnn": (
        pd.concat([EDGES, FEEDBACK], ignore_index=True),
        {"activation": "relu", "steps": 3, "width": 2, "bias": False, "dropout": 0.125},
    ),
}


def write(folder: Path) -> None:
    """Write models and, in JSON, features and outputs, names, weights and settings."""
    torch.manual_seed(0)
    x = torch.randn(4, 3, dtype=torch.float64)
    for backend, (edges, options) in MODELS.items():
        model, artifact = e2t.compile_graph(edges, backend, **options, preprocessing="log1p – α", quiet=True)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
        model.double().eval()
        e2t.io.save_model(model, artifact, folder / f"{backend}.safetensors")
        expected = {
            "features": dict(zip(artifact.feature_names, x.T.tolist(), strict=True)),
            "outputs": dict(zip(artifact.output_nodes, model(x).T.tolist(), strict=True)),
            "node_names_by_layer": artifact.node_names_by_layer,
            "identity": artifact.identity,
            "preprocessing": artifact.preprocessing,
            "settings": {name: value for name, value in artifact.settings.items() if name != "nodes"},
            "edges": json.loads(edges.to_json(orient="records")),
            "weights": e2t.get_edge_weights(model, artifact)["weight"].tolist(),
        }
        text = json.dumps(expected, indent=1, ensure_ascii=False)
        (folder / f"{backend}.json").write_text(text + "\n", encoding="utf-8")
