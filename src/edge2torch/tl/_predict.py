"""``e2t.tl.predict``."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_number
from edge2torch._notes import note
from edge2torch.cells import Cells, choose_matrix, matrix_names
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get import model as get_model
from edge2torch.training import LABELS, NUMBERS, Scale
from edge2torch.training import predict as network_predict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData


def predict(
    adata: AnnData | MuData,
    reference: AnnData | MuData | None = None,
    *,
    min_coverage: float = 0.8,
    key: str = _keys.DEFAULT,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Predict classes, labels or numbers of cells with a trained model.

    Parameters
    ----------
    adata
        Cells to predict, with the genes of the graph under the same names and values made in the same way, in the same
        layer as for :func:`edge2torch.tl.fit`. They are read some at a time, also from a file.
    reference
        AnnData with the trained model; ``None`` for ``adata`` itself.
    min_coverage
        Share of the genes of the model that ``adata`` must have, from 0 to 1. Others are filled with their mean over
        the cells that the model was trained on, ``uns[key]["nodes"]["mean"]``, and a note says which. At least one gene
        must be there.
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
        If there is no model, or too many of its genes are missing; nothing is written then.
    """
    _slots.check_adata(adata, copy=copy)
    source = adata if reference is None else reference
    _slots.check_adata(source, "reference", written=False)
    check_number("min_coverage", min_coverage, below=1 + 1e-9)
    if reference is not None:
        _slots.check_free(adata, key)
    model, artifact = get_model(source, key=key)
    fit_params = _slots.params(source, key, "fit")
    nodes = _slots.nodes_table(source, key)
    cells = fitted_cells(adata, artifact.feature_names, fit_params, nodes=nodes, min_coverage=min_coverage)
    label_of = dict(zip(nodes["node"], nodes["label"], strict=True))
    names = [str(name) for name in fit_params["outputs"]]
    order = [[label_of[node] for node in artifact.output_nodes].index(name) for name in names]
    task = str(fit_params["task"])
    said = network_predict(model, cells, task)[:, order]
    predicted = scale_of(fit_params).restore(said) if task == NUMBERS else said
    keys = _keys.Keys(key)
    obs, obsm = predicted_slots(
        adata, keys, fit_params, predicted=predicted, output_nodes=artifact.output_nodes, label_of=label_of
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
    predicted: npt.NDArray[np.floating],
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
    predicted
        Probabilities or numbers, cells x outputs, in the order of ``fit_params["outputs"]``.
    output_nodes, label_of
        Output nodes of the model, in order, and which output each is.
    """
    names = [str(name) for name in fit_params["outputs"]]
    in_order = np.ascontiguousarray(predicted[:, [names.index(label_of[node]) for node in output_nodes]])
    task = str(fit_params["task"])
    if task == NUMBERS:
        return ({keys.pred: predicted[:, 0].copy()} if len(names) == 1 else {}), {keys.numbers: in_order}
    if task == LABELS:
        return {}, {keys.proba: in_order}
    chosen = [names[k] for k in predicted.argmax(axis=1)]
    return {keys.pred: prediction(adata, chosen, names, str(fit_params["target"]))}, {keys.proba: in_order}


def prediction(adata: AnnData | MuData, predicted: Sequence[str], classes: Sequence[str], target: str) -> pd.Series:
    """Predicted classes as a column of ``obs``.

    Its categories are those of the target where ``adata`` has it, so that the two can be compared also if the classes
    are numbers or truth values; otherwise they are text.
    """
    labels = adata.obs[target].dropna().unique() if target in adata.obs else []
    as_given = {**{name: name for name in classes}, **{str(label): label for label in labels}}
    values = pd.Series([as_given[name] for name in predicted], index=adata.obs_names, dtype=object)
    return values.astype(pd.CategoricalDtype([as_given[name] for name in classes]))


def fitted_cells(
    adata: AnnData | MuData,
    features: Sequence[str],
    fit_params: Mapping[str, Any],
    *,
    nodes: pd.DataFrame | None = None,
    min_coverage: float = 1.0,
) -> Cells:
    """Cells from the matrix that the model was trained on.

    Parameters
    ----------
    adata
        The cells.
    features
        Inputs of the model.
    fit_params
        What the model was fitted with.
    nodes
        Row per node, with the ``mean`` to fill absent features with; without it, none may be absent.
    min_coverage
        Share of the features that must be there.
    """
    layer, use_raw = fit_params.get("layer"), bool(fit_params.get("use_raw", False))
    where = "adata.raw.var_names" if use_raw else "adata.var_names"
    known = pd.Index(features).isin(matrix_names(adata, use_raw))
    absent, wanted, fill = np.array(features)[~known].tolist(), list(features), None
    if absent and nodes is not None and "mean" in nodes:
        _check_coverage(absent, len(features), min_coverage, where)
        wanted = np.array(features)[known].tolist()
        fill = nodes.set_index("node").loc[list(features), "mean"].to_numpy(dtype=np.float64)
    matrix, names = choose_matrix(adata, None if layer is None else str(layer), use_raw, wanted)
    cells = Cells(matrix, list(names), features, where=where, fill=fill)
    if fill is not None:
        note(
            f"{len(absent):,} of {len(features):,} genes of the model are missing in {where}: {some(absent)}; they "
            "were filled with their mean over the training cells"
        )
    return cells


def _check_coverage(absent: Sequence[str], n_features: int, min_coverage: float, where: str) -> None:
    coverage, some_are_here = 1 - len(absent) / n_features, len(absent) < n_features
    if coverage >= min_coverage and some_are_here:
        return
    lower = f"; or pass min_coverage={np.floor(coverage * 100) / 100:g} to fill them" if some_are_here else ""
    raise Edge2TorchError(
        f"{len(absent):,} of {n_features:,} features of the model are missing in {where}: {some(absent)}. See that "
        f"both use the same names, gene symbols or Ensembl ids, and that genes were not filtered out{lower}"
    )
