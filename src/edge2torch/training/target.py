"""What a model learns to predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: one class per cell; several yes/no labels per cell; one or several numbers per cell
CLASSES, LABELS, NUMBERS = TASKS = ("classes", "labels", "numbers")


@dataclass(frozen=True, eq=False)
class Target:
    """What is known of each cell.

    Attributes
    ----------
    task
        One of :data:`TASKS`.
    names
        Names of the classes, labels or numbers; each is an output of the model.
    truth
        Position in ``names`` (cells,) for classes; 0 or 1 (cells, outputs) for labels; (cells, outputs) for numbers.
    """

    task: str
    names: list[str]
    truth: npt.NDArray[Any]

    @property
    def strata(self) -> npt.NDArray[np.int64] | None:
        """What parts of a split should have equal shares of: the classes."""
        return self.truth.astype(np.int64) if self.task == CLASSES else None

    def in_order(self, position: npt.NDArray[np.intp], scale: Scale) -> npt.NDArray[Any]:
        """Values in terms of the outputs of a model, of which ``position[k]`` is that of ``names[k]``."""
        if self.task == CLASSES:
            return position[self.truth.astype(np.intp)].astype(np.int64)
        values = scale.standardise(self.truth) if self.task == NUMBERS else self.truth
        return np.ascontiguousarray(values[:, np.argsort(position)], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Scale:
    """Mean and standard deviation of numbers in the training cells, between which and 0 and 1 a model works.

    Attributes
    ----------
    mean, std
        One per number, in the order of the names.
    """

    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]

    @classmethod
    def of(cls, target: Target, training: npt.NDArray[np.bool_]) -> Scale:
        """Measure the training cells; 0 and 1 for what are no numbers, and a deviation of 1 for constant ones."""
        if target.task != NUMBERS:
            n = len(target.names)
            return cls(np.zeros(n), np.ones(n))
        known = target.truth[training].astype(np.float64)
        varies = np.ptp(known, axis=0) > 0  # rounding leaves constant numbers a deviation above 0
        return cls(known.mean(axis=0), np.where(varies, known.std(axis=0), 1.0))

    def standardise(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Bring numbers to mean 0 and deviation 1."""
        return np.asarray((values - self.mean) / self.std)

    def restore(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Bring what a model says back to the units of the numbers; single precision would lose what varies little."""
        return np.asarray(values * self.std + self.mean)
