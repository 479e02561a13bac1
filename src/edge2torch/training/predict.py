"""Predictions for many cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge2torch.cells import batches
from edge2torch.nn.state import evaluating
from edge2torch.training.target import CLASSES, LABELS

if TYPE_CHECKING:
    from edge2torch.cells import Cells


def predict(model: nn.Module, cells: Cells, task: str, batch_size: int = 1024) -> npt.NDArray[np.float32]:
    """Predict all outputs for all cells, shape (cells, outputs).

    Parameters
    ----------
    model
        The model; as it is on return, so it was.
    cells
        The cells.
    task
        ``"classes"``: probabilities that add up to 1; ``"labels"``: probability of each; ``"numbers"``: the outputs.
    batch_size
        Cells at a time.
    """
    device = next(model.parameters()).device
    with evaluating(model), torch.no_grad():
        served = batches(cells, batch_size, divide=False) if len(cells) else [cells[np.arange(0)]]
        parts = [_link(model(x.to(device)), task).cpu().numpy() for x, *_ in served]
    return np.concatenate(parts).astype(np.float32)


def _link(outputs: Tensor, task: str) -> Tensor:
    if task == CLASSES:
        return outputs.softmax(dim=1)
    return outputs.sigmoid() if task == LABELS else outputs
