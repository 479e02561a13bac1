"""Cells of each group, and of each donor in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd


@dataclass(frozen=True, eq=False)
class Strata:
    """Cells of each group, or of each donor in each group, if there are donors.

    Attributes
    ----------
    names
        Of the groups.
    group
        Position of the group of each stratum in ``names``.
    rows
        Positions of the cells of each stratum.
    donors, n_cells, random_state
        What :meth:`of` was given.
    """

    names: list[str]
    group: npt.NDArray[np.intp]
    rows: list[npt.NDArray[np.intp]] = field(repr=False)
    donors: npt.NDArray[np.int64] | None
    n_cells: int | None
    random_state: int

    @classmethod
    def of(
        cls, groups: pd.Categorical, donors: npt.NDArray[np.int64] | None, n_cells: int | None, random_state: int
    ) -> Strata:
        """Sort cells.

        Parameters
        ----------
        groups
            Group of each cell; cells without one are left out.
        donors
            Number of the donor of each cell.
        n_cells
            Most cells of a group, of which each donor has its part; ``None`` for all.
        random_state
            Seed for drawing them.
        """
        random = np.random.default_rng(random_state)
        names: list[str] = []
        group: list[int] = []
        rows = []
        for code, name in enumerate(groups.categories):
            own = np.flatnonzero(groups.codes == code)
            each = [own] if donors is None else [own[donors[own] == donor] for donor in np.unique(donors[own])]
            most = own.size if n_cells is None else max(n_cells // max(len(each), 1), 1)
            for cells in each or [own]:
                group.append(len(names))
                rows.append(np.sort(random.permutation(cells)[:most]))
            names.append(str(name))
        return cls(names, np.asarray(group, dtype=np.intp), rows, donors, n_cells, random_state)

    def with_groups(self, groups: pd.Categorical) -> Strata:
        """The same for other groups with the same names; some may have no cells."""
        return Strata.of(groups.set_categories(self.names), self.donors, self.n_cells, self.random_state)

    def mean(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Average over the donors of each group: (strata, n) to (groups, n)."""
        return np.stack([values[self.group == g].mean(axis=0) for g in range(len(self.names))])
