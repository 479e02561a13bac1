"""Running the training."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import lightning as L
import pandas as pd
from lightning.pytorch.callbacks import Callback, EarlyStopping
from tqdm import tqdm

from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from torch import Tensor

    from edge2torch.cells import Batches
    from edge2torch.training.learner import Learner


class BestEpoch(Callback):
    """Writes the history, and puts the weights of the best epoch back at the end.

    Lightning's own checkpoint callback needs a folder; this one leaves no files behind.
    """

    def __init__(self) -> None:
        self.history: list[dict[str, float]] = []
        self.best_loss = float("inf")
        self.best_state: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the losses; keep the weights if they are the best so far."""
        losses = {name: float(trainer.callback_metrics[name]) for name in ("train_loss", "val_loss")}
        self.history.append({"epoch": trainer.current_epoch, **losses})
        if losses["val_loss"] < self.best_loss:
            self.best_loss = losses["val_loss"]
            self.best_state = {name: value.detach().clone() for name, value in pl_module.state_dict().items()}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Put the best weights back."""
        if self.best_state:
            pl_module.load_state_dict(self.best_state)


class Progress(Callback):
    """One bar over the epochs."""

    def __init__(self, max_epochs: int) -> None:
        self.bar = tqdm(total=max_epochs, desc="training", unit="epoch")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Move it."""
        self.bar.set_postfix({name: f"{float(value):.3f}" for name, value in trainer.callback_metrics.items()})
        self.bar.update()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close it."""
        self.bar.close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Close it."""
        self.bar.close()


def train(
    module: Learner,
    train_cells: Batches,
    validation_cells: Batches,
    *,
    max_epochs: int,
    patience: int,
    accelerator: str,
    progress_bar: bool,
    trainer_kwargs: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Train until the loss on the validation cells has not become lower for some epochs; keep the best weights.

    Parameters
    ----------
    module
        Changed in place.
    train_cells, validation_cells
        Batches of features and labels.
    max_epochs
        Most epochs.
    patience
        Epochs without a lower validation loss after which to stop.
    accelerator
        Lightning's ``accelerator``.
    progress_bar
        Whether to show a bar.
    trainer_kwargs
        Further arguments of ``lightning.Trainer``; they win over the package's own.

    Returns
    -------
    The history, a row per epoch: ``epoch``, ``train_loss``, ``val_loss``.

    Raises
    ------
    Edge2TorchError
        If ``trainer_kwargs`` is not a mapping, or no epoch had a finite validation loss.
    """
    best = BestEpoch()
    given = _check_trainer_kwargs(trainer_kwargs)
    callbacks = [best, EarlyStopping("val_loss", patience=patience), *([Progress(max_epochs)] if progress_bar else [])]
    arguments = {
        "accelerator": accelerator,
        "devices": 1,
        "max_epochs": max_epochs,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "num_sanity_val_steps": 0,
        **given,
        "callbacks": [*callbacks, *given.get("callbacks", ())],
    }
    with _quiet_lightning():
        L.Trainer(**arguments).fit(module, train_cells, validation_cells)
    if not best.best_state:
        raise Edge2TorchError("the validation loss was never a finite number: use a smaller lr, and look at the values")
    return pd.DataFrame(best.history).astype({"epoch": "int64"})


def _check_trainer_kwargs(trainer_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(trainer_kwargs, Mapping | None):
        raise Edge2TorchError(f"trainer_kwargs={trainer_kwargs!r} must be a mapping of arguments of lightning.Trainer")
    given = dict(trainer_kwargs or {})
    callbacks = given.get("callbacks") or ()
    return {**given, "callbacks": [callbacks] if isinstance(callbacks, Callback) else list(callbacks)}


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notes on hardware, on workers and on its own use of torch off the screen."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for expected in (".*does not have many workers.*", ".*LeafSpec.*is deprecated.*"):
                warnings.filterwarnings("ignore", expected)
            yield
    finally:
        logger.setLevel(level)
