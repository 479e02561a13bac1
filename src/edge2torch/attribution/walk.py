"""A model on the straight lines from a reference to cells: states of all units, and how an output depends on them.

States and gradients come in parts, each (units, cells x points) with the points of a cell in a row: one part with all
units behind the inputs for models in layers, a part for each step for models that take steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor, nn

from edge2torch.errors import Edge2TorchError
from edge2torch.nn import EdgeModel, FeedforwardModel, GraphModel
from edge2torch.nn.line import Line
from edge2torch.nn.sweep import CELLS_AT_ONCE, can_sweep

#: cells x points in one pass through a model by hooks
ROWS_AT_ONCE = 4096
#: states of all units and steps in one such pass, which are there several times: their changes and gradients, too
VALUES_AT_ONCE = 2**25


class Gradients(NamedTuple):
    """Of what is explained.

    Attributes
    ----------
    given
        By what the features feed: the sums of all units or the features themselves, (..., cells x points);
        :meth:`Walk.of_features` goes the rest of the way.
    states, sums
        By the states of all units, and by what goes into their normalisation and activation, in parts.
    """

    given: Tensor
    states: list[Tensor]
    sums: list[Tensor]


class Ends(NamedTuple):
    """What a model computes for the cells and the references.

    Attributes
    ----------
    states
        Of the cells, in parts, (units, cells).
    out, out_at_start
        Outputs, (cells, outputs) and (1 or cells, outputs).
    """

    states: list[Tensor]
    out: Tensor
    out_at_start: Tensor


class Walk(ABC):
    """A model on the straight lines from a reference to cells.

    Attributes
    ----------
    edge_model
        The compiled model.
    change
        How far each feature is from the reference, shape (features, cells).
    edges
        Whether :meth:`sums` and ``Gradients.sums`` are to be had.
    n_outputs
        Number of outputs, once :meth:`at` was called.
    """

    edge_model: EdgeModel
    change: Tensor
    edges: bool
    n_outputs: int

    @abstractmethod
    def blocks(self, n_points: int) -> list[slice]:
        """Cells that :meth:`at` is best called with, one block after the other."""

    @abstractmethod
    def at(self, points: Tensor, cells: slice) -> list[Tensor]:
        """Compute the states of some cells, in points between 0, the reference, and 1, the cell itself."""

    @abstractmethod
    def sums(self) -> list[Tensor]:
        """What went into normalisation and activation in the last call of :meth:`at`, in parts."""

    @abstractmethod
    def read(self) -> list[Tensor]:
        """States as other nodes read them, in parts; as :meth:`at`, unless a node rests."""

    @abstractmethod
    def back(self, weights: Tensor) -> Gradients:
        """Gradients of weighted sums of outputs, (cells or 1, outputs), where :meth:`at` was called last."""

    @abstractmethod
    def of_features(self, of_given: Tensor) -> Tensor:
        """From gradients like ``Gradients.given``, with one column per cell, to (cells, features)."""

    @abstractmethod
    def ends(self) -> Ends:
        """Compute what is at both ends of the lines."""


def find_edge_model(model: nn.Module) -> EdgeModel:
    """Find the compiled model inside a model.

    Raises
    ------
    Edge2TorchError
        If there is none, or more than one.
    """
    found = [module for module in model.modules() if isinstance(module, EdgeModel)]
    if len(found) != 1:
        raise Edge2TorchError(f"model must hold one model from compile_graph; it holds {len(found)}")
    return found[0]


def by_node(model: EdgeModel, values: Tensor) -> Tensor:
    """Add up the units of each node: (cells, units behind the inputs) to (cells, nodes behind the inputs)."""
    if model.site == "step" or not model.wide:
        return model.sum_units(values, 0)
    blocks = range(len(model.blocks))
    return torch.cat([model.sum_units(values[:, model.units_of(k)], k) for k in blocks], dim=1)


def find_walk(model: nn.Module, x: Tensor, reference: Tensor, *, edges: bool = False) -> Walk:
    """Choose the quick way through a model if there is one.

    Parameters
    ----------
    model
        In evaluation mode.
    x, reference
        Shapes (cells, features) and (1 or cells, features).
    edges
        Whether :meth:`Walk.sums` and ``Gradients.sums`` are needed.
    """
    return Swept(model, x, reference, edges=edges) if is_swept(model) else Hooked(model, x, reference, edges=edges)


def is_swept(model: nn.Module) -> TypeGuard[FeedforwardModel]:
    """Whether :class:`Swept` computes what the model does."""
    if not isinstance(model, FeedforwardModel):
        return False
    x = next(model.parameters()).new_empty(0)
    return (
        type(model).forward is FeedforwardModel.forward
        and not (model._forward_hooks or model._forward_pre_hooks or model._backward_hooks)
        and not torch.is_autocast_enabled(x.device.type)
        and can_sweep(model, x)
    )


def cells_at_once(model: nn.Module, n_points: int) -> int:
    """How many cells to begin a walk with."""
    if is_swept(model):
        return CELLS_AT_ONCE
    edge_model = find_edge_model(model)
    values = edge_model.node_of_unit.numel() * (len(edge_model.blocks) if edge_model.site == "step" else 1)
    values *= edge_model.width if isinstance(edge_model, GraphModel) else 1
    return max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // values) // n_points)


class Swept(Walk):
    """A feedforward model, by its sweep."""

    def __init__(self, model: FeedforwardModel, x: Tensor, reference: Tensor, *, edges: bool) -> None:
        self.line = Line(model, x.detach(), reference.detach())
        self.change = self.line.change
        self.edge_model, self.edges, self.n_outputs = model, edges, model.n_outputs

    def blocks(self, n_points: int) -> list[slice]:
        """Cells whose points fit into the cache, or all."""
        n, size = self.change.shape[1], max(1, CELLS_AT_ONCE // n_points)
        return [slice(start, min(start + size, n)) for start in range(0, n, size)]

    def at(self, points: Tensor, cells: slice) -> list[Tensor]:
        """States of some cells in some points."""
        self.n_points = len(points)
        self.states = self.line.at(points, cells)
        return [self.states.units]

    def sums(self) -> list[Tensor]:
        """What went into activations."""
        return [self.line.sums(self.states)]

    def read(self) -> list[Tensor]:
        """States as other nodes read them."""
        return [self.states.units]

    def back(self, weights: Tensor) -> Gradients:
        """Gradients of weighted sums of outputs."""
        rows = self.states.units.shape[1]
        each = weights.expand(rows // self.n_points, -1).repeat_interleave(self.n_points, dim=0)
        of_states, of_sums = self.line.back(self.states, each)
        return Gradients(of_sums, [of_states], [of_sums])

    def of_features(self, of_given: Tensor) -> Tensor:
        """From gradients by what the features feed, to those by the features."""
        return self.line.of_inputs(of_given)

    def ends(self) -> Ends:
        """What is at both ends of the lines."""
        states, at_start = self.line.ends()
        outputs = self.line.edges.outputs
        return Ends([states], states.index_select(0, outputs).T, at_start.index_select(0, outputs).T)


class Hooked(Walk):
    """Any model, by what its blocks return."""

    def __init__(self, model: nn.Module, x: Tensor, reference: Tensor, *, edges: bool) -> None:
        self.model, self.edge_model, self.edges = model, find_edge_model(model), edges
        self.x, self.reference = x.detach(), reference.detach()
        self.change = (self.x - self.reference).T

    def blocks(self, n_points: int) -> list[slice]:
        """Cells whose points fit into the cache, or all."""
        return [slice(0, len(self.x))]

    @torch.enable_grad()
    def at(self, points: Tensor, cells: slice) -> list[Tensor]:
        """States of some cells in some points."""
        change = self.change.T[cells, None]
        start = self.reference[cells, None] if len(self.reference) > 1 else self.reference
        self.moved = (start + points[:, None] * change).flatten(0, 1).requires_grad_()
        with _recorded(self.edge_model, sums=self.edges) as (states, sums):
            self.out = self.model(self.moved).reshape(len(self.moved), -1)
        self.of_blocks, self.sums_of_blocks = list(states), list(sums)
        self.n_points, self.n_outputs = len(points), self.out.shape[1]
        return self._parts(self.of_blocks)

    def sums(self) -> list[Tensor]:
        """What went into activations."""
        return self._parts(self.sums_of_blocks)

    @torch.no_grad()
    def read(self) -> list[Tensor]:
        """States as other nodes read them."""
        return self._parts(self.edge_model.states_read(self.of_blocks))

    def back(self, weights: Tensor) -> Gradients:
        """Gradients of weighted sums of outputs."""
        each = weights.expand(len(self.moved) // self.n_points, -1).repeat_interleave(self.n_points, dim=0)
        inputs = [self.moved, *self.of_blocks, *self.sums_of_blocks]
        given, *found = torch.autograd.grad(self.out, inputs, each, retain_graph=True)
        n = len(self.of_blocks)
        return Gradients(given.T, self._parts(found[:n]), self._parts(found[n:]))

    def of_features(self, of_given: Tensor) -> Tensor:
        """From gradients by what the features feed, to those by the features."""
        return of_given.T

    @torch.no_grad()
    def ends(self) -> Ends:
        """What is at both ends of the lines."""
        with _recorded(self.edge_model, sums=False) as (states, _):
            out = self.model(self.x).reshape(len(self.x), -1)
        parts = self._parts(states)
        at_start = self.model(self.reference).reshape(len(self.reference), -1)
        return Ends(parts, out, at_start)

    def _parts(self, of_blocks: list[Tensor]) -> list[Tensor]:
        node_major = [state.detach().T for state in of_blocks]
        return [torch.cat(node_major)] if self.edge_model.site == "layer" and node_major else node_major


@contextmanager
def _recorded(edge_model: EdgeModel, *, sums: bool) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Collect what the blocks return and, if asked for, the sums that went into their activations."""
    found: tuple[list[Tensor], list[Tensor]] = [], []
    hooks = [
        block.register_forward_hook(lambda _module, _given, out: found[0].append(out)) for block in edge_model.blocks
    ]
    if sums and edge_model.site == "step":
        hooks += [
            block.register_forward_pre_hook(lambda _module, given: found[1].append(given[0]))
            for block in edge_model.blocks
        ]
    elif sums:
        hooks += [
            block.get_submodule("linear").register_forward_hook(lambda _module, _given, out: found[1].append(out))
            for block in edge_model.blocks
        ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
