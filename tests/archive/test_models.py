"""Files that earlier versions wrote are read, and the models in them compute what they did."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import get_edge_weights, interpret_model
from edge2torch.io import load_model

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.safetensors"))


def test_there_are_files():
    assert {path.stem for path in FILES} == {"feedforward", "recurrent", "graphnn"}
    assert all(path.stat().st_size < 10_000 for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.stem}" for path in FILES])
def test_read(path):
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    model, artifact = load_model(path)
    cells = pd.DataFrame(expected["features"])
    assert artifact.backend == path.stem
    assert artifact.feature_names == cells.columns.tolist()
    assert artifact.node_names_by_layer == expected["node_names_by_layer"]
    assert artifact.preprocessing == expected["preprocessing"] == "log1p – α"
    assert expected["settings"].items() <= artifact.settings.items(), "there may be more settings by now"
    assert artifact.identity == expected["identity"]
    outputs = pd.DataFrame(expected["outputs"])
    assert artifact.output_nodes == outputs.columns.tolist()
    x = torch.tensor(cells.to_numpy())
    np.testing.assert_allclose(model(x).detach(), outputs, rtol=1e-9, err_msg="in float64")
    edges = pd.DataFrame(expected["edges"])
    weights = get_edge_weights(model, artifact)
    pd.testing.assert_frame_equal(weights[["source", "target"]], edges[["source", "target"]])
    np.testing.assert_allclose(weights["weight"], expected["weights"], rtol=1e-6)
    pd.testing.assert_series_equal(artifact.graph.edges["initial_weight"], edges["initial_weight"])
    assert artifact.graph.edges["constraint"].tolist() == edges["constraint"].fillna("unconstrained").tolist()
    scores = interpret_model(model, artifact, cells, output=outputs.columns[0], n_steps=200, quiet=True)
    difference = model(x) - model(torch.zeros_like(x))
    np.testing.assert_allclose(scores.sum(axis=1), difference[:, 0].detach(), atol=1e-2)


def test_writer(tmp_path):
    """It writes the same again, and never into a folder that is there."""
    write = runpy.run_path(str(HERE / "models.py"))["write"]
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        with torch.random.fork_rng():
            write(folder)
    names = sorted(path.name for path in folders[0].iterdir())
    assert len(names) == 6
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)
    with pytest.raises(FileExistsError):
        runpy.run_path(str(HERE / "write.py"))["write"](folders[0])
