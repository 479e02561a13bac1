"""Leaving models, threads and random generators as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from edge2torch.nn.sweep import CELLS_AT_ONCE

#: Cells times weights below which operations are not shared out: that gains little, and on busy cores threads
#: wait for each other in every operation. ``tests/bench/threads.py`` measures it.
WORTH_SHARING = 100_000_000


@contextmanager
def few_threads(model: nn.Module, n_cells: int) -> Iterator[None]:
    """Let torch use one thread where operations on some cells are small; afterwards it has as many as before."""
    n_threads = torch.get_num_threads()
    if n_cells * sum(weight.numel() for weight in model.parameters()) < WORTH_SHARING:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, with few threads; afterwards each of its modules has its former mode again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with few_threads(model, CELLS_AT_ONCE):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


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
