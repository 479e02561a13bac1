"""The kernel under torch's machinery: derivatives of any order, torch.func, torch.compile, operator checks."""

from __future__ import annotations

import pytest
import torch

from edge2torch.nn.edge_sums import EdgeIndex, _Products, _products_op, _sums_op, edge_sums

#: torch itself says so, the first time that forward mode is used
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")

SOURCE, TARGET = torch.tensor([0, 1, 3, 1, 5, 0]), torch.tensor([0, 0, 1, 3, 3, 4])
INDEX = EdgeIndex.of(SOURCE, TARGET, 6, 5)  # source 2 leads nowhere, target 2 has no edges


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


WEIGHT, STATE, BIAS = numbers(6), numbers(6, 4, seed=1), numbers(5, seed=2)


def sparse(weight: torch.Tensor, state: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return edge_sums(weight, state, INDEX, bias=bias)


def dense(weight: torch.Tensor, state: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    sums = torch.zeros(5, 6, dtype=weight.dtype).index_put((TARGET, SOURCE), weight) @ state
    return sums if bias is None else sums + bias[:, None]


def multiply(state: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The other half of the kernel: for every edge, the product of the states at its ends."""
    return _Products.call(state, other, *INDEX)


def leaf(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone().requires_grad_()


@pytest.mark.parametrize("function", [sparse, multiply, lambda w, s: _sums_op(w, s, list(INDEX))])
@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_numerical_derivatives(check, function):
    first = numbers(6, 4, seed=3) if function is multiply else WEIGHT
    second = numbers(5, 4, seed=4) if function is multiply else STATE
    assert check(function, (leaf(first), leaf(second)))


def test_numerical_derivatives_with_bias():
    assert torch.autograd.gradgradcheck(sparse, (leaf(WEIGHT), leaf(STATE), leaf(BIAS)))


@pytest.mark.parametrize("biases", [[], [BIAS]])
def test_forward_mode(biases):
    assert torch.autograd.gradcheck(sparse, tuple(map(leaf, (WEIGHT, STATE, *biases))), check_forward_ad=True)


def test_products_equal_dense_ones():
    other = numbers(5, 4, seed=4)
    torch.testing.assert_close(multiply(STATE, other), (STATE[SOURCE] * other[TARGET]).sum(dim=1))


@pytest.mark.parametrize("cells", [0, 4, 600])
@pytest.mark.parametrize("requires_grad", [True, False])
def test_operators(cells, requires_grad):
    """Schemas, fake tensors, autograd registration and ahead-of-time tracing agree with what the operators do."""
    weight, state, other = numbers(6), numbers(6, cells), numbers(5, cells)
    for tensor in (weight, state, other):
        tensor.requires_grad_(requires_grad)
    torch.library.opcheck(_sums_op, (weight, state, list(INDEX)))
    torch.library.opcheck(_products_op, (state, other, list(INDEX)))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_higher_order(order):
    """d^n/dt^n of a cubic form, through edges twice."""

    def nth(function):
        def value(t):
            once = function(WEIGHT * t, STATE)
            return (function(WEIGHT * t, torch.cat([once, once[:1]])).tanh()).sum()

        for _ in range(order):
            value = torch.func.grad(value)
        return value(torch.tensor(0.7, dtype=torch.float64))

    torch.testing.assert_close(nth(sparse), nth(dense))


@pytest.mark.parametrize("argnums", [0, 1, 2, (0, 1), (0, 1, 2)])
@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.jacrev, torch.func.jacfwd, torch.func.hessian])
def test_torch_func(transform, argnums):
    def result(function):
        def scalar(*given):
            return function(*given).square().sum()

        inner = scalar if transform in (torch.func.grad, torch.func.hessian) else function
        return transform(inner, argnums=argnums)(WEIGHT, STATE, BIAS)

    torch.testing.assert_close(result(sparse), result(dense))


@pytest.mark.parametrize("tangents", [(True, False), (False, True), (True, True)])
def test_jvp(tangents):
    def result(function):
        moved = [tensor for tensor, moves in zip((WEIGHT, STATE), tangents, strict=True) if moves]

        def of_moved(*values):
            given = iter(values)
            return function(*(next(given) if m else t for t, m in zip((WEIGHT, STATE), tangents, strict=True)))

        return torch.func.jvp(of_moved, tuple(moved), tuple(tensor.cos() for tensor in moved))

    torch.testing.assert_close(result(sparse), result(dense))


@pytest.mark.parametrize("of", ["values", "gradients"])
@pytest.mark.parametrize("dims", [(0, None), (None, 0), (None, 1), (None, 2), (0, 1), (1, 0)])
def test_vmap(dims, of):
    weights, states = numbers(6, 3), numbers(6, 3, 4)
    weight = WEIGHT if dims[0] is None else weights.movedim(1, dims[0])
    state = STATE if dims[1] is None else states.movedim(1, dims[1])

    def result(function):
        if of == "values":
            return torch.vmap(function, dims)(weight, state)
        gradients = torch.func.grad(lambda w, s: function(w, s).square().sum(), argnums=(0, 1))
        return torch.vmap(gradients, dims)(weight, state)

    torch.testing.assert_close(result(sparse), result(dense))


@pytest.mark.parametrize("dims", [(None, None, 0), (0, None, 1), (None, 0, 0), (None, 1, None), (0, 0, 0)])
def test_vmap_with_bias(dims):
    given = [
        one if dim is None else torch.stack([one, one.cos(), one.sin()], dim)
        for one, dim in zip((WEIGHT, STATE, BIAS), dims, strict=True)
    ]

    def result(function):
        gradients = torch.func.grad(lambda *one: function(*one).square().sum(), argnums=(0, 1, 2))
        return [torch.vmap(function, dims)(*given), *torch.vmap(gradients, dims)(*given)]

    torch.testing.assert_close(result(sparse), result(dense))


@pytest.mark.parametrize("dims", [(0, 0), (0, None), (None, 0)])
def test_vmap_of_vmap(dims):
    weight, state = (numbers(2, 3, 6), numbers(2, 3, 6, 4))
    weight = weight if dims[0] == 0 else weight[0]
    state = state if dims[1] == 0 else state[0]
    found, expected = (torch.vmap(torch.vmap(function), dims)(weight, state) for function in (sparse, dense))
    torch.testing.assert_close(found, expected)


def test_compiled():
    """In one graph, forth and back; and again for another number of cells."""
    compiled = torch.compile(sparse, fullgraph=True, backend="aot_eager")
    for state, biases in ((STATE, []), (numbers(6, 9), []), (STATE, [leaf(BIAS)])):
        inputs = leaf(WEIGHT), leaf(state), *biases
        out, expected = compiled(*inputs), dense(*inputs)
        torch.testing.assert_close(out, expected)
        upstream = numbers(*out.shape, seed=5)
        found = torch.autograd.grad(out, inputs, upstream)
        torch.testing.assert_close(found, torch.autograd.grad(expected, inputs, upstream))


@pytest.mark.xfail(strict=True, reason="with is_grads_batched=True, backward gets batched tensors, not a call of vmap")
def test_batched_backward():
    """As ``torch.autograd.functional.jacobian(..., vectorize=True)`` calls it."""
    upstream, inputs = numbers(3, 5, 4, seed=7), (leaf(WEIGHT), leaf(STATE))
    found, expected = (
        torch.autograd.grad(function(*inputs), inputs, upstream, is_grads_batched=True) for function in (sparse, dense)
    )
    torch.testing.assert_close(found, expected)
