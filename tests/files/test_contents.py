"""What is written into an AnnData is what h5ad and zarr files can hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t

KEYS = ["e2t", "second"]


def walk(value, path):
    """Every leaf below a value, with its path."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from walk(part, (*path, name))
    else:
        yield path, value


@pytest.mark.parametrize("key", KEYS)
def test_uns_holds_tables_arrays_and_native_values(processed, key):
    leaves = list(walk(processed.uns[key], (key,)))
    assert len(leaves) > 30
    for path, value in leaves:
        assert all(type(name) is str and name and "/" not in name for name in path), path
        if isinstance(value, pd.DataFrame):
            assert isinstance(value.index, pd.RangeIndex), path
            assert all(type(name) is str and "/" not in name for name in value.columns), path
            for column, values in value.items():
                texts = pd.api.types.is_string_dtype(values)
                plain = pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values)
                assert texts or plain, (path, column)
                assert not texts or all(type(text) is str for text in values), (path, column)
        elif isinstance(value, np.ndarray):
            texts = value.dtype == object
            assert texts or np.issubdtype(value.dtype, np.number), path
            assert not texts or all(type(text) is str for text in value), path
        else:
            assert type(value) in (str, int, float, bool), (path, type(value))


@pytest.mark.parametrize("key", KEYS)
def test_obsm_and_varm_are_plain_arrays(processed, key):
    arrays = [processed.obsm[f"{key}_proba"], processed.obsm[f"{key}_nodes"], processed.varm[f"{key}_features"]]
    arrays += [processed.obsm["e2t_features"], processed.obsm[f"{key}_activations"]]
    for array in arrays:
        assert type(array) is np.ndarray
        assert array.dtype == np.float32


@pytest.mark.parametrize("key", KEYS)
def test_obs_holds_categories_of_text(processed, key):
    for name in ("pred", "split"):
        column = processed.obs[f"{key}_{name}"]
        assert isinstance(column.dtype, pd.CategoricalDtype)
        assert all(type(category) is str for category in column.cat.categories)
        assert not column.isna().any()


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_files_hold_no_pickles(paths, suffix):
    path = paths[suffix]
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    content = b"".join(file.read_bytes() for file in files)
    for mark in (b"torch", b"pickle", b"collections", b"__reduce__"):
        assert mark not in content.replace(b"edge2torch", b"")


def test_files_are_few(processed, paths):
    """In zarr every array is some files: scores are one array, not one for each node."""
    files, nodes = {}, {}
    for key in KEYS:
        folders = [
            paths[".zarr"] / "uns" / key,
            *paths[".zarr"].glob(f"obsm/{key}_*"),
            *paths[".zarr"].glob(f"varm/{key}_*"),
        ]
        files[key] = sum(path.is_file() for folder in folders for path in folder.rglob("*"))
        nodes[key] = processed.obsm[f"{key}_nodes"].shape[1]
    assert files["e2t"] - files["second"] < nodes["e2t"] - nodes["second"], (files, nodes)


def test_params_can_be_read_by_machines(processed):
    import json

    weights = json.loads(processed.uns["e2t"]["params"]["fit"]["class_weight"])
    assert list(weights) == processed.uns["e2t"]["params"]["fit"]["outputs"].tolist()
    assert e2t.__version__ == processed.uns["second"]["params"]["interpret"]["edge2torch_version"]
