"""A feedforward network on the straight lines from a reference to cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edge2torch.nn.edge_sums import node_major
from edge2torch.nn.sweep import Plan, States, back, of_inputs, onwards, parameters, sums_from_inputs

if TYPE_CHECKING:
    from edge2torch.nn.feedforward import FeedforwardModel


class Line:
    """A feedforward network on the straight lines from a reference to cells.

    Sums over the edges from inputs change evenly along a line. So these edges, the larger part in most graphs, are read
    once per cell on the way forth and once on the way back, in however many points the network is looked at. What is
    between is the sweep, whose way back meets the gradient of every state.

    Nothing here is known to autograd. States are (units behind the inputs, cells), or (..., cells x points) with the
    points of each cell in a row.

    Parameters
    ----------
    model
        In evaluation mode, and such that ``can_sweep``.
    x
        Features of the cells, shape (cells, features).
    reference
        Features where the lines begin, shape (1 or cells, features).
    """

    @torch.no_grad()
    def __init__(self, model: FeedforwardModel, x: Tensor, reference: Tensor) -> None:
        self.given = parameters(model)
        self.edges = model.sweep_index
        self.plan = Plan(model, self.edges, learns=True, all_units=False, at_once=0)
        self.by_source = self.given.weight.index_select(0, self.edges.by_source)
        self.change = node_major((x - reference).T)
        self.start = sums_from_inputs(self.edges, self.given, reference.T)
        self.slope = sums_from_inputs(self.edges, self.given._replace(bias=None), self.change)

    @torch.no_grad()
    def ends(self) -> tuple[Tensor, Tensor]:
        """States of the cells, shape (units, cells), and of the references, shape (units, 1 or cells)."""
        plan = self.plan._replace(learns=False)
        at_cells, at_start = (
            onwards(plan, self.change, given, self.given).units
            for given in (self.start + self.slope, self.start.clone())
        )
        return at_cells, at_start

    @torch.no_grad()
    def at(self, points: Tensor, cells: slice) -> States:
        """Compute the states of some cells in points between 0, the reference, and 1, the cell; shape (points,)."""
        slope = self.slope[:, cells]
        start = self.start[:, cells] if self.start.shape[1] > 1 else self.start
        both = torch.stack([start.expand_as(slope), slope], dim=2).flatten(0, 1)
        given = (both @ torch.stack([torch.ones_like(points), points])).view(len(slope), -1)
        return onwards(self.plan, self.change, given, self.given)

    def sums(self, states: States) -> Tensor:
        """Get what went into normalisation and activations, shape (units, cells x points)."""
        before = iter(states.before)
        layers = enumerate(self.plan.model.layers())
        parts = [next(before).detach() if b.finishes else states.units[self.plan.model.units_of(k)] for k, b in layers]
        return torch.cat(parts)

    @torch.no_grad()
    def back(self, states: States, grad: Tensor) -> tuple[Tensor, Tensor]:
        """From the gradient of the outputs, (cells x points, outputs), to those of all states and of all sums."""
        of_states = torch.empty_like(states.units)
        of_sums, _ = back(self.plan, states, self.by_source, grad, kept=of_states)
        return of_states, of_sums

    @torch.no_grad()
    def of_inputs(self, of_sums: Tensor) -> Tensor:
        """From gradients of all sums, (units, cells), to those of the features, (cells, features)."""
        return of_inputs(self.edges, self.by_source, of_sums).T
