"""How good predictions are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    mean_squared_error,
    precision_recall_fscore_support,
    r2_score,
    roc_auc_score,
)
from torch.nn.functional import binary_cross_entropy, nll_loss
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError, some
from edge2torch.training.split import PARTS
from edge2torch.training.target import CLASSES, LABELS, NUMBERS

_Array = npt.NDArray[Any]
_Scores = tuple[dict[str, float], pd.DataFrame]
_N_BINS = 15  # of the calibration error, as in Guo et al. 2017
_EPSILON = np.finfo(np.float64).eps  # the least probability whose logarithm counts, as in scikit-learn


def score(
    task: str,
    names: Sequence[str],
    truth: npt.NDArray[Any],
    predicted: npt.NDArray[Any],
    part: npt.NDArray[np.object_],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score predictions of any task in each part of the split, as a whole and for each output.

    Parameters
    ----------
    task
        ``"classes"`` (one class per cell), ``"labels"`` (several yes/no labels per cell) or ``"numbers"``.
    names
        The outputs: classes, labels or numbers.
    truth
        Classes: the position of each cell's class in ``names``, shape (cells,). Labels: 0 and 1, numbers: numbers,
        shape (cells, outputs).
    predicted
        Probabilities (classes: a row adds up to 1) or numbers, shape (cells, outputs).
    part
        ``"train"``, ``"validation"`` or ``"test"`` per cell.

    Returns
    -------
    A table with a row per part that has cells: ``split``, ``n_cells`` and

    - classes: ``accuracy``, ``balanced_accuracy`` (mean recall) and ``macro_f1`` of the classes that occur there,
      ``auroc`` (each class against the rest; mean), ``log_loss``, and ``calibration_error`` of the most probable class.
    - labels: ``balanced_accuracy``, ``macro_f1``, ``auroc`` and ``average_precision`` (means over the labels that have
      both kinds of cells there), ``log_loss`` and ``calibration_error`` (means over all labels). A cell is predicted
      to have a label of a probability above 0.5.
    - numbers: ``r2``, ``pearson`` and ``mse`` (means over outputs; over those that vary there for the first two).

    A table with a row per part and output: ``split``, ``output``, ``n_cells`` (cells of the class, cells with the
    label, all cells) and ``precision``, ``recall``, ``f1``, ``auroc``; for labels also ``average_precision``; for
    numbers ``r2``, ``pearson`` and ``mse``.

    A score that is not defined is NaN: AUROC without both kinds of cells, the precision of a class that is never
    predicted, the correlation with a constant. The expected calibration error has 15 bins (Guo et al. 2017, On
    calibration of modern neural networks, arXiv:1706.04599).

    Raises
    ------
    Edge2TorchError
        If the task is unknown, shapes do not fit, or numbers are not finite.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> part = np.array(["train", "train", "test"], dtype=object)
    >>> whole, each = score("classes", ["B", "T"], np.array([0, 1, 1]), proba, part)
    >>> whole[["split", "n_cells", "accuracy", "auroc"]]
       split  n_cells  accuracy  auroc
    0  train        2       1.0    1.0
    1   test        1       0.0    NaN
    """
    check_choice("task", task, _SCORES)
    _check_arrays(task, names, truth, predicted, part)
    whole, each = [], []
    for split in PARTS:
        here = part == split
        if not here.any():
            continue
        # Float rounding may leave probabilities beyond 1, which torchmetrics would take for logits.
        guess = np.asarray(predicted[here], dtype=np.float64)
        summary, table = _SCORES[task](truth[here], guess if task == NUMBERS else guess.clip(0, 1))
        whole.append({"split": split, "n_cells": int(here.sum()), **summary})
        table.insert(0, "split", split)
        table.insert(1, "output", list(names))
        each.append(table)
    return pd.DataFrame(whole), pd.concat(each, ignore_index=True)


def _score_classes(truth: _Array, proba: _Array) -> _Scores:
    outputs = np.arange(proba.shape[1])
    guess = proba.argmax(axis=1)
    # With zero_division, scikit-learn says NaN instead of warning.
    precision, recall, f1, n_cells = precision_recall_fscore_support(
        truth, guess, labels=outputs, average=None, zero_division=np.nan
    )
    auroc = [_of_both_kinds(roc_auc_score, truth == k, proba[:, k]) for k in outputs]
    each = pd.DataFrame({"n_cells": n_cells, "precision": precision, "recall": recall, "f1": f1, "auroc": auroc})
    present = each[each["n_cells"] > 0]
    target, probable = torch.as_tensor(truth, dtype=torch.long), torch.as_tensor(proba)
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "balanced_accuracy": float(present["recall"].mean()),
        "macro_f1": float(present["f1"].mean()),
        "auroc": float(each["auroc"].mean()),
        "log_loss": float(nll_loss(probable.clamp_min(_EPSILON).log(), target)),
        "calibration_error": float(
            multiclass_calibration_error(
                probable, target, num_classes=outputs.size, n_bins=_N_BINS, validate_args=False
            )
        ),
    }, each


def _score_labels(truth: _Array, proba: _Array) -> _Scores:
    each = pd.DataFrame([_score_label(truth[:, k], proba[:, k]) for k in range(proba.shape[1])])
    both = each["auroc"].notna()
    balanced = [balanced_accuracy_score(truth[:, k], proba[:, k] > 0.5) for k in np.flatnonzero(both)]
    target = torch.as_tensor(truth.T.copy(), dtype=torch.float64)
    probable = torch.as_tensor(proba.T.copy())
    calibration = [
        float(binary_calibration_error(label, has.long(), n_bins=_N_BINS, validate_args=False))
        for label, has in zip(probable, target, strict=True)
    ]
    return {
        "balanced_accuracy": float(np.mean(balanced)) if balanced else np.nan,
        "macro_f1": float(each.loc[both, "f1"].mean()),
        "auroc": float(each["auroc"].mean()),
        "average_precision": float(each["average_precision"].mean()),
        "log_loss": float(binary_cross_entropy(probable.clamp(_EPSILON, 1 - _EPSILON), target)),
        "calibration_error": float(np.mean(calibration)),
    }, each


def _score_label(truth: _Array, proba: _Array) -> dict[str, float]:
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, proba > 0.5, labels=[1], average=None, zero_division=np.nan
    )
    return {
        "n_cells": int(truth.sum()),
        "precision": float(precision[0]),
        "recall": float(recall[0]),
        "f1": float(f1[0]),
        "auroc": _of_both_kinds(roc_auc_score, truth, proba),
        "average_precision": _of_both_kinds(average_precision_score, truth, proba),
    }


def _score_numbers(truth: _Array, predicted: _Array) -> _Scores:
    n_cells, n_outputs = truth.shape
    truth = truth.astype(np.float64)
    varies, both_vary = np.ptp(truth, axis=0) > 0, (np.ptp(truth, axis=0) > 0) & (np.ptp(predicted, axis=0) > 0)
    r2, pearson = np.full(n_outputs, np.nan), np.full(n_outputs, np.nan)
    with np.errstate(all="ignore"):  # numbers whose squares leave the range of floats
        if varies.any():
            r2[varies] = r2_score(truth[:, varies], predicted[:, varies], multioutput="raw_values", force_finite=False)
        for k in np.flatnonzero(both_vary):
            pearson[k] = np.corrcoef(truth[:, k], predicted[:, k])[0, 1]
        mse = mean_squared_error(truth, predicted, multioutput="raw_values")
    each = pd.DataFrame({"n_cells": np.full(n_outputs, n_cells), "r2": r2, "pearson": pearson, "mse": mse})
    each[["r2", "pearson"]] = each[["r2", "pearson"]].where(np.isfinite(each[["r2", "pearson"]]))
    return {name: float(each[name].mean()) for name in ("r2", "pearson", "mse")}, each


def _of_both_kinds(function: Callable[[_Array, _Array], float], truth: _Array, proba: _Array) -> float:
    """Score a ranking, or NaN if all cells are positive or all are negative."""
    return float(function(truth, proba)) if truth.min() < truth.max() else np.nan


def _check_arrays(task: str, names: Sequence[str], truth: _Array, predicted: _Array, part: _Array) -> None:
    shape = (part.shape[0], len(names))
    expected = shape[:1] if task == CLASSES else shape
    for name, array, right in (("truth", truth, expected), ("predicted", predicted, shape)):
        if array.shape != right:
            raise Edge2TorchError(
                f"`{name}` has shape {array.shape}, but `part` and `names` call for {right} (task={task!r}); "
                "pass a row per cell and a column per name (classes: one number per cell as `truth`)"
            )
        wrong = np.flatnonzero(~np.isfinite(np.atleast_2d(array.T)).all(axis=0))
        if wrong.size:
            raise Edge2TorchError(
                f"`{name}` is not finite for {wrong.size:,} of {len(array):,} cells: rows {some(wrong.tolist())}; "
                "leave these cells out, or look for the cause in the training"
            )
    outside = np.flatnonzero((truth < 0) | (truth >= len(names))) if task == CLASSES else np.arange(0)
    if outside.size:
        raise Edge2TorchError(
            f"`truth` is no position in `names`, 0 to {len(names) - 1}, for {outside.size:,} of {len(truth):,} cells: "
            f"rows {some(outside.tolist())}; leave these cells out"
        )
    if not np.isin(part, PARTS).any():
        raise Edge2TorchError(f"`part` puts none of {part.size:,} cells into {some(PARTS)}; there is nothing to score")


_SCORES: dict[str, Callable[[_Array, _Array], _Scores]] = {
    CLASSES: _score_classes,
    LABELS: _score_labels,
    NUMBERS: _score_numbers,
}
