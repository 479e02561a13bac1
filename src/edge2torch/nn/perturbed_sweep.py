"""Following what changes in a feedforward network, from perturbed units to the outputs, and nothing else.

A row is a unit in a perturbation: one that is perturbed, or that depends on one. Of all rows, only changes are kept,
(rows, cells), and they are what edges carry. So the work for a perturbation is in proportion to the edges between what
depends on it, and many perturbations are done at once, as one network whose units are rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from edge2torch.nn.activation import BY_NAME, MixedActivation
from edge2torch.nn.descendants import Descendants, Perturbations
from edge2torch.nn.edge_sums import node_major, sums
from edge2torch.nn.sweep import CELLS_AT_ONCE, parameters, sums_from_inputs

if TYPE_CHECKING:
    from edge2torch.nn.feedforward import FeedforwardLayerBlock, FeedforwardModel

#: rows whose changes are computed at once, about; with more, they fall out of the cache
ROWS_AT_ONCE = 4096
#: most perturbations x outputs at once
OUTPUTS_AT_ONCE = 4096


def can_follow(model: FeedforwardModel) -> bool:
    """Whether what a unit does to its sum can be done to any rows: its activation looks at nothing else."""
    return all(
        all(type(part) in BY_NAME.values() and not getattr(part, "inplace", False) for part in _activations(block))
        and (block.norm is None or block.norm.can_be_given_parameters)
        for block in model.layers()
    )


def _activations(block: FeedforwardLayerBlock) -> list[nn.Module]:
    if isinstance(block.activation, MixedActivation):
        return list(block.activation.each)
    return [] if block.activation is None else [block.activation]


class _Before(NamedTuple):
    """A model, and what it computes without perturbations.

    Attributes
    ----------
    model
        In evaluation mode.
    by_source
        Weights of all edges, sorted by source.
    norm
        Slope and intercept of the normalisation of each unit behind the inputs, shape (units, 1) each; ``None`` if
        nothing is normalised.
    sums
        Of all units behind the inputs, before normalisation and activation, shape (units, cells).
    states
        Of the inputs, then of all other units, shape (inputs + units, cells).
    """

    model: FeedforwardModel
    by_source: Tensor
    norm: tuple[Tensor, Tensor] | None
    sums: Tensor
    states: Tensor


def follow(
    models: Sequence[FeedforwardModel], x: Tensor, perturbations: Perturbations
) -> Iterator[tuple[slice, Tensor]]:
    """What :func:`edge2torch.nn.output_changes` computes, for models of one graph that :func:`can_follow` allows.

    Parameters
    ----------
    models
        In evaluation mode.
    x
        Features, shape (cells, features).
    perturbations
        What is changed.
    """
    for model in models:
        x = model.dense_input(x)
    before = [[_before(model, node_major(cells.T)) for cells in x.split(CELLS_AT_ONCE)] for model in models]
    index, n_inputs = models[0].sweep_index, models[0].n_features
    most = max(1, OUTPUTS_AT_ONCE // models[0].n_outputs)
    first, at_once = 0, min(most, 64)
    while first < perturbations.n:
        last = min(first + at_once, perturbations.n)
        part = perturbations.part(first, last)
        rows = Descendants.of(index, n_inputs, part)
        changes = [
            torch.cat([_changes(cells, rows, part, shift) for cells in blocks], dim=2)
            for blocks, shift in zip(before, part.shift, strict=True)
        ]
        yield slice(first, last), torch.stack(changes)
        at_once = min(most, max(1, part.n * ROWS_AT_ONCE // max(rows.n, 1)))
        first = last


def _before(model: FeedforwardModel, inputs: Tensor) -> _Before:
    """Compute all sums and states from those of the inputs, (inputs, cells)."""
    edges = model.sweep_index
    given = parameters(model)
    weight, n = given.weight, edges.n_from_inputs
    total = sums_from_inputs(edges, given, inputs)
    by_target = weight.index_select(0, edges.by_target)
    norm = _norm_lines(model, weight)
    states = torch.cat([inputs, torch.empty_like(total)])
    units = states[len(inputs) :]
    for k, offsets in enumerate(edges.of_layers(edges.offsets)):
        here = slice(edges.bounds[k], edges.bounds[k + 1])
        first, last = (n + edge for edge in edges.edges_in[k : k + 2])
        if first < last:
            total[here] += sums(by_target[first:last], units, edges.source[first:last], offsets)
        units[here] = _finish(model, k, norm, total[here], torch.arange(here.start, here.stop, device=total.device))
    return _Before(model, weight.index_select(0, edges.by_source), norm, total, states)


def _norm_lines(model: FeedforwardModel, like: Tensor) -> tuple[Tensor, Tensor] | None:
    """Slope and intercept of the normalisation of all units behind the inputs; 1 and 0 for those that have none."""
    bounds = model.sweep_layout["bounds"]
    if all(block.norm is None for block in model.layers()):
        return None
    slope, intercept = like.new_ones(bounds[-1]), like.new_zeros(bounds[-1])
    for block, (first, last) in zip(model.layers(), pairwise(bounds), strict=True):
        if block.norm is None:
            continue
        norm: Any = block.norm.norm
        columns = block.norm.columns
        here = columns + first if columns.numel() else torch.arange(first, last, device=like.device)
        slope[here] = norm.weight / (norm.running_var + norm.eps).sqrt()
        intercept[here] = norm.bias - norm.running_mean * slope[here]
    return slope[:, None], intercept[:, None]


def _finish(
    model: FeedforwardModel, layer: int, norm: tuple[Tensor, Tensor] | None, total: Tensor, units: Tensor
) -> Tensor:
    """Apply normalisation and activation to the sums of some units of a layer, (units, cells)."""
    state = total
    if norm is not None:
        slope, intercept = norm
        state = torch.addcmul(intercept[units], slope[units], total)
    activation = model.layers()[layer].activation
    if not isinstance(activation, MixedActivation):
        return state if activation is None else activation(state)
    given = state
    for module, mask in zip(activation.each, activation.masks, strict=True):
        state = torch.where(mask[units - model.sweep_layout["bounds"][layer], None], module(given), state)
    return state


def _changes(before: _Before, rows: Descendants, part: Perturbations, shift: Tensor) -> Tensor:
    """Changes of the outputs of a model, shape (perturbations, outputs, cells)."""
    model, by_source, norm, totals, states = before
    inner = states[model.n_features :]
    n_first = len(rows.first_unit)
    shift, factor = shift.to(states)[:, None], part.factor.to(states)[:, None]
    delta = states.new_empty(rows.n, states.shape[1])
    state = states[rows.first_unit]
    delta[:n_first] = factor[rows.first_entry] * state + shift[rows.first_entry] - state
    weight = by_source.index_select(0, rows.weight)
    for k, (begin, end) in enumerate(pairwise(rows.bounds)):
        if begin == end:
            continue
        first, last = rows.offsets[begin].item(), rows.offsets[end].item()
        offsets = rows.offsets[begin : end + 1] - first
        change = sums(weight[first:last], delta, rows.source[first:last], offsets)
        block, units = model.layers()[k], rows.unit[begin:end]
        if block.activation is not None or block.norm is not None:
            moved = _finish(model, k, norm, totals[units] + change, units) - inner[units]
            # Outputs are sums: their changes need not be differences of larger numbers.
            change = torch.where(rows.is_output[begin:end, None], change, moved) if rows.is_output.any() else moved
        delta[n_first + begin : n_first + end] = change
        here = slice(*torch.searchsorted(rows.again, torch.tensor([begin, end], device=rows.again.device)).tolist())
        if here.start < here.stop:
            again, entry = rows.again[here], rows.again_entry[here]
            state = inner[rows.unit[again]]
            delta[n_first + again] = factor[entry] * (state + delta[n_first + again]) + shift[entry] - state
    changes = states.new_zeros(part.n * model.n_outputs, states.shape[1])
    changes[rows.outputs] = delta[rows.output_rows]
    return changes.view(part.n, model.n_outputs, -1)
