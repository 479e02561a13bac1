"""Losses that are no numbers, Ctrl-C, and too little memory."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

import edge2torch as e2t
from edge2torch import Edge2TorchError

pytestmark = pytest.mark.usefixtures("interruptible")

ARGUMENTS = {"max_epochs": 6, "accelerator": "cpu", "progress_bar": False}


@pytest.fixture
def adata(untrained):
    return untrained.copy()


class At(Callback):
    """Do something before a step."""

    def __init__(self, epoch, step, do):
        self.when, self.do = (epoch, step), do

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.when:
            self.do(pl_module)


def fit(adata, *callbacks, **arguments):
    arguments = {**ARGUMENTS, "trainer_kwargs": {"callbacks": list(callbacks)}, **arguments}
    e2t.tl.fit(adata, "bulk_labels", **arguments)


def spoil(replicate):
    def do(learner):
        with torch.no_grad():
            next(learner.models[replicate].parameters()).fill_(torch.nan)

    return do


def press(_):
    os.kill(os.getpid(), signal.SIGINT)


def assert_holds_epochs(adata, untrained, n):
    """The weights are the best of as many epochs."""
    expected = untrained.copy()
    fit(expected, max_epochs=n)
    best = adata.uns["e2t"]["history"].dropna()["val_loss"].idxmin()
    assert best < n
    for name, values in expected.uns["e2t"]["model"]["state"].items():
        np.testing.assert_array_equal(adata.uns["e2t"]["model"]["state"][name], values)


def test_a_loss_that_is_no_number_stops_training(adata, untrained):
    said = r"training stopped in epoch 3, .*; the weights of epoch 2, the best until then, are kept; use a smaller lr"
    with pytest.warns(UserWarning, match=said) as caught:
        fit(adata, At(3, 1, spoil(0)))
    assert caught[0].filename == __file__
    assert_holds_epochs(adata, untrained, 3)
    assert len(adata.uns["e2t"]["history"]) == 4
    assert np.isnan(adata.uns["e2t"]["history"]["train_loss"].iloc[-1])
    assert np.isfinite(adata.obsm["e2t_proba"]).all()


def test_other_replicates_go_on(adata, untrained):
    with pytest.warns(UserWarning, match="replicate 1 stopped in epoch 2"):
        fit(adata, At(2, 0, spoil(1)), n_replicates=3)
    assert adata.uns["e2t"]["history"].groupby("replicate").size().tolist() == [6, 3, 6]
    expected = untrained.copy()
    fit(expected, n_replicates=3)
    for name, values in expected.uns["e2t"]["model"]["state"].items():
        np.testing.assert_array_equal(adata.uns["e2t"]["model"]["state"][name][[0, 2]], values[[0, 2]])


def test_never_a_number(adata, untrained):
    with pytest.raises(
        Edge2TorchError, match=r"no epoch of 1 .* had a validation loss: .* in epoch 0; use a smaller lr"
    ):
        fit(adata, At(0, 0, spoil(0)))
    assert "e2t_pred" not in adata.obs
    assert adata.uns["e2t"].keys() == untrained.uns["e2t"].keys()


def test_ctrl_c_keeps_the_best_so_far(adata, untrained):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.warns(UserWarning, match="interrupted in epoch 2; the best weights until then, of epoch 1, are kept"):
        fit(adata, At(2, 3, press))
    assert_holds_epochs(adata, untrained, 2)
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_that_is_ignored_stays_so(adata):
    """Shells ignore it for jobs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        fit(adata, At(1, 0, press), max_epochs=2)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(adata.uns["e2t"]["history"]) == 2


class PressInValidation(Callback):
    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == 2:
            press(None)


def test_ctrl_c_while_validating(adata, untrained):
    with pytest.warns(UserWarning, match="interrupted in epoch 2; the best weights until then, of epoch 1, are kept"):
        fit(adata, PressInValidation(), max_epochs=3)
    assert_holds_epochs(adata, untrained, 2)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("how", ["in the first epoch", "twice"])
def test_ctrl_c_without_a_result(adata, how):
    handler = signal.getsignal(signal.SIGINT)
    before = adata.uns["e2t"].keys()

    def twice(_):
        press(_)
        press(_)

    with pytest.raises(KeyboardInterrupt):
        fit(adata, At(2, 0, twice) if how == "twice" else At(0, 1, press))
    assert adata.uns["e2t"].keys() == before
    assert signal.getsignal(signal.SIGINT) is handler


def test_in_a_thread(adata):
    """Only the main thread may handle signals."""
    failures = []

    def run():
        try:
            fit(adata, max_epochs=1)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failures == []
    assert len(adata.uns["e2t"]["history"]) == 1


def test_too_little_memory(adata):
    def use_it_up(_):
        torch.empty(2**60, dtype=torch.uint8)

    with pytest.raises(Edge2TorchError, match=r"not enough memory to train .*: pass a smaller batch_size"):
        fit(adata, At(1, 0, use_it_up))
    assert "e2t_pred" not in adata.obs


def test_other_errors_stay_what_they_are(adata):
    def fail(_):
        raise RuntimeError("of my own")

    with pytest.raises(RuntimeError, match="of my own"):
        fit(adata, At(1, 0, fail))


def test_a_second_fit_replaces_all_of_the_first(adata):
    fit(adata, n_replicates=2, compare=True)
    fit(adata, At(2, 0, lambda _: None), max_epochs=2)
    assert "e2t_std" not in adata.obsm
    assert "e2t_agreement" not in adata.obs
    assert e2t.get.metrics(adata)["model"].unique().tolist() == ["network"]
    before = adata.copy()
    with pytest.raises(RuntimeError, match="in the middle"):
        fit(adata, At(1, 0, lambda _: (_ for _ in ()).throw(RuntimeError("in the middle"))))
    np.testing.assert_array_equal(adata.obsm["e2t_proba"], before.obsm["e2t_proba"])
    assert adata.uns["e2t"]["history"].equals(before.uns["e2t"]["history"])
    assert e2t.get.model(adata)[0].fingerprint == e2t.get.model(before)[0].fingerprint
