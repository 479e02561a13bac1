"""The bar over the epochs."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm


class Progress(Callback):
    """One bar over the epochs, shown by one process."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show it."""
        if trainer.is_global_zero:
            done, total = trainer.current_epoch, trainer.max_epochs
            self.bar = tqdm(  # one step per epoch
                total=total if total and total > 0 else None, initial=done, desc="training", unit="epoch"
            )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Move it."""
        if self.bar is not None:
            self.bar.set_postfix({name: f"{float(value):.3f}" for name, value in trainer.callback_metrics.items()})
            self.bar.update()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close it."""
        self._close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Close it."""
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
