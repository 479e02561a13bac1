"""How good predictions are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, recall_score

from edge2torch.training.split import PARTS


def classification_metrics(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], part: npt.NDArray[np.object_]
) -> pd.DataFrame:
    """Score predictions in each part of the split.

    Parameters
    ----------
    labels, predicted
        Class per cell, shape (cells,).
    part
        ``"train"``, ``"validation"`` or ``"test"`` per cell.

    Returns
    -------
    A row per part that has cells: ``split``, ``n_cells``, ``accuracy``, ``balanced_accuracy`` (mean recall of the
    classes that occur there) and ``macro_f1``, by scikit-learn.
    """
    rows = []
    for name in PARTS:
        here = part == name
        if not here.any():
            continue
        true, guess = labels[here], predicted[here]
        present = np.unique(true)
        rows.append(
            {
                "split": name,
                "n_cells": int(here.sum()),
                "accuracy": float(accuracy_score(true, guess)),
                "balanced_accuracy": float(recall_score(true, guess, labels=present, average="macro", zero_division=0)),
                "macro_f1": float(f1_score(true, guess, labels=present, average="macro", zero_division=0)),
            }
        )
    return pd.DataFrame(rows)
