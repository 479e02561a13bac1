"""``e2t.tl.interpret``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from edge2torch import _keys, _slots
from edge2torch.attribution import Request, feature_scores, find_pair, node_scores, one_table
from edge2torch.cells import feature_names, gene_means
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get._model import models
from edge2torch.tl._predictions import scale_of
from edge2torch.tl._query import fitted_cells
from edge2torch.training import CLASSES, NUMBERS, predict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData
    from torch import Tensor

    from edge2torch.attribution import Method
    from edge2torch.cells import Cells
    from edge2torch.nn import EdgeModel

#: cells whose scores are computed before the next ones are read
CELLS_AT_ONCE = 1024
UNRECORDED = ("adata", "key", "copy")


def interpret(
    adata: AnnData | MuData,
    *,
    method: str | None = None,
    target: str = "label",
    baseline: str | npt.ArrayLike = "zero",
    n_steps: int = 20,
    groupby: str | None = None,
    cell_features: bool = False,
    batch_size: int | None = None,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Score genes and hidden nodes: how much each contributes to the class of each cell.

    Parameters
    ----------
    adata
        Cells by genes, with a model from :func:`edge2torch.tl.fit`.
    method
        A method of Captum that exists for features and for layers: ``"IntegratedGradients"`` (with
        ``LayerConductance``; the default), ``"DeepLift"``, ``"GradientShap"``, ``"InputXGradient"``, ...
    target
        Which class is explained in a cell: its own (``"label"``), the ``"predicted"`` one, or one for all, by name. Of
        labels and numbers, one by name; where there is only one, it need not be named.
    baseline
        Reference input: ``"zero"``, ``"mean"`` (of all cells), or an array (inputs,) or (n, inputs), in the order of
        the inputs in ``uns[key]["nodes"]``.
    n_steps
        Steps along the path from the baseline, for methods that integrate along one.
    groupby
        Column of ``adata.obs`` over whose groups node scores are averaged; ``None`` for the target of the fit or, where
        there is no such column, the classes that are explained.
    cell_features
        Whether to keep the scores of the genes for each cell, too.
    batch_size
        Cells in one call of Captum; by default as many as make cells x steps about 4,000.
    random_state
        Seed for methods that sample.
    key
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Scores are in units of the logit, or of the number; of replicates, their mean. Sets:

    ``adata.obsm[key + "_nodes"]``
        Cells x hidden nodes, in the order of ``uns[key]["nodes"]``; see :func:`edge2torch.get.nodes`.
    ``adata.varm[key + "_features"]``
        Genes x outputs: mean score of a gene for a class over the cells that were explained for it; 0 for genes that
        the graph does not use, NaN for classes that were not explained. See :func:`edge2torch.get.features`.
    ``adata.uns[key]["rank_nodes"]``
        ``group``, ``node``, ``layer``, ``score``: mean over the cells of a group, highest first.
    ``adata.obsm[key + "_features"]``
        With ``cell_features``: cells x inputs, in the order of ``uns[key]["nodes"]``.

    Raises
    ------
    Edge2TorchError
        If there is no model, or an argument cannot be used; nothing is written then.

    References
    ----------
    Integrated gradients: Sundararajan et al. 2017 (arXiv:1703.01365). Conductance: Dhamdhere et al. 2018
    (arXiv:1805.12233).

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> e2t.get.nodes(adata).shape
    (700, 39)
    """
    called = {name: value for name, value in locals().items() if name not in UNRECORDED}
    _slots.check_adata(adata, copy=copy)
    methods = find_pair(method)
    replicates, artifact = models(adata, key=key)
    if not adata.n_obs:
        raise Edge2TorchError("adata has no cells: there is nothing to interpret")
    fit_params = _slots.params(adata, key, "fit")
    cells = fitted_cells(adata, artifact.feature_names, fit_params)
    nodes = _slots.nodes_table(adata, key)
    explained = _explained(adata, target, fit_params, nodes, lambda: _predicted(replicates, cells))
    groups = _groups(adata, groupby, _column_of_classes(fit_params), explained, nodes)
    request = Request(
        baseline=_baseline(baseline, cells), n_steps=n_steps, batch_size=batch_size, random_state=random_state
    )
    features, of_nodes = _scores(replicates, methods, cells, explained, request)
    if str(fit_params["task"]) == NUMBERS:  # the model works with deviations from the mean
        unit = _units(fit_params, nodes)[explained][:, None]
        features, of_nodes = features * unit, of_nodes * unit
    hidden = np.flatnonzero(nodes["kind"] == "hidden")
    scores = np.ascontiguousarray(of_nodes[:, hidden - len(artifact.feature_names)])
    keys = _keys.Keys(key)
    adata = adata.copy() if copy else adata
    _slots.write(
        adata,
        key,
        called={
            "interpret": {
                **called,
                "method": methods[0].name,
                "method_nodes": methods[1].name,
                "baseline": baseline if isinstance(baseline, str) else "array",
            }
        },
        uns={_keys.RANK_NODES: rank_nodes(scores, groups, nodes.iloc[hidden])},
        obsm={keys.nodes: scores, **({keys.features: features} if cell_features else {})},
        varm={
            keys.features: _mean_per_class(adata, features, artifact.feature_names, explained, artifact.output_nodes)
        },
        stale=keys.of_interpret,
    )
    return adata if copy else None


def _explained(
    adata: AnnData | MuData,
    target: str,
    fit_params: Mapping[str, Any],
    nodes: pd.DataFrame,
    predict: Callable[[], npt.NDArray[np.int64]],
) -> npt.NDArray[np.int64]:
    """Find the output that is explained in each cell."""
    outputs = nodes.loc[nodes["kind"] == "output", "label"].tolist()
    if len(outputs) == 1 and target == "label":
        target = outputs[0]
    if str(fit_params["task"]) != CLASSES and target in ("label", "predicted"):
        raise Edge2TorchError(
            f"target={target!r} is for one class per cell, but the model predicts {len(outputs):,} "
            f"{fit_params['task']}: name one of them, {some(outputs, 20)}"
        )
    if target == "predicted":
        return predict()
    if target != "label":
        if not isinstance(target, str) or target not in outputs:
            raise Edge2TorchError(f"target={target!r} must be 'label', 'predicted' or a class: {some(outputs, 20)}")
        return np.full(adata.n_obs, outputs.index(target), dtype=np.int64)
    column = str(fit_params["target"])
    if column not in adata.obs:
        raise Edge2TorchError(f"adata.obs has no {column!r}, the target of the fit: use target='predicted' or a class")
    codes = pd.Index(outputs).get_indexer(adata.obs[column].astype(object).map(str, na_action="ignore"))
    if (codes < 0).any():
        unknown = adata.obs[column][codes < 0].astype(object).unique()
        raise Edge2TorchError(
            f"{int((codes < 0).sum()):,} cells have labels in adata.obs[{column!r}] that the model does not know: "
            f"{some(unknown)}; use target='predicted' or a class"
        )
    return np.asarray(codes, dtype=np.int64)


def _column_of_classes(fit_params: Mapping[str, Any]) -> str:
    """Column of ``obs`` with the classes that the model was fitted to; empty if it was fitted to something else."""
    return str(fit_params["target"]) if str(fit_params["task"]) == CLASSES else ""


def _units(fit_params: Mapping[str, Any], nodes: pd.DataFrame) -> npt.NDArray[np.float32]:
    """Deviation of the numbers that the model predicts, in the order of its outputs."""
    names = [str(name) for name in fit_params["outputs"]]
    std = scale_of(fit_params).std
    outputs = nodes.loc[nodes["kind"] == "output", "label"]
    return np.array([std[names.index(str(name))] for name in outputs], dtype=np.float32)


def _groups(
    adata: AnnData | MuData, groupby: str | None, fitted: str, explained: npt.NDArray[np.int64], nodes: pd.DataFrame
) -> pd.Categorical:
    """Groups of cells: a column of ``obs``, by default the target of the fit or, without it, the explained classes."""
    if groupby is None and fitted not in adata.obs:
        outputs = nodes.loc[nodes["kind"] == "output", "label"].to_numpy()
        return pd.Categorical(outputs[explained])
    column = fitted if groupby is None else groupby
    if column not in adata.obs:
        raise Edge2TorchError(f"groupby={column!r} is not a column of adata.obs; it has {some(adata.obs)}")
    groups = pd.Categorical(adata.obs[column].astype("category").cat.remove_unused_categories())
    if not len(groups.categories):
        raise Edge2TorchError(f"groupby={column!r} has no values in adata.obs")
    return groups


def _baseline(baseline: str | npt.ArrayLike, cells: Cells) -> Tensor | None:
    n_inputs = len(cells.features)
    if isinstance(baseline, str):
        if baseline not in ("zero", "mean"):
            raise Edge2TorchError(f"baseline={baseline!r} must be 'zero', 'mean' or an array")
        if baseline == "zero":
            return None
        return torch.from_numpy(gene_means(cells, np.arange(len(cells))).astype(np.float32).reshape(1, n_inputs))
    try:
        array = np.atleast_2d(np.array(baseline, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(f"baseline must be 'zero', 'mean' or an array of numbers: {error}") from error
    if array.ndim != 2 or array.shape[1] != n_inputs or not np.isfinite(array).all():
        raise Edge2TorchError(
            f"baseline must hold {n_inputs:,} finite numbers, one per input; its shape is {array.shape}"
        )
    return torch.from_numpy(array)


def _predicted(replicates: Sequence[EdgeModel], cells: Cells) -> npt.NDArray[np.int64]:
    """Position among the outputs of the class that is predicted."""
    return np.asarray(predict(replicates, cells, CLASSES).mean(axis=0).argmax(axis=1))


def _scores(
    replicates: Sequence[EdgeModel],
    methods: tuple[Method, Method],
    cells: Cells,
    explained: npt.NDArray[np.int64],
    request: Request,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Score inputs (cells, inputs) and all other nodes (cells, nodes behind the inputs), some cells at a time.

    Scores are means over replicates.
    """
    of_features, of_nodes = [], []
    at_once = len(cells) if methods[0].cells_at_once == "all" else CELLS_AT_ONCE
    for start in range(0, len(cells), at_once):
        rows = np.arange(start, min(start + at_once, len(cells)))
        asked = replace(request, output=torch.as_tensor(explained[rows]))
        x = cells[rows][0]
        of_features.append(_mean(feature_scores(model, methods[0], x, asked) for model in replicates))
        of_nodes.append(_mean(one_table(model, node_scores(model, methods[1], x, asked)) for model in replicates))
    return np.concatenate(of_features), np.concatenate(of_nodes)


def _mean(scores: Iterable[Tensor]) -> npt.NDArray[np.float32]:
    return torch.stack(list(scores)).mean(dim=0).numpy()


def _mean_per_class(
    adata: AnnData | MuData,
    features: npt.NDArray[np.float32],
    names: Sequence[str],
    explained: npt.NDArray[np.int64],
    outputs: Sequence[str],
) -> npt.NDArray[np.float32]:
    """Average the scores of genes over the cells that were explained for each class, (genes, outputs)."""
    mean = np.zeros((adata.n_vars, len(outputs)), dtype=np.float32)
    rows = feature_names(adata).get_indexer(pd.Index(names))
    for k in range(len(outputs)):
        here = explained == k
        if here.any():
            mean[rows[rows >= 0], k] = features[here][:, rows >= 0].mean(axis=0)
        else:
            mean[:, k] = np.nan
    return mean


def rank_nodes(scores: npt.NDArray[np.float32], groups: pd.Categorical, nodes: pd.DataFrame) -> pd.DataFrame:
    """Average node scores over the cells of each group, highest first.

    Parameters
    ----------
    scores
        Cells x nodes.
    groups
        Group per cell; cells without one are left out.
    nodes
        Row per node: ``node``, ``layer``.

    Returns
    -------
    ``group``, ``node``, ``layer``, ``score``.
    """
    parts = [
        pd.DataFrame(
            {
                "group": str(name),
                "node": nodes["node"].to_numpy(),
                "layer": nodes["layer"].to_numpy(),
                "score": scores[groups.codes == code].mean(axis=0),
            }
        ).sort_values("score", ascending=False, kind="stable")
        for code, name in enumerate(groups.categories)
    ]
    return pd.concat(parts, ignore_index=True)
