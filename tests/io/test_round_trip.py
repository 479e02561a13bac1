"""What ``save_model`` writes, ``load_model`` reads: every bit of it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

import edge2torch as e2t
from edge2torch.io import load_model, save_model

BACKENDS = ["feedforward", "recurrent", "graphnn"]
CONSTRAINT = ["positive", "negative", "fixed", None, "positive", "unconstrained", "negative", "fixed", None, None]
WEIGHT = [1.0, -1.0, 0.25, 2.0, np.nan, np.nan, np.nan, -1 / 3, np.nan, 0.5]
ODD = {
    "h": "α/β T cell",
    "k": " two  spaces ",
    "a": "line\nbreak",
    "b": "\U0001f9ec",
    "late": '"x": {}',
    "g": "/",
}

NUMBERS = {"a": 3, "b": 20, "c": 1, "h": 4, "k": 5, "g": 6, "early": 7, "late": 8}


def table(**columns):
    return pd.DataFrame({"node": ["k", "g", "h"], **columns})


#: name to (change of the edge list, arguments of compile_graph, backends)
CASES = {
    "plain": (lambda e: e, {}, BACKENDS),
    "constraints": (lambda e: e.assign(constraint=CONSTRAINT, initial_weight=WEIGHT), {}, BACKENDS),
    "all fixed": (lambda e: e.assign(constraint="fixed", initial_weight=np.arange(10) / 7), {}, BACKENDS),
    "all positive": (lambda e: e.assign(constraint="positive"), {"activation": "relu"}, BACKENDS),
    "initial weights": (lambda e: e.assign(initial_weight=WEIGHT), {"activation": "tanh"}, BACKENDS),
    "wide": (lambda e: e, {"width": 3, "activation": "elu"}, BACKENDS),
    "wide, constraints": (
        lambda e: e.assign(constraint=CONSTRAINT, initial_weight=WEIGHT),
        {"width": np.int64(2)},
        BACKENDS,
    ),
    "dropout": (lambda e: e, {"dropout": 1 / 3}, BACKENDS),
    "dropout by redundancy": (lambda e: e, {"dropout": 0.5, "dropout_rule": "redundancy"}, BACKENDS),
    "batch normalisation": (lambda e: e, {"norm": "batch", "activation": "tanh", "width": 2}, ["feedforward"]),
    "no bias": (lambda e: e, {"bias": False}, BACKENDS),
    "steps": (lambda e: e, {"steps": np.int64(7), "activation": "sigmoid"}, BACKENDS),
    "preprocessing": (lambda e: e, {"preprocessing": "log1p, 10⁴ counts\nper cell"}, BACKENDS),
    "odd names": (lambda e: e.replace(ODD), {"activation": "tanh"}, BACKENDS),
    "numbers as names": (lambda e: e.apply(lambda names: names.map(NUMBERS)), {}, BACKENDS),
    "node table": (
        lambda e: e,
        {"nodes": table(activation=["relu", None, "linear"], dropout=[np.nan, 0.5, 0.1]), "activation": "tanh"},
        BACKENDS,
    ),
    "widths by node": (lambda e: e, {"nodes": table(width=[1, 4, 2])}, ["feedforward", "recurrent"]),
    "tolerance": (lambda e: e, {"tolerance": 1e-3, "steps": 9}, ["recurrent"]),
    "spectral norm": (lambda e: e, {"spectral_norm": 0.3, "width": 2, "steps": 9}, ["recurrent"]),
}
PAIRS = [(backend, case) for case, (_, _, backends) in CASES.items() for backend in backends]


def make(trained, edges, backend, case):
    change, options, _ = CASES[case]
    return trained(change(edges), backend, **options)


@pytest.mark.parametrize(("backend", "case"), PAIRS)
def test_model_and_artifact(backend, case, trained, edges, x, bits, tmp_path):
    model, artifact = make(trained, edges, backend, case)
    assert save_model(model, artifact, tmp_path / "model.safetensors") is None
    loaded, found = load_model(tmp_path / "model.safetensors", artifact=artifact)
    assert type(loaded) is type(model)
    assert bits(loaded) == bits(model)
    assert torch.equal(loaded(x), model(x))
    assert not any(module.training for module in loaded.modules())
    with torch.random.fork_rng():
        outputs = []
        for each in (model.train(), loaded.train()):
            torch.manual_seed(0)
            outputs.append(each(x))
    assert torch.equal(*outputs), "dropout, too"
    for name in ("backend", "feature_names", "node_names_by_layer", "input_nodes", "hidden_nodes", "output_nodes"):
        assert getattr(found, name) == getattr(artifact, name)
    assert found.identity == artifact.identity
    assert found.preprocessing == artifact.preprocessing
    written = [name for name in ("source", "target", "initial_weight", "constraint") if name in artifact.graph.edges]
    pd.testing.assert_frame_equal(found.graph.edges[written], artifact.graph.edges[written], check_dtype=False)
    assert {name: value for name, value in found.settings.items() if name != "nodes"} == {
        name: value for name, value in artifact.settings.items() if name != "nodes"
    }
    if artifact.settings["nodes"] is not None:
        pd.testing.assert_frame_equal(found.settings["nodes"], artifact.settings["nodes"], check_dtype=False)


@pytest.mark.parametrize(("backend", "case"), PAIRS)
def test_written_again(backend, case, trained, edges, tmp_path):
    """A file from a loaded model is the same file."""
    model, artifact = make(trained, edges, backend, case)
    save_model(model, artifact, tmp_path / "one")
    save_model(*load_model(tmp_path / "one"), tmp_path / "two")
    parts = []
    for name in ("one", "two"):
        with safe_open(tmp_path / name, "pt") as file:
            parts.append(
                (json.loads(file.metadata()["edge2torch"]), {n: file.get_tensor(n).numpy() for n in file.keys()})  # noqa: SIM118
            )
    (one, tensors), (two, again) = parts
    assert one == two
    assert tensors.keys() == again.keys()
    assert all(tensors[name].tobytes() == again[name].tobytes() for name in tensors)


@pytest.mark.parametrize("width", [pd.array([2, None, 3], dtype="Int64"), np.array([2, None, 3], dtype=object)])
def test_widths_with_missing_values(width, trained, edges, x, tmp_path):
    """JSON has no type for them, and pandas makes floats of them."""
    model, artifact = trained(edges, nodes=table(width=width))
    save_model(model, artifact, tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model")[0](x), model(x))


def test_dropout_of_a_node_keeps_its_digits(trained, edges, tmp_path):
    save_model(*trained(edges, nodes=table(dropout=[1 / 3, 0.1, 0.0])), tmp_path / "model")
    _, found = load_model(tmp_path / "model")
    assert found.settings["nodes"]["dropout"].tolist() == [1 / 3, 0.1, 0.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
@pytest.mark.parametrize("backend", BACKENDS)
def test_floating_type(backend, dtype, trained, edges, x, bits, tmp_path):
    model, artifact = trained(edges.assign(constraint=CONSTRAINT, initial_weight=WEIGHT), backend, activation="tanh")
    model.to(dtype)
    save_model(model, artifact, tmp_path / "model")
    loaded, _ = load_model(tmp_path / "model")
    assert {part.dtype for part in loaded.parameters()} == {dtype}
    assert bits(loaded) == bits(model)
    out = loaded(x.to(dtype))
    assert out.dtype == dtype
    assert torch.equal(out, model(x.to(dtype)))


def test_bfloat16(trained, edges, tmp_path):
    model, artifact = trained(edges)
    save_model(model.bfloat16(), artifact, tmp_path / "model")
    loaded, _ = load_model(tmp_path / "model")
    for name, part in model.state_dict().items():
        assert loaded.state_dict()[name].dtype == part.dtype
        assert torch.equal(loaded.state_dict()[name], part)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_else_changes(backend, trained, edges, bits, tmp_path, capsys):
    """Neither the generators nor the model that is saved, also in the midst of training."""
    model, artifact = trained(edges, backend, dropout=0.5)
    model.train()
    before, states = bits(model), (torch.get_rng_state(), np.random.get_state()[1].tolist())  # noqa: NPY002
    save_model(model, artifact, tmp_path / "model")
    load_model(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002
    assert bits(model) == before
    assert all(module.training for module in model.modules())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_hidden_nodes(backend, trained, x, tmp_path):
    """No edge between nodes behind the inputs: some tensors are empty."""
    model, artifact = trained(pd.DataFrame({"source": ["a", "b", "c"], "target": ["y", "y", "z"]}), backend, steps=1)
    save_model(model, artifact, tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model")[0](x), model(x))


def test_scores_and_weights(trained, cyclic, x, tmp_path):
    """What a loaded model is for."""
    model, artifact = trained(cyclic, "recurrent", steps=5, activation="tanh", width=2)
    save_model(model, artifact, str(tmp_path / "model.safetensors"))
    loaded, found = load_model(str(tmp_path / "model.safetensors"))
    pd.testing.assert_frame_equal(e2t.get_edge_weights(loaded, found), e2t.get_edge_weights(model, artifact))
    one, two = (
        e2t.interpret_model(*pair, x, "nodes", output="late", as_table=True, quiet=True)
        for pair in ((model, artifact), (loaded, found))
    )
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(("backend", "case"), [(b, c) for b in BACKENDS for c in ("constraints", "odd names")])
def test_no_pickle(backend, case, trained, edges, tmp_path):
    """Safetensors alone reads the file; all else in it is JSON."""
    save_model(*make(trained, edges, backend, case), tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    described = json.loads(header.pop("__metadata__")["edge2torch"])
    assert len(content) == 8 + size + max(end for _, end in (part["data_offsets"] for part in header.values()))
    assert described["format"] == 1
    names = set(make(trained, edges, backend, case)[1].graph.nodes)
    assert set(described["nodes"]) == names
    with safe_open(tmp_path / "model", "numpy") as file:
        assert {name.split(".")[0] for name in file.keys()} == {"graph", "model"}  # noqa: SIM118
    assert b"pickle" not in content
