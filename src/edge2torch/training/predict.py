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
from edge2torch.nn.state import evaluating
from edge2torch.training.target import CLASSES, LABELS

if TYPE_CHECKING:
    from edge2torch.cells import Cells


def predict(models: Sequence[nn.Module], cells: Cells, task: str, batch_size: int = 1024) -> npt.NDArray[np.float32]:
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
        served = batches(cells, batch_size, divide=False) if len(cells) else [cells[np.arange(0)]]
        parts = [
            torch.stack([_link(model(x), task) for model in models]).cpu().numpy()
            for x in (features.to(device) for features, *_ in served)
        ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _link(outputs: Tensor, task: str) -> Tensor:
    if task == CLASSES:
        return outputs.softmax(dim=1)
    return outputs.sigmoid() if task == LABELS else outputs
