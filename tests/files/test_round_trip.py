"""A file read back, here or in another process, works as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData

import edge2torch as e2t

SUFFIXES = [".h5ad", ".zarr"]
KEYS = ["e2t", "second"]
#: what packages say of each other
OF_OTHERS = ["ignore::DeprecationWarning", "ignore:The 'future.infer_string' option", "ignore:The codec `vlen-utf8`"]
#: reads a file, predicts and interprets anew, and saves all numbers
ELSEWHERE = """
import sys
import anndata, matplotlib, numpy as np, torch
matplotlib.use("Agg")
import edge2torch as e2t
threads, out, *paths = sys.argv[1:]
torch.set_num_threads(int(threads))
numbers = {}
for path in paths:
    adata = anndata.read_h5ad(path) if path.endswith("h5ad") else anndata.read_zarr(path)
    suffix = path.rsplit(".")[-1]
    for key in ("e2t", "second"):
        name = f"{suffix}_{key}"
        numbers[f"{name}_nodes_before"] = e2t.get.nodes(adata, key=key).X
        e2t.tl.predict(adata, key=key)
        numbers[f"{name}_proba"] = adata.obsm[f"{key}_proba"]
        numbers[f"{name}_pred"] = adata.obs[f"{key}_pred"].astype(str).to_numpy(dtype="U99")
        given = {"n_steps": 3, "cell_features": True, "groupby": "louvain"}
        if key == "second":
            given = {"method": "DeepLift", "baseline": "mean", "target": "odd"}
        e2t.tl.interpret(adata, key=key, **given)
        nodes, features = e2t.get.nodes(adata, key=key), e2t.get.features(adata, key=key)
        numbers[f"{name}_nodes"] = nodes.X
        numbers[f"{name}_node_names"] = nodes.var_names.to_numpy(dtype="U999")
        numbers[f"{name}_features"] = features.to_numpy()
        numbers[f"{name}_classes"] = features.columns.to_numpy(dtype="U99")
        numbers[f"{name}_ranks"] = adata.uns[key]["rank_nodes"]["score"].to_numpy()
        model, artifact = e2t.get.model(adata, key=key)
        numbers[f"{name}_weights"] = model.edge_weights().detach().numpy()
        numbers[f"{name}_edges"] = np.array(sorted(map(str, e2t.get.graph(adata, key=key).edges)))
        numbers[f"{name}_matrix"] = np.ravel(e2t.pl.nodes(adata, key=key).collections[0].get_array())
        numbers[f"{name}_loss"] = e2t.pl.history(adata, key=key).lines[0].get_ydata()
np.savez(out, **numbers)
"""


def assert_equal_results(one: AnnData, two: AnnData) -> None:
    for key in KEYS:
        assert set(one.uns[key]) == set(two.uns[key])
        for part in ("graph", "nodes", "history", "metrics", "rank_nodes", "completeness"):
            pd.testing.assert_frame_equal(one.uns[key][part], two.uns[key][part], check_index_type=False)
        for step, arguments in one.uns[key]["params"].items():
            assert set(arguments) == set(two.uns[key]["params"][step])
            for name, value in arguments.items():
                np.testing.assert_array_equal(value, two.uns[key]["params"][step][name])
    for place in ("obsm", "varm"):
        for name, array in getattr(one, place).items():
            np.testing.assert_array_equal(array, getattr(two, place)[name])
    pd.testing.assert_frame_equal(one.obs, two.obs)
    pd.testing.assert_frame_equal(e2t.get.edges(one), e2t.get.edges(two))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_everything_comes_back(processed, paths, read, suffix):
    assert_equal_results(processed, read(paths[suffix]))


def test_a_second_round_changes_nothing(processed, paths, read, write, tmp_path):
    write(read(paths[".zarr"]), tmp_path / "again.h5ad")
    assert_equal_results(processed, read(tmp_path / "again.h5ad"))


@pytest.fixture(scope="session")
def elsewhere(paths, tmp_path_factory):
    """Numbers that another process gets from the files."""
    out = tmp_path_factory.mktemp("numbers") / "numbers.npz"
    command = [
        sys.executable,
        *[part for said in ("error", *OF_OTHERS) for part in ("-W", said)],
        "-c",
        ELSEWHERE,
        str(torch.get_num_threads()),
        str(out),
    ]
    done = subprocess.run(
        [*command, *map(str, paths.values())],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=out.parent,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(out)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_process_gets_the_same_numbers(processed, elsewhere, suffix, key):
    name = f"{suffix[1:]}_{key}"
    model, _ = e2t.get.model(processed, key=key)
    nodes, features = e2t.get.nodes(processed, key=key), e2t.get.features(processed, key=key)
    expected = {
        "nodes_before": nodes.X,
        "nodes": nodes.X,
        "node_names": nodes.var_names,
        "proba": processed.obsm[f"{key}_proba"],
        "pred": processed.obs[f"{key}_pred"].astype(str),
        "features": features,
        "classes": features.columns,
        "ranks": processed.uns[key]["rank_nodes"]["score"],
        "weights": model.edge_weights().detach(),
        "edges": sorted(map(str, e2t.get.graph(processed, key=key).edges)),
        "matrix": np.ravel(e2t.pl.nodes(processed, key=key).collections[0].get_array()),
        "loss": e2t.pl.history(processed, key=key).lines[0].get_ydata(),
    }
    plt.close("all")
    for part, values in expected.items():
        np.testing.assert_array_equal(elsewhere[f"{name}_{part}"], values, err_msg=part)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_can_be_fitted_again(processed, paths, read, suffix):
    adata = read(paths[suffix])
    e2t.tl.fit(adata, "half", key="second", activation=None, readout="top", max_epochs=1, progress_bar=False)
    np.testing.assert_array_equal(adata.obsm["second_proba"], processed.obsm["second_proba"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_a_reference_for_other_cells(processed, paths, read, suffix):
    new = AnnData(processed[:9].X, var=processed.var[[]], layers={"half": processed.layers["half"][:9]})
    e2t.tl.predict(new, read(paths[suffix]))
    np.testing.assert_allclose(new.obsm["e2t_proba"], processed.obsm["e2t_proba"][:9], atol=1e-6)


PARTS = {
    "subset": lambda adata: adata[::3].copy(),
    "view": lambda adata: adata[::3],
    "copy": lambda adata: adata[::3].copy().copy(),
    "genes": lambda adata: adata[::3, adata.var_names[::-1]].copy(),
}


@pytest.mark.parametrize(("part", "suffix"), [*((part, ".h5ad") for part in PARTS), ("view", ".zarr")])
def test_parts_can_be_written_read_and_predicted(processed, write, read, tmp_path, part, suffix):
    path = tmp_path / f"part{suffix}"
    write(PARTS[part](processed), path)
    adata = read(path)
    np.testing.assert_array_equal(e2t.get.nodes(adata).X, processed.obsm["e2t_nodes"][::3])
    pd.testing.assert_frame_equal(e2t.get.features(adata).loc[processed.var_names], e2t.get.features(processed))
    e2t.tl.predict(adata)
    np.testing.assert_allclose(adata.obsm["e2t_proba"], processed.obsm["e2t_proba"][::3], atol=1e-6)
    assert adata.obs["e2t_pred"].tolist() == processed.obs["e2t_pred"][::3].tolist()


def test_cells_can_be_concatenated_and_predicted(processed):
    """As far as anndata keeps ``uns``; arrays of the cells stay with their cells."""
    import anndata

    both = anndata.concat([processed[:20], processed[20:50]], merge="same", uns_merge="same")
    np.testing.assert_array_equal(e2t.get.nodes(both).X, processed.obsm["e2t_nodes"][:50])
    e2t.tl.predict(both)
    np.testing.assert_allclose(both.obsm["e2t_proba"], processed.obsm["e2t_proba"][:50], atol=1e-6)


def test_an_h5ad_file_in_backed_mode(paths):
    """Columns of a matrix on disk can be read in increasing order only, which is not that of the model's inputs."""
    import anndata

    memory, backed = anndata.read_h5ad(paths[".h5ad"]), anndata.read_h5ad(paths[".h5ad"], backed="r")
    try:
        for adata in (memory, backed):
            e2t.tl.predict(adata, key="second")
        np.testing.assert_array_equal(backed.obsm["second_proba"], memory.obsm["second_proba"])
    finally:
        backed.file.close()
