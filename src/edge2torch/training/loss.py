"""What is minimised."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge2torch.training.target import CLASSES, LABELS


class Loss(nn.Module):
    """Mean over cells (and outputs) of what the outputs of a model are off.

    Parameters
    ----------
    task
        ``"classes"``: cross-entropy, weighted by the class; ``"labels"``: binary cross-entropy; ``"numbers"``: squared
        difference.
    weight
        Weight of each class, or of the positive cells of each label, shape (outputs,).
    label_smoothing
        Share of the probability that is spread over all classes (Szegedy et al. 2016, arXiv:1512.00567).
    """

    weight: Tensor | None

    def __init__(self, task: str, weight: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.task = task
        self.register_buffer("weight", weight, persistent=False)
        self.label_smoothing = label_smoothing

    def forward(self, outputs: Tensor, known: Tensor) -> Tensor:
        """Compare outputs (cells, outputs) with what is known: classes (cells,), else (cells, outputs)."""
        total, size = self.sums(outputs, known)
        return total / size

    def sums(self, outputs: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Numerator and denominator of the mean, so that the mean over several batches can be taken."""
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))  # half precision cannot hold sums
        weight = None if self.weight is None else self.weight.to(outputs.dtype)
        if self.task == CLASSES:
            total = F.cross_entropy(
                outputs, known, weight=weight, reduction="sum", label_smoothing=self.label_smoothing
            )
            return total, outputs.new_tensor(len(known)) if weight is None else weight[known].sum()
        known = known.to(outputs.dtype)
        if self.task == LABELS:
            total = F.binary_cross_entropy_with_logits(outputs, known, pos_weight=weight, reduction="sum")
        else:
            total = F.mse_loss(outputs, known, reduction="sum")
        return total, outputs.new_tensor(known.numel())
