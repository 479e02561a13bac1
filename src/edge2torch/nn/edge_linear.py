"""One weight per edge."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge2torch.nn.edge_sums import EdgeIndex, edge_sums


class EdgeLinear(nn.Module):
    """Weighted sums over edges: ``y[:, v] = bias[v] + sum over u -> v of weight[u -> v] * x[:, u]``.

    Parameters
    ----------
    source, target
        Columns of input and output that each edge connects, shape (edges,); edges sorted by target.
    n_sources, n_targets
        Number of columns; ``None`` for as many as there are edges to.
    bias
        Whether every target has a bias (initially 0).
    initial_weight
        Initial weight of each edge, NaN where it is to be drawn, shape (edges,).
    sign
        1 for edges whose weight may not be negative, -1 for those that may not be positive, 0 for free ones,
        shape (edges,).
    fixed
        True for edges whose weight stays at its initial value, shape (edges,).
    in_degree
        Number of edges into each target that the initial weights are scaled with, shape (targets,), where that is not
        the number of edges here.

    Notes
    -----
    A weight is drawn with mean 0 and variance 1 / in-degree of its target (LeCun et al. 1998,
    doi:10.1007/3-540-49430-8_2), so that the scale of a state does not depend on how many edges lead to it. Signs are
    held by using ``|weight|``; fixed weights are a buffer, which neither optimizer nor weight decay can move. Memory
    is O(edges + states): no matrix of sources x targets and no array of cells x edges is made.
    """

    source: Tensor
    offsets: Tensor
    target: Tensor
    starts: Tensor
    order: Tensor
    inverse: Tensor
    initial_weight: Tensor | None
    sign: Tensor | None
    fixed_weight: Tensor | None
    in_degree: Tensor | None

    def __init__(
        self,
        source: Tensor,
        target: Tensor,
        *,
        n_sources: int | None = None,
        n_targets: int | None = None,
        bias: bool = True,
        initial_weight: Tensor | None = None,
        sign: Tensor | None = None,
        fixed: Tensor | None = None,
        in_degree: Tensor | None = None,
    ) -> None:
        super().__init__()
        n_sources = int(source.max()) + 1 if n_sources is None else n_sources
        n_targets = int(target.max()) + 1 if n_targets is None else n_targets
        for name, part in EdgeIndex.of(source, target, n_sources, n_targets)._asdict().items():
            self.register_buffer(name, part, persistent=False)
        given = None if initial_weight is None else initial_weight.to(torch.get_default_dtype())
        self.register_buffer("initial_weight", given, persistent=False)
        self.register_buffer("sign", sign if sign is not None and sign.any() else None, persistent=False)
        self.register_buffer("in_degree", in_degree, persistent=False)
        self.register_buffer("fixed_weight", None)
        if given is not None and fixed is not None and fixed.any():
            self.fixed_weight = torch.where(fixed, given, torch.nan)
        self.weight = nn.Parameter(torch.empty(source.numel()))
        self.bias = nn.Parameter(torch.empty(n_targets)) if bias else None
        self.reset_parameters()

    @property
    def index(self) -> EdgeIndex:
        """The edges."""
        return EdgeIndex(self.source, self.offsets, self.target, self.starts, self.order, self.inverse)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew from torch's global generator; given initial weights are put back."""
        edges_into = self.offsets.diff()
        in_degree = edges_into if self.in_degree is None else self.in_degree
        variance = 1 / in_degree.repeat_interleave(edges_into, output_size=self.source.numel())
        self.weight.uniform_(-1, 1).mul_((3 * variance).sqrt())
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

    @torch.no_grad()
    def set_edge_weight(self, weight: Tensor) -> None:
        """Set the weight of each edge, shape (edges,), NaN where it stays; those of fixed edges stay in any case."""
        given = ~weight.isnan()
        self.weight[given] = weight[given].to(self.weight)
        self.weight.copy_(self.edge_weight())

    def forward(self, x: Tensor) -> Tensor:
        """Map states (cells, sources) to sums (cells, targets).

        The result is a transposed view: in memory states lie node by node, so that an edge reads contiguous cells.
        """
        return edge_sums(self.edge_weight(), x.T, self.index, bias=self.bias).T

    def extra_repr(self) -> str:
        """Show sizes."""
        return f"edges={self.source.numel()}, targets={self.offsets.numel() - 1}, bias={self.bias is not None}"
