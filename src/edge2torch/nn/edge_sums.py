"""The one operation that everything rests on: weighted sums of states over edges.

It is made of kernels that come with torch, on state that lies node by node, ``(nodes, cells)``, so that an edge reads
whole rows: ``embedding_bag`` for the sums, the same on the reversed graph for the gradient of the states, and
``sampled_addmm`` for the gradient of the weights. Many edges of many cells on a CPU go through loops that numba
compiles, where it is installed. Memory is O(edges + states). Both operations are registered with torch, so that
``torch.compile``, ``torch.export`` and ``torch.func`` go through them, and each is the other's derivative, so that
derivatives of any order exist.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from edge2torch.nn import compiled

with warnings.catch_warnings():  # torch says once per process that CSR is in beta; what is used of it here is tested
    warnings.simplefilter("ignore", UserWarning)
    torch.sparse_csr_tensor(torch.tensor([0]), torch.tensor([]), torch.tensor([]), (0, 0), check_invariants=False)


class EdgeIndex(NamedTuple):
    """Edges sorted by target and, for the way back, by source; all int32.

    Attributes
    ----------
    source
        Source of each edge, edges sorted by target, shape (edges,).
    offsets
        Where the edges of each target begin, and the number of edges, shape (targets + 1,).
    target, starts
        The same for edges sorted by source, shapes (edges,) and (sources + 1,).
    order, inverse
        ``by_target[order]`` is sorted by source, ``by_source[inverse]`` by target, shape (edges,).
    """

    source: Tensor
    offsets: Tensor
    target: Tensor
    starts: Tensor
    order: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, source: Tensor, target: Tensor, n_sources: int, n_targets: int) -> EdgeIndex:
        """Index edges that are sorted by target."""
        order = torch.argsort(source, stable=True)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(order.numel())
        parts = (source, _bounds(target, n_targets), target[order], _bounds(source, n_sources), order, inverse)
        return cls(*(part.to(torch.int32) for part in parts))

    @property
    def n_sources(self) -> int:
        """Number of nodes that edges may come from."""
        return self.starts.shape[0] - 1

    @property
    def n_targets(self) -> int:
        """Number of nodes that edges may lead to."""
        return self.offsets.shape[0] - 1

    def reversed(self) -> EdgeIndex:
        """The same edges the other way round; their weights are ``weight[order]``."""
        return EdgeIndex(self.target, self.starts, self.source, self.offsets, self.inverse, self.order)


def _bounds(nodes: Tensor, n_nodes: int) -> Tensor:
    return torch.cat([nodes.new_zeros(1), torch.bincount(nodes, minlength=n_nodes).cumsum(0)])


def edge_sums(weight: Tensor, state: Tensor, index: EdgeIndex, *, bias: Tensor | None = None) -> Tensor:
    """Sum states over edges: ``out[v] = bias[v] + sum over u -> v of weight[u -> v] * state[u]``.

    Parameters
    ----------
    weight
        One per edge, edges sorted by target, shape (edges,).
    state
        Shape (sources, cells).
    index
        The edges.
    bias
        Of each target, shape (targets,).

    Returns
    -------
    Shape (targets, cells); under autocast in its type, as for ``torch.mm``.
    """
    dtype = autocast_dtype(state)
    if dtype is not None:
        weight, state = weight.to(dtype), state.to(dtype)
    if torch.compiler.is_compiling():
        out: Tensor = _sums_op(weight, node_major(state), index)
        return out if bias is None else out + bias[:, None].to(out.dtype)
    bias = None if bias is None else bias.to(weight.dtype)
    as_it_lies = compiled.suits(index.source, *_given(bias), weight, state)
    return _Sums.call(weight, state if as_it_lies else node_major(state), *index, bias)


def _given(*tensors: Tensor | None) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor is not None]


def autocast_dtype(tensor: Tensor) -> torch.dtype | None:
    """Type in which to compute under autocast, which does not touch float64; ``None`` without autocast."""
    kind = tensor.device.type
    on = kind != "meta" and torch.is_autocast_enabled(kind) and tensor.dtype != torch.float64
    return torch.get_autocast_dtype(kind) if on else None


def node_major(state: Tensor) -> Tensor:
    """Let the rows of a state, (nodes, cells), lie one after the other in memory; copies only if they do not."""
    return state if state.is_contiguous() else torch.cat([state])  # quicker than contiguous(), as it goes row by row


def sums(weight: Tensor, state: Tensor, source: Tensor, offsets: Tensor, *, bias: Tensor | None = None) -> Tensor:
    """What :func:`edge_sums` computes, and a bias of each target, outside of autograd.

    ``state`` may hold rows that no edge reads.
    """
    if compiled.suits(source, *_given(bias), weight, state):
        return compiled.pull(weight, None, state, offsets, source, bias=bias)[0]
    if not state.shape[1]:
        return state.new_zeros(offsets.shape[0] - 1, 0)
    # (weight, indices, offsets, scale_grad_by_freq, mode "sum", sparse, per_sample_weights, include_last_offset)
    found = torch.embedding_bag(node_major(state), source, offsets, False, 0, False, weight, True)[0]
    return found if bias is None else found.add_(bias[:, None])


def products(rows: Tensor, columns: Tensor, starts: Tensor, positions: Tensor) -> Tensor:
    """For every edge the sum over cells of the products of two states, outside of autograd.

    Parameters
    ----------
    rows, columns
        States at the two ends, (nodes, cells); edges are sorted by the row. It is faster to let ``columns`` be the
        smaller one, as its rows are read in no particular order.
    starts, positions
        Where the edges of each row begin, and the column of each edge.

    Returns
    -------
    Shape (edges,), edges sorted by row, in the type of the states; half precision is added up in float32.
    """
    if compiled.suits(positions, rows, columns):
        return compiled.pull(None, rows, columns, starts, positions)[1]
    exact = rows.dtype if rows.dtype in (torch.float32, torch.float64) else torch.float32
    found = torch.sparse_csr_tensor(
        starts,
        positions,
        torch.zeros(positions.shape, dtype=exact, device=rows.device),
        (starts.shape[0] - 1, columns.shape[0]),
        check_invariants=False,
    )
    if rows.shape[1] and positions.shape[0]:
        found = torch.sparse.sampled_addmm(found, node_major(rows.to(exact)), node_major(columns.to(exact)).t())
    return found.values().to(rows.dtype)


def edge_products(state: Tensor, other: Tensor, index: Sequence[Tensor]) -> Tensor:
    """For every edge, sorted by target, the sum over cells of a state at its source times one at its target."""
    source, offsets, target, starts, _, inverse = index
    if other.shape[0] > state.shape[0]:
        return products(other, state, offsets, source)
    return products(state, other, starts, target).index_select(0, inverse)


# Twice: as Functions, and as operators for torch.compile and torch.export. These cannot look into Functions that have a
# jvp; the derivatives of operators, in turn, do not work under torch.func (as of torch 2.13).

Run = Callable[[Tensor, Tensor, Sequence[Tensor]], Tensor]


def _of_sums(ctx: Any, grad: Tensor, add: Run, multiply: Run) -> tuple[Tensor | None, Tensor | None]:
    weight, state, *parts = ctx.saved_tensors
    index = EdgeIndex(*parts[:6])
    needs_weight, needs_state, *_ = ctx.needs_input_grad
    return (
        multiply(state, grad, index) if needs_weight else None,
        add(weight.index_select(0, index.order), grad, index.reversed()) if needs_state else None,
    )


def _of_products(ctx: Any, grad: Tensor, add: Run) -> tuple[Tensor | None, Tensor | None]:
    state, other, *parts = ctx.saved_tensors
    index = EdgeIndex(*parts)
    needs_state, needs_other, *_ = ctx.needs_input_grad
    return (
        add(grad.index_select(0, index.order), other, index.reversed()) if needs_state else None,
        add(grad, state, index) if needs_other else None,
    )


@torch.library.custom_op("edge2torch::edge_sums", mutates_args=())
def _sums_op(weight: Tensor, state: Tensor, index: Sequence[Tensor]) -> Tensor:
    source, offsets, *_ = index
    return sums(weight, state, source, offsets)


@torch.library.custom_op("edge2torch::edge_products", mutates_args=())
def _products_op(state: Tensor, other: Tensor, index: Sequence[Tensor]) -> Tensor:
    return edge_products(state, other, index)


@_sums_op.register_fake
def _(weight: Tensor, state: Tensor, index: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    return state.new_empty(index[1].shape[0] - 1, state.shape[1])


@_products_op.register_fake
def _(state: Tensor, other: Tensor, index: Sequence[Tensor]) -> Tensor:  # noqa: ARG001
    return state.new_empty(index[0].shape[0])


def _save(ctx: Any, inputs: tuple[Tensor, Tensor, Sequence[Tensor]], output: Tensor) -> None:  # noqa: ARG001
    first, second, index = inputs
    ctx.save_for_backward(first, second, *index)


_sums_op.register_autograd(
    lambda ctx, grad: (*_of_sums(ctx, grad, _sums_op, _products_op), [None] * 6), setup_context=_save
)
_products_op.register_autograd(lambda ctx, grad: (*_of_products(ctx, grad, _sums_op), [None] * 6), setup_context=_save)


def _sum(weight: Tensor, state: Tensor, index: Sequence[Tensor]) -> Tensor:
    return _Sums.call(weight, state, *index, None)


def _multiply(state: Tensor, other: Tensor, index: Sequence[Tensor]) -> Tensor:
    return _Products.call(state, other, *index)


class _Function(torch.autograd.Function):
    """What the two have in common."""

    @classmethod
    def call(cls, *inputs: Tensor | None) -> Tensor:
        out: Tensor = cls.apply(*inputs)  # type: ignore[no-untyped-call]
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @classmethod
    def one_by_one(cls, info: Any, dims: tuple[int | None, ...], *inputs: Tensor | None) -> tuple[Tensor, int]:
        each = (
            [tensor] * info.batch_size if tensor is None or dim is None else tensor.unbind(dim)
            for tensor, dim in zip(inputs, dims, strict=True)
        )
        return torch.stack([cls.call(*one) for one in zip(*each, strict=True)]), 0


class _Sums(_Function):
    """The bias, or ``None``, comes last."""

    @staticmethod
    def forward(*inputs: Any) -> Tensor:
        weight, state, source, offsets, *_, bias = inputs
        return sums(weight.detach(), state, source, offsets, bias=bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, state, *parts, _ = ctx.saved_tensors
        index = EdgeIndex(*parts)
        of_bias = grad.sum(dim=1) if ctx.needs_input_grad[-1] else None
        at_once = all(ctx.needs_input_grad[:2]) and index.n_targets <= index.n_sources and not torch.is_grad_enabled()
        if at_once and compiled.suits(index.target, weight, state, grad):
            by_source = weight.detach().index_select(0, index.order)
            of_state, of_weight = compiled.pull(by_source, state, grad, index.starts, index.target)
            return of_weight.index_select(0, index.inverse), of_state, *(None,) * 6, of_bias
        return *_of_sums(ctx, grad, _sum, _multiply), *(None,) * 6, of_bias

    @staticmethod
    def jvp(ctx: Any, of_weight: Tensor | None, of_state: Tensor | None, *of_others: Tensor | None) -> Tensor:
        weight, state, *index, _ = ctx.saved_tensors
        *_, of_bias = of_others
        return _total(
            None if of_weight is None else _sum(of_weight, state, index),
            None if of_state is None else _sum(weight, of_state, index),
            None if of_bias is None else of_bias[:, None].expand(-1, state.shape[1]),
        )

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        weight, state, *others = inputs
        if dims[0] is not None or dims[1] is None or dims[-1] is not None:
            return _Sums.one_by_one(info, dims, *inputs)
        beside = state.movedim(dims[1], 1)  # with one set of weights, more states are just more cells
        out = _Sums.call(weight, beside.flatten(1), *others)
        return out.unflatten(1, beside.shape[1:]), 1


class _Products(_Function):
    @staticmethod
    def forward(*inputs: Any) -> Tensor:
        state, other, *index = inputs
        return edge_products(state, other, index)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return *_of_products(ctx, grad, _sum), *(None,) * 6

    @staticmethod
    def jvp(ctx: Any, of_state: Tensor | None, of_other: Tensor | None, *_: None) -> Tensor:
        state, other, *index = ctx.saved_tensors
        return _total(
            None if of_state is None else _multiply(of_state, other, index),
            None if of_other is None else _multiply(state, of_other, index),
        )

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        return _Products.one_by_one(info, dims, *inputs)


def _total(*parts: Tensor | None) -> Tensor:
    first, *others = _given(*parts)
    return sum(others, start=first)
