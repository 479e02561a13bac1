"""A feedforward network in one sweep over its edges, forth and back.

Block by block, autograd copies the states that a layer reads from all earlier layers, and adds up gradients for each
that is read by several. Here the states of all units lie in one array: every layer reads from it and writes to it, and
on the way back the gradient of a unit is one sum over its outgoing edges, and the gradients of all weights are one
product. Edges from inputs need neither order nor layers and are done for all units at once.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from edge2torch.errors import Edge2TorchError
from edge2torch.nn import compiled
from edge2torch.nn.activation import DIRECT
from edge2torch.nn.compiled_sweep import CompiledPlan, compiled_sweep, known_kinds, loops_suit
from edge2torch.nn.edge_sums import autocast_dtype, edge_sums, node_major, products, sums
from edge2torch.nn.model import dense

if TYPE_CHECKING:
    from edge2torch.nn.feedforward import FeedforwardLayerBlock, FeedforwardModel
    from edge2torch.nn.norm import NodeNorm
    from edge2torch.nn.sweep_index import SweepIndex

#: cells in one pass: with more, the rows that edges read again and again fall out of the cache
CELLS_AT_ONCE = 512


def can_sweep(model: FeedforwardModel, x: Tensor) -> bool:
    """Whether nothing needs to look at, or transform, what happens between the layers."""
    return not (
        type(x) is not Tensor
        or torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or model.is_watched()
        or any(module._parameters for block in model.layers() for module in block.after_sums())  # need gradients, too
        or not all(norm.can_be_given_parameters for norm in _norms(model))
    )


def sweep(model: FeedforwardModel, x: Tensor, *, all_units: bool = False) -> Tensor:
    """Map features (cells, features) to outputs (cells, outputs), or to the states of all units behind the inputs."""
    weight, bias, scale, shift = parameters(model)
    dtype = autocast_dtype(x)
    if dtype is not None:
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    given = (x, weight, bias, scale, shift)
    learns = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given)
    at_once = len(x) if any(norm.looks_at_batch(len(x)) for norm in _norms(model)) else CELLS_AT_ONCE
    plan = Plan(model, model.sweep_index, learns, all_units, at_once)
    kinds = known_kinds(model) if loops_suit(x, weight, bias) else None
    if x.layout != torch.strided and (x.layout != torch.sparse_csr or kinds is None or x.requires_grad):
        return sweep(model, dense(x), all_units=all_units)
    if kinds is not None:
        again = functools.partial(_again, plan)
        return compiled_sweep(CompiledPlan(plan.edges, kinds, learns, all_units, again), x, weight, bias)
    out: Tensor = _Sweep.apply(plan, *given)  # type: ignore[no-untyped-call]
    return out


def reads_csr(model: FeedforwardModel, n_cells: int) -> bool:
    """Whether of CSR, of so many cells, only what is stored is read; else it is made dense first."""
    weight, bias, *_ = parameters(model)
    x = weight.new_empty(n_cells, 0)
    return can_sweep(model, x) and loops_suit(x, weight, bias) and known_kinds(model) is not None


def parameters(model: FeedforwardModel) -> Given:
    """What a model computes with, constraints applied."""
    biases: list[Tensor] = [block.linear.bias for block in model.layers() if block.linear.bias is not None]
    norms = _norms(model)
    return Given(
        torch.cat([block.linear.edge_weight() for block in model.layers()]),
        torch.cat(biases) if biases else None,
        torch.cat([norm.norm.weight for norm in norms]) if norms else None,
        torch.cat([norm.norm.bias for norm in norms]) if norms else None,
    )


def _norms(model: FeedforwardModel) -> list[NodeNorm]:
    return [block.norm for block in model.layers() if block.norm is not None]


class Plan(NamedTuple):
    """What is computed, and how."""

    model: FeedforwardModel
    edges: SweepIndex
    learns: bool
    all_units: bool
    at_once: int


class Given(NamedTuple):
    """What a model computes with.

    Attributes
    ----------
    weight, bias
        Of all edges and all units, those of each layer in a row.
    scale, shift
        Of all units that are normalised.
    """

    weight: Tensor
    bias: Tensor | None
    scale: Tensor | None = None
    shift: Tensor | None = None


class States(NamedTuple):
    """What the way back needs.

    Attributes
    ----------
    inputs, units
        States of the inputs and of all other units, (nodes, cells).
    norms
        Scale and shift as they went into the normalisation of each layer that has one, in turn.
    before, after
        What goes into and comes out of normalisation and activations, a tensor for each layer that has any.
    """

    inputs: Tensor
    units: Tensor
    norms: list[Tensor]
    before: list[Tensor]
    after: list[Tensor]


class _Sweep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, x: Tensor, *given: Tensor | None) -> Tensor:
        kept: list[Tensor] = []
        outputs = []
        for cells in x.split(plan.at_once):
            states = forth(plan, cells.T, Given(*given))  # type: ignore[arg-type]
            outputs.append(states.units if plan.all_units else states.units.index_select(0, plan.edges.outputs))
            if plan.learns:
                kept += [states.inputs, states.units, *states.norms, *states.before, *states.after]
        if plan.learns:
            ctx.plan = plan
            ctx.cells = [out.shape[1] for out in outputs]
            ctx.save_for_backward(x, *given, *kept)
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)).T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, scale, shift, *kept = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, *needs_norms = ctx.needs_input_grad[1:]
        given = Given(weight, bias, scale, shift)
        if torch.is_grad_enabled():
            wanted = [t for t, needed in zip((x, *given), ctx.needs_input_grad[1:], strict=True) if needed]
            found = iter(torch.autograd.grad(_again(ctx.plan, x, *given), wanted, grad, create_graph=True))
            return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)
        edges = ctx.plan.edges
        by_source = weight.index_select(0, edges.by_source)
        each = len(kept) // len(ctx.cells)
        n_norms = 2 * len(_norms(ctx.plan.model))
        of_x, of_weight, of_bias, of_norms = [], [], [], []
        for i, part in enumerate(grad.split(ctx.cells)):
            inputs, units, *around = kept[i * each : (i + 1) * each]
            norms, around = around[:n_norms], around[n_norms:]
            half = len(around) // 2
            states = States(inputs, units, norms, around[:half], around[half:])
            of_sums, of_norms_here = back(ctx.plan, states, by_source, part)
            if needs_x:
                of_x.append(of_inputs(edges, by_source, of_sums))
            if needs_weight:
                of_weight.append(_of_weights(edges, states, of_sums))
            if needs_bias:
                of_bias.append(of_sums.sum(dim=1))
            if any(needs_norms):
                of_norms.append([torch.cat(of_norms_here[k::2]) for k in range(2)])
        return (
            None,
            torch.cat(of_x, dim=1).T if needs_x else None,
            _total(of_weight) if needs_weight else None,
            _total(of_bias) if needs_bias else None,
            *(_total([part[k] for part in of_norms]) if needed else None for k, needed in enumerate(needs_norms)),
        )


def forth(plan: Plan, inputs: Tensor, given: Given) -> States:
    """Compute all states from those of the inputs, (inputs, cells)."""
    if not compiled.suits(plan.edges.source[: plan.edges.n_from_inputs], given.weight, inputs):
        inputs = node_major(inputs)
    return onwards(plan, inputs, sums_from_inputs(plan.edges, given, inputs), given)


def sums_from_inputs(edges: SweepIndex, given: Given, inputs: Tensor) -> Tensor:
    """Sum over the edges from inputs alone, and add biases: (inputs, cells) to (units, cells)."""
    n = edges.n_from_inputs
    weight = given.weight.index_select(0, edges.by_target[:n])
    return sums(weight, inputs, edges.source[:n], edges.input_offsets, bias=given.bias)


def onwards(plan: Plan, inputs: Tensor, from_inputs: Tensor, given: Given) -> States:
    """Compute all states from the part of their sums that does not come from other units, (units, cells)."""
    model, edges, learns, *_ = plan
    norms = [[part.detach().requires_grad_(learns) for part in pair] for pair in _by_layer(model, given)]
    source = edges.source[edges.n_from_inputs :]
    weight = given.weight.index_select(0, edges.by_target[edges.n_from_inputs :])
    units = torch.empty_like(from_inputs)
    before, after = [], []
    for k, (block, offsets) in enumerate(zip(model.layers(), edges.of_layers(edges.offsets), strict=True)):
        here = slice(edges.bounds[k], edges.bounds[k + 1])
        first, last = edges.edges_in[k : k + 2]
        total = from_inputs[here]
        if first < last:
            total = sums(weight[first:last], units, source[first:last], offsets).add_(total)
        direct = block.direct
        if direct:
            direct.activate(total, out=units[here])
            if learns:
                before.append(total)
                after.append(units[here])
            continue
        state = total
        if block.finishes:
            with torch.set_grad_enabled(learns):
                leaf = total.requires_grad_(learns)
                state = block.finish((leaf if block.keeps_sums else leaf.clone()).T, *norms[k]).T
            if learns:
                before.append(total)
                after.append(state)
        units[here] = state.detach()
    return States(inputs, units, [part for pair in norms for part in pair], before, after)


def _by_layer(model: FeedforwardModel, given: Given) -> list[tuple[Tensor, ...]]:
    """Scale and shift of the normalisation of each layer; nothing for layers without."""
    scale, shift = given.scale, given.shift
    if scale is None or shift is None:
        return [()] * len(model.blocks)
    sizes = [norm.norm.num_features for norm in _norms(model)]
    pairs = zip(scale.split(sizes), shift.split(sizes), strict=True)
    return [() if block.norm is None else next(pairs) for block in model.layers()]


def back(
    plan: Plan, states: States, by_source: Tensor, grad: Tensor, kept: Tensor | None = None
) -> tuple[Tensor, list[Tensor]]:
    """From the gradient of what the sweep returned, (cells, units), to those of all sums, (units, cells), and norms.

    The gradients of all states, (units, cells), are written into ``kept``.
    """
    model, edges, _, all_units, _ = plan
    weight, target = by_source[edges.n_from_inputs :], edges.target[edges.n_from_inputs :]
    of_sums = torch.empty_like(states.units)
    of_norms: list[Tensor] = []
    norms = list(states.norms)
    around = list(zip(states.before, states.after, strict=True))
    starts = edges.of_layers(edges.starts)
    n_read = grad.shape[1]
    for k in reversed(range(len(model.blocks))):
        first, last = edges.edges_out[k : k + 2]
        of_states = sums(weight[first:last], of_sums, target[first:last], starts[k])
        here = slice(edges.bounds[k], edges.bounds[k + 1])
        columns = model.output_columns[k]
        if all_units:
            of_states += grad[:, here].T
        elif columns.numel():
            of_states[columns.to(grad.device)] = grad[:, n_read - columns.numel() : n_read].T
            n_read -= columns.numel()
        if kept is not None:
            kept[here] = of_states
        block = model.layers()[k]
        if block.finishes:
            total, state = around.pop()
            if not state.requires_grad:  # as it was on the way forth; the model may be in another mode by now
                DIRECT[type(block.activation)].of_sums(of_states, state, out=of_sums[here])  # type: ignore[index]
                continue
            used = [] if block.norm is None else [norms.pop(), norms.pop()][::-1]
            of_states, *found = torch.autograd.grad(state, [total, *used], of_states, retain_graph=True)
            of_norms = found + of_norms
        of_sums[here] = of_states
    return of_sums, of_norms


def of_inputs(edges: SweepIndex, by_source: Tensor, of_sums: Tensor) -> Tensor:
    """From the gradients of all sums, (units, cells), to those of the inputs, (inputs, cells)."""
    n = edges.n_from_inputs
    return sums(by_source[:n], of_sums, edges.target[:n], edges.input_starts)


def _of_weights(edges: SweepIndex, states: States, of_sums: Tensor) -> Tensor:
    n = edges.n_from_inputs
    from_inputs = products(states.inputs, of_sums, edges.input_starts, edges.target[:n])
    between = products(states.units, of_sums, edges.all_starts, edges.target[n:])
    return torch.cat([from_inputs, between]).index_select(0, edges.inverse)


def _again(plan: Plan, x: Tensor, weight: Tensor, bias: Tensor | None, *of_norms: Tensor | None) -> Tensor:
    """Compute what the sweep returned once more, by operations that autograd knows: for gradients of gradients."""
    layers: list[FeedforwardLayerBlock] = plan.model.layers()
    if any(block.dropout is not None and block.dropout.training for block in layers):
        raise Edge2TorchError("second derivatives need a model without dropout: call model.eval() first")
    if any(norm.looks_at_batch(len(x)) for norm in _norms(plan.model)):  # the running statistics would move twice
        raise Edge2TorchError("second derivatives need batch normalisation in evaluation mode: call model.eval() first")
    weights = weight.split([block.linear.weight.numel() for block in layers])
    biases = [None] * len(layers) if bias is None else bias.split([block.linear.index.n_targets for block in layers])
    states = [dense(x)]
    norms = _by_layer(plan.model, Given(weight, bias, *of_norms))
    for block, weight_here, bias_here, norm in zip(layers, weights, biases, norms, strict=True):
        total = edge_sums(weight_here, block.gather(states).T, block.linear.index)
        states.append(block.finish((total if bias_here is None else total + bias_here[:, None]).T, *norm))
    return torch.cat(states[1:], dim=1) if plan.all_units else plan.model.pick_outputs(states)


def _total(parts: list[Tensor]) -> Tensor:
    total: Tensor = sum(parts[1:], start=parts[0])
    return total
