"""Cells that earlier versions wrote are read: results have their names, models compute what they did, work goes on."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import anndata
import matplotlib.pyplot as plt
import mudata
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t

HERE = Path(__file__).parent
MADE = runpy.run_path(str(HERE / "cells.py"))
FILES = [path for path in sorted(HERE.glob("*/*")) if re.search(r"\.(h5ad|h5mu|zip)$", path.name)]
#: of floats in JSON, and of scores computed anew
RTOL, ATOL = 1e-6, 2e-5


@pytest.fixture(params=FILES, ids=[f"{path.parent.name}-{path.name}" for path in FILES])
def path(request):
    return request.param


@pytest.fixture
def data(path, tmp_path):
    with mudata.set_options(pull_on_update=False) if hasattr(mudata, "set_options") else nullcontext():
        if path.suffix == ".h5mu":
            yield mudata.read_h5mu(path)
        elif path.suffix == ".h5ad":
            yield anndata.read_h5ad(path)
        else:
            shutil.unpack_archive(path, tmp_path / "store.zarr")
            yield anndata.read_zarr(tmp_path / "store.zarr")


@pytest.fixture
def expected(path):
    return json.loads((path.parent / f"{path.name.split('.')[0]}.json").read_text(encoding="utf-8"))


def test_there_are_files():
    names = {"cells.h5ad", "cells.zarr.zip", "modalities.h5mu"}
    versions = {path.parent.name for path in HERE.glob("*/*.safetensors")} - {"0.1.0.dev0"}  # which wrote models only
    assert versions
    assert {(path.parent.name, path.name) for path in FILES} == set(product(versions, names))
    assert all(path.stat().st_size < 1_000_000 for path in FILES)


def test_results_are_found_under_their_names(data, expected):
    found = MADE["tables"](data)
    assert expected["tables"].keys() == found.keys()
    for name, parts in expected["tables"].items():
        before = pd.DataFrame(parts["data"], columns=parts["columns"])
        after = found[name][parts["columns"]].reset_index(drop=True)  # there may be more columns by now
        assert found[name].index.astype(str).tolist() == [str(row) for row in parts["index"]], name
        for column, values in before.items():
            if pd.api.types.is_numeric_dtype(after[column]):
                np.testing.assert_allclose(
                    after[column].astype(float), values.astype(float), rtol=RTOL, atol=1e-9, err_msg=f"{name}: {column}"
                )
            else:
                assert after[column].astype(str).tolist() == values.astype(str).tolist(), (name, column)


def test_models_compute_what_they_did(data, expected):
    numbers = MADE["recompute"](data)
    assert expected["numbers"].keys() == numbers.keys()
    for name, values in expected["numbers"].items():
        np.testing.assert_allclose(numbers[name], values, rtol=1e-3, atol=ATOL, err_msg=name)


def test_work_goes_on(data):
    """Graphs can be trained on anew, tables drawn, models handed out."""
    plt.close("all")
    e2t.pl.nodes(data, show=False)
    e2t.pl.graph(data, group="ζ", show=False)
    if isinstance(data, anndata.AnnData):
        e2t.pl.controls(data, group="ζ", show=False)
        e2t.pl.perturb(data, show=False)
    plt.close("all")
    _, artifact = e2t.get.model(data)
    assert set(artifact.output_nodes) == {"B/naive", "CD4+ T", "ζ"}
    backend = data.uns["e2t"]["params"]["fit"]["backend"]
    e2t.tl.fit(data, "type", backend=backend, max_epochs=1, progress_bar=False)
    assert "e2t_nodes" not in data.obsm
