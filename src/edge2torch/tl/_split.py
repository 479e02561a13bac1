"""Parts of the split, as ``tl.fit`` is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge2torch.errors import Edge2TorchError, some
from edge2torch.tl._target import read_groups
from edge2torch.training import PARTS, split_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.training import Target


def split_of(
    adata: AnnData | MuData, split: Sequence[float] | str, groups: str | None, target: Target, random_state: int
) -> npt.NDArray[np.object_]:
    """Part of the split of each cell, see :func:`fit`."""
    if isinstance(split, str):
        if groups is not None:
            raise Edge2TorchError(f"split={split!r} names the parts, so groups={groups!r} has nothing to say: pass one")
        return _given_split(adata, split)
    donors = None if groups is None else read_groups(adata, groups)
    return split_cells(split, random_state, n_cells=adata.n_obs, labels=target.strata, groups=donors)


def _given_split(adata: AnnData | MuData, column: str) -> npt.NDArray[np.object_]:
    if column not in adata.obs:
        raise Edge2TorchError(f"split={column!r} is not a column of adata.obs; it has {some(adata.obs)}")
    part = np.asarray(adata.obs[column].astype(object))
    wrong = sorted({str(name) for name in part} - set(PARTS))
    if wrong:
        raise Edge2TorchError(f"adata.obs[{column!r}] holds {some(wrong)}; it may hold {some(PARTS)}")
    for name in ("train", "validation"):
        if not (part == name).any():
            raise Edge2TorchError(f"adata.obs[{column!r}] has no cell with {name!r}")
    return part
