"""What cells are compared with when they are explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from edge2torch.cells import gene_means
from edge2torch.errors import Edge2TorchError, did_you_mean, some
from edge2torch.graph import locate

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt
    from torch import Tensor

    from edge2torch.cells import Cells


def find_baseline(baseline: str | npt.ArrayLike, cells: Cells, groups: pd.Categorical | None) -> Tensor | None:
    """Find the reference input, shape (n, inputs); ``None`` for zero.

    Parameters
    ----------
    baseline
        ``"zero"``, ``"mean"``, a group, or values: a table by gene, or an array in the order of the inputs.
    cells
        The cells.
    groups
        Group of each cell; ``None`` if there are none.
    """
    if isinstance(baseline, str):
        if baseline == "zero":
            return None
        return _mean(cells, _rows(baseline, pd.Categorical([None] * len(cells)) if groups is None else groups))
    if isinstance(baseline, pd.Series | pd.DataFrame):
        table = baseline.to_frame().T if isinstance(baseline, pd.Series) else baseline
        baseline = table.iloc[:, locate(cells.features, table.columns, "baseline")].to_numpy()
    return _checked(baseline, len(cells.features))


def name_of(baseline: str | npt.ArrayLike) -> str:
    """What is noted of a baseline."""
    return baseline if isinstance(baseline, str) else "array"


def _rows(baseline: str, groups: pd.Categorical) -> npt.NDArray[np.intp]:
    """Cells whose mean is the baseline."""
    if baseline == "mean":
        return np.arange(len(groups))
    names = [str(name) for name in groups.categories]
    if baseline not in names:
        raise Edge2TorchError(
            f"baseline={baseline!r} must be 'zero', 'mean', a group of cells or an array; the groups are "
            f"{some(names, 20)}{did_you_mean(baseline, ['zero', 'mean', *names])}"
        )
    return np.flatnonzero(groups.codes == names.index(baseline))


def _mean(cells: Cells, rows: npt.NDArray[np.intp]) -> Tensor:
    return torch.from_numpy(gene_means(cells, rows).astype(np.float32).reshape(1, -1))


def _checked(baseline: Any, n_inputs: int) -> Tensor:
    try:
        array = np.atleast_2d(np.array(baseline, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(
            f"baseline must be 'zero', 'mean', a group of cells or an array of numbers: {error}"
        ) from error
    if array.ndim != 2 or array.shape[1] != n_inputs or not np.isfinite(array).all():
        raise Edge2TorchError(
            f"baseline must hold {n_inputs:,} finite numbers, one per input; its shape is {array.shape}"
        )
    return torch.from_numpy(array)
