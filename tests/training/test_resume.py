"""Runs that are killed go on as if they had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import anndata as ad
import numpy as np
import pytest
from lightning.pytorch.callbacks import Callback

import edge2torch as e2t
from edge2torch import Edge2TorchError

TRAINING = """
import os, signal, sys
import anndata as ad
from lightning.pytorch.callbacks import Callback
import edge2torch as e2t

class Kill(Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (3, 2):
            os.kill(os.getpid(), signal.SIGKILL)

adata = ad.read_h5ad(sys.argv[1])
e2t.tl.fit(adata, "bulk_labels", checkpoint_dir=sys.argv[2], resume=True, progress_bar=False,
           trainer_kwargs={"callbacks": [Kill()]}, **SETTINGS)
"""
SETTINGS = {"max_epochs": 6, "dropout": 0.1, "n_replicates": 2, "accelerator": "cpu"}


def fit(adata, **arguments):
    adata = adata.copy()
    e2t.tl.fit(adata, "bulk_labels", **{**SETTINGS, "progress_bar": False, **arguments})
    return adata


def state(adata):
    return adata.uns["e2t"]["model"]["state"]


def assert_equal_results(one, other):
    for name, values in state(one).items():
        np.testing.assert_array_equal(values, state(other)[name])
    assert one.uns["e2t"]["history"].equals(other.uns["e2t"]["history"])
    assert one.uns["e2t"]["metrics"].equals(other.uns["e2t"]["metrics"])


@pytest.fixture(scope="module")
def whole(untrained):
    return fit(untrained)


def test_killed_in_the_middle_of_an_epoch(untrained, whole, tmp_path):
    file, folder = tmp_path / "untrained.h5ad", tmp_path / "run"
    untrained.write_h5ad(file)
    script = textwrap.dedent(TRAINING).replace("**SETTINGS", f"**{SETTINGS!r}")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", script, file, folder], check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in folder.iterdir()] == ["last.ckpt"]
    resumed = fit(ad.read_h5ad(file), checkpoint_dir=folder, resume=True)
    assert_equal_results(resumed, whole)


class Fail(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 3:
            raise RuntimeError("power cut")


@pytest.fixture
def half(untrained, tmp_path):
    """Folder of a run that ended after 3 of 6 epochs."""
    with pytest.raises(RuntimeError, match="power cut"):
        fit(untrained, checkpoint_dir=tmp_path, trainer_kwargs={"callbacks": [Fail()]})
    return tmp_path


def test_a_failed_fit_leaves_adata_as_it_was(untrained, tmp_path):
    adata = untrained.copy()
    with pytest.raises(RuntimeError, match="power cut"):
        e2t.tl.fit(adata, "bulk_labels", max_epochs=5, progress_bar=False, trainer_kwargs={"callbacks": [Fail()]})
    assert list(adata.obs) == list(untrained.obs)
    assert list(adata.obsm) == list(untrained.obsm)
    assert adata.uns["e2t"].keys() == untrained.uns["e2t"].keys()


def test_more_epochs(untrained, whole, tmp_path):
    fit(untrained, checkpoint_dir=tmp_path, max_epochs=2)
    assert_equal_results(fit(untrained, checkpoint_dir=tmp_path, resume=True), whole)


@pytest.mark.parametrize("ended", [{"max_epochs": 3}, {"max_epochs": 20, "patience": 1, "lr": 0.5}])
def test_a_run_that_had_ended_is_not_trained_again(untrained, tmp_path, ended):
    first = fit(untrained, checkpoint_dir=tmp_path, **ended)
    before = (tmp_path / "last.ckpt").read_bytes()
    assert_equal_results(fit(untrained, checkpoint_dir=tmp_path, resume=True, **ended), first)
    assert (tmp_path / "last.ckpt").read_bytes() == before


def test_nothing_to_resume_is_a_new_run(untrained, whole, tmp_path):
    assert_equal_results(fit(untrained, checkpoint_dir=tmp_path / "new" / "folder", resume=True), whole)


def test_a_run_is_not_written_over(untrained, half):
    before = (half / "last.ckpt").read_bytes()
    with pytest.raises(Edge2TorchError, match=r"last\.ckpt is there already: pass resume=True"):
        fit(untrained, checkpoint_dir=half)
    assert (half / "last.ckpt").read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"lr": 0.01}, "'lr'"),
        ({"n_replicates": 1}, "'n_replicates'"),
        ({"split": (0.6, 0.2, 0.2)}, "'parts of the split', 'split'"),
        ({"readout": "top"}, "'readout'"),
    ],
)
def test_another_run_cannot_go_on(untrained, half, changed, named):
    with pytest.raises(Edge2TorchError, match=f"is of another run, which differs in {named}:"):
        fit(untrained, checkpoint_dir=half, resume=True, **changed)


def test_other_cells_cannot_go_on(untrained, half):
    others = untrained[::-1].copy()
    with pytest.raises(Edge2TorchError, match="differs in 'cells', 'parts of the split', 'values of the target'"):
        fit(others, checkpoint_dir=half, resume=True)


@pytest.mark.parametrize("broken", [b"", b"no checkpoint", None])
def test_broken_files(untrained, half, broken):
    path = half / "last.ckpt"
    path.write_bytes(path.read_bytes()[:-1000] if broken is None else broken)
    with pytest.raises(Edge2TorchError, match="cannot be read, or is no checkpoint of edge2torch: remove it"):
        fit(untrained, checkpoint_dir=half, resume=True)


def test_a_folder_that_cannot_be_made(untrained, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Edge2TorchError, match=r"checkpoint_dir=.*file.* cannot be made"):
        fit(untrained, checkpoint_dir=tmp_path / "file" / "run")


def test_resume_without_a_folder(untrained):
    with pytest.raises(Edge2TorchError, match="resume=True needs checkpoint_dir"):
        fit(untrained, resume=True)


FULL = """
import resource, sys, warnings
import anndata as ad
import lightning  # torch writes a file when this is imported
import edge2torch as e2t
adata = ad.read_h5ad(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    e2t.tl.fit(adata, "bulk_labels", checkpoint_dir=sys.argv[2], progress_bar=False, max_epochs=3, accelerator="cpu")
print(len(adata.uns["e2t"]["history"]), [str(w.message) for w in caught if "checkpoint" in str(w.message)])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are set in another way")
def test_training_goes_on_where_the_disk_is_full(untrained, tmp_path):
    file, folder = tmp_path / "untrained.h5ad", tmp_path / "run"
    untrained.write_h5ad(file)
    done = subprocess.run(
        [sys.executable, "-c", FULL, file, folder], check=True, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.startswith("3 ['the checkpoint of epoch 0 could not be written to "), done.stdout
    assert list(folder.iterdir()) == []


def test_numbers_of_numpy(untrained, tmp_path):
    """A checkpoint is read without running code, which would be needed for numbers of NumPy."""
    settings = {"max_epochs": 1, "n_replicates": 1}
    one = fit(untrained, checkpoint_dir=tmp_path, lr=np.float64(0.01), batch_size=np.int64(64), **settings)
    again = fit(untrained, checkpoint_dir=tmp_path, resume=True, lr=0.01, batch_size=64, **settings)
    assert_equal_results(again, one)


def test_the_order_of_names_makes_no_difference(untrained, tmp_path):
    names = untrained.obs["bulk_labels"].cat.categories
    settings = {"max_epochs": 1, "n_replicates": 1, "checkpoint_dir": tmp_path}
    one = fit(untrained, class_weight=dict.fromkeys(names, 1.0), **settings)
    again = fit(untrained, class_weight=dict.fromkeys(names[::-1], 1.0), resume=True, **settings)
    assert_equal_results(again, one)
