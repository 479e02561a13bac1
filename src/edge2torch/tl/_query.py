"""Cells as a trained model reads them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from edge2torch._notes import caller_level, note
from edge2torch.cells import Cells, LoadedCells, choose_matrix, feature_names, is_counts, is_whole, matrix_names
from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

AnyCells = TypeVar("AnyCells", Cells, LoadedCells)


def find_cells(
    adata: AnnData | MuData,
    loader: Iterable[Mapping[str, Any]] | None,
    features: Sequence[str],
    targets: npt.NDArray[Any],
    settings: Mapping[str, Any],
) -> Cells | LoadedCells:
    """Cells to train on: those of an AnnData, or those that a loader serves.

    Parameters
    ----------
    adata, loader
        Where they are.
    features
        Inputs of the model.
    targets
        What is known of each cell of ``adata``.
    settings
        Arguments of ``tl.fit``.
    """
    layer, use_raw = settings["layer"], settings["use_raw"]
    if loader is None:
        matrix, names = choose_matrix(adata, layer, use_raw, features)
        return Cells(matrix, list(names), features, targets, where=_where(use_raw=use_raw))
    _check_alone(layer, use_raw=use_raw)
    return LoadedCells(loader, list(feature_names(adata)), features, targets, obs_names=adata.obs_names)


def _where(*, use_raw: bool) -> str:
    return "adata.raw.var_names" if use_raw else "adata.var_names"


def _check_alone(layer: object, *, use_raw: bool) -> None:
    if layer is not None or use_raw:
        raise Edge2TorchError(
            "cells= serves the values, so layer= and use_raw= have nothing to say: leave them out, and let the loader "
            "serve that layer"
        )


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
    where = _where(use_raw=use_raw)
    wanted, fill = _find(matrix_names(adata, use_raw), features, nodes, min_coverage, where)
    matrix, names = choose_matrix(adata, None if layer is None else str(layer), use_raw, wanted)
    cells = _noted(Cells(matrix, list(names), features, where=where, fill=fill), wanted, where)
    _compare_counts(cells, wanted, fit_params)
    return cells


def loaded_cells(
    adata: AnnData | MuData,
    loader: Iterable[Mapping[str, Any]],
    features: Sequence[str],
    fit_params: Mapping[str, Any],
    *,
    nodes: pd.DataFrame,
    min_coverage: float,
) -> LoadedCells:
    """Cells from a loader, for a trained model; see :func:`fitted_cells`."""
    names, where = feature_names(adata), _where(use_raw=False)
    wanted, fill = _find(names, features, nodes, min_coverage, where)
    loaded = LoadedCells(loader, list(names), features, obs_names=adata.obs_names, where=where, fill=fill)
    cells = _noted(loaded, wanted, where)
    _compare_counts(cells, wanted, fit_params)
    return cells


def _find(
    names: Iterable[str], features: Sequence[str], nodes: pd.DataFrame | None, min_coverage: float, where: str
) -> tuple[list[str], npt.NDArray[np.float64] | None]:
    """Find which features to read, and what to fill the others with, if that is known."""
    known = pd.Index(features).isin(pd.Index(names))
    if known.all() or nodes is None or "mean" not in nodes:
        return list(features), None
    _check_coverage(np.array(features)[~known].tolist(), len(features), min_coverage, where)
    mean = nodes.set_index("node").loc[list(features), "mean"]
    return np.array(features)[known].tolist(), mean.to_numpy(dtype=np.float64)


def _noted(cells: AnyCells, read: Sequence[str], where: str) -> AnyCells:
    """Note which features were filled."""
    if len(read) < len(cells.features):
        filled = pd.Index(cells.features).difference(pd.Index(read), sort=False)
        note(
            f"{len(filled):,} of {len(cells.features):,} genes of the model are missing in {where}: {some(filled)}; "
            "they were filled with their mean over the training cells"
        )
    return cells


def _compare_counts(cells: Cells | LoadedCells, measured: Sequence[str], fit_params: Mapping[str, Any]) -> None:
    """Warn if the model was trained on log values and reads counts, or the other way round."""
    if "counts" not in fit_params:  # of a version that did not note it
        return
    head = cells.head()[:, np.flatnonzero(pd.Index(cells.features).isin(pd.Index(measured)))]
    trained_on_counts = bool(fit_params["counts"])
    if is_counts(head) and not trained_on_counts:
        what = (
            "the cells look like raw counts, and those that the model was trained on did not: transform them as those"
        )
    elif trained_on_counts and head.shape[0] and not is_whole(head):
        what = "the model was trained on what looked like raw counts, and these cells are none: call e2t.tl.fit again"
    else:
        return
    warnings.warn(f"{what}. What comes out means little", UserWarning, stacklevel=caller_level())


def _check_coverage(absent: Sequence[str], n_features: int, min_coverage: float, where: str) -> None:
    coverage, some_are_here = 1 - len(absent) / n_features, len(absent) < n_features
    if coverage >= min_coverage and some_are_here:
        return
    lower = f"; or pass min_coverage={np.floor(coverage * 100) / 100:g} to fill them" if some_are_here else ""
    raise Edge2TorchError(
        f"{len(absent):,} of {n_features:,} features of the model are missing in {where}: {some(absent)}. See that "
        f"both use the same names, gene symbols or Ensembl ids, and that genes were not filtered out{lower}"
    )
