"""What each epoch brought: the history, the best weights, and when to stop."""

from __future__ import annotations

import math
import warnings
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from edge2torch._notes import caller_level
from edge2torch.errors import Edge2TorchError
from edge2torch.training.learner import Learner

HINT = "use a smaller lr, and look at the values (log values, or scaled ones?) and at the target"
UNCHECKED = (
    "no epoch was validated: see limit_train_batches, limit_val_batches, check_val_every_n_epoch and max_steps in "
    "trainer_kwargs"
)


class Interrupted(Exception):
    """Training was asked to stop in the middle of an epoch."""


class Epochs(Callback):
    """Write the history, keep the best weights of each replicate, and stop when none has become better.

    Lightning's callbacks for this need a folder, and look at one number for all replicates.

    Parameters
    ----------
    n_replicates
        Number of models that learn side by side.
    patience
        Epochs without a lower validation loss after which a replicate stops.

    Attributes
    ----------
    history
        Losses of each replicate in each epoch in which it learned.
    best_epoch, best_loss, best_state
        Of each replicate; epoch -1 as long as no validation loss was a number.
    failed
        Epoch in which the loss of a replicate was no number any more.
    interrupt
        Set to ``True``, it stops training after the current batch.
    """

    def __init__(self, n_replicates: int, patience: int) -> None:
        self.patience = patience
        self.history: list[dict[str, float]] = []
        self.best_epoch = [-1] * n_replicates
        self.best_loss = [math.inf] * n_replicates
        self.best_state: list[dict[str, Tensor]] = [{} for _ in range(n_replicates)]
        self.failed: dict[int, int] = {}
        self.interrupt = False

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop if asked to."""
        if self.interrupt:
            raise Interrupted

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop if asked to."""
        if self.interrupt:
            raise Interrupted

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note the losses; keep the weights that are the best so far."""
        learner, epoch = _as_learner(pl_module), trainer.current_epoch
        if self.history and self.history[-1]["epoch"] >= epoch:  # resumed with max_steps, Lightning ends it once more
            return
        losses = zip(*(learner.mean_losses(of).tolist() for of in ("train_sums", "val_sums")), strict=True)
        for k, (train_loss, val_loss) in enumerate(losses):
            if learner.learning[k]:
                self.history.append({"replicate": k, "epoch": epoch, "train_loss": train_loss, "val_loss": val_loss})
                self._judge(learner, k, epoch, train_loss, val_loss)
                learner.learning[k] = not self._has_ended(trainer, k, epoch)
        if not any(learner.learning):
            _stop(trainer)

    def _judge(self, learner: Learner, k: int, epoch: int, train_loss: float, val_loss: float) -> None:
        unchecked = math.isnan(val_loss) and not float(learner.val_sums[k, 1])  # not validated in this epoch
        if not math.isfinite(train_loss) or not (math.isfinite(val_loss) or unchecked):
            self.failed[k] = epoch
        elif val_loss < self.best_loss[k]:
            self.best_epoch[k], self.best_loss[k] = epoch, val_loss
            state = learner.models[k].state_dict()
            self.best_state[k] = {name: value.detach().cpu().clone() for name, value in state.items()}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on as it was, if training is resumed."""
        if not trainer.enable_validation:
            raise Edge2TorchError(UNCHECKED)
        learner = _as_learner(pl_module)
        learner.learning = [
            not self._has_ended(trainer, k, trainer.current_epoch - 1) for k in range(len(self.best_epoch))
        ]
        if not any(learner.learning):
            _stop(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Hand over what training brought, for strategies whose processes end with it."""
        _as_learner(pl_module).outcome = self.state_dict()

    def _has_ended(self, trainer: L.Trainer, k: int, epoch: int) -> bool:
        long_enough = epoch + 1 >= (trainer.min_epochs or 0) and trainer.global_step >= (trainer.min_steps or 0)
        validated = (e["epoch"] for e in reversed(self.history) if e["replicate"] == k and math.isfinite(e["val_loss"]))
        no_progress = self.best_epoch[k] >= 0 and next(validated, -1) - self.best_epoch[k] >= self.patience
        return k in self.failed or (long_enough and no_progress)

    def restore_best(self, learner: Learner) -> None:
        """Put the best weights of each replicate back, and warn of what went wrong."""
        self.load_state_dict(learner.outcome)
        none = [k for k, epoch in enumerate(self.best_epoch) if epoch < 0]
        if none:
            if none[0] not in self.failed:
                raise Edge2TorchError(UNCHECKED)
            raise Edge2TorchError(
                f"no epoch of {len(none)} of {len(self.best_epoch)} replicates had a validation loss: the loss was no "
                f"number in epoch {self.failed[none[0]]}; {HINT}"
            )
        for model, state in zip(learner.models, self.best_state, strict=True):
            model.load_state_dict(state)
        for k, epoch in self.failed.items():
            who = f"replicate {k}" if len(self.best_epoch) > 1 else "training"
            warnings.warn(
                f"{who} stopped in epoch {epoch}, where the loss was no number any more; the weights of epoch "
                f"{self.best_epoch[k]}, the best until then, are kept; {HINT}",
                UserWarning,
                stacklevel=caller_level(),
            )

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs."""
        return {name: getattr(self, name) for name in ("history", "best_epoch", "best_loss", "best_state", "failed")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        for name, value in state_dict.items():
            setattr(self, name, value)


def _stop(trainer: L.Trainer) -> None:
    """Stop after this epoch, whatever ``min_epochs`` says: there is nothing left to learn."""
    trainer.should_stop = True
    trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None


def _as_learner(module: L.LightningModule) -> Learner:
    if not isinstance(module, Learner):
        raise TypeError(f"{type(module).__name__} is no Learner")
    return module
