"""Which group and which donor a cell belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from edge2torch._checks import check_whole
from edge2torch.errors import Edge2TorchError, some

#: groups that are made if nothing says how many
N_GROUPS = 4
REST = "rest"


def group_shares(groups: Any, active: Any) -> dict[str, float]:
    """Say which groups there are, and which share of the cells each has.

    Examples
    --------
    >>> group_shares(2, None)
    {'group_1': 0.5, 'group_2': 0.5}
    >>> group_shares(None, {"T": ["TBX21"]})
    {'T': 0.5, 'rest': 0.5}
    """
    if groups is None and isinstance(active, Mapping) and active:
        names = [str(name) for name in active]
        groups = names if len(names) > 1 else [*names, f"not {names[0]}" if names[0] == REST else REST]
    if groups is None or (isinstance(groups, Integral) and not isinstance(groups, bool)):
        n = N_GROUPS if groups is None else groups
        check_whole("groups", n, least=2)
        groups = [f"group_{k + 1}" for k in range(int(n))]
    if not isinstance(groups, Mapping | Sequence) or isinstance(groups, str):
        raise Edge2TorchError(
            f"groups={groups!r} must be a number, a list of names, or a dict from name to share of the cells"
        )
    share = groups if isinstance(groups, Mapping) else dict.fromkeys(groups, 1.0)
    if len(share) < len(groups) or len({str(name) for name in share}) < len(share) or len(share) < 2:
        raise Edge2TorchError(f"groups must be at least two different names, not {some(groups)}")
    wrong = [name for name, part in share.items() if not isinstance(part, Real) or not 0 < float(part) < np.inf]
    if wrong:
        raise Edge2TorchError(f"groups: the shares of {some(wrong)} are not positive, finite numbers")
    total = sum(float(part) for part in share.values())
    return {str(name): float(part) / total for name, part in share.items()}


def assign_groups(n_cells: int, shares: Mapping[str, float], generator: Any) -> npt.NDArray[np.intp]:
    """Give each cell a group, in random order; numbers of cells are the shares up to rounding."""
    ends = np.rint(np.cumsum(list(shares.values())) * n_cells).astype(np.intp)
    sizes = np.diff(ends, prepend=0)
    empty = [name for name, size in zip(shares, sizes, strict=True) if size == 0]
    if empty:
        raise Edge2TorchError(f"n_cells={n_cells} leaves no cell to {len(empty)} groups: {some(empty)}")
    return np.asarray(generator.permutation(np.repeat(np.arange(sizes.size), sizes)))


def assign_donors(group: npt.NDArray[np.intp], n_donors: int, nested: bool) -> npt.NDArray[np.intp]:
    """Give each cell a donor: every donor has cells of all groups or, ``nested``, of one."""
    n_groups = int(group.max()) + 1
    if nested and n_donors < n_groups:
        raise Edge2TorchError(
            f"n_donors={n_donors} is less than the {n_groups} groups, and nested=True gives each donor one group"
        )
    donor = np.empty_like(group)
    for k in range(n_groups):
        cells = np.flatnonzero(group == k)
        own = np.arange(k, n_donors, n_groups) if nested else np.arange(n_donors)
        if cells.size < own.size:
            raise Edge2TorchError(f"a group of {cells.size} cells is too small for {own.size} donors: raise n_cells")
        donor[cells] = own[np.arange(cells.size) % own.size]
    return donor


def describe_cells(
    counts: sp.csr_matrix, groups: list[str], group: npt.NDArray[np.intp], donor: npt.NDArray[np.intp] | None
) -> pd.DataFrame:
    """Make the table of cells."""
    obs = pd.DataFrame(index=[f"cell_{k + 1}" for k in range(group.size)])
    obs["group"] = pd.Categorical.from_codes(group.tolist(), pd.Index(groups))
    if donor is not None:
        donors = pd.Index([f"donor_{k + 1}" for k in range(int(donor.max()) + 1)])
        obs["donor"] = pd.Categorical.from_codes(donor.tolist(), donors)
    obs["n_counts"] = np.asarray(counts.sum(axis=1), dtype=np.int64).ravel()
    return obs
