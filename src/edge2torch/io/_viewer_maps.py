"""Maps of cells that a viewer can show: two coordinates per cell."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

#: principal components that neighbours are found by
COMPONENTS = 50


def known_maps(adata: AnnData | MuData) -> tuple[dict[str, npt.NDArray[np.float32]], list[str]]:
    """Maps in ``obsm``: all with two columns, and the first two of PCA; and those left out, and why."""
    maps, left_out = {}, []
    for name, value in adata.obsm.items():
        if not str(name).startswith("X_"):
            continue
        found = _as_map(str(name), value)
        if isinstance(found, str):
            left_out.append(f"{name!r} ({found})")
        else:
            maps[str(name)] = found
    return maps, left_out


def _as_map(name: str, value: Any) -> npt.NDArray[np.float32] | str:
    array = value.to_numpy() if isinstance(value, pd.DataFrame) else value
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu":
        return "no array of numbers"
    if array.shape[1] != 2 and not (name == "X_pca" and array.shape[1] > 2):
        return f"{array.shape[1]} columns, not 2"
    places = array[:, :2].astype(np.float32)
    if np.isinf(places).any() or np.isnan(places).all():
        return "values that are not finite"
    return places


def check_maps(maps: dict[str, Any], name: str, embedding: str | None) -> None:
    """Raise if a map cannot have its name, or there is none."""
    if embedding is None and not maps:
        raise Edge2TorchError("cellxgene needs a map of the cells, and adata.obsm has none: pass embedding='umap'")
    if embedding is not None and name in maps:
        raise Edge2TorchError(f"adata.obsm has {name!r} already: rename it, or pass embedding=None to show that one")


def node_map(scores: AnnData, method: str, random_state: int) -> npt.NDArray[np.float32]:
    """Map cells by the scores of all nodes: (cells, 2), NaN for cells without scores."""
    import scanpy as sc
    from anndata import AnnData

    there = ~np.isnan(scores.X).any(axis=1)
    cells = AnnData(scores.X[there])
    n_components = min(COMPONENTS, *(size - 1 for size in cells.shape))
    places = np.full((scores.n_obs, 2), np.nan, dtype=np.float32)
    if n_components > 1:
        sc.pp.pca(cells, n_comps=n_components, random_state=random_state)
        components = cells.obsm["X_pca"]
    else:
        components = np.pad(cells.X[:, :2], ((0, 0), (0, 2 - min(cells.n_vars, 2))))
    places[there] = components[:, :2] if method == "pca" else _umap(components, random_state)
    return places


def _umap(components: npt.NDArray[np.float32], random_state: int) -> npt.NDArray[np.float32]:
    """Start from the first two components, which is faster than from a spectrum, and keeps the large distances."""
    import torch

    n_threads = torch.get_num_threads()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(Tensorflow not installed|n_jobs value)")  # with a seed, it uses one job
            from umap import UMAP

            return np.asarray(UMAP(init=components[:, :2], random_state=random_state).fit_transform(components))
    finally:
        torch.set_num_threads(n_threads)  # numba, which umap uses, sets that of all
