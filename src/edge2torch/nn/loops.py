"""The loop over edges that numba compiles, in vectors of as many cells as one pass handles.

Edges are sorted by the node at one end, their row. States of rows are read, or written, one after the other; states at
the other ends, the columns, are read again and again in no order, so each pass first packs those of its cells into one
piece of memory that stays in cache. All arrays are flat. Numba itself vectorises such loops only in part, and looks for
negative indices, so that vectors and accesses are spelt out here.

All of this is in one module: it is what numba looks at to tell whether what it keeps on disk is up to date.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

#: most cells in one pass: 4 registers of 512 bits, or 8 of 256
LANES = 64
#: cells in one pass where the columns are so many that they do not stay in cache otherwise
FEWER_LANES = 32
#: side of the squares in which states are transposed
SIDE = 16
#: how far ahead memory is fetched, in rows, or squares of them
AHEAD = 4

_FLOATS = {types.float32: (ir.FloatType(), "f32"), types.float64: (ir.DoubleType(), "f64")}
_INT32 = ir.IntType(32)


class Lanes(types.Type):
    """A vector of numbers in registers."""

    def __init__(self, dtype, n):
        self.dtype, self.n = dtype, n
        super().__init__(f"Lanes({dtype}, {n})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, lanes):
        super().__init__(manager, lanes, ir.VectorType(_FLOATS[lanes.dtype][0], lanes.n))


def _place(context, builder, array_type, array, at):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [at])


def _read(context, builder, array_type, array, at, vector):
    place = builder.bitcast(_place(context, builder, array_type, array, at), vector.as_pointer())
    return builder.load(place, align=array_type.dtype.bitwidth // 8)


def _write(context, builder, array_type, array, at, value, align=None):
    place = builder.bitcast(_place(context, builder, array_type, array, at), value.type.as_pointer())
    return builder.store(value, place, align=align or array_type.dtype.bitwidth // 8)


def _pick(builder, first, second, lanes):
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_INT32, len(lanes)), lanes))


def _splat(builder, number, n):
    one = builder.insert_element(ir.Constant(ir.VectorType(number.type, n), ir.Undefined), number, _INT32(0))
    return _pick(builder, one, one, [0] * n)


def _zeros(vector):
    return ir.Constant(vector, [0.0] * vector.count)


@intrinsic(prefer_literal=True)
def _load(typing, array, at, n):  # noqa: ARG001
    lanes = Lanes(array.dtype, n.literal_value)

    def build(context, builder, signature, args):
        return _read(context, builder, signature.args[0], args[0], args[1], context.get_value_type(lanes))

    return lanes(array, types.intp, n), build


@intrinsic
def _get(typing, array, at):  # noqa: ARG001
    def build(context, builder, signature, args):
        return builder.load(_place(context, builder, signature.args[0], *args))

    return array.dtype(array, types.intp), build


@intrinsic
def _add_to(typing, array, at, number):  # noqa: ARG001
    def build(context, builder, signature, args):
        place = _place(context, builder, signature.args[0], args[0], args[1])
        builder.store(builder.fadd(builder.load(place), args[2]), place)
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), build


@intrinsic
def _store(typing, array, at, value):  # noqa: ARG001
    def build(context, builder, signature, args):
        _write(context, builder, signature.args[0], *args)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@intrinsic
def _store_past_cache(typing, array, at, value):  # noqa: ARG001
    """Store what is not read soon, at a multiple of 64 bytes: memory that is overwritten is not read before."""

    def build(context, builder, signature, args):
        to, at, value = args
        n = 64 * 8 // signature.args[0].dtype.bitwidth
        for first in range(0, value.type.count, n):
            part = _pick(builder, value, value, list(range(first, first + n)))
            at_part = builder.add(at, ir.Constant(at.type, first))
            stored = _write(context, builder, signature.args[0], to, at_part, part, align=64)
            stored.set_metadata("nontemporal", builder.module.add_metadata([_INT32(1)]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@intrinsic
def _fetch(typing, array, at):  # noqa: ARG001
    """Ask for a cache line; it need not exist."""

    def build(context, builder, signature, args):
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_read, keep, data_cache = _INT32(0), _INT32(3), _INT32(1)
        place = builder.bitcast(_place(context, builder, signature.args[0], *args), byte)
        builder.call(prefetch, [place, to_read, keep, data_cache])
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@intrinsic
def _all_like(typing, number, value):  # noqa: ARG001
    """Repeat a number in all lanes."""

    def build(context, builder, signature, args):  # noqa: ARG001
        return _splat(builder, args[0], value.n)

    return value(value.dtype, value), build


@intrinsic
def _add_scaled(typing, total, number, value):  # noqa: ARG001
    """Get ``total + number * value``, rounded once."""

    def build(context, builder, signature, args):  # noqa: ARG001
        total_, number_, value_ = args
        kind = ir.FunctionType(value_.type, [value_.type] * 3)
        name = f"llvm.fma.v{value.n}{_FLOATS[value.dtype][1]}"
        multiply_add = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(multiply_add, [_splat(builder, number_, value.n), value_, total_])

    return total(total, total.dtype, value), build


@intrinsic
def _dot(typing, first, second):  # noqa: ARG001
    """Sum up the products, in any order."""

    def build(context, builder, signature, args):  # noqa: ARG001
        vector = args[0].type
        number, name = vector.element, f"llvm.vector.reduce.fadd.v{first.n}{_FLOATS[first.dtype][1]}"
        kind = ir.FunctionType(number, [number, vector])
        add_up = cgutils.get_or_insert_function(builder.module, kind, name)
        products = builder.fmul(*args, flags=("reassoc", "contract"))
        return builder.call(add_up, [ir.Constant(number, 0.0), products], fastmath=("reassoc", "contract"))

    return first.dtype(first, second), build


@intrinsic
def _from_lane(typing, value, first):  # noqa: ARG001
    """Put zeros before a lane."""

    def build(context, builder, signature, args):  # noqa: ARG001
        vector, n = args[0].type, value.n
        places = ir.Constant(ir.VectorType(args[1].type, n), list(range(n)))
        keep = builder.icmp_signed(">=", places, _splat(builder, args[1], n))
        return builder.select(keep, args[0], _zeros(vector))

    return value(value, types.intp), build


@intrinsic
def _transpose(typing, array, at, stride, out, out_at, out_stride):  # noqa: ARG001
    """Copy a square of side 16, rows to columns."""

    def build(context, builder, signature, args):
        array, at, stride, out, out_at, out_stride = args
        vector = ir.VectorType(_FLOATS[signature.args[0].dtype][0], SIDE)

        def along(first, step, k):
            return builder.add(first, builder.mul(step, ir.Constant(step.type, k)))

        rows = [_read(context, builder, signature.args[0], array, along(at, stride, k), vector) for k in range(SIDE)]
        for size in (1, 2, 4, 8):  # squares of this side change places, in each square of twice its side
            upper = [lane - size + SIDE if lane & size else lane for lane in range(SIDE)]
            lower = [lane + SIDE if lane & size else lane + size for lane in range(SIDE)]
            for k in (k for k in range(SIDE) if not k & size):
                pair = rows[k], rows[k + size]
                rows[k], rows[k + size] = _pick(builder, *pair, upper), _pick(builder, *pair, lower)
        for k, row in enumerate(rows):
            _write(context, builder, signature.args[3], out, along(out_at, out_stride, k), row)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, out, types.intp, types.intp), build


def _compiled(function: Callable[..., Any]) -> Any:
    """Compile when first called, without the interpreter's lock; keep it on disk where that is possible."""
    options = {"error_model": "numpy", "nogil": True}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the folder of this module nor one of the user can be written to
        return numba.njit(**options)(function)


@_compiled
def number_again(columns, n_columns):
    """Number the columns that edges have from 0 on: the number for each edge, and the column of each number.

    What ``np.unique`` finds by sorting, which takes forty times as long.
    """
    number = np.zeros(n_columns, np.int32)
    for edge in range(columns.size):
        number[columns[edge]] = 1
    used = np.flatnonzero(number).astype(np.int32)
    number[used] = np.arange(used.size)
    return number[columns], used


@_compiled
def _transpose_some(state, n_nodes, first, cell, lanes, out, at):
    """Copy up to 16 nodes of a state that lies cell by cell, in the cells of one pass, to (nodes, lanes)."""
    for lane in range(lanes):
        _fetch(state, (cell + lane) * n_nodes + first + AHEAD * SIDE)
    if first + SIDE <= n_nodes:
        for lane in range(0, lanes, SIDE):
            _transpose(state, (cell + lane) * n_nodes + first, n_nodes, out, at + lane, lanes)
    else:
        for node in range(first, n_nodes):
            for lane in range(lanes):
                out[at + (node - first) * lanes + lane] = state[(cell + lane) * n_nodes + node]


@functools.cache
def pull(lanes: int) -> Any:
    """Get the loop that sums the states of columns over the edges of each row, for passes of some number of cells.

    It multiplies them with the state of the row, too, and sums over cells: products. Its arguments are

    state
        Of the rows, (rows, cells), or (cells, rows) if ``by_cell``; it is not read without ``products``.
    starts, columns, weight
        Where the edges of each row begin; column and weight of each edge. Weights are not read without ``sums``.
    bias
        What is added to the sums, (rows,); empty for nothing.
    other
        State of the columns, (columns, cells), or (cells, columns) if ``other_by_cell``.
    used
        What :func:`number_again` found, which made ``columns``; empty if ``other_by_cell``, where all are packed.
    sums, products
        Sums of each row, (rows, cells), and products of each edge, (edges,); either is empty if it is not wanted.
    past_cache
        Whether sums are many, and so placed that they can be stored past the cache.
    packed, square
        Room for (columns, lanes) and (16, lanes).
    """

    @_compiled
    def loop(
        state, by_cell, starts, columns, weight, bias,
        other, other_by_cell, n_columns, used,
        sums, products, past_cache,
        cells, packed, square,
    ):  # fmt: skip
        n_nodes = state.size // cells
        products[:] = 0
        for begin in range(0, cells, lanes):
            cell = min(begin, cells - lanes)
            done = begin - cell  # the last pass begins earlier, to be full; its first cells count no more
            if other_by_cell:
                for first in range(0, n_columns, SIDE):
                    _transpose_some(other, n_columns, first, cell, lanes, packed, first * lanes)
            else:
                for column in range(used.size):
                    _store(packed, column * lanes, _load(other, used[column] * cells + cell, lanes))
            for row in range(starts.size - 1):
                value = _load(square, 0, lanes)  # of which only the type matters without products
                if products.size:
                    if by_cell:
                        if row % SIDE == 0:
                            _transpose_some(state, n_nodes, row, cell, lanes, square, 0)
                        value = _load(square, row % SIDE * lanes, lanes)
                    else:
                        for lane in range(0, lanes, SIDE):
                            _fetch(state, (row + AHEAD) * cells + cell + lane)
                        value = _load(state, row * cells + cell, lanes)
                    if done:
                        value = _from_lane(value, done)
                total = _all_like(bias[row] if bias.size else 0, value)
                if products.size and sums.size:
                    for edge in range(_get(starts, row), _get(starts, row + 1)):
                        read = _load(packed, _get(columns, edge) * lanes, lanes)
                        total = _add_scaled(total, _get(weight, edge), read)
                        _add_to(products, edge, _dot(value, read))
                elif products.size:
                    for edge in range(_get(starts, row), _get(starts, row + 1)):
                        _add_to(products, edge, _dot(value, _load(packed, _get(columns, edge) * lanes, lanes)))
                else:
                    for edge in range(_get(starts, row), _get(starts, row + 1)):
                        read = _load(packed, _get(columns, edge) * lanes, lanes)
                        total = _add_scaled(total, _get(weight, edge), read)
                if sums.size:
                    if past_cache:
                        _store_past_cache(sums, row * cells + cell, total)
                    else:
                        _store(sums, row * cells + cell, total)

    return loop
