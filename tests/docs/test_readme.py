"""What the README shows runs as it stands there; what it counts is as many."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.attribution import METHODS

PAGE = "README.md"


@pytest.fixture(scope="module")
def code(read_code) -> dict[str, str]:
    return dict(read_code(PAGE))


@pytest.mark.parametrize("page", ["docs/start.md"])
def test_start_is_the_readme_step_by_step(read_code, code, page):
    """All calls of the README's first and last blocks are on the page that explains them."""
    blocks = "".join(block for _, block in read_code(page))
    for name in ("build_graph", "fit", "interpret", "control", "rank_nodes", "nodes", "graph", "write_cellxgene"):
        assert any(f".{name}(" in block for block in code.values()), name
        assert f".{name}(" in blocks, name


def test_cells(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code["import scanpy as sc"], names)
    assert names["pathways"].n_vars > 100
    assert {path.name for path in tmp_path.iterdir()} >= {"cells.h5ad"}
    plt.close("all")


def test_plain_pytorch(code):
    edges = pd.DataFrame({"source": ["a", "b", "n"], "target": ["n", "n", "out"]})
    cells = pd.DataFrame(np.ones((3, 2), dtype=np.float32), columns=["b", "a"])
    names = {"e2t": e2t, "torch": torch, "edges": edges, "cells": cells}
    exec(next(block for first, block in code.items() if "compile_graph" in first), names)
    assert names["network"](names["x"]).shape == (3, 1)


def test_counts(read_page):
    text = read_page(PAGE)
    assert len(METHODS) == int(re.search(r"(\d+) classes of \[Captum\]", text)[1])
    for method in METHODS.values():
        assert method.name.isidentifier()
