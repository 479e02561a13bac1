"""The code of the tutorial of the original edge2torch runs unchanged.

Its text is not part of this project; the test reads it from beside the checkout, where it is.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import captum.attr
import numpy as np
import pandas as pd
import pytest

TEXT = Path(__file__).resolve().parents[2] / "shared" / "reference" / "edge2torch-getting-started.txt"
pytestmark = [
    pytest.mark.skipif(not TEXT.exists(), reason="the reference tutorial is not at hand"),
    pytest.mark.filterwarnings("ignore"),  # the tutorial's own plotting code uses deprecated seaborn names
]

#: the page lost its indentation: how many statements belong to each block (a function ends with its return)
BODY = {
    "with dot.subgraph": 2,
    "for node in": 1,
    "for _, row in": 1,
    "for ax, feature in": 4,
    "for epoch in": 6,
    "for layer_name, layer_df in node_attr.items():\nprint": 2,
    "for layer_name, layer_df in node_attr.items():\nlayer_summary": 2,
}


def parses(lines: list[str]) -> bool:
    try:
        return len(ast.parse("\n".join(lines)).body) == 1
    except SyntaxError:
        return False


class Extractor:
    """Takes statements out of a page in which prose, code and output alternate."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.at = 0

    def statement(self, indent: str = "") -> list[str] | None:
        """Return the statement that begins at this line, or None if it is not code."""
        line = self.lines[self.at]
        following = "\n".join(self.lines[self.at : self.at + 2])
        if line.startswith("def "):
            return self.block(indent, until_return=True)
        for header, n_statements in BODY.items():
            if following.startswith(header):
                return self.block(indent, n_statements)
        for end in range(self.at + 1, min(self.at + 40, len(self.lines) + 1)):
            if parses(self.lines[self.at : end]):
                taken = [indent + text for text in self.lines[self.at : end]]
                self.at = end
                return taken
        return None

    def block(self, indent: str, n_statements: int = 0, *, until_return: bool = False) -> list[str]:
        taken = [indent + self.lines[self.at]]
        self.at += 1
        while until_return or n_statements:
            inner = self.statement(indent + "    ")
            assert inner is not None, self.lines[self.at]
            taken += inner
            n_statements -= 1
            if until_return and inner[0].strip().startswith("return"):
                break
        return taken

    def code(self) -> str:
        taken: list[str] = []
        while self.at < len(self.lines):
            found = self.statement()
            if found is None:
                self.at += 1
            elif not self.is_output(found):
                taken += found
        return "\n".join(taken)

    @staticmethod
    def is_output(lines: list[str]) -> bool:
        """Tell bare literals and names, which the page shows as results, from code."""
        node = ast.parse("\n".join(line for line in lines)).body[0]
        return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Call)


@pytest.fixture(scope="module")
def tutorial() -> dict[str, Any]:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    code = Extractor(TEXT.read_text()).code()
    assert code.count("e2t.") == 7, "every call of the package is extracted"
    assert "loss.backward()" in code
    names: dict[str, Any] = {"__name__": "tutorial"}
    with mpl.rc_context():  # it sets a theme
        exec(compile(code, "tutorial", "exec"), names)
    plt.close("all")
    return names


def test_loss(tutorial):
    assert tutorial["loss_history"][-1] < 0.1


def test_artifact(tutorial):
    artifact = tutorial["artifact"]
    genes = [f"gene_{kind}_{i}" for kind in ("noise", "signal") for i in (1, 2, 3)]
    assert artifact.backend == "feedforward"
    assert artifact.feature_names == genes
    assert artifact.node_names_by_layer == {
        "layer_0": genes,
        "layer_1": ["tf_noise", "tf_signal"],
        "layer_2": ["kinase_noise", "kinase_signal"],
        "layer_3": ["output_1"],
    }
    pd.testing.assert_frame_equal(artifact.graph.edges, tutorial["edgelist"])


def test_signal_features_lead(tutorial):
    scores = tutorial["feature_attr"].abs().mean()
    signal = scores[scores.index.str.contains("signal")]
    assert signal.min() > scores[scores.index.str.contains("noise")].max()


def test_signal_nodes_lead(tutorial):
    layers = tutorial["node_attr"]
    assert list(layers) == ["layer_1", "layer_2", "layer_3"]
    for layer, name in (("layer_1", "tf"), ("layer_2", "kinase")):
        scores = layers[layer].abs().mean()
        assert scores[f"{name}_signal"] >= 10 * scores[f"{name}_noise"]


def test_equal_captum_by_hand(tutorial):
    model, x = tutorial["customized_model"].eval(), tutorial["x_test"]
    by_hand = captum.attr.IntegratedGradients(model).attribute(x)
    np.testing.assert_allclose(tutorial["feature_attr"], by_hand.detach(), atol=1e-6, rtol=1e-6)
    for k, block in enumerate(model.base_model.blocks, start=1):
        by_hand = captum.attr.LayerConductance(model, block).attribute(x)
        np.testing.assert_allclose(tutorial["node_attr"][f"layer_{k}"], by_hand.detach(), atol=1e-6, rtol=1e-6)
