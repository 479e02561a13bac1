"""The package as it is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

import edge2torch as e2t

PUBLIC = {
    "CompileArtifact",
    "Edge2TorchError",
    "align_features_to_input_nodes",
    "compile_graph",
    "customize_model",
    "datasets",
    "get",
    "get_edge_weights",
    "interpret_model",
    "io",
    "pl",
    "pp",
    "set_edge_weights",
    "settings",
    "tl",
}
HEAVY = {"captum", "decoupler", "lightning", "matplotlib", "pytorch_lightning", "scanpy", "torch"}


def in_fresh_process(code: str) -> set[str]:
    """Words that a program prints."""
    command = [sys.executable, "-W", "error", "-c", code]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_import_is_light():
    loaded = in_fresh_process("import sys, edge2torch; print(*sys.modules)")
    assert "edge2torch.errors" in loaded
    assert not loaded & HEAVY


def test_public_names_are_listed_before_they_are_used():
    assert in_fresh_process("import edge2torch; print(*dir(edge2torch))") >= PUBLIC


def test_compiling_needs_torch_only():
    code = """
import sys
import pandas as pd
import edge2torch as e2t
e2t.compile_graph(pd.DataFrame({"source": ["a"], "target": ["b"]}), quiet=True)
print(*sys.modules)
"""
    loaded = in_fresh_process(code)
    assert loaded & HEAVY == {"torch"}


def test_all_names_the_public_ones():
    assert set(e2t.__all__) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name(name):
    assert getattr(e2t, name).__doc__
    assert getattr(e2t, name) is getattr(e2t, name)


def test_other_name():
    with pytest.raises(AttributeError, match="'edge2torch' has no attribute 'compile_grap'"):
        e2t.compile_grap  # noqa: B018


def test_error_is_a_value_error():
    assert issubclass(e2t.Edge2TorchError, ValueError)
