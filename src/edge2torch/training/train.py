"""Running the training."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import lightning as L
import pandas as pd
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import callbacks

from edge2torch._notes import caller_level
from edge2torch.errors import Edge2TorchError
from edge2torch.nn.state import few_threads
from edge2torch.training.epochs import Epochs, Interrupted
from edge2torch.training.progress import Progress

if TYPE_CHECKING:
    from edge2torch.cells import Batches
    from edge2torch.training.checkpoint import Checkpoint
    from edge2torch.training.learner import Learner

#: what torch says when the memory of the machine does not suffice; for that of a GPU it has an exception of its own
NO_MEMORY = "can't allocate memory"


def train(
    learner: Learner,
    train_cells: Batches,
    validation_cells: Batches,
    *,
    max_epochs: int,
    patience: int,
    accelerator: str,
    progress_bar: bool,
    trainer_kwargs: Mapping[str, Any] | None = None,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
) -> pd.DataFrame:
    """Train until no replicate has had a lower loss on the validation cells for some epochs; keep the best weights.

    Ctrl-C stops after the current batch and keeps what is the best so far; a second one raises ``KeyboardInterrupt``.

    Parameters
    ----------
    learner
        Changed in place.
    train_cells, validation_cells
        Batches of features and what is known.
    max_epochs
        Most epochs.
    patience
        Epochs without a lower validation loss after which a replicate stops.
    accelerator
        Lightning's ``accelerator``.
    progress_bar
        Whether to show a bar.
    trainer_kwargs
        Further arguments of ``lightning.Trainer``; they win over the package's own.
    checkpoint, resume
        Where the run is written after every epoch, and whether to go on with what is there.

    Returns
    -------
    The history, a row per replicate and epoch: ``replicate``, ``epoch``, ``train_loss``, ``val_loss``.

    Raises
    ------
    Edge2TorchError
        If ``lightning.Trainer`` does not take the arguments, no epoch had a finite validation loss, memory does not
        suffice, or the checkpoint is not of this run.
    KeyboardInterrupt
        If training is interrupted before any epoch was complete.
    """
    epochs = Epochs(len(learner.models), patience)
    given = _check_trainer_kwargs(trainer_kwargs)
    bar, last = [Progress()] if progress_bar else [], [checkpoint] if checkpoint else []
    called = [epochs, *bar, *given["callbacks"], *last]
    arguments = {
        "accelerator": accelerator,
        "devices": 1,
        "max_epochs": max_epochs,
        "logger": False,
        "enable_checkpointing": any(isinstance(callback, callbacks.Checkpoint) for callback in called),
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "num_sanity_val_steps": 0,
        **given,
        "callbacks": called,
    }
    threads = few_threads(learner.models[0], train_cells.batch_size)
    with _quiet_lightning(), _memory_hint(), _stop_on_interrupt(epochs), threads:
        trainer = _make_trainer(arguments)
        start = checkpoint.find(resume, trainer.max_epochs) if checkpoint else None
        try:
            trainer.fit(learner, train_cells, validation_cells, ckpt_path=start, weights_only=True)
        except Interrupted:
            _warn_of_interrupt(epochs, trainer.current_epoch)
    learner.interrupted = epochs.interrupt
    epochs.restore_best(learner)
    learner.float()  # after training in another precision
    return pd.DataFrame(epochs.history).astype({"replicate": "int64", "epoch": "int64"})


def _check_trainer_kwargs(trainer_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(trainer_kwargs, Mapping | None):
        raise Edge2TorchError(f"trainer_kwargs={trainer_kwargs!r} must be a mapping of arguments of lightning.Trainer")
    given = dict(trainer_kwargs or {})
    called = given.get("callbacks") or []
    called = [called] if isinstance(called, L.Callback) else called
    if not isinstance(called, list | tuple) or not all(isinstance(callback, L.Callback) for callback in called):
        raise Edge2TorchError(f"trainer_kwargs['callbacks']={called!r} must be a list of Lightning's callbacks")
    return {**given, "callbacks": list(called)}


def _make_trainer(arguments: Mapping[str, Any]) -> L.Trainer:
    try:
        return L.Trainer(**arguments)
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise Edge2TorchError(
            f"lightning.Trainer does not take accelerator={arguments['accelerator']!r} or something in trainer_kwargs: "
            f"{error}"
        ) from error


@contextmanager
def _stop_on_interrupt(epochs: Epochs) -> Iterator[None]:
    """Let the first Ctrl-C stop after the current batch; Lightning's own way ends the program."""
    in_main = threading.current_thread() is threading.main_thread()  # which alone may handle signals
    before = signal.getsignal(signal.SIGINT) if in_main else None
    if before in (None, signal.SIG_IGN):  # None: of another language; ignored: shells do this for background jobs
        yield
        return

    def stop(_signum: int, _frame: FrameType | None) -> None:
        if epochs.interrupt or torch.distributed.is_initialized():  # other processes would wait for this one
            raise KeyboardInterrupt
        epochs.interrupt = True

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from end
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _warn_of_interrupt(epochs: Epochs, epoch: int) -> None:
    if min(epochs.best_epoch) < 0:
        raise KeyboardInterrupt
    warnings.warn(
        f"training was interrupted in epoch {epoch}; the best weights until then, of epoch "
        f"{', '.join(map(str, epochs.best_epoch))}, are kept",
        UserWarning,
        stacklevel=caller_level(),
    )


@contextmanager
def _memory_hint() -> Iterator[None]:
    """Say what helps if memory does not suffice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or NO_MEMORY in str(error):
            raise Edge2TorchError(
                f"there is not enough memory to train ({str(error).splitlines()[0] if str(error) else 'MemoryError'}): "
                "pass a smaller batch_size, width or n_replicates, a smaller graph, or cells in a file"
            ) from error
        raise


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notes on hardware, on workers and on its own use of torch off the screen."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for expected in (
                ".*does not have many workers.*",
                ".*LeafSpec.*is deprecated.*",
                ".*overriding `LightningModule.optimizer.*",
            ):
                warnings.filterwarnings("ignore", expected)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
