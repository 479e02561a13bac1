"""What models say of cells, and as slots of an AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch.training import CLASSES, NUMBERS, Scale, predict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

    from edge2torch import _keys
    from edge2torch.cells import Cells
    from edge2torch.nn import EdgeModel


def scale_of(fit_params: Mapping[str, Any]) -> Scale:
    """Mean and deviation of what was predicted, 0 and 1 if it was no numbers."""
    n = len(fit_params["outputs"])
    mean, std = fit_params.get("mean", np.zeros(n)), fit_params.get("std", np.ones(n))
    return Scale(np.asarray(mean, dtype=float), np.asarray(std, dtype=float))


def predicted_classes(replicates: Sequence[EdgeModel], cells: Cells) -> npt.NDArray[np.int64]:
    """Position among the outputs of the class that is predicted for each cell, (cells,)."""
    return np.asarray(predict(replicates, cells, CLASSES).mean(axis=0).argmax(axis=1))


def predicted_slots(
    adata: AnnData | MuData,
    keys: _keys.Keys,
    fit_params: Mapping[str, Any],
    *,
    each: npt.NDArray[np.floating],
    output_nodes: Sequence[str],
    label_of: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Predictions as columns of ``obs`` and arrays of ``obsm``.

    Parameters
    ----------
    adata
        The cells.
    keys
        Names of the slots.
    fit_params
        What the model was fitted with.
    each
        Probabilities or numbers, replicates x cells x outputs, in the order of ``fit_params["outputs"]``.
    output_nodes, label_of
        Output nodes of the model, in order, and which output each is.
    """
    names = [str(name) for name in fit_params["outputs"]]
    order = [names.index(label_of[node]) for node in output_nodes]
    task, predicted = str(fit_params["task"]), each.mean(axis=0)
    obs: dict[str, Any] = {}
    obsm = {keys.numbers if task == NUMBERS else keys.proba: np.ascontiguousarray(predicted[:, order])}
    if task == NUMBERS and len(names) == 1:
        obs[keys.pred] = predicted[:, 0].copy()
    if task == CLASSES:
        codes = predicted.argmax(axis=1)
        obs[keys.pred] = prediction(adata, [names[k] for k in codes], names, str(fit_params["target"]))
    if len(each) > 1:
        obsm[keys.std] = np.ascontiguousarray(each.std(axis=0)[:, order])
        if task == CLASSES:
            obs[keys.agreement] = (each.argmax(axis=2) == codes).mean(axis=0)
    return obs, obsm


def prediction(adata: AnnData | MuData, predicted: Sequence[str], classes: Sequence[str], target: str) -> pd.Series:
    """Predicted classes as a column of ``obs``.

    Its categories are those of the target where ``adata`` has it, so that the two can be compared also if the classes
    are numbers or truth values; otherwise they are text.
    """
    labels = adata.obs[target].dropna().unique() if target in adata.obs else []
    as_given = {**{name: name for name in classes}, **{str(label): label for label in labels}}
    values = pd.Series([as_given[name] for name in predicted], index=adata.obs_names, dtype=object)
    return values.astype(pd.CategoricalDtype([as_given[name] for name in classes]))
