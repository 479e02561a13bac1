"""The Lightning module."""

from __future__ import annotations

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Classifier(L.LightningModule):
    """Train a model to tell classes apart.

    Parameters
    ----------
    model
        Maps (cells, features) to one logit per class.
    class_weight
        Weight of each class in the loss, shape (classes,).
    lr
        Learning rate of Adam (Kingma & Ba 2015, arXiv:1412.6980).
    weight_decay
        Strength of the L2 penalty, which is part of the loss. (Decoupled decay, as in AdamW, hardly regularised the
        networks this was tried on.)
    input_dropout
        Probability with which a feature of a cell is set to 0 in training; the others are scaled up.
    """

    class_weight: Tensor

    def __init__(
        self, model: nn.Module, class_weight: Tensor, *, lr: float, weight_decay: float, input_dropout: float
    ) -> None:
        super().__init__()
        self.model = model
        self.lr = lr
        self.weight_decay = weight_decay
        self.input_dropout = input_dropout
        self.register_buffer("class_weight", class_weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map features to logits."""
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
        loss = F.cross_entropy(self(x), y, weight=self.class_weight)
        self.log(name, loss, on_step=False, on_epoch=True, batch_size=len(x))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.model.parameters(), lr=self.lr, weight_decay=self.weight_decay)
