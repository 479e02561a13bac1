"""The Lightning module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from edge2torch.cells import Batches
from edge2torch.nn import all_read_csr
from edge2torch.training.heads import AuxiliaryHeads, heads_loss
from edge2torch.training.loss import Loss
from edge2torch.training.penalty import shrink

#: step with which penalties begin
PENALTIES_FROM = 100


class Learner(L.LightningModule):
    """Train replicates of a model side by side, on the same batches.

    Their losses are added up; as they share no parameter, each learns as it would alone (but for the random numbers of
    its dropout).

    Parameters
    ----------
    models
        Each maps (cells, features) to (cells, outputs).
    loss
        Of outputs and what is known.
    lr
        Learning rate of Adam (Kingma & Ba 2015, arXiv:1412.6980).
    weight_decay
        Strength of the L2 penalty, which is part of the loss. (Decoupled decay, as in AdamW, hardly regularised the
        networks this was tried on.)
    random_state
        Seed of dropout in the models; that of genes, and the order of cells, are those of the batches.
    l1, group_lasso
        Strength of the penalties of :func:`~edge2torch.training.shrink`, which begin with step 100: the first steps
        say little about which weights are needed.
    auxiliary
        Weight of the losses of auxiliary heads.
    n_outputs
        Number of outputs of an auxiliary head.

    Attributes
    ----------
    learning
        Whether each replicate still learns.
    interrupted
        Whether Ctrl-C was pressed.
    outcome
        What training brought, which travels with the weights from processes that end with training.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        loss: Loss,
        *,
        lr: float,
        weight_decay: float,
        random_state: int = 0,
        l1: float = 0.0,
        group_lasso: float = 0.0,
        auxiliary: float = 0.0,
        n_outputs: int = 1,
    ) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        heads = [AuxiliaryHeads(model, n_outputs) for model in models] if auxiliary else []
        self.heads = nn.ModuleList(heads)
        self.loss = loss
        self.lr = lr
        self.weight_decay = weight_decay
        self.random_state = random_state
        self.penalties = {"l1": l1, "group_lasso": group_lasso}
        self.auxiliary = auxiliary
        self.learning = [True] * len(self.models)
        self.interrupted = False
        self.outcome: dict[str, Any] = {}
        # no buffers: with several processes, those are overwritten by the first one's
        self.train_sums = torch.zeros(len(models), 2)
        self.val_sums = torch.zeros(len(models), 2)

    def on_train_epoch_start(self) -> None:
        """Seed dropout and the order of cells: no epoch depends on those before, so that any can be resumed from."""
        torch.manual_seed(_seed(self.random_state, self.current_epoch, self.global_rank))
        self._share(self.trainer.train_dataloader)
        self.train_sums = torch.zeros(len(self.models), 2, device=self.device)
        self.val_sums = torch.zeros(len(self.models), 2, device=self.device)  # not every epoch is validated

    def _share(self, loader: Any) -> None:
        """Let each process have its part of every batch, in the order and form of this epoch."""
        if isinstance(loader, Batches):
            loader.set_epoch(self.current_epoch)
            loader.share(self.global_rank, self.trainer.world_size)
            mixed = self.trainer.precision.endswith("mixed")  # in which states are of another type than weights
            loader.csr = not mixed and all_read_csr(self.models, loader.batch_size)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the sum of the losses of the replicates that still learn."""
        x, known = batch
        losses = []
        for k in range(len(self.models)):
            # all processes must compute gradients of all parameters
            if self.learning[k] or self.trainer.world_size > 1:
                outputs, of_heads = self.heads[k](x) if self.heads else (self.models[k](x), [])
                total, size = self.loss.sums(outputs, known)
                self.train_sums[k] += torch.stack([total.detach(), size])
                if of_heads:
                    total = total + self.auxiliary * size * heads_loss(self.loss, of_heads, known)
                losses.append(total / self._of_all_processes(size))
        return torch.stack(losses).sum()

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Take a step, then those of the penalties."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if any(self.penalties.values()) and self.global_step >= PENALTIES_FROM:
            taken = self.trainer.optimizers[0]
            for model, learns in zip(self.models, self.learning, strict=True):
                if learns:
                    shrink(model, taken, **self.penalties)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient of each replicate by itself, as if it were alone."""
        if not gradient_clip_val:
            return
        for replicate in self.heads or self.models:
            if gradient_clip_algorithm == "value":
                nn.utils.clip_grad_value_(replicate.parameters(), gradient_clip_val)
            else:
                nn.utils.clip_grad_norm_(replicate.parameters(), gradient_clip_val)

    def _of_all_processes(self, size: Tensor) -> Tensor:
        """Denominator such that the mean of the gradients of all processes is the gradient for all cells of a batch."""
        if self.trainer.world_size == 1:
            return size
        return self._added_up(size) / self.trainer.world_size

    def _added_up(self, values: Tensor) -> Tensor:
        """Sum over processes."""
        summed = self.trainer.strategy.reduce(values.clone(), reduce_op="sum")
        return summed if isinstance(summed, Tensor) else torch.as_tensor(summed)

    def on_validation_epoch_start(self) -> None:
        """Begin to add up."""
        self._share(self.trainer.val_dataloaders)
        self.val_sums = torch.zeros(len(self.models), 2, device=self.device)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add up the losses of a batch, without dropout."""
        x, known = batch
        for k, model in enumerate(self.models):
            self.val_sums[k] += torch.stack(self.loss.sums(model(x), known))

    def on_validation_epoch_end(self) -> None:
        """Log the mean over replicates whose loss is a number, for callbacks and loggers."""
        losses = self.mean_losses("val_sums")
        self.log("val_loss", losses[losses.isfinite()].mean(), sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Log the mean over replicates that learned, for loggers."""
        self.log("train_loss", self.mean_losses("train_sums").nanmean(), sync_dist=True)

    def mean_losses(self, of: str) -> Tensor:
        """Loss of each replicate over all cells of the epoch, NaN if there were none."""
        sums = self._added_up(getattr(self, of))
        return sums[:, 0] / sums[:, 1]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam, on a CPU as one operation instead of some ten for each of the parameters, which are many."""
        fused = self.device.type == "cpu"
        return torch.optim.Adam(self.parameters(), lr=self.lr, weight_decay=self.weight_decay, fused=fused)

    def get_extra_state(self) -> dict[str, Any]:
        """Part of the state dict that is no parameter."""
        return self.outcome

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.outcome = state


def _seed(*parts: Any) -> int:
    """Seed that depends on several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
