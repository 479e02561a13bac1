"""Training keeps the best epoch, and leaves nothing behind."""

from __future__ import annotations

import logging

import lightning as L
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback

from edge2torch.training import train

PLAIN = {"max_epochs": 4, "patience": 10, "accelerator": "cpu", "progress_bar": False}


class Recorder(Callback):
    def __init__(self):
        self.trainer, self.losses = None, []

    def on_train_epoch_end(self, trainer, pl_module):
        self.trainer = trainer
        self.losses.append(float(trainer.callback_metrics["val_loss"]))


def validation_loss(module, loader):
    x, y = (torch.cat(parts) for parts in zip(*loader, strict=True))
    with torch.no_grad():
        return float(F.cross_entropy(module.model(x), y, weight=module.loss.weight))


def test_the_weights_of_the_best_epoch_are_kept(make_module, loaders):
    module = make_module()
    history = train(module, *loaders, **{**PLAIN, "max_epochs": 40, "patience": 39})
    assert history["val_loss"].idxmin() < len(history) - 1, "the last epoch is not the best here"
    assert np.isclose(validation_loss(module.eval(), loaders[1]), history["val_loss"].min(), rtol=1e-5)


def test_training_stops_after_epochs_without_progress(make_module, loaders):
    history = train(make_module(), *loaders, **{**PLAIN, "max_epochs": 200, "patience": 5})
    assert len(history) == history["val_loss"].idxmin() + 1 + 5


def test_history(make_module, loaders):
    recorder = Recorder()
    history = train(make_module(), *loaders, **PLAIN, trainer_kwargs={"callbacks": [recorder]})
    assert history.dtypes.astype(str).to_dict() == {"epoch": "int64", "train_loss": "float64", "val_loss": "float64"}
    assert history["epoch"].tolist() == [0, 1, 2, 3]
    assert history["val_loss"].tolist() == recorder.losses
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]


def test_training_improves_on_chance(make_module, loaders):
    module = make_module()
    before = validation_loss(module, loaders[1])
    train(module, *loaders, **PLAIN)
    assert validation_loss(module.eval(), loaders[1]) < min(before, np.log(3))


def test_training_is_reproducible(make_module, loaders):
    losses = []
    for _ in range(2):
        losses.append(train(make_module(), *loaders, **PLAIN)["val_loss"].tolist())
    assert losses[0] == losses[1]


def test_no_files_are_left(make_module, loaders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(make_module(), *loaders, **PLAIN)
    assert list(tmp_path.iterdir()) == []


def test_no_output_without_a_bar(make_module, loaders, capfd):
    train(make_module(), *loaders, **PLAIN)
    assert capfd.readouterr() == ("", "")


def test_a_bar_over_the_epochs(make_module, loaders, capfd):
    train(make_module(), *loaders, **{**PLAIN, "progress_bar": True})
    out, err = capfd.readouterr()
    assert out == ""
    assert "4/4" in err
    assert "val_loss" in err


class Stop(Callback):
    def on_train_start(self, trainer, pl_module):
        raise RuntimeError("stop here")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("level", [logging.NOTSET, logging.INFO, logging.ERROR])
def test_the_level_of_lightnings_logger_stays(make_module, loaders, level, fails):
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(level)
    try:
        if fails:
            with pytest.raises(RuntimeError, match="stop here"):
                train(make_module(), *loaders, **PLAIN, trainer_kwargs={"callbacks": [Stop()]})
        else:
            train(make_module(), *loaders, **PLAIN)
        assert logger.level == level
    finally:
        logger.setLevel(before)


def test_arguments_for_the_trainer_win(make_module, loaders, tmp_path):
    recorder = Recorder()
    given = {"callbacks": [recorder], "max_epochs": 2, "default_root_dir": str(tmp_path), "limit_train_batches": 1}
    before = {**given, "callbacks": list(given["callbacks"])}
    history = train(make_module(), *loaders, **PLAIN, trainer_kwargs=given)
    assert len(history) == len(recorder.losses) == 2
    assert isinstance(recorder.trainer, L.Trainer)
    assert recorder.trainer.default_root_dir == str(tmp_path)
    assert recorder.trainer.num_training_batches == 1
    assert given == before, "what was given is not changed"


def test_one_callback_need_not_be_in_a_list(make_module, loaders):
    recorder = Recorder()
    train(make_module(), *loaders, **PLAIN, trainer_kwargs={"callbacks": recorder})
    assert len(recorder.losses) == 4


def test_callers_own_filters_of_warnings_stay(make_module, loaders):
    import warnings

    before = list(warnings.filters)
    train(make_module(), *loaders, **PLAIN)
    assert warnings.filters == before
