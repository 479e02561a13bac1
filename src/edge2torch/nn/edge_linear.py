"""One weight per edge."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EdgeLinear(nn.Module):
    """Weighted sums over edges: ``y[:, v] = bias[v] + sum over u -> v of weight[u -> v] * x[:, u]``.

    Parameters
    ----------
    source, target
        Columns of input and output that each edge connects, shape (edges,); edges sorted by target, at least one
        for every target.
    bias
        Whether every target has a bias (initially 0).
    initial_weight
        Initial weight of each edge, NaN where it is to be drawn, shape (edges,).
    sign
        1 for edges whose weight may not be negative, -1 for those that may not be positive, 0 for free ones,
        shape (edges,).
    fixed
        True for edges whose weight stays at its initial value, shape (edges,).

    Notes
    -----
    A weight is drawn with mean 0 and variance 1 / in-degree of its target (LeCun et al. 1998,
    doi:10.1007/3-540-49430-8_2), so that the scale of a state does not depend on how many edges lead to it. Signs are
    held by using ``|weight|``; fixed weights are a buffer, which neither optimizer nor weight decay can move. Memory
    is O(edges + states): no matrix of sources x targets and no array of cells x edges is made.
    """

    source: Tensor
    offsets: Tensor
    initial_weight: Tensor | None
    sign: Tensor | None
    fixed_weight: Tensor | None

    def __init__(
        self,
        source: Tensor,
        target: Tensor,
        *,
        bias: bool = True,
        initial_weight: Tensor | None = None,
        sign: Tensor | None = None,
        fixed: Tensor | None = None,
    ) -> None:
        super().__init__()
        in_degree = torch.bincount(target)
        self.register_buffer("source", source, persistent=False)
        self.register_buffer("offsets", in_degree.cumsum(0) - in_degree, persistent=False)
        self.register_buffer("initial_weight", initial_weight, persistent=False)
        self.register_buffer("sign", sign if sign is not None and sign.any() else None, persistent=False)
        self.register_buffer("fixed_weight", None)
        if initial_weight is not None and fixed is not None and fixed.any():
            self.fixed_weight = torch.where(fixed, initial_weight, torch.nan).to(torch.get_default_dtype())
        self.weight = nn.Parameter(torch.empty(source.numel()))
        self.bias = nn.Parameter(torch.empty(in_degree.numel())) if bias else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew from torch's global generator; given initial weights are put back."""
        ends = torch.cat([self.offsets[1:], self.offsets.new_tensor([self.source.numel()])])
        in_degree = (ends - self.offsets).repeat_interleave(ends - self.offsets, output_size=self.source.numel())
        self.weight.uniform_(-1, 1).mul_((3 / in_degree).sqrt())
        if self.initial_weight is not None:
            given = ~self.initial_weight.isnan()
            self.weight[given] = self.initial_weight[given].to(self.weight.dtype)
        if self.bias is not None:
            self.bias.zero_()
        self.weight.copy_(self.edge_weight())

    def edge_weight(self) -> Tensor:
        """Weight of each edge as it is used, with constraints applied, shape (edges,)."""
        weight: Tensor = self.weight
        if self.sign is not None:
            size = torch.where(weight < 0, -weight, weight)  # unlike abs, it has a gradient at 0
            weight = torch.where(self.sign == 0, weight, self.sign * size)
        if self.fixed_weight is not None:
            weight = torch.where(self.fixed_weight.isnan(), weight, self.fixed_weight)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """Map states (cells, sources) to sums (cells, targets).

        The result is a transposed view: in memory states lie node by node, so that an edge reads contiguous cells.
        """
        if not len(x):
            return x.new_zeros(0, self.offsets.numel())
        sums = F.embedding_bag(
            self.source, x.T.contiguous(), self.offsets, mode="sum", per_sample_weights=self.edge_weight()
        )
        if self.bias is not None:
            sums = sums + self.bias[:, None]
        return sums.T

    def extra_repr(self) -> str:
        """Show sizes."""
        return f"edges={self.source.numel()}, targets={self.offsets.numel()}, bias={self.bias is not None}"
