"""A feedforward network forth and back, each way by one compiled loop.

The sweep takes all cells through one layer after the other. Here, a few cells at a time go through all layers, so that
what edges read stays in the cache; all that is written is the states of the units on the way forth, and gradients on
the way back. It is for what the loops know: layers that are sums over edges, with one of a few activations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from edge2torch.errors import Edge2TorchError
from edge2torch.nn import compiled
from edge2torch.nn.activation import DIRECT, MixedActivation

if TYPE_CHECKING:
    from edge2torch.nn.feedforward import FeedforwardLayerBlock, FeedforwardModel
    from edge2torch.nn.sweep_index import SweepIndex

#: least edges and cells for which a loop is worth it
LEAST_EDGES, LEAST_CELLS = 1_000, 16
#: edges x cells from which several threads of torch are as quick as one with a loop; two never are
WORTH_THREADS = 10_000_000


class CompiledPlan(NamedTuple):
    """What is computed.

    Attributes
    ----------
    edges
        Of the model.
    kinds
        Activation of each unit behind the inputs, by number, shape (units,).
    learns, all_units
        Whether there will be a way back; whether all units are wanted, not the outputs alone.
    again
        Computes the same from x, weights and biases by operations that autograd knows.
    """

    edges: SweepIndex
    kinds: np.ndarray
    learns: bool
    all_units: bool
    again: Callable[..., Tensor]

    def places(self) -> np.ndarray:
        """Row that each unit has among those that are wanted; -1 for the others."""
        if self.all_units:
            return np.arange(self.kinds.size, dtype=np.int32)
        outputs = self.edges.outputs.numpy()
        places = np.full(self.kinds.size, -1, np.int32)
        places[outputs] = np.arange(outputs.size)
        return places


def loops_suit(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether edges and cells are enough, not too many for the threads that there are, and loops can read them."""
    given = [x, weight] if bias is None else [x, weight, bias]
    enough = len(weight) >= LEAST_EDGES and len(x) >= LEAST_CELLS
    few_threads = torch.get_num_threads() <= 2 or len(weight) * len(x) < WORTH_THREADS
    return enough and few_threads and compiled.can_read(*given)


def known_kinds(model: FeedforwardModel) -> np.ndarray | None:
    """Get the activation of each unit by number; ``None`` if layers have more than that, or one that is not known."""
    found = [_kinds(block) for block in model.layers()]
    return None if any(kind is None for kind in found) else np.concatenate(found)  # type: ignore[arg-type]


def _kinds(block: FeedforwardLayerBlock) -> np.ndarray | None:
    if block.norm is not None or (block.dropout is not None and block.dropout.training):
        return None
    activation, n_units = block.activation, block.linear.index.n_targets
    if activation is None:
        return np.zeros(n_units, np.int32)
    if not isinstance(activation, MixedActivation):
        return np.full(n_units, DIRECT[type(activation)].number, np.int32) if type(activation) in DIRECT else None
    if not all(type(each) in DIRECT for each in activation.each):
        return None
    numbers = np.array([[DIRECT[type(each)].number] for each in activation.each])
    found: np.ndarray = (activation.masks.numpy() * numbers).sum(axis=0).astype(np.int32)
    return found


class Inputs(NamedTuple):
    """Features as the loops read them.

    Attributes
    ----------
    numbers, by_cell
        See :class:`~edge2torch.nn.compiled.Flat`; of CSR, what is stored.
    begins, nodes
        Of CSR, where the features of each cell begin, and which feature each is; else empty.
    """

    numbers: np.ndarray
    by_cell: bool
    begins: np.ndarray
    nodes: np.ndarray

    @classmethod
    def of(cls, x: Tensor) -> Inputs:
        """See features (cells, features), CSR or in whatever layout."""
        if x.layout != torch.sparse_csr:
            return cls(*compiled.Flat.of(x.T), *np.empty((2, 0), np.int32))
        begins, nodes = (part.to(torch.int32).numpy() for part in (x.crow_indices(), x.col_indices()))
        sizes = np.diff(begins)
        if begins[0] or begins[-1] != nodes.size or (sizes < 0).any() or not _are_below(nodes, x.shape[1]):
            raise Edge2TorchError("x is no valid CSR tensor: see torch.sparse.check_sparse_tensor_invariants")
        return cls(compiled.flat(x.values()), True, begins, nodes)


def _are_below(numbers: np.ndarray, end: int) -> bool:
    return bool(numbers.min(initial=0) >= 0 and numbers.max(initial=0) < end)


def compiled_sweep(plan: CompiledPlan, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Map features (cells, features) to outputs (cells, outputs), or to the states of all units behind the inputs.

    Features may be CSR if no gradient of them is needed.
    """
    out: Tensor = _CompiledSweep.apply(plan, x, weight, bias)  # type: ignore[no-untyped-call]
    return out


class _CompiledSweep(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: CompiledPlan, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not plan.learns:
            return _forth(plan, x, weight, bias).T
        units = _forth(plan._replace(all_units=True), x, weight, bias)
        ctx.plan = plan
        ctx.save_for_backward(x, weight, bias, units)
        return (units if plan.all_units else units.index_select(0, plan.edges.outputs)).T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            given = ctx.saved_tensors[:3]
            wanted = [t for t, needed in zip(given, ctx.needs_input_grad[1:], strict=True) if needed]
            found = iter(torch.autograd.grad(ctx.plan.again(*given), wanted, grad, create_graph=True))
            return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)
        return None, *_back(ctx, grad)


def _forth(plan: CompiledPlan, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute the states of the units that are wanted, (wanted, cells)."""
    loops, edges = compiled.loops(), plan.edges
    (cells, n_inputs), n_units = x.shape, plan.kinds.size
    out = compiled.empty(weight, n_units if plan.all_units else len(edges.outputs), cells)
    inputs = Inputs.of(x)
    lanes = _lanes(cells, 16 if inputs.by_cell else 32)
    loops.forth(lanes)(
        *inputs,
        n_inputs,
        cells,
        *(compiled.flat(part) for part in (edges.all_offsets, edges.all_sources, weight)),
        compiled.flat(weight.new_empty(0) if bias is None else bias),
        plan.kinds,
        plan.places(),
        compiled.flat(out),
        compiled.fits_past_cache(out),
        *compiled.rooms(weight, (n_inputs + n_units) * lanes),
    )
    return out


def _back(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """Get the gradients of x, weights and biases from that of what was returned, (cells, wanted)."""
    x, weight, _, units = ctx.saved_tensors
    needs_x, needs_weight, needs_bias = ctx.needs_input_grad[1:]
    loops, plan, edges = compiled.loops(), ctx.plan, ctx.plan.edges
    (cells, n_inputs), n_units = x.shape, plan.kinds.size
    of_x = compiled.empty(weight, n_inputs if needs_x else 0, cells)
    of_weight = weight.new_empty(len(weight) if needs_weight else 0)
    of_bias = weight.new_empty(n_units if needs_bias else 0)
    lanes = _lanes(cells, 64)
    loops.back(lanes)(
        *Inputs.of(x),
        cells,
        plan.kinds,
        *(compiled.flat(part) for part in (units, edges.input_starts, edges.all_starts, edges.target)),
        compiled.flat(weight.index_select(0, edges.by_source)),
        compiled.flat(grad.T),
        plan.places(),
        *(compiled.flat(part) for part in (of_x, of_weight, of_bias)),
        compiled.fits_past_cache(of_x),
        *compiled.rooms(weight, n_units * lanes, loops.AT_ONCE * lanes),
    )
    return (
        of_x.T if needs_x else None,
        of_weight.index_select(0, edges.inverse) if needs_weight else None,
        of_bias if needs_bias else None,
    )


def _lanes(cells: int, most: int) -> int:
    return next(lanes for lanes in (64, 32, 16) if lanes <= min(cells, most))
