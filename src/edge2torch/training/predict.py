"""Predictions for many cells."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge2torch.cells import batches
from edge2torch.nn import all_read_csr
from edge2torch.nn.state import evaluating
from edge2torch.training.target import CLASSES, LABELS

if TYPE_CHECKING:
    from edge2torch.cells import Cells, LoadedCells


def predict(
    models: Sequence[nn.Module], cells: Cells | LoadedCells, task: str, batch_size: int = 1024
) -> npt.NDArray[np.float32]:
    """Predict all outputs for all cells with each of some models, shape (models, cells, outputs), in one pass.

    Parameters
    ----------
    models
        On one device; as they are on return, so they were.
    cells
        The cells.
    task
        ``"classes"``: probabilities that add up to 1; ``"labels"``: probability of each; ``"numbers"``: the outputs.
    batch_size
        Cells at a time.
    """
    device = next(models[0].parameters()).device
    with ExitStack() as modes, torch.no_grad():
        for model in models:
            modes.enter_context(evaluating(model))
        none = models[0](torch.zeros((0, len(cells.features)), dtype=torch.float32, device=device))
        predicted = np.zeros((len(models), len(cells), none.shape[1]), dtype=np.float32)
        served = batches(cells, batch_size)
        served.csr = all_read_csr(models, batch_size)
        for rows, (x, *_) in served.numbered():
            features = x.to(device)
            for k, model in enumerate(models):
                predicted[k, rows] = _link(model(features), task).cpu().numpy()
    return predicted


def _link(outputs: Tensor, task: str) -> Tensor:
    if task == CLASSES:
        return outputs.softmax(dim=1)
    return outputs.sigmoid() if task == LABELS else outputs
