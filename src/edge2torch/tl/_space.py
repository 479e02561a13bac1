"""What ``e2t.tl.tune`` searches: values by name of the argument."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import optuna

LOG = "log"


def check_space(space: Mapping[str, Any]) -> None:
    """Raise if values are neither choices nor a range, or cannot be written into a file."""
    for name, values in space.items():
        if not (isinstance(values, list) and values) and not _is_range(values):
            raise Edge2TorchError(
                f"space[{name!r}]={values!r} must be a list of choices, (low, high) or (low, high, 'log'), "
                "with low < high"
            )
        try:
            json.dumps(plain(values))
        except TypeError as error:
            raise Edge2TorchError(
                f"space[{name!r}]={values!r} may hold what JSON can hold, such as text and numbers: {error}"
            ) from error


def plain(values: Any) -> Any:
    """Turn NumPy's numbers into those of Python, which optuna knows and JSON can hold."""
    if isinstance(values, Mapping):
        return {str(name): plain(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(map(plain, values))
    return values.item() if isinstance(values, np.generic) else values


def propose(trial: optuna.Trial, name: str, values: Any) -> Any:
    """Let a trial choose one of some values."""
    if isinstance(values, list):
        return values[trial.suggest_categorical(name, list(range(len(values))))]
    low, high, *log = values
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=bool(log))
    return trial.suggest_float(name, float(low), float(high), log=bool(log))


def _is_range(values: Any) -> bool:
    if not isinstance(values, tuple) or len(values) not in (2, 3) or values[2:] not in ((), (LOG,)):
        return False
    low, high = values[:2]
    if not all(
        isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value) for value in (low, high)
    ):
        return False
    return bool(low < high and (len(values) == 2 or low > 0))
