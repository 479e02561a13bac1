"""Checks of single arguments."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from edge2torch.errors import Edge2TorchError, some


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Raise if an argument is not one of some words.

    Examples
    --------
    >>> check_choice("readout", "all", ("all", "top"))
    """
    if not isinstance(value, str) or value not in choices:
        raise Edge2TorchError(f"{name}={value!r} is unknown; the choices are {some(choices, len(choices))}")


def check_whole(name: str, value: Any, least: int = 1, most: int | None = None) -> None:
    """Raise if an argument is not a whole number in a range, both ends included."""
    right = isinstance(value, Integral) and not isinstance(value, bool)
    if not right or value < least or (most is not None and value > most):
        limit = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise Edge2TorchError(f"{name}={value!r} must be a whole number {limit}")


def check_number(name: str, value: Any, *, below: float = math.inf, positive: bool = False) -> None:
    """Raise if an argument is not a number that is at least 0 (or positive) and below a limit."""
    right = isinstance(value, Real) and not isinstance(value, bool)
    if not right or not 0 <= value < below or (positive and value == 0):
        least = "positive" if positive else "at least 0"
        limit = "finite" if below == math.inf else f"less than {below:g}"
        raise Edge2TorchError(f"{name}={value!r} must be a number that is {least} and {limit}")


def check_seed(random_state: Any) -> None:
    """Raise if something cannot seed the generators of torch, NumPy and Python alike."""
    check_whole("random_state", random_state, least=0, most=2**32 - 1)
