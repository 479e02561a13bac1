"""``e2t.tl.predict``."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.cells import Cells, choose_matrix
from edge2torch.get._model import models
from edge2torch.training import CLASSES, NUMBERS, Scale
from edge2torch.training import predict as network_predict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData


def predict(
    adata: AnnData | MuData, reference: AnnData | MuData | None = None, *, key: str = _keys.DEFAULT, copy: bool = False
) -> AnnData | MuData | None:
    """Predict classes, labels or numbers of cells with a trained model.

    Parameters
    ----------
    adata
        Cells to predict, with the genes of the graph under the same names and values made in the same way, in the same
        layer as for :func:`edge2torch.tl.fit`.
    reference
        AnnData with the trained model; ``None`` for ``adata`` itself.
    key
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Sets ``adata.obs[key + "_pred"]`` (class, or number if there is one) and
    ``adata.obsm[key + "_proba"]`` (probabilities) or ``adata.obsm[key + "_values"]`` (numbers), cells x outputs. With a
    ``reference``, its graph, nodes, params and model are copied to ``adata.uns[key]``, too.

    Raises
    ------
    Edge2TorchError
        If there is no model, or a gene of the graph is missing; nothing is written then.
    """
    _slots.check_adata(adata)
    source = adata if reference is None else reference
    _slots.check_adata(source, "reference")
    if reference is not None:
        _slots.check_free(adata, key)
    replicates, artifact = models(source, key=key)
    fit_params = _slots.params(source, key, "fit")
    cells = fitted_cells(adata, artifact.feature_names, fit_params)
    nodes = _slots.nodes_table(source, key)
    label_of = dict(zip(nodes["node"], nodes["label"], strict=True))
    names = [str(name) for name in fit_params["outputs"]]
    order = [[label_of[node] for node in artifact.output_nodes].index(name) for name in names]
    task = str(fit_params["task"])
    said = np.stack([network_predict(model, cells, task)[:, order] for model in replicates])
    each = scale_of(fit_params).restore(said) if task == NUMBERS else said
    keys = _keys.Keys(key)
    obs, obsm = predicted_slots(
        adata, keys, fit_params, each=each, output_nodes=artifact.output_nodes, label_of=label_of
    )
    adata = adata.copy() if copy else adata
    carried = {}
    if reference is not None:
        parts = (_keys.GRAPH, _keys.NODES, _keys.MODEL, _keys.PARAMS)
        carried = {part: deepcopy(_slots.results(source, key, part, "e2t.tl.fit")) for part in parts}
        for step in ("interpret", "cross_validate"):  # of which nothing is carried over
            carried[_keys.PARAMS].pop(step, None)
    _slots.write(
        adata,
        key,
        uns=carried,
        obs=obs,
        obsm=obsm,
        stale=keys.of_build._replace(steps=()) if carried else _keys.NOTHING,
    )
    return adata if copy else None


def scale_of(fit_params: Mapping[str, Any]) -> Scale:
    """Mean and deviation of what was predicted, 0 and 1 if it was no numbers."""
    n = len(fit_params["outputs"])
    mean, std = fit_params.get("mean", np.zeros(n)), fit_params.get("std", np.ones(n))
    return Scale(np.asarray(mean, dtype=float), np.asarray(std, dtype=float))


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


def fitted_cells(adata: AnnData | MuData, features: Sequence[str], fit_params: dict[str, object]) -> Cells:
    """Cells from the matrix that the model was trained on."""
    layer, use_raw = fit_params.get("layer"), bool(fit_params.get("use_raw", False))
    matrix, names = choose_matrix(adata, None if layer is None else str(layer), use_raw, features)
    return Cells(matrix, list(names), features, where="adata.raw.var_names" if use_raw else "adata.var_names")
