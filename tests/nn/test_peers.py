"""Linear models equal those of the public edge2torch 0.3.0, which is dense, with the same weights and biases.

Skipped unless ``EDGE2TORCH_PEERS`` is the path of a Python interpreter that has it. It runs in a process of its own and
through its public functions only: an edge list, weights, biases and cells go in as JSON, outputs come back.
"""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch

PEER = os.environ.get("EDGE2TORCH_PEERS", "")
pytestmark = pytest.mark.skipif(not PEER, reason="EDGE2TORCH_PEERS is not set")

#: What runs there. Skipped layers are bridged there by nodes of its own, one per layer: each has one edge, of weight 1,
#: and no bias. Biases of inputs do not matter: inputs keep their values.
PROGRAM = """
import json, sys, warnings
import pandas as pd, torch
from edge2torch import compile_graph

warnings.simplefilter("ignore")
given = json.load(sys.stdin)
edges = pd.DataFrame(given["edges"], columns=["source", "target"])
weight = {tuple(edge): value for edge, value in zip(given["edges"], given["weights"])}
model, artifact = compile_graph(edges, **given["options"])
state = {name: value.clone() for name, value in model.state_dict().items()}
if given["options"]["backend"] == "feedforward":
    layers = [artifact.input_nodes, *artifact._interpretation_sites.values()]
    parts = [(f"blocks.{k}.linear", layers[k], layers[k + 1]) for k in range(len(layers) - 1)]
else:
    names = artifact.interpretation_sites["step_1"]
    parts = [("state_linear", names, names)]
set_weights = 0
bridge = "__edge2torch_pseudo__"
for prefix, sources, targets in parts:
    raw, mask = state[prefix + ".raw_weight"], state[prefix + ".mask"]
    for row, target in enumerate(targets):
        if prefix + ".bias" in state:
            state[prefix + ".bias"][row] = given["biases"].get(target, 0.0)
        for column, source in enumerate(sources):
            if not mask[row, column]:
                continue
            if target.startswith(bridge):
                raw[row, column] = 1.0
                continue
            if source.startswith(bridge):
                source = source[len(bridge):].split("__")[0]
            raw[row, column] = weight[source, target]
            set_weights += 1
assert set_weights == len(weight), (set_weights, len(weight))
model.load_state_dict(state)
x = torch.tensor(given["cells"])[:, [given["features"].index(name) for name in artifact.input_nodes]]
json.dump({"outputs": model.eval()(x).tolist(), "names": artifact.output_nodes}, sys.stdout)
"""


def run_peer(edges, weights, biases, features, x, **options) -> pd.DataFrame:
    given = {
        "edges": edges.to_numpy().tolist(),
        "weights": weights.tolist(),
        "biases": biases,
        "features": features,
        "cells": x.tolist(),
        "options": options,
    }
    done = subprocess.run(
        [PEER, "-E", "-c", PROGRAM], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return pd.DataFrame(found["outputs"], columns=found["names"])


def biases_by_name(model, artifact) -> dict[str, float]:
    inner = artifact.graph.nodes[model.n_features :].tolist()
    values = torch.cat([part.bias for part in model.linears() if part.bias is not None]).tolist()
    return dict(zip(inner, values, strict=True))


def compare(edges, make, cells, seed, backend, peer_backend, **options) -> None:
    model, artifact = make(edges, seed, backend=backend, **options)
    x = cells(6, model.n_features, seed)
    biases, weights = biases_by_name(model, artifact), model.edge_weights().detach()
    theirs = run_peer(edges, weights, biases, artifact.feature_names, x, backend=peer_backend, **options)
    assert sorted(theirs) == sorted(artifact.output_nodes)
    ours = model(x).detach().numpy()
    assert np.abs(ours).max() > 0.1
    np.testing.assert_allclose(ours, theirs[artifact.output_nodes].to_numpy(), rtol=1e-4, atol=1e-5)


def random_layers(seed: int) -> pd.DataFrame:
    """Draw 4 layers with every node bound to the layer before it, and edges that skip one to three layers.

    All outputs are in the last layer, as the peer wants it.
    """
    rng = np.random.default_rng(seed)
    layers = [[f"{name}{i}" for i in range(n)] for name, n in zip("abcde", rng.integers(2, 5, 5), strict=True)]
    pairs = set()
    for k in range(1, 5):
        pairs |= {(rng.choice(layers[k - 1]), node) for node in layers[k]}
        pairs |= {(node, rng.choice(layers[k])) for node in layers[k - 1]}
        pairs |= {(rng.choice(layers[j]), rng.choice(layers[k])) for j in range(k - 1) for _ in range(2)}
    return pd.DataFrame(sorted((str(s), str(t)) for s, t in pairs), columns=["source", "target"])


def random_feedback(seed: int) -> pd.DataFrame:
    """Draw 3 inputs, 6 hidden nodes that feed each other and themselves, and 2 outputs."""
    rng = np.random.default_rng(seed)
    hidden = [f"h{i}" for i in range(6)]
    pairs = {(f"g{i}", hidden[2 * i]) for i in range(3)} | {(hidden[i], f"out{i % 2}") for i in (0, 2, 4)}
    pairs |= {(str(rng.choice(hidden)), str(rng.choice(hidden))) for _ in range(14)}
    pairs |= {(hidden[2 * i], hidden[2 * i + 1]) for i in range(3)} | {(hidden[2 * i + 1], hidden[0]) for i in range(3)}
    return pd.DataFrame(sorted(pairs | {("g0", "out1"), ("h1", "h1")}), columns=["source", "target"])


@pytest.mark.parametrize("seed", range(3))
def test_feedforward(seed, make, cells):
    compare(random_layers(seed), make, cells, seed, "feedforward", "feedforward")


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_recurrent(steps, make, cells):
    compare(random_feedback(steps), make, cells, steps, "recurrent", "state_update", steps=steps)
