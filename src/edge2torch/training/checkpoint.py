"""Going on with a run that was killed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch import callbacks

from edge2torch._notes import caller_level
from edge2torch.errors import Edge2TorchError, some

FILE = "last.ckpt"
KEY = "edge2torch_run"


class Checkpoint(callbacks.Checkpoint):
    """Write all that a run needs to go on into a folder, after every epoch.

    The file of the epoch before is replaced by a complete one, never written over. Lightning calls checkpoints after
    all other callbacks, whose state is part of the file.

    Parameters
    ----------
    folder
        Where.
    run
        What the run is of: names, and what must be equal for another run to go on with it.

    Raises
    ------
    Edge2TorchError
        If ``folder`` is no path.
    """

    def __init__(self, folder: str | os.PathLike[str], run: Mapping[str, str]) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise Edge2TorchError(f"checkpoint_dir={folder!r} must be the path of a folder")
        self.path = Path(folder).expanduser().absolute() / FILE  # the working directory may change while training
        self.run = dict(run)

    def find(self, resume: bool, max_epochs: int | None = None) -> Path | None:
        """Return the file to resume from, if there is one.

        Raises
        ------
        Edge2TorchError
            If there is one, but it was not asked for, is of another run, has more epochs than ``max_epochs``, or cannot
            be read.
        """
        if self.path.exists():
            if not resume:
                raise Edge2TorchError(
                    f"{self.path} is there already: pass resume=True to go on with it, or choose another checkpoint_dir"
                )
            self._compare(max_epochs)
            return self.path
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Edge2TorchError(f"checkpoint_dir={str(self.path.parent)!r} cannot be made: {error}") from error
        return None

    def _compare(self, max_epochs: int | None) -> None:
        try:
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            theirs, n_epochs = found[KEY], found["epoch"] + 1
        except Exception as error:  # what torch raises for a broken file is not said anywhere
            raise Edge2TorchError(
                f"{self.path} cannot be read, or is no checkpoint of edge2torch: remove it to start anew ({error})"
            ) from error
        differing = sorted(name for name in {*theirs, *self.run} if theirs.get(name) != self.run.get(name))
        if differing:
            raise Edge2TorchError(
                f"{self.path} is of another run, which differs in {some(differing)}: call e2t.tl.fit as then, or "
                "choose another checkpoint_dir"
            )
        if max_epochs is not None and -1 < max_epochs < n_epochs:
            raise Edge2TorchError(f"{self.path} is of {n_epochs} epochs, more than max_epochs={max_epochs}")

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Say what the run is of."""
        checkpoint[KEY] = self.run

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the file; where that fails, training goes on without it."""
        part = self.path.with_suffix(".part")
        try:
            trainer.save_checkpoint(part)
            if trainer.is_global_zero:
                part.replace(self.path)
        except OSError as error:
            trainer.strategy.barrier("Trainer.save_checkpoint")  # where the other processes wait
            part.unlink(missing_ok=True)
            warnings.warn(
                f"the checkpoint of epoch {trainer.current_epoch} could not be written to {self.path} ({error}); "
                "training goes on",
                UserWarning,
                stacklevel=caller_level(),
            )
