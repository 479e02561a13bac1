"""Leaving models and random generators as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode; afterwards its modules are as before.

    That includes modes, hooks and attributes, which attribution methods set and, after an error, leave behind.
    """
    before = {module: _copy_containers(vars(module)) for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, attributes in before.items():
            _restore(vars(module), attributes)


def _copy_containers(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value.copy() if isinstance(value, dict) else value for name, value in attributes.items()}


def _restore(attributes: dict[str, Any], before: dict[str, Any]) -> None:
    for name in attributes.keys() - before.keys():
        del attributes[name]
    for name, value in before.items():
        if isinstance(value, dict) and isinstance(attributes.get(name), dict):
            attributes[name].clear()  # in place: handles of hooks refer to the dictionary
            attributes[name].update(value)
        else:
            attributes[name] = value


@contextmanager
def seeded(random_state: int) -> Iterator[None]:
    """Seed the global generators of torch, NumPy and Python; afterwards they are as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - Captum draws from the global generator
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(random_state)
        np.random.seed(random_state)  # noqa: NPY002
        random.seed(random_state)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
