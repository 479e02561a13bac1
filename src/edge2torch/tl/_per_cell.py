"""What is kept of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge2torch._rows import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from edge2torch import _keys
    from edge2torch.tl._scores import Scored


class PerCell:
    """Scores and states of each cell, of which some are added at a time, in order.

    Parameters
    ----------
    keys
        Names of the slots.
    widths
        Slots to fill, and how many columns each has.
    hidden
        Where hidden nodes are among the nodes behind the inputs.
    signs
        Of the states in each replicate, see :func:`edge2torch.tl._scores.find_signs`.
    n_cells
        How many cells there are.
    folder
        Where to keep what need not fit into memory; ``None`` for memory.

    Attributes
    ----------
    slots
        What ``obsm`` is to hold.
    """

    def __init__(
        self,
        keys: _keys.Keys,
        widths: Mapping[str, int],
        *,
        hidden: npt.NDArray[np.intp],
        signs: Tensor,
        n_cells: int,
        folder: Path | None,
    ) -> None:
        self._keys = keys
        self._hidden = hidden
        self._signs = signs
        self.slots = {name: Rows((n_cells, width), folder) for name, width in widths.items()}

    def add(self, scored: Scored) -> None:
        """Add the next cells."""
        for name, rows in self.slots.items():
            if name == self._keys.activations:
                rows.append((self._signs * scored.states).mean(dim=0)[:, self._hidden].numpy())
            elif name == self._keys.nodes:
                rows.append(scored.nodes[0][:, self._hidden].numpy())
            else:
                rows.append(scored.features[0].numpy())

    def __enter__(self) -> PerCell:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close files."""
        for rows in self.slots.values():
            rows.close()
