"""What the backends share that update all nodes at once, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from edge2torch.nn.edge_linear import EdgeLinear
from edge2torch.nn.edge_sums import edge_products
from edge2torch.nn.model import EdgeModel
from edge2torch.nn.wiring import Wiring


class StepBlock(nn.Module):
    """What follows the sums in one step: activation and dropout.

    Its output, (cells, units behind the inputs) in model order, is the state that attribution methods look at.

    Parameters
    ----------
    activation, dropout
        Modules applied to the sums, (cells, units). They belong to this step alone, because methods such as DeepLift
        need a module of its own for every use.
    """

    def __init__(self, activation: nn.Module | None, dropout: nn.Module | None) -> None:
        super().__init__()
        self.activation = activation
        self.dropout = dropout

    def forward(self, sums: Tensor) -> Tensor:
        """Map (cells, units) to (cells, units)."""
        # A tensor of its own for each step, also where there is nothing to apply.
        state = sums.clone() if self.activation is None else self.activation(sums)
        return state if self.dropout is None else self.dropout(state)


class StepModel(EdgeModel):
    """A model whose nodes are updated all at once, as often as there are blocks, with the same weights."""

    site: ClassVar[Literal["layer", "step"]] = "step"
    from_inputs: EdgeLinear
    between: EdgeLinear

    def steps(self, x: Tensor) -> Iterator[Tensor]:
        """Compute the states behind the inputs after each step."""
        raise NotImplementedError

    def read_outputs(self, state: Tensor) -> Tensor:
        """Read the outputs, (cells, outputs), from the last state."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map features (cells, features) to outputs (cells, outputs)."""
        for state in self.steps(x):
            last = state
        return self.read_outputs(last)

    def linears(self) -> list[EdgeLinear]:
        """The parts that hold weights, in the order of ``edge_of_weight``."""
        return [self.from_inputs, self.between]

    def units_of(self, block: int) -> slice:
        """Which of the units behind the inputs are in a block: all."""
        return slice(None)

    def products_from_inputs(self, change: Tensor, of_sums: Sequence[Tensor]) -> Tensor:
        """For the weights of edges from inputs, sum products, see :meth:`EdgeModel.products_from_inputs`."""
        return edge_products(change, torch.stack(list(of_sums)).sum(dim=0), self.from_inputs.index)

    def products_between(self, moved: Sequence[Tensor], of_sums: Sequence[Tensor]) -> Tensor:
        """For the weights of all other edges, sum products, see :meth:`EdgeModel.products_between`."""
        total = moved[0].new_zeros(self.between.weight.shape)
        for state, grad in zip(moved, of_sums[1:], strict=False):
            total += edge_products(state, grad, self.between.index)
        return total


def make_steps(units: Wiring, steps: int, repeat: int = 1) -> nn.ModuleList:
    """Make the blocks of all steps, for every unit behind the inputs ``repeat`` columns."""
    inner = torch.arange(units.n_features, units.n_nodes).repeat_interleave(repeat)
    return nn.ModuleList(StepBlock(units.make_activation(inner), units.make_dropout(inner)) for _ in range(steps))


def split_edges(units: Wiring) -> tuple[Tensor, Tensor]:
    """Rows of the edges that come from inputs and of all others, each ordered by target, then by source."""
    order = units.order_edges()
    from_input = units.source[order] < units.n_features
    return order[from_input], order[~from_input]


def make_linear(units: Wiring, edges: Tensor, *, from_inputs: bool, bias: bool) -> EdgeLinear:
    """Make the part with some of the edges into the units behind the inputs: all from inputs, or none."""
    picked = units.pick_edges(edges)
    n_targets = units.n_nodes - units.n_features
    return EdgeLinear(
        picked.source if from_inputs else picked.source - units.n_features,
        picked.target - units.n_features,
        n_sources=units.n_features if from_inputs else n_targets,
        n_targets=n_targets,
        bias=bias,
        initial_weight=picked.initial_weight,
        sign=picked.sign,
        fixed=picked.fixed,
        in_degree=torch.bincount(units.target - units.n_features, minlength=n_targets),
    )
