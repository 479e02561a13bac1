"""Points on the way from a reference, 0, to a cell, 1, and sums over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Points:
    """Points on the way from a reference, 0, to a cell, 1; all of shape (points,).

    Attributes
    ----------
    at
        Where they are.
    shares
        Weights of the quadrature.
    steps
        How far it is from each to the next; 0 for the last.
    """

    at: Tensor
    shares: Tensor
    steps: Tensor

    @classmethod
    def quadrature(cls, n: int, like: Tensor) -> Points:
        """The points of Gauss-Legendre quadrature."""
        at, shares = np.polynomial.legendre.leggauss(n)
        at = (1 + at) / 2
        return cls(*(like.new_tensor(part.tolist()) for part in (at, shares / 2, np.append(np.diff(at), 0))))

    @classmethod
    def end(cls, like: Tensor) -> Points:
        """The cell itself alone."""
        return cls(like.new_ones(1), like.new_ones(1), like.new_zeros(1))

    def __len__(self) -> int:
        return len(self.at)

    def total(self, values: Tensor, weights: Tensor | None = None) -> Tensor:
        """Add up over the points of each cell: (units, cells x points) to (units, cells)."""
        each = values.reshape(len(values), -1, len(self))
        return each @ (torch.ones_like(self.at) if weights is None else weights)

    def change(self, states: Tensor) -> Tensor:
        """Change from each point to the next, and 0 at the last, (units, cells x points) likewise."""
        states = states.contiguous()
        moved = torch.empty_like(states)
        # as one long row, which is quicker than many short ones; where one cell ends and the next begins is put right
        torch.sub(states.view(-1)[1:], states.view(-1)[:-1], out=moved.view(-1)[:-1])
        moved.view(len(moved), -1, len(self))[:, :, -1] = 0
        return moved
