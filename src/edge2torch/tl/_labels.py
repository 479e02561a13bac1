"""Classes in a column of ``obs``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@dataclass(frozen=True, eq=False)
class Labels:
    """Classes and which one each cell belongs to.

    Attributes
    ----------
    classes
        Names of the classes that occur, in the order of the categories.
    codes
        Position in ``classes`` per cell.
    """

    classes: list[str]
    codes: npt.NDArray[np.int64]


def read_labels(adata: AnnData | MuData, target: str) -> Labels:
    """Read the classes of the cells.

    Raises
    ------
    Edge2TorchError
        If the column does not exist, holds numbers instead of classes, has missing values, fewer than two classes, or a
        class with a single cell.
    """
    if not isinstance(target, str) or target not in adata.obs:
        raise Edge2TorchError(f"target={target!r} is not a column of adata.obs; it has {some(adata.obs)}")
    column = adata.obs[target]
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        raise Edge2TorchError(
            f"adata.obs[{target!r}] holds numbers; if they are classes: "
            f"adata.obs[{target!r}] = adata.obs[{target!r}].astype(str).astype('category')"
        )
    missing = int(column.isna().sum())
    if missing:
        raise Edge2TorchError(
            f"adata.obs[{target!r}] is missing in {missing:,} of {len(column):,} cells: "
            f"fit on adata[adata.obs[{target!r}].notna()].copy() and predict the others"
        )
    categories = column.astype("category").cat.remove_unused_categories()
    names = [str(name) for name in categories.cat.categories]
    codes = categories.cat.codes.to_numpy().astype(np.int64)
    if len(set(names)) != len(names):
        raise Edge2TorchError(
            f"adata.obs[{target!r}] has classes that are different objects with the same text: {some(names)}"
        )
    if len(names) < 2:
        raise Edge2TorchError(f"adata.obs[{target!r}] holds one class, {some(names)}: there is nothing to tell apart")
    single = [names[i] for i in np.flatnonzero(np.bincount(codes) < 2)]
    if single:
        raise Edge2TorchError(
            f"{len(single)} classes in adata.obs[{target!r}] have a single cell: {some(single)}; "
            "merge them with others or leave these cells out"
        )
    return Labels(names, codes)
