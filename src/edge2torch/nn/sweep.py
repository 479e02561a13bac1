"""A feedforward network in one sweep over its edges, forth and back.

Block by block, autograd copies the states that a layer reads from all earlier layers, and adds up gradients for each
that is read by several. Here the states of all units lie in one array: every layer reads from it and writes to it, and
on the way back the gradient of a unit is one sum over its outgoing edges, and the gradients of all weights are one
product. Edges from inputs need neither order nor layers and are done for all units at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from edge2torch.errors import Edge2TorchError
from edge2torch.nn.edge_sums import EdgeIndex, autocast_dtype, edge_sums, node_major, products, sums

if TYPE_CHECKING:
    from edge2torch.nn.feedforward import FeedforwardLayerBlock, FeedforwardModel

#: cells in one pass: with more, the rows that edges read again and again fall out of the cache
CELLS_AT_ONCE = 512


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
    )


def sweep(model: FeedforwardModel, x: Tensor) -> Tensor:
    """Map features (cells, features) to outputs (cells, outputs)."""
    weight = torch.cat([block.linear.edge_weight() for block in model.layers()])
    biases: list[Tensor] = [block.linear.bias for block in model.layers() if block.linear.bias is not None]
    bias = torch.cat(biases) if biases else None
    dtype = autocast_dtype(x)
    if dtype is not None:
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    learns = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias))
    out: Tensor = _Sweep.apply(_Plan(model, model.sweep_index, learns), x, weight, bias)  # type: ignore[no-untyped-call]
    return out


class _Plan(NamedTuple):
    model: FeedforwardModel
    edges: SweepIndex
    learns: bool


class _States(NamedTuple):
    """What the way back needs.

    Attributes
    ----------
    inputs, units
        States of the inputs and of all other units, (nodes, cells).
    before, after
        What goes into and comes out of the activations, a tensor for each layer that has any.
    """

    inputs: Tensor
    units: Tensor
    before: list[Tensor]
    after: list[Tensor]


class _Sweep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: _Plan, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        kept: list[Tensor] = []
        outputs = []
        for cells in x.split(CELLS_AT_ONCE):
            states = _forth(plan, node_major(cells.T), weight, bias)
            outputs.append(states.units.index_select(0, plan.edges.outputs))
            if plan.learns:
                kept += [states.inputs, states.units, *states.before, *states.after]
        if plan.learns:
            ctx.plan = plan
            ctx.cells = [out.shape[1] for out in outputs]
            ctx.save_for_backward(x, weight, bias, *kept)
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)).T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, *kept = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            wanted = [t for t, needed in zip((x, weight, bias), ctx.needs_input_grad[1:], strict=True) if needed]
            found = iter(torch.autograd.grad(_again(ctx.plan.model, x, weight, bias), wanted, grad, create_graph=True))
            return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)
        edges = ctx.plan.edges
        by_source = weight.index_select(0, edges.by_source)
        each = len(kept) // len(ctx.cells)
        of_x, of_weight, of_bias = [], [], []
        for i, part in enumerate(grad.split(ctx.cells)):
            inputs, units, *around = kept[i * each : (i + 1) * each]
            half = len(around) // 2
            states = _States(inputs, units, around[:half], around[half:])
            of_sums = _back(ctx.plan, states, by_source, part)
            if needs_x:
                of_x.append(_of_inputs(edges, by_source, of_sums))
            if needs_weight:
                of_weight.append(_of_weights(edges, states, of_sums))
            if needs_bias:
                of_bias.append(of_sums.sum(dim=1))
        return (
            None,
            torch.cat(of_x, dim=1).T if needs_x else None,
            _total(of_weight) if needs_weight else None,
            _total(of_bias) if needs_bias else None,
        )


def _forth(plan: _Plan, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> _States:
    """Compute all states from those of the inputs, (inputs, cells)."""
    model, edges, learns = plan
    sorted_weight = weight.index_select(0, edges.by_target)
    weight, source = sorted_weight[edges.n_from_inputs :], edges.source[edges.n_from_inputs :]
    given = sums(sorted_weight[: edges.n_from_inputs], inputs, edges.source[: edges.n_from_inputs], edges.input_offsets)
    if bias is not None:
        given += bias[:, None]
    units = torch.empty_like(given)
    before, after = [], []
    for k, (block, offsets) in enumerate(zip(model.layers(), edges.of_layers(edges.offsets), strict=True)):
        here = slice(edges.bounds[k], edges.bounds[k + 1])
        first, last = edges.edges_in[k : k + 2]
        total = given[here]
        if first < last:
            total = sums(weight[first:last], units, source[first:last], offsets).add_(total)
        state = total
        if block.finishes:
            with torch.set_grad_enabled(learns):
                leaf = total.requires_grad_(learns)
                state = block.finish((leaf if block.keeps_sums else leaf.clone()).T).T
            if learns:
                before.append(total)
                after.append(state)
        units[here] = state.detach()
    return _States(inputs, units, before, after)


def _back(plan: _Plan, states: _States, by_source: Tensor, grad: Tensor) -> Tensor:
    """From the gradient of the outputs, (cells, outputs), to that of all sums, (units, cells)."""
    model, edges, _ = plan
    weight, target = by_source[edges.n_from_inputs :], edges.target[edges.n_from_inputs :]
    of_sums = torch.empty_like(states.units)
    around = list(zip(states.before, states.after, strict=True))
    starts = edges.of_layers(edges.starts)
    n_read = grad.shape[1]
    for k in reversed(range(len(model.blocks))):
        first, last = edges.edges_out[k : k + 2]
        of_states = sums(weight[first:last], of_sums, target[first:last], starts[k])
        columns = model.output_columns[k]
        if columns.numel():
            of_states[columns.to(grad.device)] = grad[:, n_read - columns.numel() : n_read].T
            n_read -= columns.numel()
        if model.layers()[k].finishes:
            total, state = around.pop()
            (of_states,) = torch.autograd.grad(state, total, of_states, retain_graph=True)
        of_sums[edges.bounds[k] : edges.bounds[k + 1]] = of_states
    return of_sums


def _of_inputs(edges: SweepIndex, by_source: Tensor, of_sums: Tensor) -> Tensor:
    n = edges.n_from_inputs
    return sums(by_source[:n], of_sums, edges.target[:n], edges.input_starts)


def _of_weights(edges: SweepIndex, states: _States, of_sums: Tensor) -> Tensor:
    n = edges.n_from_inputs
    from_inputs = products(states.inputs, of_sums, edges.input_starts, edges.target[:n])
    between = products(states.units, of_sums, edges.all_starts, edges.target[n:])
    return torch.cat([from_inputs, between]).index_select(0, edges.inverse)


def _again(model: FeedforwardModel, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute the outputs once more, by operations that autograd knows: for gradients of gradients."""
    layers: list[FeedforwardLayerBlock] = model.layers()
    if any(block.dropout is not None and block.dropout.training for block in layers):
        raise Edge2TorchError("second derivatives need a model without dropout: call model.eval() first")
    weights = weight.split([block.linear.weight.numel() for block in layers])
    biases = [None] * len(layers) if bias is None else bias.split([block.linear.index.n_targets for block in layers])
    states = [x]
    for block, weight_here, bias_here in zip(layers, weights, biases, strict=True):
        total = edge_sums(weight_here, block.gather(states).T, block.linear.index)
        states.append(block.finish((total if bias_here is None else total + bias_here[:, None]).T))
    return model.pick_outputs(states)


def _total(parts: list[Tensor]) -> Tensor:
    total: Tensor = sum(parts[1:], start=parts[0])
    return total
