"""Arrays that are filled row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import numpy.typing as npt

#: rows that are read at once
ROWS_AT_ONCE = 4096


class Rows:
    """A float32 array (cells, columns) that is filled from the first row to the last.

    Parameters
    ----------
    shape
        Its shape.
    folder
        Where to keep it, in a file without a name, so that it need not fit into memory; ``None`` for memory.

    Attributes
    ----------
    shape
        Its shape.
    """

    def __init__(self, shape: tuple[int, int], folder: Path | None = None) -> None:
        self.shape = shape
        self._n = 0
        self._array = np.empty(shape if folder is None else (0, 0), dtype=np.float32)
        self._file = None if folder is None else TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`

    def append(self, values: npt.NDArray[np.float32]) -> None:
        """Fill the next rows."""
        rows = np.ascontiguousarray(values, dtype=np.float32)
        if self._file is None:
            self._array[self._n : self._n + len(rows)] = rows
        else:
            self._file.write(rows.data)
        self._n += len(rows)

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Read all rows, some at a time."""
        n_rows, n_columns = self.shape
        if self._file is not None:
            self._file.seek(0)
        for start in range(0, n_rows, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, n_rows)
            if self._file is None:
                yield self._array[start:stop]
            else:
                size = (stop - start) * n_columns
                yield np.fromfile(self._file, dtype=np.float32, count=size).reshape(-1, n_columns)

    def array(self) -> npt.NDArray[np.float32]:
        """Return the array: an ordinary one, whose values are read from the file when they are looked at."""
        if self._file is None:
            return self._array
        if 0 in self.shape:  # no such file can be mapped
            return np.zeros(self.shape, dtype=np.float32)
        self._file.flush()
        # what is changed in memory stays in memory
        return np.memmap(self._file, dtype=np.float32, mode="c", shape=self.shape).view(np.ndarray)

    def close(self) -> None:
        """Close the file; it is there as long as the array is."""
        if self._file is not None:
            self._file.close()
