"""``e2t.tl.predict``."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.cells import Cells, choose_matrix
from edge2torch.get import model as get_model
from edge2torch.training import predict_proba

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData


def predict(
    adata: AnnData | MuData, reference: AnnData | MuData | None = None, *, key: str = _keys.DEFAULT, copy: bool = False
) -> AnnData | MuData | None:
    """Predict the class of cells with a trained model.

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
    ``None``, or the copy. Sets ``adata.obs[key + "_pred"]`` (class) and ``adata.obsm[key + "_proba"]`` (probabilities,
    cells x outputs). With a ``reference``, its graph, nodes, params and model are copied to ``adata.uns[key]``, too.

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
    model, artifact = get_model(source, key=key)
    fit_params = _slots.params(source, key, "fit")
    cells = fitted_cells(adata, artifact.feature_names, fit_params)
    proba = predict_proba(model, cells)
    nodes = _slots.nodes_table(source, key)
    class_of = dict(zip(nodes["node"], nodes["label"], strict=True))
    predicted = [class_of[artifact.output_nodes[i]] for i in proba.argmax(axis=1)]
    keys = _keys.Keys(key)
    adata = adata.copy() if copy else adata
    carried = {}
    if reference is not None:
        parts = (_keys.GRAPH, _keys.NODES, _keys.MODEL, _keys.PARAMS)
        carried = {part: deepcopy(_slots.results(source, key, part, "e2t.tl.fit")) for part in parts}
        carried[_keys.PARAMS].pop("interpret", None)
    _slots.write(
        adata,
        key,
        uns=carried,
        obs={keys.pred: prediction(adata, predicted, fit_params["classes"], str(fit_params["target"]))},
        obsm={keys.proba: proba},
        stale=keys.of_build._replace(steps=()) if carried else _keys.NOTHING,
    )
    return adata if copy else None


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
