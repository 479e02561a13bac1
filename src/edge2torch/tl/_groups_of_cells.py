"""Groups of cells and outputs that a summary is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.training import CLASSES

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData


def find_outputs(target: str | Sequence[str] | None, outputs: Sequence[str]) -> list[int]:
    """Find outputs by name; ``None`` for all.

    Raises
    ------
    Edge2TorchError
        If there is none of a name.
    """
    if target is None:
        return list(range(len(outputs)))
    names = [target] if isinstance(target, str) else list(target)
    unknown = [name for name in names if name not in outputs]
    if unknown or not names:
        close = get_close_matches(str(unknown[0]), outputs, n=3) if unknown else []
        hint = f"did you mean {some(close)}?" if close else f"there are {some(outputs, 20)}"
        raise Edge2TorchError(f"target={target!r} names {some(unknown) or 'nothing'}, which is no output; {hint}")
    return [k for k, name in enumerate(outputs) if name in names]


def find_groups(
    adata: AnnData | MuData,
    groupby: str | None,
    fit_params: Mapping[str, Any],
    predicted: Callable[[], pd.Categorical[Any]],
) -> pd.Categorical[Any]:
    """Group of each cell: a column of ``obs``, by default the target of the fit or else the class that is predicted.

    Raises
    ------
    Edge2TorchError
        If there is no such column, or it has no values.
    """
    is_class = str(fit_params["task"]) == CLASSES
    column = str(fit_params["target"]) if groupby is None and is_class else groupby
    if groupby is None and column not in adata.obs:
        if not is_class:
            return pd.Categorical(["all"] * adata.n_obs)
        return predicted()
    if not isinstance(column, str) or column not in adata.obs:
        raise Edge2TorchError(f"groupby={column!r} is not a column of adata.obs; it has {some(adata.obs)}")
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
