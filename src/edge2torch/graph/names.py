"""Finding names in a list of names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch.errors import Edge2TorchError, some


def locate(wanted: Sequence[str], available: Sequence[str] | pd.Index, what: str = "data") -> npt.NDArray[np.intp]:
    """Position of every wanted name among the available ones.

    Parameters
    ----------
    wanted
        Names to look for.
    available
        Names to look in; those that are not wanted may be repeated.
    what
        What holds the available names, for messages.

    Raises
    ------
    Edge2TorchError
        If a wanted name is missing, or there more than once.

    Examples
    --------
    >>> locate(["b", "a"], ["a", "b", "c"])
    array([1, 0])
    """
    names = pd.Index(np.asarray([str(name) for name in available], dtype=object))
    goal = pd.Index(np.asarray(wanted, dtype=object))
    found = names[names.isin(goal)]
    repeated = found[found.duplicated()].unique()
    if len(repeated):
        raise Edge2TorchError(
            f"{len(repeated):,} features occur more than once in {what} ({some(repeated)}): make their names unique"
        )
    positions = np.full(len(goal), -1, dtype=np.intp)
    where = np.flatnonzero(names.isin(goal))
    positions[goal.get_indexer(names[where])] = where
    missing = goal[positions < 0]
    if len(missing):
        raise Edge2TorchError(
            f"{len(missing):,} of {len(goal):,} features of the graph are missing in {what}: {some(missing)}; "
            "add them, or build the graph for these data"
        )
    return positions


def name_apart(names: Iterable[str], taken: Collection[str], suffix: str) -> dict[str, str]:
    """Give a suffix to names that are taken.

    Parameters
    ----------
    names
        Names to be used, all different.
    taken
        Names that others have.
    suffix
        What to append, again if the result is taken, too.

    Returns
    -------
    From each name to the one to use.

    Examples
    --------
    >>> name_apart(["CD4", "B"], {"CD4"}, " (output)")
    {'CD4': 'CD4 (output)', 'B': 'B'}
    """
    wanted = list(names)
    used = set(taken)
    apart = {name: name for name in wanted if name not in used}
    used.update(apart)
    for name in wanted:
        if name not in apart:
            free = name + suffix
            while free in used:
                free += suffix
            apart[name] = free
            used.add(free)
    return {name: apart[name] for name in wanted}
