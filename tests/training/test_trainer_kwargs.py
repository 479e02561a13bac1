"""Whatever users hand to Lightning's trainer, what is promised about replicates, epochs and files holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import nn

from edge2torch import Edge2TorchError
from edge2torch.training import CLASSES, LABELS, NUMBERS, Checkpoint, Loss, train

PLAIN = {"max_epochs": 4, "patience": 10, "accelerator": "cpu", "progress_bar": False}


def run(module, loaders, callbacks=(), **arguments):
    known = {name: arguments.pop(name) for name in (*PLAIN, "checkpoint", "resume") if name in arguments}
    return train(module, *loaders, **{**PLAIN, **known}, trainer_kwargs={**arguments, "callbacks": list(callbacks)})


class At(Callback):
    """Do something at the start of an epoch."""

    def __init__(self, epoch, do):
        self.epoch, self.do = epoch, do

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            self.do(pl_module)


def spoil(replicate):
    def do(learner):
        nn.init.constant_(learner.models[replicate][0].weight, torch.nan)

    return do


@pytest.mark.parametrize("least", [{"min_epochs": 9}, {"min_steps": 26}])
def test_the_least_number_of_epochs_comes_before_patience(make_module, loaders, least):
    plain = run(make_module(lr=1.0), loaders, patience=1, max_epochs=12)
    assert len(plain) < 6, "it would stop"
    history = run(make_module(lr=1.0), loaders, patience=1, max_epochs=12, **least)
    assert len(history) >= 9
    assert len(loaders[0]) == 3


def test_the_least_number_of_epochs_is_not_for_what_is_no_number(make_module, loaders):
    with pytest.warns(UserWarning, match="training stopped in epoch 2"):
        history = run(make_module(), loaders, [At(2, spoil(0))], min_epochs=4)
    assert len(history) == 3


def test_epochs_that_are_not_validated(make_module, loaders):
    whole = run(make_module(), loaders, max_epochs=6)
    history = run(make_module(), loaders, max_epochs=6, check_val_every_n_epoch=3)
    assert history["val_loss"].isna().tolist() == [True, True, False] * 2
    np.testing.assert_array_equal(history["val_loss"][2::3], whole["val_loss"][2::3])
    np.testing.assert_array_equal(history["train_loss"], whole["train_loss"])


def test_patience_waits_for_the_next_validation(make_module, loaders):
    history = run(make_module(), loaders, max_epochs=8, patience=1, check_val_every_n_epoch=2)
    validated = history.dropna()
    best = validated["val_loss"].cummin() == validated["val_loss"]
    assert best.iloc[:-1].all(), "it stops in the first validation without progress"
    assert validated["epoch"].tolist()[:2] == [1, 3]


@pytest.mark.parametrize("arguments", [{"limit_val_batches": 0}, {"max_steps": 2}, {"check_val_every_n_epoch": 9}])
def test_without_validation(make_module, loaders, arguments):
    with pytest.raises(Edge2TorchError, match=r"no epoch was validated: see .* in trainer_kwargs"):
        run(make_module(), loaders, **arguments)


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_models_are_in_single_precision_again(make_module, loaders, precision):
    module = make_module()
    history = run(module, loaders, precision=precision)
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    whole = run(make_module(), loaders)
    np.testing.assert_allclose(history["val_loss"], whole["val_loss"], rtol=1e-5 if precision == "64-true" else 0.03)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("task", [CLASSES, LABELS, NUMBERS])
def test_sums_over_many_cells_in_half_precision(task, dtype):
    """A sum of 99,999 does not fit into float16, and bfloat16 makes 99,840 of it."""
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(33_333, 3, generator=generator).to(dtype)
    known = torch.arange(33_333) % 3
    known = known if task == CLASSES else nn.functional.one_hot(known).float()
    weight = torch.tensor([0.5, 2.0, 1.25])
    expected = Loss(task, weight)(outputs.double(), known if task == CLASSES else known.double())
    torch.testing.assert_close(Loss(task, weight)(outputs, known).double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_gradients_of_a_replicate_are_clipped_as_if_it_were_alone(make_module, loaders, algorithm):
    clip = {"gradient_clip_val": 0.01, "gradient_clip_algorithm": algorithm}
    alone, three, free = (run(make_module(n=n), loaders, **c) for n, c in ((1, clip), (3, clip), (1, {})))
    assert three.loc[three["replicate"] == 0].reset_index(drop=True).equals(alone)
    assert not alone.equals(free)


def test_a_replicate_that_failed_does_not_stop_others(make_module, loaders):
    """EarlyStopping ends training where what it looks at is no number."""
    stopping = EarlyStopping("val_loss", patience=10)
    with pytest.warns(UserWarning, match="replicate 1 stopped in epoch 1"):
        history = run(make_module(n=2), loaders, [At(1, spoil(1)), stopping])
    assert history.groupby("replicate").size().tolist() == [4, 2]


def test_checkpoints_of_users(make_module, loaders, tmp_path):
    mine = ModelCheckpoint(tmp_path, monitor="val_loss", save_top_k=2)
    history = run(make_module(), loaders, [mine])
    assert len(list(tmp_path.iterdir())) == 2
    assert float(mine.best_model_score) == history["val_loss"].min()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"accelerator": "cpuu"}, "does not take accelerator='cpuu' or .*invalid accelerator name"),
        ({"devicez": 2}, "does not take .*'devicez'"),
        ({"precision": "8"}, "does not take .*8"),
    ],
)
def test_what_the_trainer_does_not_take(make_module, loaders, arguments, message, tmp_path):
    with pytest.raises(Edge2TorchError, match=message):
        run(make_module(), loaders, **arguments, checkpoint=Checkpoint(tmp_path / "run", {}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("callbacks", [3, [print], "EarlyStopping"])
def test_what_are_no_callbacks(make_module, loaders, callbacks):
    with pytest.raises(Edge2TorchError, match=r"trainer_kwargs\['callbacks'\]=.* must be a list"):
        train(make_module(), *loaders, **PLAIN, trainer_kwargs={"callbacks": callbacks})


def fail(_):
    raise RuntimeError("power cut")


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_steps": 15},
        {"min_epochs": 7, "patience": 1, "lr": 1.0},
        {"check_val_every_n_epoch": 2},
        {"accumulate_grad_batches": 2},
        {"gradient_clip_val": 0.1},
        {"patience": 1, "lr": 0.3},
    ],
)
def test_going_on_with_arguments_for_the_trainer(make_module, loaders, tmp_path, arguments):
    arguments = {"max_epochs": 9, **arguments}
    made = {"n": 2, "lr": arguments.pop("lr", 0.05)}
    whole = make_module(**made)
    expected = run(whole, loaders, **arguments)
    with pytest.raises(RuntimeError, match="power cut"):
        run(make_module(**made), loaders, [At(2, fail)], checkpoint=Checkpoint(tmp_path, {}), **arguments)
    resumed = make_module(**made)
    history = run(resumed, loaders, checkpoint=Checkpoint(tmp_path, {}), resume=True, **arguments)
    assert history.equals(expected)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_early_stopping_of_users_goes_on_where_it_was(make_module, loaders, tmp_path):
    def stopping():
        return EarlyStopping("val_loss", patience=2, min_delta=10)

    expected = run(make_module(), loaders, [stopping()], max_epochs=9)
    assert len(expected) == 3
    with pytest.raises(RuntimeError, match="power cut"):
        run(make_module(), loaders, [stopping(), At(2, fail)], checkpoint=Checkpoint(tmp_path, {}), max_epochs=9)
    again = {"checkpoint": Checkpoint(tmp_path, {}), "resume": True, "max_epochs": 9}
    assert run(make_module(), loaders, [stopping()], **again).equals(expected)


def test_fewer_epochs_than_there_were(make_module, loaders, tmp_path):
    run(make_module(), loaders, checkpoint=Checkpoint(tmp_path, {}))
    with pytest.raises(Edge2TorchError, match=r"is of 4 epochs, more than max_epochs=3"):
        run(make_module(), loaders, max_epochs=3, checkpoint=Checkpoint(tmp_path, {}), resume=True)


def test_where_checkpoints_are(make_module, loaders, tmp_path, monkeypatch):
    """A folder is relative to where training began, and may be in the home of the user."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    move = At(1, lambda _: monkeypatch.chdir(elsewhere))
    run(make_module(), loaders, [move], checkpoint=Checkpoint("run", {}))
    run(make_module(), loaders, checkpoint=Checkpoint("~/run", {}))
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.ckpt")) == [
        "home/run/last.ckpt",
        "run/last.ckpt",
    ]
    with pytest.raises(Edge2TorchError, match="checkpoint_dir=3 must be the path of a folder"):
        Checkpoint(3, {})
