"""A graph as tensors: what every backend is made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from edge2torch.nn.activation import Activation, make_node_activation, make_node_dropout
from edge2torch.nn.norm import NodeNorm


@dataclass(frozen=True, eq=False)
class Wiring:
    """Nodes and edges, by position.

    Attributes
    ----------
    layer
        Layer of each node, ascending, inputs in layer 0, shape (nodes,).
    is_output
        Which nodes are outputs of the model, shape (nodes,).
    source, target
        Nodes that each edge connects, shape (edges,).
    width
        Units of each node, shape (nodes,); ``None`` for one each.
    initial_weight
        Initial weight of each edge, NaN where it is to be drawn, shape (edges,); ``None`` to draw all.
    sign
        1 for edges whose weight may not be negative, -1 for those that may not be positive, 0 for free ones, shape
        (edges,); ``None`` if all are free.
    fixed
        True for edges whose weight stays at its initial value, shape (edges,); ``None`` if there are none.
    activations
        The activations that occur.
    activation
        Which of them a node has, shape (nodes,); -1 for none.
    dropout
        Probability with which the state of a node is set to 0 in training, shape (nodes,).
    norm
        True for nodes whose sums go through batch normalisation, shape (nodes,); ``None`` if there are none.
    node
        Node that each unit belongs to, shape (units,); ``None`` where nodes are units.
    edge
        Edge that each weight belongs to, shape (weights,); ``None`` where edges are weights.
    """

    layer: Tensor
    is_output: Tensor
    source: Tensor
    target: Tensor
    width: Tensor | None = None
    initial_weight: Tensor | None = None
    sign: Tensor | None = None
    fixed: Tensor | None = None
    activations: tuple[Activation, ...] = ()
    activation: Tensor | None = None
    dropout: Tensor | None = None
    norm: Tensor | None = None
    node: Tensor | None = None
    edge: Tensor | None = None

    @property
    def n_nodes(self) -> int:
        """Number of nodes (of units, after :meth:`units`)."""
        return self.layer.numel()

    @property
    def n_features(self) -> int:
        """Number of input nodes."""
        return int((self.layer == 0).sum())

    def units(self) -> Wiring:
        """Make every unit a node, and every pair of units that an edge connects an edge.

        The initial weight of an edge is shared out among the units of its source, so that the model computes what it
        would with one unit per node.
        """
        if self.width is None or bool((self.width == 1).all()):
            return replace(self, width=None)
        width, start = self.width, self.width.cumsum(0) - self.width
        node = torch.repeat_interleave(torch.arange(self.n_nodes), width)
        from_each, to_each = width[self.source], width[self.target]
        edge = torch.repeat_interleave(torch.arange(self.source.numel()), from_each * to_each)
        nth = torch.arange(edge.numel()) - ((from_each * to_each).cumsum(0) - from_each * to_each)[edge]
        weight = None if self.initial_weight is None else (self.initial_weight / from_each)[edge]
        return replace(
            self,
            layer=self.layer[node],
            is_output=self.is_output[node],
            source=start[self.source][edge] + nth % from_each[edge],
            target=start[self.target][edge] + nth // from_each[edge],
            width=None,
            initial_weight=weight,
            sign=_pick(self.sign, edge),
            fixed=_pick(self.fixed, edge),
            activation=_pick(self.activation, node),
            dropout=_pick(self.dropout, node),
            norm=_pick(self.norm, node),
            node=node,
            edge=edge,
        )

    def order_edges(self) -> Tensor:
        """Order edges by target (hence by its layer), then by source, shape (edges,)."""
        by_source = torch.argsort(self.source, stable=True)
        return by_source[torch.argsort(self.target[by_source], stable=True)]

    def pick_edges(self, edges: Tensor) -> Wiring:
        """The same nodes with some of the edges, in the order given."""
        return replace(
            self,
            source=self.source[edges],
            target=self.target[edges],
            initial_weight=_pick(self.initial_weight, edges),
            sign=_pick(self.sign, edges),
            fixed=_pick(self.fixed, edges),
            edge=edges if self.edge is None else self.edge[edges],
        )

    def make_activation(self, nodes: Tensor) -> nn.Module | None:
        """Make the activation of some nodes, given as a mask or positions."""
        return make_node_activation(self.activations, _pick(self.activation, nodes))

    def make_dropout(self, nodes: Tensor) -> nn.Module | None:
        """Make the dropout of some nodes, given as a mask or positions."""
        return make_node_dropout(_pick(self.dropout, nodes))

    def make_norm(self, nodes: Tensor) -> NodeNorm | None:
        """Make the normalisation of some nodes, given as a mask or positions."""
        which = _pick(self.norm, nodes)
        return None if which is None or not which.any() else NodeNorm(which)


def _pick(values: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if values is None else values[rows]
