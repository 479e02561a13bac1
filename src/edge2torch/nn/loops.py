"""The loop over edges that numba compiles, in vectors of as many cells as one pass handles.

Edges are sorted by the node at one end, their row. States of rows are read, or written, one after the other; states at
the other ends, the columns, are read again and again in no order, so each pass first packs those of its cells into one
piece of memory that stays in cache. All arrays are flat. Numba itself vectorises such loops only in part, and looks for
negative indices, so that vectors and accesses are spelt out here.

All of this is in one module: it is what numba looks at to tell whether what it keeps on disk is up to date.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from edge2torch.nn.activation import RELU, SIGMOID, TANH

#: most cells in one pass: 4 registers of 512 bits, or 8 of 256
LANES = 64
#: cells in one pass where the columns are so many that they do not stay in cache otherwise
FEWER_LANES = 32
#: side of the squares in which states are transposed
SIDE = 16
#: nodes that are transposed at once, for 16 cells after 16: processors read ahead in so many rows of memory, not in 64
AT_ONCE = 512
#: how far ahead memory is fetched, in rows, or squares of them
AHEAD = 4

#: log(2) less its nearest float64
_REST_OF_LOG_2 = 2.3190468138462996e-17

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


def _all(vector, number):
    return ir.Constant(vector, [number] * vector.count)


def _zeros(vector):
    return _all(vector, 0.0)


def _multiply_add(builder, first, second, third):
    """Get ``first * second + third``, rounded once."""
    vector = first.type
    bits = "f64" if isinstance(vector.element, ir.DoubleType) else "f32"
    kind = ir.FunctionType(vector, [vector] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{vector.count}{bits}")
    return builder.call(function, [first, second, third])


@intrinsic(prefer_literal=True)
def _load(typing, array, at, n):  # noqa: ARG001
    lanes = Lanes(array.dtype, n.literal_value)

    def build(context, builder, signature, args):
        return _read(context, builder, signature.args[0], args[0], args[1], context.get_value_type(lanes))

    return lanes(array, types.intp, n), build


@intrinsic
def _load_like(typing, value, array, at):  # noqa: ARG001
    def build(context, builder, signature, args):
        return _read(context, builder, signature.args[1], args[1], args[2], args[0].type)

    return value(value, array, types.intp), build


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
def _add(typing, total, value):  # noqa: ARG001
    return total(total, value), lambda context, builder, signature, args: builder.fadd(*args)  # noqa: ARG005


@intrinsic
def _add_scaled(typing, total, number, value):  # noqa: ARG001
    """Get ``total + number * value``, rounded once."""

    def build(context, builder, signature, args):  # noqa: ARG001
        total_, number_, value_ = args
        return _multiply_add(builder, _splat(builder, number_, value.n), value_, total_)

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


def _limit(builder, value, least, most):
    """Bring numbers between two limits; what is not a number stays that."""
    for order, number in (("<", least), (">", most)):
        beyond = builder.fcmp_ordered(order, value, _all(value.type, number))
        value = builder.select(beyond, _all(value.type, number), value)
    return value


def _expm1(builder, x):
    """Get ``exp(x) - 1`` of numbers whose exponential is finite and normal.

    ``x = n log 2 + r`` with a whole ``n``, and ``exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1)``, where Taylor's series of
    ``exp(r) - 1`` needs few terms, as ``|r| <= log(2) / 2``. A large number that is added rounds ``x / log 2`` to ``n``
    and leaves ``n`` in the last bits, from where it is shifted into the exponent.
    """
    vector = x.type
    double = isinstance(vector.element, ir.DoubleType)
    digits, bias, terms = (52, 1023, 13) if double else (23, 127, 7)
    number, whole = (np.float64, ir.IntType(64)) if double else (np.float32, _INT32)
    bits = ir.VectorType(whole, vector.count)
    large = _all(vector, 1.5 * 2.0**digits)
    shifted = _multiply_add(builder, x, _all(vector, 1 / math.log(2)), large)
    n = builder.fsub(shifted, large)
    of_n = builder.add(builder.shl(builder.bitcast(shifted, bits), _all(bits, digits)), _all(bits, bias << digits))
    power = builder.bitcast(of_n, vector)
    log_2 = float(number(math.log(2)))  # what is lost of the logarithm here comes behind it
    r = _multiply_add(builder, n, _all(vector, -log_2), x)
    r = _multiply_add(builder, n, _all(vector, -_REST_OF_LOG_2 if double else log_2 - math.log(2)), r)
    series = _all(vector, 1 / math.factorial(terms))
    for k in range(terms - 1, 1, -1):
        series = _multiply_add(builder, series, r, _all(vector, 1 / math.factorial(k)))
    of_r = _multiply_add(builder, builder.fmul(r, r), series, r)
    return _multiply_add(builder, power, of_r, builder.fsub(power, _all(vector, 1.0)))


@intrinsic
def _relu(typing, sums):  # noqa: ARG001
    def build(context, builder, signature, args):  # noqa: ARG001
        negative = builder.fcmp_ordered("<", *args, _zeros(args[0].type))
        return builder.select(negative, _zeros(args[0].type), *args)

    return sums(sums), build


@intrinsic
def _sigmoid(typing, sums):  # noqa: ARG001
    most = 87.0 if sums.dtype == types.float32 else 708.0

    def build(context, builder, signature, args):  # noqa: ARG001
        vector = args[0].type
        less_one = _expm1(builder, _limit(builder, builder.fneg(*args), -most, most))
        return builder.fdiv(_all(vector, 1.0), builder.fadd(less_one, _all(vector, 2.0)))

    return sums(sums), build


@intrinsic
def _tanh(typing, sums):  # noqa: ARG001
    most = 22.0 if sums.dtype == types.float32 else 44.0  # from where on it is 1

    def build(context, builder, signature, args):  # noqa: ARG001
        less_one = _expm1(builder, _limit(builder, builder.fadd(*args, *args), -most, most))
        return builder.fdiv(less_one, builder.fadd(less_one, _all(args[0].type, 2.0)))

    return sums(sums), build


@intrinsic
def _of_relu(typing, grad, state):  # noqa: ARG001
    def build(context, builder, signature, args):  # noqa: ARG001
        grad, state = args
        off = builder.fcmp_ordered("<=", state, _zeros(state.type))
        return builder.select(off, _zeros(state.type), grad)

    return grad(grad, state), build


@intrinsic
def _of_sigmoid(typing, grad, state):  # noqa: ARG001
    def build(context, builder, signature, args):  # noqa: ARG001
        grad, state = args
        return builder.fmul(grad, builder.fmul(builder.fsub(_all(state.type, 1.0), state), state))

    return grad(grad, state), build


@intrinsic
def _of_tanh(typing, grad, state):  # noqa: ARG001
    def build(context, builder, signature, args):  # noqa: ARG001
        grad, state = args
        return builder.fmul(grad, builder.fsub(_all(state.type, 1.0), builder.fmul(state, state)))

    return grad(grad, state), build


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


@numba.njit(inline="always")
def _sum_up(total, packed, lanes, columns, weight, edge, last):
    """Add the states of columns over some edges to a total."""
    # In four parts, as each addition waits for the one before it.
    second = third = fourth = _all_like(0, total)
    while edge + 4 <= last:
        total = _add_scaled(total, _get(weight, edge), _load_like(total, packed, _get(columns, edge) * lanes))
        second = _add_scaled(second, _get(weight, edge + 1), _load_like(total, packed, _get(columns, edge + 1) * lanes))
        third = _add_scaled(third, _get(weight, edge + 2), _load_like(total, packed, _get(columns, edge + 2) * lanes))
        fourth = _add_scaled(fourth, _get(weight, edge + 3), _load_like(total, packed, _get(columns, edge + 3) * lanes))
        edge += 4
    while edge < last:
        total = _add_scaled(total, _get(weight, edge), _load_like(total, packed, _get(columns, edge) * lanes))
        edge += 1
    return _add(_add(total, second), _add(third, fourth))


@_compiled
def _transpose_some(state, n_nodes, first, last, cell, lanes, out):
    """Copy some nodes of a state that lies cell by cell, in the cells of one pass, to (nodes, lanes)."""
    for lane in range(0, lanes, SIDE):
        for node in range(first, last, SIDE):
            if node + SIDE <= last:
                for k in range(SIDE):
                    _fetch(state, (cell + lane + k) * n_nodes + node + AHEAD * SIDE)
                _transpose(state, (cell + lane) * n_nodes + node, n_nodes, out, (node - first) * lanes + lane, lanes)
            else:
                for rest in range(node, last):
                    for k in range(lane, lane + SIDE):
                        out[(rest - first) * lanes + k] = state[(cell + k) * n_nodes + rest]


@numba.njit(inline="always")
def _pack(state, by_cell, n_nodes, used, cells, cell, lanes, packed):
    """Copy a state in the cells of one pass to (nodes, lanes): all nodes, unless some are named as used."""
    if by_cell:
        _transpose_some(state, n_nodes, 0, n_nodes, cell, lanes, packed)
    elif not used.size:
        for node in range(n_nodes):
            for lane in range(0, lanes, SIDE):
                _fetch(state, (node + SIDE) * cells + cell + lane)
            _store(packed, node * lanes, _load(state, node * cells + cell, lanes))
    else:
        for place in range(used.size):
            ahead = used[min(place + SIDE, used.size - 1)]
            for lane in range(0, lanes, SIDE):
                _fetch(state, ahead * cells + cell + lane)
            _store(packed, place * lanes, _load(state, used[place] * cells + cell, lanes))


@_compiled
def _spread(stored, begins, nodes, n_nodes, cell, lanes, packed):
    """Write what is stored of the cells of one pass to (nodes, lanes)."""
    packed[: n_nodes * lanes] = 0
    for lane in range(lanes):
        for k in range(_get(begins, cell + lane), _get(begins, cell + lane + 1)):
            _add_to(packed, _get(nodes, k) * lanes + lane, _get(stored, k))


@_compiled
def _by_node(stored, begins, nodes, n_nodes, cell, lanes):
    """Sort what is stored of the cells of one pass by node: where that of each node ends, lanes, and values."""
    first, last = begins[cell], begins[cell + lanes]
    ends = np.zeros(n_nodes + 1, np.int32)
    for k in range(first, last):
        ends[nodes[k] + 1] += 1
    for node in range(n_nodes):
        ends[node + 1] += ends[node]
    lane_of, values = np.empty(last - first, np.int32), np.empty(last - first, stored.dtype)
    for lane in range(lanes):
        for k in range(begins[cell + lane], begins[cell + lane + 1]):
            place = ends[nodes[k]]
            ends[nodes[k]] += 1
            lane_of[place], values[place] = lane, stored[k]
    return ends, lane_of, values


@_compiled
def _spread_some(ends, lane_of, values, first, last, lanes, some):
    """Write what :func:`_by_node` sorted, of some nodes, to (nodes, lanes)."""
    some[: (last - first) * lanes] = 0
    k = ends[first - 1] if first else 0
    for node in range(first, last):
        while k < ends[node]:
            _add_to(some, (node - first) * lanes + _get(lane_of, k), _get(values, k))
            k += 1


@numba.njit(inline="always")
def _over_rows(
    state, by_cell, starts, columns, weight, bias,
    sums, products, past_cache,
    cells, cell, done, lanes, packed, some,
):  # fmt: skip
    """Do what :func:`pull` does, for the cells of one pass, of which the first ``done`` count no more."""
    n_nodes = state.size // cells
    for row in range(starts.size - 1):
        value = _load(some, 0, lanes)  # of which only the type matters without products
        if products.size:
            if by_cell:
                if row % AT_ONCE == 0:
                    _transpose_some(state, n_nodes, row, min(row + AT_ONCE, n_nodes), cell, lanes, some)
                value = _load(some, row % AT_ONCE * lanes, lanes)
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
            total = _sum_up(total, packed, lanes, columns, weight, _get(starts, row), _get(starts, row + 1))
        if sums.size:
            if past_cache:
                _store_past_cache(sums, row * cells + cell, total)
            else:
                _store(sums, row * cells + cell, total)


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
        What :func:`number_again` found, which made ``columns``; empty to pack all columns, as if ``other_by_cell``.
    sums, products
        Sums of each row, (rows, cells), and products of each edge, (edges,); either is empty if it is not wanted.
    past_cache
        Whether sums are many, and so placed that they can be stored past the cache.
    packed, some
        Room for (columns, lanes) and (AT_ONCE, lanes).
    """

    @_compiled
    def loop(
        state, by_cell, starts, columns, weight, bias,
        other, other_by_cell, n_columns, used,
        sums, products, past_cache,
        cells, packed, some,
    ):  # fmt: skip
        products[:] = 0
        for begin in range(0, cells, lanes):
            cell = min(begin, cells - lanes)  # the last pass begins earlier, to be full
            _pack(other, other_by_cell, n_columns, used, cells, cell, lanes, packed)
            _over_rows(
                state, by_cell, starts, columns, weight, bias,
                sums, products, past_cache,
                cells, cell, begin - cell, lanes, packed, some,
            )  # fmt: skip

    return loop


@functools.cache
def forth(lanes: int) -> Any:
    """Get the loop that computes all units of a feedforward network from its inputs, for passes of some cells.

    Its arguments are

    inputs
        States of the inputs, (inputs, cells), or (cells, inputs) if ``by_cell``; or what is stored, cell by cell.
    begins, nodes
        Where the stored ones of each cell begin, (cells + 1,), and which input each is of; empty if all are there.
    starts, columns, weight
        Where the edges into each unit begin; node, inputs first, that each edge comes from; its weight.
    bias
        Of the units, (units,); empty for none.
    kinds
        Activation of each unit.
    places, out
        To which row of ``out``, (rows, cells), the state of each unit goes; none if negative.
    past_cache
        Whether these are many, and so placed that they can be stored past the cache.
    packed
        Room for (inputs + units, lanes).
    """

    @_compiled
    def loop(
        inputs, by_cell, begins, nodes, n_inputs, cells,
        starts, columns, weight, bias, kinds, places, out, past_cache, packed,
    ):  # fmt: skip
        nothing = _all_like(0, _load(packed, 0, lanes))
        for begin in range(0, cells, lanes):
            cell = min(begin, cells - lanes)
            if begins.size:
                _spread(inputs, begins, nodes, n_inputs, cell, lanes, packed)
            else:
                _pack(inputs, by_cell, n_inputs, nodes, cells, cell, lanes, packed)
            for row in range(starts.size - 1):
                first = _all_like(bias[row], nothing) if bias.size else nothing
                state = _sum_up(first, packed, lanes, columns, weight, _get(starts, row), _get(starts, row + 1))
                if kinds[row] == TANH:
                    state = _tanh(state)
                elif kinds[row] == RELU:
                    state = _relu(state)
                elif kinds[row] == SIGMOID:
                    state = _sigmoid(state)
                _store(packed, (n_inputs + row) * lanes, state)
                if places[row] >= 0:
                    if past_cache:
                        _store_past_cache(out, places[row] * cells + cell, state)
                    else:
                        _store(out, places[row] * cells + cell, state)

    return loop


@functools.cache
def back(lanes: int) -> Any:
    """Get the loop that computes the gradients of a feedforward network, for passes of some number of cells.

    Its arguments are

    inputs, by_cell, begins, nodes, kinds
        As for :func:`forth`.
    units
        States of the units, (units, cells).
    from_inputs, between
        Where the edges of each input, and of each unit, begin.
    columns, weight
        The unit that each edge leads to, and its weight; those from inputs first.
    grad, places
        Gradients of some units' states, (rows, cells), and the row of each unit; it has none if negative.
    of_inputs, of_weight, of_bias
        Gradients, (inputs, cells), (edges,) and (units,); those that are not wanted are empty, and the first if not all
        inputs are there.
    past_cache
        Whether the first are many, and so placed that they can be stored past the cache.
    packed, some
        Room for (units, lanes) and (AT_ONCE, lanes).
    """

    @_compiled
    def loop(
        inputs, by_cell, begins, nodes, cells, kinds, units,
        from_inputs, between, columns, weight,
        grad, places,
        of_inputs, of_weight, of_bias, past_cache,
        packed, some,
    ):  # fmt: skip
        n_inputs = from_inputs.size - 1
        n_given = from_inputs[n_inputs]
        targets, weight_between, of_between = columns[n_given:], weight[n_given:], of_weight[n_given:]
        of_weight[:] = 0
        of_bias[:] = 0
        for begin in range(0, cells, lanes):
            cell = min(begin, cells - lanes)
            done = begin - cell
            for row in range(between.size - 2, -1, -1):
                for lane in range(0, lanes, SIDE):
                    _fetch(units, (row - AHEAD) * cells + cell + lane)
                state = _load(units, row * cells + cell, lanes)
                counted = _from_lane(state, done) if done else state
                total = _load(grad, places[row] * cells + cell, lanes) if places[row] >= 0 else _all_like(0, state)
                for edge in range(_get(between, row), _get(between, row + 1)):
                    read = _load(packed, _get(targets, edge) * lanes, lanes)
                    total = _add_scaled(total, _get(weight_between, edge), read)
                    if of_between.size:
                        _add_to(of_between, edge, _dot(counted, read))
                if kinds[row] == TANH:
                    total = _of_tanh(total, state)
                elif kinds[row] == RELU:
                    total = _of_relu(total, state)
                elif kinds[row] == SIGMOID:
                    total = _of_sigmoid(total, state)
                _store(packed, row * lanes, total)
                if of_bias.size:
                    ones = _all_like(1, total)
                    _add_to(of_bias, row, _dot(total, _from_lane(ones, done) if done else ones))
            if begins.size and of_weight.size:
                ends, lane_of, values = _by_node(inputs, begins, nodes, n_inputs, cell, lanes)
                for first in range(0, n_inputs, AT_ONCE):
                    last = min(first + AT_ONCE, n_inputs)
                    _spread_some(ends, lane_of, values, first, last, lanes, some)
                    _over_rows(
                        some, False, from_inputs[first : last + 1], columns, weight, of_bias[:0],
                        of_inputs, of_weight, past_cache,
                        lanes, 0, done, lanes, packed, some,
                    )  # fmt: skip
            elif of_inputs.size or of_weight.size:
                _over_rows(
                    inputs, by_cell, from_inputs, columns, weight, of_bias[:0],
                    of_inputs, of_weight, past_cache,
                    cells, cell, done, lanes, packed, some,
                )  # fmt: skip

    return loop
