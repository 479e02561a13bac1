"""What becomes of the outputs if the states of some units are changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from edge2torch.errors import Edge2TorchError
from edge2torch.nn.descendants import Perturbations
from edge2torch.nn.edge_sums import node_major
from edge2torch.nn.feedforward import FeedforwardModel
from edge2torch.nn.graphnn import GraphModel
from edge2torch.nn.model import EdgeModel
from edge2torch.nn.perturbed_sweep import can_follow, follow
from edge2torch.nn.state import evaluating

#: cells x perturbations in one pass, where all of the network is computed anew
ROWS_AT_ONCE = 4096


def units_of_nodes(model: EdgeModel, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Find the units (or channels) of some nodes.

    Parameters
    ----------
    model
        A compiled model.
    nodes
        Positions of nodes in model order, inputs first, shape (nodes,).

    Returns
    -------
    For every unit, the position in ``nodes`` of the one it belongs to, ascending, and the unit: inputs first, then the
    columns of what ``model.blocks`` return.
    """
    channels = model.width if isinstance(model, GraphModel) else 1
    inputs = torch.arange(model.n_features)
    node = torch.cat([inputs, model.node_of_unit.cpu().repeat_interleave(channels)])
    begins = torch.searchsorted(node, nodes)  # units stand in the order of their nodes
    counts = torch.searchsorted(node, nodes, right=True) - begins
    of = torch.repeat_interleave(torch.arange(len(nodes)), counts)
    return of, begins[of] + torch.arange(len(of)) - (counts.cumsum(0) - counts)[of]


def last_states(model: EdgeModel, x: Tensor) -> Tensor:
    """Compute the states of all units behind the inputs, (cells, units); of a model that takes steps, after the last.

    Parameters
    ----------
    model
        A compiled model.
    x
        Features, shape (cells, features).
    """
    with evaluating(model), torch.no_grad():
        states = model.forward_with_states(x)[1]
    return torch.cat(states, dim=1) if model.site == "layer" else states[-1]


@torch.no_grad()
def output_changes(
    models: Sequence[EdgeModel], x: Tensor, perturbations: Perturbations, *, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[tuple[slice, Tensor]]:
    """Compute how far each perturbation moves each output of each cell.

    In a feedforward network, changes are followed from the perturbed units to those that depend on them, and nothing
    else is computed anew: what does not depend on a perturbed unit changes by exactly 0. Where the network takes steps,
    or has activations with parameters, all of it is, and that change is 0 up to rounding; a state is then changed after
    every step.

    Parameters
    ----------
    models
        Models of one graph.
    x
        Features, shape (cells, features).
    perturbations
        What is changed, with a row of ``shift`` for each model.
    rows_at_once
        Cells x perturbations in one pass, where all of the network is computed anew.

    Yields
    ------
    Which perturbations, in turn, and their changes of the outputs, shape (models, perturbations, outputs, cells).

    Raises
    ------
    Edge2TorchError
        If there is not one row of ``shift`` for each model.
    """
    if len(perturbations.shift) != len(models):
        raise Edge2TorchError(
            f"perturbations.shift has {len(perturbations.shift)} rows for {len(models)} models: one for each is needed"
        )
    feedforward = [model for model in models if isinstance(model, FeedforwardModel) and can_follow(model)]
    if len(feedforward) == len(models):
        yield from follow(feedforward, x, perturbations)
    else:
        yield from compute_anew(models, x, perturbations, rows_at_once)


def compute_anew(
    models: Sequence[EdgeModel], x: Tensor, perturbations: Perturbations, rows_at_once: int
) -> Iterator[tuple[slice, Tensor]]:
    """What :func:`output_changes` computes, for every backend: by passes in which the states are changed.

    Copies of the cells stand below each other: as they are, then one for each perturbation.
    """
    for model in models:
        x = model.dense_input(x)
    at_once = min(perturbations.n, max(1, rows_at_once // max(len(x), 1) - 1))
    copies = node_major(x.T).repeat(1, at_once + 1).T
    for first in range(0, perturbations.n, at_once):
        here = slice(first, min(first + at_once, perturbations.n))
        part = perturbations.part(here.start, here.stop)
        given = copies[: (part.n + 1) * len(x)]
        changes = [_changes(model, given, part, shift) for model, shift in zip(models, part.shift, strict=True)]
        yield here, torch.stack(changes)


def _changes(model: EdgeModel, copies: Tensor, part: Perturbations, shift: Tensor) -> Tensor:
    """Changes of the outputs of a model, shape (perturbations, outputs, cells), for copies of the cells."""
    n_cells = len(copies) // (part.n + 1)
    is_input = part.unit < model.n_features
    if is_input.any():
        copies = _changed(copies, n_cells, part, shift, unit=part.unit, which=is_input)
    with evaluating(model), _changing_states(model, n_cells, part, shift):
        outputs = model(copies).unflatten(0, (part.n + 1, n_cells))
    changes: Tensor = (outputs[1:] - outputs[:1]).transpose(1, 2)
    return changes


@contextmanager
def _changing_states(model: EdgeModel, n_cells: int, part: Perturbations, shift: Tensor) -> Iterator[None]:
    """Let the blocks of a model return changed states."""
    hooks = []
    unit = part.unit - model.n_features
    for k, block in enumerate(model.blocks):
        columns = model.units_of(k)
        first, last = columns.start or 0, columns.stop
        which = (unit >= first) if last is None else (unit >= first) & (unit < last)
        if which.any():

            def change(
                _module: object, _given: object, state: Tensor, first: int = first, which: Tensor = which
            ) -> Tensor:
                return _changed(state, n_cells, part, shift, unit=unit - first, which=which)

            hooks.append(block.register_forward_hook(change))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _changed(state: Tensor, n_cells: int, part: Perturbations, shift: Tensor, *, unit: Tensor, which: Tensor) -> Tensor:
    """Change some columns of the copies of cells, (copies x cells, columns)."""
    nodes = torch.empty_like(state.T, memory_format=torch.contiguous_format).copy_(state.T)
    copies = nodes.unflatten(1, (part.n + 1, n_cells))
    column, copy = unit[which].to(state.device), (part.of[which] + 1).to(state.device)
    factor, moved = part.factor[which, None].to(state), shift[which, None].to(state)
    copies[column, copy] = factor * copies[column, copy] + moved
    return nodes.T
