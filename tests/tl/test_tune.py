"""Search for the arguments that predict the validation cells best."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest
from lightning.pytorch.callbacks import Callback, EarlyStopping

import edge2torch as e2t
from edge2torch import Edge2TorchError

QUICK = {"max_epochs": 3, "batch_size": 8, "input_dropout": 0.0}
SPACE = {"lr": (1e-4, 1e-1, "log"), "activation": ["tanh", None], "width": (1, 2)}


def tune(adata, space=SPACE, **arguments):
    arguments = {"n_trials": 4, "fit_kwargs": QUICK, "progress_bar": False, **arguments}
    e2t.tl.tune(adata, "kind", space, **arguments)
    return e2t.get.trials(adata)


def test_the_best_trial_is_what_fit_would_train(adata, make_cells):
    trials = tune(adata)
    assert trials["trial"].tolist() == [0, 1, 2, 3]
    assert set(trials["state"]) == {"complete"}
    best = trials.loc[trials["balanced_accuracy"].idxmax()]
    again = make_cells()
    activation = None if best["activation"] == "null" else best["activation"]
    chosen = {"lr": float(best["lr"]), "width": int(best["width"]), "activation": activation}
    e2t.tl.fit(again, "kind", progress_bar=False, **QUICK, **chosen)
    np.testing.assert_array_equal(adata.obsm["e2t_proba"], again.obsm["e2t_proba"])
    found = e2t.get.metrics(again).set_index("split").loc["validation", "balanced_accuracy"]
    assert found == best["balanced_accuracy"]


def test_values_are_from_the_space(adata):
    trials = tune(adata, n_trials=6)
    assert trials["lr"].between(1e-4, 1e-1).all()
    assert set(trials["activation"]) <= {"tanh", "null"}
    assert set(trials["width"]) <= {1, 2}
    assert trials["width"].dtype.kind == "i"


def test_choices_that_are_no_numbers_are_text(adata):
    """Also None among numbers: in a column of numbers it would be NaN."""
    space = {"tolerance": [None, 0.25], "steps": [2, 3]}
    trials = tune(adata, space, n_trials=6, fit_kwargs={**QUICK, "max_epochs": 1, "backend": "recurrent"})
    assert set(trials["tolerance"]) <= {"null", "0.25"}
    assert set(trials["steps"]) <= {2, 3}


def test_it_is_reproducible(make_cells):
    first, second = (tune(make_cells(), random_state=5).drop(columns="seconds") for _ in range(2))
    assert first.equals(second)


def test_less_is_better_for_losses(adata):
    trials = tune(adata, metric="log_loss")
    found = e2t.get.metrics(adata).set_index("split").loc["validation", "log_loss"]
    assert found == trials["log_loss"].min() < trials["log_loss"].max()


def test_test_cells_have_no_part_in_the_choice(make_cells):
    adata, other = make_cells(), make_cells()
    e2t.tl.fit(adata, "kind", progress_bar=False, **QUICK)
    held_out = (adata.obs["e2t_split"] == "test").to_numpy()
    other.X[held_out] = 0
    other.obs["kind"] = other.obs["kind"].where(~held_out, "B")
    columns = ["lr", "activation", "width", "balanced_accuracy"]
    split = {**QUICK, "split": "part"}
    for cells in (adata, other):
        cells.obs["part"] = adata.obs["e2t_split"].astype(str).to_numpy()
    assert tune(adata, fit_kwargs=split)[columns].equals(tune(other, fit_kwargs=split)[columns])


def test_failed_trials_are_in_the_table(adata):
    trials = tune(adata, {"lr": [1e-2, 1e30]}, n_trials=8)
    assert set(trials["state"]) == {"complete", "fail"}
    assert trials.loc[trials["state"] == "fail", "balanced_accuracy"].isna().all()
    assert (trials.loc[trials["state"] == "fail", "lr"] == 1e30).all()


def test_all_trials_fail(adata):
    with pytest.raises(Edge2TorchError, match=r"none of 2 trials could be trained; the last one failed: no epoch"):
        tune(adata, {"lr": [1e30]}, n_trials=2)
    assert "trials" not in adata.uns["e2t"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": {}}, "space may not hold nothing"),
        ({"space": {"learning_rate": [1]}}, "space may not hold 'learning_rate'; it may hold .*'lr'"),
        ({"space": {"split": [1]}}, "space may not hold 'split'"),
        ({"space": {"lr": 0.1}}, "must be a list of choices"),
        ({"space": {"lr": []}}, "must be a list of choices"),
        ({"space": {"lr": (0.1, 0.01)}}, "with low < high"),
        ({"space": {"lr": (0, 1, "log")}}, "with low < high"),
        ({"space": {"lr": (1e-3, 1, "linear")}}, "with low < high"),
        ({"space": {"lr": [-1.0]}}, "the last one failed: lr="),
        ({"fit_kwargs": {"lr": 1}}, "fit_kwargs may not hold 'lr': unknown, in space"),
        ({"fit_kwargs": {"epochs": 1}}, "fit_kwargs may not hold 'epochs'"),
        ({"fit_kwargs": 3}, "fit_kwargs=3 must be a dict"),
        ({"metric": "f1"}, "^metric='f1' is unknown"),
        ({"space": {"lr": (1e-3, float("inf"))}}, "with low < high"),
        ({"space": {"activation": ["tanh", np.tanh]}}, "may hold what JSON can hold"),
        ({"n_trials": 0}, "n_trials"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": 1e-9}, "none of 0 trials could be trained; timeout=1e-09 is too short"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_wrong_arguments(adata, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        tune(adata, **arguments)
    assert "e2t_pred" not in adata.obs


def test_without_optuna(adata, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(Edge2TorchError, match=r"pip install 'edge2torch\[tune\]'"):
        tune(adata)


def test_another_fit_removes_the_trials(adata):
    tune(adata, n_trials=1)
    e2t.tl.fit(adata, "kind", progress_bar=False, **QUICK)
    assert "trials" not in adata.uns["e2t"]
    assert "tune" not in adata.uns["e2t"]["params"]


def test_copy_and_files(adata, tmp_path):
    import anndata as ad

    done = e2t.tl.tune(adata, "kind", SPACE, n_trials=2, fit_kwargs=QUICK, copy=True, progress_bar=False)
    assert "trials" not in adata.uns["e2t"]
    done.write_h5ad(tmp_path / "tuned.h5ad")
    again = e2t.get.trials(ad.read_h5ad(tmp_path / "tuned.h5ad"))
    assert again["activation"].astype(str).tolist() == e2t.get.trials(done)["activation"].tolist()


def test_nothing_is_said(adata, capfd):
    tune(adata, n_trials=1)
    assert capfd.readouterr() == ("", "")


def test_numbers_of_numpy_are_numbers(make_cells):
    plain = {"lr": (1e-3, 1e-1), "width": (1, 3), "patience": [4, 8]}
    same = {
        "lr": (np.float64(1e-3), np.float64(1e-1)),
        "width": (np.int64(1), np.int32(3)),
        "patience": [np.int64(4), np.int32(8)],
    }
    one, other = (tune(make_cells(), space).drop(columns="seconds") for space in (plain, same))
    assert one.equals(other)


def test_nothing_is_trained_for_a_metric_that_there_is_not(adata):
    class Never(Callback):
        def setup(self, trainer, pl_module, stage):
            raise RuntimeError("a trial began")

    quick = {**QUICK, "trainer_kwargs": {"callbacks": Never()}}
    with pytest.raises(Edge2TorchError, match="metric="):
        tune(adata, metric="r2", fit_kwargs=quick)


def test_trials_have_their_own_callbacks(adata):
    """EarlyStopping remembers the best loss, and would compare that of another trial with it."""
    stopping = EarlyStopping("val_loss", patience=2, min_delta=10)
    quick = {**QUICK, "max_epochs": 6, "trainer_kwargs": {"callbacks": [stopping]}}
    assert tune(adata, {"lr": [0.01]}, n_trials=3, fit_kwargs=quick)["n_epochs"].tolist() == [3, 3, 3]


class Press(Callback):
    """Press Ctrl-C in a step, counted over all trials."""

    def __init__(self, step):
        self.left = step

    def __deepcopy__(self, memo):
        return self

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGINT)


def pressed(adata, step):
    quick = {**QUICK, "trainer_kwargs": {"callbacks": [Press(step)]}}
    return tune(adata, {"lr": [0.01]}, fit_kwargs=quick, n_trials=3)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_the_search(make_cells):
    steps = []

    class Count(Press):
        def on_train_batch_start(self, *_):
            steps.append(1)

    tune(make_cells(), {"lr": [0.01]}, n_trials=1, fit_kwargs={**QUICK, "trainer_kwargs": {"callbacks": [Count(0)]}})
    per_trial, per_epoch = len(steps), len(steps) // QUICK["max_epochs"]
    with pytest.warns(UserWarning, match="training was interrupted in epoch 1"):
        assert pressed(make_cells(), per_trial + per_epoch + 1)["n_epochs"].tolist() == [3, 1]
    adata = make_cells()
    with pytest.warns(UserWarning, match="the search was interrupted; the best model until then is kept"):
        assert pressed(adata, per_trial + 1)["state"].tolist() == ["complete", "fail"]
    assert len(adata.uns["e2t"]["history"]) == QUICK["max_epochs"]
    adata = make_cells()
    with pytest.raises(KeyboardInterrupt):
        pressed(adata, 1)
    assert "e2t_pred" not in adata.obs
