"""Time of every layer of our model, each alone, on the states that it gets in the whole."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

REPEATS = 7


def time_blocks(model: nn.Module, x: Tensor) -> list[dict[str, Any]]:
    """Median milliseconds of forward and of backward, per block of ``model.blocks``."""
    inputs: dict[int, tuple[Any, ...]] = {}
    hooks = [
        block.register_forward_pre_hook(lambda _, states, k=k: inputs.__setitem__(k, states))
        for k, block in enumerate(model.blocks)
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return [_time_block(block, inputs[k]) for k, block in enumerate(model.blocks)]


def _time_block(block: nn.Module, states: tuple[Any, ...]) -> dict[str, Any]:
    """The features themselves need no gradient, all other states do."""
    states = tuple(_fresh(state, requires_grad=k > 0) for k, state in enumerate(states))
    wanted = [*block.parameters(), *(state for state in states if state.requires_grad)]
    forward, backward = [], []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        y = block(*states)
        between = time.perf_counter()
        gradient = torch.ones_like(y)
        start = time.perf_counter()
        torch.autograd.grad(y, wanted, gradient, allow_unused=True)
        forward.append(between - begin)
        backward.append(time.perf_counter() - start)
    return {"forward": float(np.median(forward[1:])), "backward": float(np.median(backward[1:]))}


def _fresh(state: Tensor, *, requires_grad: bool) -> Tensor:
    return state.detach().requires_grad_(requires_grad)
