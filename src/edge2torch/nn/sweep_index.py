"""The edges of a feedforward network, as the sweep reads them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from edge2torch.nn.edge_sums import EdgeIndex


@dataclass(frozen=True, eq=False)
class SweepIndex:
    """The edges of all layers: those from inputs first, then those between the units behind them.

    All units are counted from the first behind the inputs, except for the inputs themselves. Tensors are int32.

    Attributes
    ----------
    by_target, by_source
        Position, among the weights of the model in a row, of the edges sorted by target and by source, shape (edges,).
    inverse
        ``values[by_source][inverse]`` is ``values``, shape (edges,).
    source
        Source of each edge, sorted by target.
    target
        Target of each edge, sorted by source.
    input_offsets, input_starts
        Where the edges from inputs begin, of each target and of each input.
    offsets, starts
        The same for the other edges; those of each layer begin with 0.
    all_starts
        The same for all sources in a row.
    all_sources, all_offsets
        Source of each edge in the order of the weights, counted from the first input; where those of each unit begin.
    outputs
        The output units.
    n_from_inputs
        Number of edges from inputs.
    bounds
        Where the units of each layer begin, and their number.
    edges_in, edges_out
        Where the edges into and out of each layer begin, those from inputs not counted.
    """

    TENSORS: ClassVar[tuple[str, ...]] = (
        "by_target",
        "by_source",
        "inverse",
        "source",
        "target",
        "input_offsets",
        "input_starts",
        "offsets",
        "starts",
        "all_starts",
        "all_sources",
        "all_offsets",
        "outputs",
    )

    by_target: Tensor
    by_source: Tensor
    inverse: Tensor
    source: Tensor
    target: Tensor
    input_offsets: Tensor
    input_starts: Tensor
    offsets: Tensor
    starts: Tensor
    all_starts: Tensor
    all_sources: Tensor
    all_offsets: Tensor
    outputs: Tensor
    n_from_inputs: int
    bounds: list[int]
    edges_in: list[int]
    edges_out: list[int]

    @classmethod
    def of(cls, source: Tensor, target: Tensor, sizes: Tensor, is_output: Tensor) -> SweepIndex:
        """Index edges that are sorted by target, for layers of some sizes, units counted from the first input."""
        n_inputs, *layer_sizes = sizes.tolist()
        n_units = sum(layer_sizes)
        bounds = [0, *torch.tensor(layer_sizes).cumsum(0).tolist()]
        from_input = source < n_inputs
        first, second = torch.nonzero(from_input).flatten(), torch.nonzero(~from_input).flatten()
        given = EdgeIndex.of(source[first], target[first] - n_inputs, n_inputs, n_units)
        between = EdgeIndex.of(source[second] - n_inputs, target[second] - n_inputs, n_units, n_units)
        by_source = torch.cat([first[given.order], second[between.order]])
        inverse = torch.empty_like(by_source)
        inverse[by_source] = torch.arange(by_source.numel())
        return cls(
            by_target=torch.cat([first, second]).to(torch.int32),
            by_source=by_source.to(torch.int32),
            inverse=inverse.to(torch.int32),
            source=torch.cat([given.source, between.source]),
            target=torch.cat([given.target, between.target]),
            input_offsets=given.offsets,
            input_starts=given.starts,
            offsets=_from_zero(between.offsets, bounds),
            starts=_from_zero(between.starts, bounds),
            all_starts=between.starts,
            all_sources=source.to(torch.int32),
            all_offsets=given.offsets + between.offsets,
            outputs=torch.nonzero(is_output[n_inputs:]).flatten(),
            n_from_inputs=first.numel(),
            bounds=bounds,
            edges_in=between.offsets[bounds].tolist(),
            edges_out=between.starts[bounds].tolist(),
        )

    def of_layers(self, begins: Tensor) -> tuple[Tensor, ...]:
        """Split ``offsets`` or ``starts`` into layers."""
        return tuple(begins.split([last - first + 1 for first, last in pairwise(self.bounds)]))


def _from_zero(begins: Tensor, bounds: list[int]) -> Tensor:
    return torch.cat([begins[first : last + 1] - begins[first] for first, last in pairwise(bounds)])
