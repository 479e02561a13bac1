"""Groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from edge2torch.errors import Edge2TorchError, did_you_mean, some
from edge2torch.training import CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData

    from edge2torch.tl._explained import Explained


def find_groups(
    adata: AnnData | MuData, groupby: str | None, fit_params: Mapping[str, Any], explained: Explained
) -> pd.Categorical | None:
    """Find groups of cells: by a column of ``obs``, by default the target of the fit or, without it, what is explained.

    Parameters
    ----------
    adata
        The cells.
    groupby
        The column.
    fit_params
        What the model was fitted with.
    explained
        What is explained in the cells.

    Returns
    -------
    Group of each cell; ``None`` if all cells are a group for each output.
    """
    fitted = str(fit_params["target"]) if str(fit_params["task"]) == CLASSES else ""
    if groupby is None and fitted not in adata.obs:
        if explained.output is None:
            return None
        return pd.Categorical([explained.labels[k] for k in explained.output])
    column = fitted if groupby is None else groupby
    if column not in adata.obs:
        raise Edge2TorchError(
            f"groupby={column!r} is not a column of adata.obs; it has {some(adata.obs)}"
            f"{did_you_mean(column, adata.obs)}"
        )
    groups = pd.Categorical(adata.obs[column].astype("category").cat.remove_unused_categories())
    if not len(groups.categories):
        raise Edge2TorchError(f"groupby={column!r} has no values in adata.obs")
    return groups
