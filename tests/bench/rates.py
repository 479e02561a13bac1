"""What this machine can do at best: copy memory, and multiply matrices."""

from __future__ import annotations

import torch
from steps import Step

COPY_BYTES = 20_000_000
GEMM_SIZE = 1024


def copy() -> Step:
    """Copy 20 MB: as many bytes are read as are written."""
    source = torch.zeros(COPY_BYTES // 4)
    target = torch.empty_like(source)
    return Step(lambda: target.copy_(source))


def gemm() -> Step:
    """Multiply two square matrices."""
    a, b = torch.randn(2, GEMM_SIZE, GEMM_SIZE)
    out = torch.empty(GEMM_SIZE, GEMM_SIZE)
    return Step(lambda: torch.mm(a, b, out=out))


RATES = {"copy": copy, "gemm": gemm}
