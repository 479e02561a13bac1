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
    from edge2torch.cells import Cells, LoadedCells


def predict(model: nn.Module, cells: Cells | LoadedCells, task: str, batch_size: int = 1024) -> npt.NDArray[np.float32]:
    """Predict all outputs for all cells, shape (cells, outputs); cells are read batch by batch.

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
        none = model(torch.zeros((0, len(cells.features)), device=device))
        predicted = np.zeros((len(cells), none.shape[1]), dtype=np.float32)
        for rows, (x, *_) in batches(cells, batch_size, divide=False).numbered():
            predicted[rows] = _link(model(x.to(device)), task).cpu().numpy()
    return predicted


def _link(outputs: Tensor, task: str) -> Tensor:
    if task == CLASSES:
        return outputs.softmax(dim=1)
    return outputs.sigmoid() if task == LABELS else outputs
