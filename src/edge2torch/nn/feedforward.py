"""The feedforward backend: nodes in layers, each computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from edge2torch.nn.activation import DIRECT, Direct
from edge2torch.nn.edge_linear import EdgeLinear
from edge2torch.nn.edge_sums import products
from edge2torch.nn.model import EdgeModel, dense
from edge2torch.nn.norm import NodeNorm
from edge2torch.nn.sweep import can_sweep, reads_csr, sweep
from edge2torch.nn.sweep_index import SweepIndex
from edge2torch.nn.wiring import Wiring


class FeedforwardLayerBlock(nn.Module):
    """All nodes of one layer: sums over their edges, then normalisation, activation and dropout.

    Its output, (cells, units of the layer) in model order, is the state that attribution methods look at.

    Parameters
    ----------
    linear
        The edges into this layer.
    reads
        ``(layer, columns)`` for every earlier layer that edges come from: which of its units they read; ``None`` for
        all. ``linear`` numbers its sources in this order.
    norm, activation, dropout
        Modules applied to the sums, (cells, units), in this order.
    """

    columns: Tensor

    def __init__(
        self,
        linear: EdgeLinear,
        reads: list[tuple[int, Tensor | None]],
        *,
        norm: NodeNorm | None = None,
        activation: nn.Module | None = None,
        dropout: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.linear = linear
        self.layers_read = [layer for layer, _ in reads]
        self.reads_sizes = [0 if columns is None else columns.numel() for _, columns in reads]
        none = torch.empty(0, dtype=torch.long)
        columns = torch.cat([none, *(columns for _, columns in reads if columns is not None)])
        self.register_buffer("columns", columns, persistent=False)
        self.norm = norm
        self.activation = activation
        self.dropout = dropout

    def forward(self, *states: Tensor) -> Tensor:
        """Map the states of all earlier layers, each (cells, units), to this layer's (cells, units)."""
        return self.finish(self.linear(self.gather(states)))

    def gather(self, states: Sequence[Tensor]) -> Tensor:
        """Put the states that the edges read beside each other, (cells, sources)."""
        picked = zip(self.layers_read, self.columns.split(self.reads_sizes), strict=True)
        pieces = [
            states[layer].T.index_select(0, columns) if columns.numel() else states[layer].T
            for layer, columns in picked
        ]
        return (pieces[0] if len(pieces) == 1 else torch.cat(pieces)).T

    @property
    def finishes(self) -> bool:
        """Whether anything follows the sums."""
        return self.norm is not None or self.activation is not None or self.dropout is not None

    def after_sums(self) -> list[nn.Module]:
        """All modules that follow the sums and their normalisation."""
        return [module for part in (self.activation, self.dropout) if part is not None for module in part.modules()]

    @property
    def keeps_sums(self) -> bool:
        """Whether what follows the sums is sure not to work on them in place; users' own modules may."""
        return self.norm is not None or all(
            type(module).__module__.startswith(("torch.nn.", "edge2torch.")) and not getattr(module, "inplace", False)
            for module in self.after_sums()
        )

    @property
    def direct(self) -> Direct | None:
        """What follows the sums, if it is an activation of which we know the gradient, and nothing else."""
        if self.activation is None or self.norm is not None or (self.dropout is not None and self.dropout.training):
            return None
        return DIRECT.get(type(self.activation))

    def finish(self, sums: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        """Apply normalisation, activation and dropout, (cells, units) to (cells, units).

        ``scale`` and ``shift`` take the place of the parameters of the normalisation.
        """
        state = sums
        if self.norm is not None:
            state = self.norm(sums) if scale is None or shift is None else self.norm.normalise(sums, scale, shift)
        state = state if self.activation is None else self.activation(state)
        return state if self.dropout is None else self.dropout(state)


class FeedforwardModel(EdgeModel):
    """Every node ``v`` computes ``s_v = activation(sum over u -> v of w_uv * s_u + b_v)``, layer by layer.

    The sums of hidden nodes may be normalised first, see :class:`NodeNorm`. Edges may skip layers. Output nodes, which
    have no activation, may sit in any layer but the first.

    Parameters
    ----------
    wiring
        The graph; edges lead from earlier layers to later ones.
    bias
        Whether nodes have a bias.
    identity
        See :class:`EdgeModel`.
    """

    def __init__(self, wiring: Wiring, *, bias: bool = True, identity: Mapping[str, str] | None = None) -> None:
        super().__init__(wiring, identity)
        units = wiring.units()
        sizes = torch.bincount(units.layer)
        order = units.order_edges()
        self.bind_units(wiring, units, order)
        self.output_columns = [torch.nonzero(units.is_output[units.layer == k]).flatten() for k in range(1, len(sizes))]
        edges_into = torch.bincount(units.layer[units.target]).tolist()[1:]
        self.blocks = nn.ModuleList(
            _make_block(units.pick_edges(edges), sizes, layer, bias)
            for layer, edges in enumerate(order.split(edges_into), start=1)
        )
        index = SweepIndex.of(units.source[order], units.target[order], sizes, units.is_output)
        for name, part in vars(index).items():
            if name in SweepIndex.TENSORS:
                self.register_buffer(f"sweep_{name}", part, persistent=False)
        self.sweep_layout = {name: part for name, part in vars(index).items() if name not in SweepIndex.TENSORS}

    @property
    def sweep_index(self) -> SweepIndex:
        """The edges of all layers, where the model is."""
        return SweepIndex(**{name: getattr(self, f"sweep_{name}") for name in SweepIndex.TENSORS}, **self.sweep_layout)

    def layers(self) -> list[FeedforwardLayerBlock]:
        """The blocks, as what they are."""
        return list(self.blocks)  # type: ignore[arg-type]

    def reads_csr(self, n_cells: int) -> bool:
        """Whether CSR is quicker than dense features, see :meth:`EdgeModel.reads_csr`."""
        return reads_csr(self, n_cells)

    def forward(self, x: Tensor) -> Tensor:
        """Map features (cells, features), dense or CSR, to outputs (cells, outputs)."""
        self.check_input(x)
        if can_sweep(self, x):
            return sweep(self, x)
        return self.forward_by_block(x)

    def forward_with_states(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the outputs and the state of every block, see :meth:`EdgeModel.forward_with_states`."""
        self.check_input(x)
        states = [x]
        if can_sweep(self, x):
            states += sweep(self, x, all_units=True).split(
                [last - first for first, last in pairwise(self.sweep_layout["bounds"])], dim=1
            )
        else:
            states = [dense(x)]
            for block in self.blocks:
                states.append(block(*states))
        return self.pick_outputs(states), states[1:]

    def forward_by_block(self, x: Tensor) -> Tensor:
        """What :meth:`forward` computes, block by block, so that hooks and transformations of torch see each."""
        states = [dense(x)]
        for block in self.blocks:
            states.append(block(*states))
        return self.pick_outputs(states)

    def pick_outputs(self, states: Sequence[Tensor]) -> Tensor:
        """Put the outputs of all layers beside each other, (cells, outputs)."""
        outputs = [
            state if columns.numel() == state.shape[1] else state[:, columns]
            for state, columns in zip(states[1:], self.output_columns, strict=True)
            if columns.numel()
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def linears(self) -> list[EdgeLinear]:
        """The parts that hold weights, in the order of ``edge_of_weight``."""
        return [block.linear for block in self.layers()]

    def products_from_inputs(self, change: Tensor, of_sums: Sequence[Tensor]) -> Tensor:
        """For the weights of edges from inputs, sum products, see :meth:`EdgeModel.products_from_inputs`."""
        index = self.sweep_index
        return products(change, of_sums[0], index.input_starts, index.target[: index.n_from_inputs])

    def products_between(self, moved: Sequence[Tensor], of_sums: Sequence[Tensor]) -> Tensor:
        """For the weights of all other edges, sum products, see :meth:`EdgeModel.products_between`."""
        index = self.sweep_index
        return products(moved[0], of_sums[0], index.all_starts, index.target[index.n_from_inputs :])

    def in_order(self, from_inputs: Tensor, between: Tensor) -> Tensor:
        """Put the products in the order of ``edge_of_weight``."""
        return torch.cat([from_inputs, between]).index_select(0, self.sweep_index.inverse)

    def units_of(self, block: int) -> slice:
        """Which of the units behind the inputs are in a block."""
        return slice(*self.sweep_layout["bounds"][block : block + 2])


def _make_block(units: Wiring, sizes: Tensor, layer: int, bias: bool) -> FeedforwardLayerBlock:
    """Make the block of a layer, with the edges into it."""
    here = units.layer == layer
    reads, columns = _reads(units.layer, sizes, units.source)
    linear = EdgeLinear(
        columns,
        units.target - int(sizes[:layer].sum()),
        bias=bias,
        initial_weight=units.initial_weight,
        sign=units.sign,
        fixed=units.fixed,
    )
    return FeedforwardLayerBlock(
        linear,
        reads,
        norm=units.make_norm(here),
        activation=units.make_activation(here),
        dropout=units.make_dropout(here),
    )


def _reads(layer: Tensor, sizes: Tensor, source: Tensor) -> tuple[list[tuple[int, Tensor | None]], Tensor]:
    """Find the units that some edges read, per layer (None: all), and where each edge finds its source among them."""
    units, columns = torch.unique(source, return_inverse=True)
    layers, counts = torch.unique_consecutive(layer[units], return_counts=True)
    start = sizes.cumsum(0) - sizes
    pieces = zip(layers.tolist(), units.split(counts.tolist()), strict=True)
    return [(k, None if piece.numel() == sizes[k] else piece - start[k]) for k, piece in pieces], columns
