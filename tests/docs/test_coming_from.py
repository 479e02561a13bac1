"""The page for those who know other packages: its code runs, and what it says is the same is the same."""

from __future__ import annotations

import copy
import functools
import json
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t

PAGE = "docs/coming_from.md"
PEER = os.environ.get("EDGE2TORCH_PEERS", "")
HERE = ("here", "import numpy as np")
#: what runs there, and prints what its names hold afterwards
PROGRAM = """
import json, sys, warnings
import pandas as pd
warnings.simplefilter("ignore")
given = json.load(sys.stdin)
names = {}
for block in given["blocks"]:
    exec(block, names)
tables = {name: names[name] for name in given["wanted"]}
print(json.dumps({name: table.to_dict("split") for name, table in tables.items()}))
"""


@pytest.fixture(scope="module")
def code(read_code):
    return read_code(PAGE)


def blocks(code, package):
    return [block for first, block in code if first in (package, "import numpy as np")]


def run(given, program=PROGRAM, python=PEER):
    done = subprocess.run(
        [python, "-E", "-c", program], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return {name: pd.DataFrame(**table) for name, table in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.fixture(scope="module")
def names(code):
    """What the names of all blocks for this package hold in the end; fits are short."""
    found = {"e2t": e2t, "weights": pd.DataFrame({"source": ["TAL1"], "target": ["mye"], "weight": [0.5]})}
    patch = pytest.MonkeyPatch()
    patch.setattr(e2t.tl, "fit", functools.partial(e2t.tl.fit, max_epochs=3, progress_bar=False))
    patch.setattr(e2t.tl, "control", functools.partial(e2t.tl.control, n=3, progress_bar=False))
    for first, block in code:
        if first in HERE or first == "decoupler 2":
            exec(block, found)
    patch.undo()
    return found


def test_every_block_says_where_it_runs(code):
    assert {first for first, _ in code} == {*HERE, "edge2torch 0.3.0", "kpnn2 0.3.0", "decoupler 2"}


def test_all_blocks_run_and_decoupler_and_we_name_the_same_regulators(names):
    assert names["second"].shape == (6, 3)
    assert list(names["nodes"].columns) == ["ery", "mye"]
    assert set(names["activities"].var_names) == set(names["scores"].var_names)
    assert {"z", "padj"} <= set(names["ranking"].columns)


def test_node_weights_are_differences_of_probabilities(names):
    """As KPNN computes them: move the state of a node a little up, and down."""
    model, artifact, x = copy.deepcopy(names["model"]).double(), names["artifact"], names["x"].double()
    weights = names["node_weights"](model, artifact, x, output=1)
    assert list(weights.index) == artifact.hidden_nodes
    for k, block in enumerate(model.blocks[:-1], start=1):
        for column, node in enumerate(artifact.node_names_by_layer[f"layer_{k}"]):
            moved = []
            for step in (1e-3, -1e-3):
                by = torch.zeros(len(artifact.node_names_by_layer[f"layer_{k}"]), dtype=torch.float64)
                by[column] = step
                hook = block.register_forward_hook(lambda _module, _given, state, by=by: state + by)
                moved.append(torch.softmax(model(x), dim=1)[:, 1].mean().item())
                hook.remove()
            assert weights[node] == pytest.approx((moved[0] - moved[1]) / 2e-3, rel=1e-4, abs=1e-9)


@pytest.mark.skipif(not PEER, reason="EDGE2TORCH_PEERS is not set")
def test_scores_are_those_of_the_public_package(code, names):
    theirs = run({"blocks": blocks(code, "edge2torch 0.3.0"), "wanted": ["weights", "genes", "nodes"]})
    model, artifact = e2t.compile_graph(names["edges"], bias=False, quiet=True)
    e2t.set_edge_weights(model, artifact, theirs["weights"])
    genes = e2t.interpret_model(model, artifact, names["cells"], quiet=True)
    nodes = e2t.interpret_model(model, artifact, names["cells"], "nodes", as_table=True, quiet=True)
    for ours, other in ((genes, theirs["genes"]), (nodes[artifact.hidden_nodes], theirs["nodes"])):
        assert list(ours.columns) == list(other.columns)
        np.testing.assert_allclose(ours.to_numpy(), other.to_numpy(dtype=float), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not PEER, reason="EDGE2TORCH_PEERS is not set")
def test_kpnn2_names_the_same_nodes(code, names):
    theirs = run({"blocks": blocks(code, "kpnn2 0.3.0"), "wanted": ["nodes"]})["nodes"]
    assert list(theirs.columns) == list(names["nodes"].columns)
    assert np.isfinite(theirs.to_numpy(dtype=float)).all()
