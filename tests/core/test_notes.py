"""Notes to the user: on standard output, or through logging where it is set up."""

from __future__ import annotations

import logging

import pandas as pd
import pytest
import torch

import edge2torch as e2t

EDGES = pd.DataFrame(
    {
        "source": [
            *(f"gene_{kind}_{i}" for kind in ("signal", "noise") for i in (1, 2, 3)),
            "tf_s",
            "tf_n",
            "k_s",
            "k_n",
        ],
        "target": [*["tf_s"] * 3, *["tf_n"] * 3, "k_s", "k_n", "output_1", "output_1"],
    }
)
NOTES = [
    "Note: Graph contains 11 node(s) and 10 edge(s).",
    "Note: Feedforward backend selected. Graph must be layerable.",
]


@pytest.fixture
def logger():
    logger = logging.getLogger("edge2torch")
    assert logger.level == logging.NOTSET, "no level is set at import"
    assert logger.handlers == [], "no handler is added at import"
    yield logger
    logger.setLevel(logging.NOTSET)


def compile_and_interpret(*, quiet: bool = False) -> None:
    model, artifact = e2t.compile_graph(EDGES, quiet=quiet)
    e2t.interpret_model(model, artifact, torch.ones(2, 6), quiet=quiet)
    e2t.interpret_model(model, artifact, torch.ones(2, 6), "nodes", "LayerActivation", quiet=quiet)


ALL_NOTES = [
    *NOTES,
    "Finished interpretation with method 'IntegratedGradients' for target 'features'.",
    "Finished interpretation with method 'LayerActivation' for target 'nodes'.",
]


def test_printed(capsys, logger):
    compile_and_interpret()
    assert capsys.readouterr().out == "".join(f"[edge2torch] {note}\n" for note in ALL_NOTES)


def test_quiet(capsys, caplog, logger):
    caplog.set_level(logging.DEBUG)
    compile_and_interpret(quiet=True)
    assert capsys.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name.startswith("edge2torch")] == []


@pytest.mark.parametrize("name", [None, "edge2torch"])
def test_logged_instead(name, capsys, caplog, logger):
    caplog.set_level(logging.INFO, logger=name)
    compile_and_interpret()
    ours = [record for record in caplog.records if record.name == "edge2torch"]
    assert [(record.levelname, record.getMessage()) for record in ours] == [("INFO", note) for note in ALL_NOTES]
    assert capsys.readouterr().out == ""


def test_silenced_by_level(capsys, caplog, logger):
    logger.setLevel("WARNING")
    compile_and_interpret()
    assert capsys.readouterr().out == ""
    assert caplog.records == []


def test_nothing_is_said_about_a_graph_that_is_refused(capsys):
    with pytest.raises(e2t.Edge2TorchError):
        e2t.compile_graph(pd.DataFrame({"source": ["a", "b"], "target": ["b", "a"]}))
    assert capsys.readouterr().out == ""
