"""What is kept of each cell."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from edge2torch import _keys
    from edge2torch.tl._scores import Scored


class Rows:
    """A float32 array (cells, columns) that is filled from the first row to the last.

    Parameters
    ----------
    shape
        Its shape.
    folder
        Where to keep it, in a file without a name, so that it need not fit into memory; ``None`` for memory.
    """

    def __init__(self, shape: tuple[int, int], folder: Path | None = None) -> None:
        self._shape = shape
        self._n = 0
        self._array = np.empty(shape if folder is None else (0, 0), dtype=np.float32)
        self._file = None if folder is None else TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`

    def append(self, values: Tensor) -> None:
        """Fill the next rows."""
        rows = np.ascontiguousarray(values.numpy(), dtype=np.float32)
        if self._file is None:
            self._array[self._n : self._n + len(rows)] = rows
        else:
            self._file.write(rows.data)
        self._n += len(rows)

    def array(self) -> npt.NDArray[np.float32]:
        """Return the array: an ordinary one, whose values are read from the file when they are looked at."""
        if self._file is None:
            return self._array
        if 0 in self._shape:  # no such file can be mapped
            return np.zeros(self._shape, dtype=np.float32)
        self._file.flush()
        # what is changed in memory stays in memory
        return np.memmap(self._file, dtype=np.float32, mode="c", shape=self._shape).view(np.ndarray)

    def close(self) -> None:
        """Close the file; it is there as long as the array is."""
        if self._file is not None:
            self._file.close()


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
        self._slots = {name: Rows((n_cells, width), folder) for name, width in widths.items()}

    def add(self, scored: Scored) -> None:
        """Add the next cells."""
        for name, rows in self._slots.items():
            if name == self._keys.activations:
                rows.append((self._signs * scored.states).mean(dim=0)[:, self._hidden])
            elif name == self._keys.nodes:
                rows.append(scored.nodes[0][:, self._hidden])
            else:
                rows.append(scored.features[0])

    def __enter__(self) -> PerCell:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close files; arrays stay."""
        for rows in self._slots.values():
            rows.close()

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return what ``obsm`` is to hold."""
        return {name: rows.array() for name, rows in self._slots.items()}
