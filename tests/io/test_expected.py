"""A file that does not hold what is expected is refused, and the message says what differs."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError, compile_graph
from edge2torch.io import load_model, save_model


def edge(source, target):
    return pd.DataFrame({"source": [source], "target": [target]})


#: change of the edge list in the file, arguments of compile_graph for it, parts of the message
DIFFERENCES = {
    "an edge more in the file": (
        lambda e: pd.concat([e, edge("b", "k")]),
        {},
        [r"1 edges only in the file ('b -> k')", "0 only in what is expected (none)"],
    ),
    "an edge less in the file": (
        lambda e: e.iloc[:-1],
        {},
        ["0 edges only in the file (none)", "1 only in what is expected ('g -> k')"],
    ),
    "a feature": (
        lambda e: e.replace("a", "A"),
        {},
        [
            "2 edges only in the file ('A -> h', 'A -> k')",
            "1 features only in the file ('A'), 1 only in what is expected ('a')",
        ],
    ),
    "an output": (
        lambda e: e.replace("late", "later"),
        {},
        ["1 outputs only in the file ('later'), 1 only in what is expected ('late')"],
    ),
    "preprocessing": (
        lambda e: e,
        {"preprocessing": "counts"},
        ["preprocessing 'counts' instead of 'log1p'"],
    ),
    "a constraint": (
        lambda e: e.assign(constraint=["positive"] + [None] * 9),
        {},
        ["1 edges only in the file ('b -> h (positive)'), 1 only in what is expected ('b -> h')"],
    ),
    "many edges": (
        lambda e: e.replace("k", "kinase"),
        {},
        ["4 edges only in the file", "'a -> kinase'", "4 only in what is expected", "'a -> k'"],
    ),
}


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
@pytest.mark.parametrize("case", DIFFERENCES)
def test_message(case, backend, trained, edges, x, tmp_path):
    change, options, words = DIFFERENCES[case]
    model, saved = trained(change(edges), backend, **{"preprocessing": "log1p", **options})
    save_model(model, saved, tmp_path / "model")
    _, expected = compile_graph(edges, backend, preprocessing="log1p", quiet=True)
    with pytest.raises(Edge2TorchError) as caught:
        load_model(tmp_path / "model", artifact=expected)
    message = str(caught.value)
    assert message.startswith("the file holds another model: ")
    assert "other_graph=True" in message
    for word in words:
        assert word in message
    equal = {"features": case != "a feature", "outputs": case != "an output", "instead of": case != "preprocessing"}
    for word, same in equal.items():
        assert (word not in message) == same, "nothing is said about what does not differ"
    loaded, found = load_model(tmp_path / "model", artifact=expected, other_graph=True)
    assert torch.equal(loaded(x), model(x))
    assert found.identity == saved.identity, "the artifact is that of the file"


def test_fixed_weights_differ(trained, edges, tmp_path):
    def fixed(weight):
        return edges.assign(constraint=["fixed"] + [None] * 9, initial_weight=[weight] + [None] * 9)

    save_model(*trained(fixed(0.5)), tmp_path / "model")
    _, expected = compile_graph(fixed(-0.25), quiet=True)
    with pytest.raises(Edge2TorchError) as caught:
        load_model(tmp_path / "model", artifact=expected)
    assert "1 edges only in the file ('b -> h (fixed 0.5)')" in str(caught.value)
    assert "1 only in what is expected ('b -> h (fixed -0.25)')" in str(caught.value)


def test_fixed_weights_that_differ_in_late_digits(trained, edges, tmp_path):
    """The message must not call them edges in another order."""

    def fixed(weight):
        return edges.assign(constraint=["fixed"] + [None] * 9, initial_weight=[weight] + [None] * 9)

    save_model(*trained(fixed(0.1234567)), tmp_path / "model")
    _, expected = compile_graph(fixed(0.1234568), quiet=True)
    with pytest.raises(Edge2TorchError) as caught:
        load_model(tmp_path / "model", artifact=expected)
    assert "order" not in str(caught.value)
    assert "b -> h (fixed" in str(caught.value)


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"dropout": 0.5}, {"width": 4}, {"bias": False}], ids=str)
def test_settings_are_not_compared(options, trained, edges, x, tmp_path):
    """A model is bound to its graph and data, not to how its nodes compute."""
    model, saved = trained(edges, activation="tanh")
    save_model(model, saved, tmp_path / "model")
    _, expected = compile_graph(edges.iloc[::-1], **options, quiet=True)
    loaded, found = load_model(tmp_path / "model", artifact=expected)
    assert torch.equal(loaded(x), model(x))
    assert found.settings["activation"] == "tanh"
