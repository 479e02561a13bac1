"""Groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, did_you_mean, some
from edge2torch.training import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

Otherwise = TypeVar("Otherwise")


def find_groups(
    adata: AnnData | MuData, groupby: str | None, fit_params: Mapping[str, Any], otherwise: Callable[[], Otherwise]
) -> pd.Categorical[Any] | Otherwise:
    """Find the group of each cell: a column of ``obs``, by default the classes of the fit.

    Parameters
    ----------
    adata
        The cells.
    groupby
        The column.
    fit_params
        What the model was fitted with.
    otherwise
        Gives the groups where no column is named, and the model predicts no classes or there is no column with them.

    Raises
    ------
    Edge2TorchError
        If there is no such column, or it has no values.
    """
    column = groupby
    if groupby is None:
        column = str(fit_params["target"]) if str(fit_params["task"]) == CLASSES else None
        if column is None or column not in adata.obs:
            return otherwise()
    if not isinstance(column, str) or column not in adata.obs:
        raise Edge2TorchError(
            f"groupby={column!r} is not a column of adata.obs; it has {some(adata.obs)}"
            f"{did_you_mean(column, adata.obs)}"
        )
    groups: pd.Categorical[Any] = pd.Categorical(adata.obs[column].astype("category").cat.remove_unused_categories())
    if not len(groups.categories):
        raise Edge2TorchError(f"groupby={column!r} has no values in adata.obs")
    return groups


def pick_cells(groups: pd.Categorical[Any], n_cells: int | None, random_state: int) -> npt.NDArray[np.intp]:
    """Draw at most some cells of each group, in their order; ``None`` for all that have a group."""
    if n_cells is None:
        return np.flatnonzero(groups.codes >= 0)
    random = np.random.default_rng(random_state)
    of_groups = [np.flatnonzero(groups.codes == code) for code in range(len(groups.categories))]
    return np.sort(np.concatenate([random.permutation(rows)[:n_cells] for rows in of_groups]))
