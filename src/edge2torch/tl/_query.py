"""Cells as a trained model reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch._notes import note
from edge2torch.cells import Cells, choose_matrix, matrix_names
from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData


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
