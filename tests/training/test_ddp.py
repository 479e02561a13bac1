"""Two processes give the weights of one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import anndata as ad
import numpy as np
import pytest

import edge2torch as e2t

SCRIPT = """
import os, sys
import anndata as ad
import edge2torch as e2t

if __name__ == "__main__":
    adata = ad.read_h5ad(sys.argv[1])
    e2t.tl.fit(adata, "bulk_labels", trainer_kwargs={"devices": 2, "strategy": "ddp"}, progress_bar=False, **SETTINGS)
    adata.write_h5ad(sys.argv[2] + os.environ.get("LOCAL_RANK", "0"))
"""
#: dropout would differ, as each process draws its own; sizes of batches are such that the last ones are uneven
SETTINGS = {"max_epochs": 4, "input_dropout": 0.0, "accelerator": "cpu", "batch_size": 50, "n_replicates": 2}


def two_processes(adata, folder, settings, strategy):
    file, script, out = folder / "cells.h5ad", folder / "train.py", folder / "out"
    adata.write_h5ad(file)
    script.write_text(SCRIPT.replace("**SETTINGS", f"**{settings!r}").replace("ddp", strategy))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_PORT": str(port), "MASTER_ADDR": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, script, file, out], check=False, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [ad.read_h5ad(path) for path in sorted(folder.glob("out*"))]


@pytest.mark.parametrize(("class_weight", "strategy"), [("balanced", "ddp"), (None, "ddp"), ("balanced", "ddp_fork")])
def test_two_processes_give_the_weights_of_one(untrained, tmp_path, class_weight, strategy):
    settings = {**SETTINGS, "class_weight": class_weight}
    one = untrained.copy()
    e2t.tl.fit(one, "bulk_labels", progress_bar=False, **settings)
    results = two_processes(untrained, tmp_path, settings, strategy)
    assert len(results) == (2 if strategy == "ddp" else 1)
    for two in results:
        for name, values in one.uns["e2t"]["model"]["state"].items():
            np.testing.assert_allclose(two.uns["e2t"]["model"]["state"][name], values, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(two.uns["e2t"]["history"], one.uns["e2t"]["history"], rtol=1e-4)
        np.testing.assert_allclose(two.obsm["e2t_proba"], one.obsm["e2t_proba"], atol=1e-4)
