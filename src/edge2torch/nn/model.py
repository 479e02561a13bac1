"""A feedforward network whose hidden units are the named nodes of a graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge2torch.errors import Edge2TorchError
from edge2torch.nn.activation import Activation, make_activation
from edge2torch.nn.edge_linear import EdgeLinear


class FeedforwardLayerBlock(nn.Module):
    """All nodes of one layer: sums over their edges, then the activation for those that are hidden.

    Its output, (cells, nodes of the layer) in model order, is the state that attribution methods look at.

    Parameters
    ----------
    linear
        The edges into this layer.
    reads
        ``(layer, columns)`` for every earlier layer that edges come from: which of its nodes they read. ``linear``
        numbers its sources in this order.
    is_output
        Which nodes of the layer are outputs of the model, shape (nodes,).
    activation
        Module applied to the hidden nodes; outputs have none.
    dropout
        Probability with which the state of a hidden node is set to 0 in training.
    """

    columns: Tensor
    is_output: Tensor

    def __init__(
        self,
        linear: EdgeLinear,
        reads: list[tuple[int, Tensor]],
        is_output: Tensor,
        activation: nn.Module | None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.linear = linear
        self.layers_read = [layer for layer, _ in reads]
        self.reads_sizes = [columns.numel() for _, columns in reads]
        self.register_buffer("columns", torch.cat([columns for _, columns in reads]), persistent=False)
        self.register_buffer("is_output", is_output, persistent=False)
        self.any_output = bool(is_output.any())
        any_hidden = not bool(is_output.all())
        self.activation = activation if any_hidden else None
        self.dropout = nn.Dropout(dropout) if dropout and any_hidden else None

    def forward(self, *states: Tensor) -> Tensor:
        """Map the states of all earlier layers, each (cells, nodes), to this layer's (cells, nodes)."""
        pieces = [
            states[layer].T.index_select(0, columns)
            for layer, columns in zip(self.layers_read, self.columns.split(self.reads_sizes), strict=True)
        ]
        sums: Tensor = self.linear((pieces[0] if len(pieces) == 1 else torch.cat(pieces)).T)
        state = sums
        if self.activation is not None:
            # A tensor of its own where outputs read the sums, too: DeepLift and LRP replace all of the gradient of
            # whatever goes into an activation.
            state = self.activation(sums.clone() if self.any_output else sums)
        if self.dropout is not None:
            state = self.dropout(state)
        return torch.where(self.is_output, sums, state) if self.any_output else state


class EdgeModel(nn.Module):
    """A sparse feedforward network with one weight per edge.

    Every node ``v`` computes ``s_v = activation(sum over u -> v of w_uv * s_u + b_v)``; edges may skip layers, and
    output nodes, which have no activation, may sit in any layer but the first. Made by
    :func:`edge2torch.compile_graph`.

    Parameters
    ----------
    layer
        Layer of each node, ascending, inputs in layer 0, shape (nodes,).
    is_output
        Which nodes are outputs, shape (nodes,).
    source, target
        Nodes that each edge connects, from an earlier layer to a later one, shape (edges,).
    initial_weight, sign, fixed
        See :class:`EdgeLinear`, in the order of ``source``.
    activation
        Activation of the hidden nodes; every layer gets a module of its own.
    bias
        Whether nodes have a bias.
    dropout
        Probability with which the state of a hidden node is set to 0 in training.
    fingerprint
        Identifies the graph that the model was made from.

    Attributes
    ----------
    blocks
        One :class:`FeedforwardLayerBlock` per layer, from layer 1 on.
    """

    def __init__(
        self,
        layer: Tensor,
        is_output: Tensor,
        source: Tensor,
        target: Tensor,
        *,
        initial_weight: Tensor | None = None,
        sign: Tensor | None = None,
        fixed: Tensor | None = None,
        activation: Activation = None,
        bias: bool = True,
        dropout: float = 0.0,
        fingerprint: str = "",
    ) -> None:
        super().__init__()
        self.fingerprint = fingerprint
        sizes = torch.bincount(layer)
        start = sizes.cumsum(0) - sizes
        self.n_features = int(sizes[0])
        self.n_outputs = int(is_output.sum())
        order = _sort_edges(source, target)
        self.edge_order = order  # row of the edge list behind each weight, the weights of all blocks in a row
        self.output_columns = [torch.nonzero(is_output[layer == k]).flatten() for k in range(1, len(sizes))]
        self.blocks = nn.ModuleList()
        for k, edges in enumerate(order.split(torch.bincount(layer[target]).tolist()[1:]), start=1):
            reads, columns = _reads(layer, start, source[edges])
            linear = EdgeLinear(
                columns,
                target[edges] - start[k],
                bias=bias,
                initial_weight=None if initial_weight is None else initial_weight[edges],
                sign=None if sign is None else sign[edges],
                fixed=None if fixed is None else fixed[edges],
            )
            self.blocks.append(
                FeedforwardLayerBlock(linear, reads, is_output[layer == k], make_activation(activation), dropout)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map features (cells, features) to outputs (cells, outputs)."""
        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise Edge2TorchError(f"the model reads (cells, {self.n_features}) features, not {tuple(x.shape)}")
        states = [x]
        for block in self.blocks:
            states.append(block(*states))
        outputs = [
            state if columns.numel() == state.shape[1] else state[:, columns]
            for state, columns in zip(states[1:], self.output_columns, strict=True)
            if columns.numel()
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def edge_weights(self) -> Tensor:
        """Weight of every edge as it is used, in the order of the edge list, shape (edges,)."""
        weights = torch.cat([block.linear.edge_weight() for block in self.blocks])  # type: ignore[union-attr, operator]
        return torch.empty_like(weights).index_put((self.edge_order.to(weights.device),), weights)


def _sort_edges(source: Tensor, target: Tensor) -> Tensor:
    """Order edges by target (hence by its layer), then by source."""
    by_source = torch.argsort(source, stable=True)
    return by_source[torch.argsort(target[by_source], stable=True)]


def _reads(layer: Tensor, start: Tensor, source: Tensor) -> tuple[list[tuple[int, Tensor]], Tensor]:
    """Find the nodes that some edges read, per layer, and where each edge finds its source among them."""
    nodes, columns = torch.unique(source, return_inverse=True)
    layers, counts = torch.unique_consecutive(layer[nodes], return_counts=True)
    reads = [(int(k), piece - start[k]) for k, piece in zip(layers.tolist(), nodes.split(counts.tolist()), strict=True)]
    return reads, columns
