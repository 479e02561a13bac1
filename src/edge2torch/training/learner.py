"""The Lightning module."""

from __future__ import annotations

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge2torch.training.target import CLASSES, LABELS


def make_loss(task: str, weight: Tensor | None = None, label_smoothing: float = 0.0) -> nn.Module:
    """Make the loss of a task: mean over cells (and outputs) of what the outputs of a model are off.

    Parameters
    ----------
    task
        ``"classes"``: cross-entropy; ``"labels"``: binary cross-entropy; ``"numbers"``: squared difference.
    weight
        Weight of each class, or of the positive cells of each label, shape (outputs,).
    label_smoothing
        Share of the probability that is spread over all classes (Szegedy et al. 2016, arXiv:1512.00567).
    """
    if task == CLASSES:
        return nn.CrossEntropyLoss(weight=weight, label_smoothing=label_smoothing)
    return nn.BCEWithLogitsLoss(pos_weight=weight) if task == LABELS else nn.MSELoss()


class Learner(L.LightningModule):
    """Train a model.

    Parameters
    ----------
    model
        Maps (cells, features) to (cells, outputs).
    loss
        Of outputs and what is known, see :func:`make_loss`.
    lr
        Learning rate of Adam (Kingma & Ba 2015, arXiv:1412.6980).
    weight_decay
        Strength of the L2 penalty, which is part of the loss. (Decoupled decay, as in AdamW, hardly regularised the
        networks this was tried on.)
    input_dropout
        Probability with which a feature of a cell is set to 0 in training; the others are scaled up.
    """

    def __init__(
        self, model: nn.Module, loss: nn.Module, *, lr: float, weight_decay: float, input_dropout: float
    ) -> None:
        super().__init__()
        self.model = model
        self.lr = lr
        self.weight_decay = weight_decay
        self.input_dropout = input_dropout
        self.loss = loss

    def forward(self, x: Tensor) -> Tensor:
        """Map features to outputs."""
        out: Tensor = self.model(F.dropout(x, self.input_dropout, self.training))
        return out

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        return self._loss(batch, "train_loss")

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch, without dropout."""
        return self._loss(batch, "val_loss")

    def _loss(self, batch: tuple[Tensor, Tensor], name: str) -> Tensor:
        x, y = batch
        loss: Tensor = self.loss(self(x), y)
        self.log(name, loss, on_step=False, on_epoch=True, batch_size=len(x))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.model.parameters(), lr=self.lr, weight_decay=self.weight_decay)
