"""Predictions for many cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge2torch.cells import batches
from edge2torch.nn.state import evaluating

if TYPE_CHECKING:
    from edge2torch.cells import Cells


def predict_proba(model: nn.Module, cells: Cells, batch_size: int = 1024) -> npt.NDArray[np.float32]:
    """Probability of every class for every cell: the softmax of the outputs, shape (cells, outputs)."""
    device = next(model.parameters()).device
    with evaluating(model), torch.no_grad():
        served = batches(cells, batch_size) if len(cells) else [cells[np.arange(0)]]
        parts = [model(x.to(device)).softmax(dim=1).cpu().numpy() for x, *_ in served]
    return np.concatenate(parts).astype(np.float32)
