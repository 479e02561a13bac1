"""The kernel is multiplication by a sparse matrix: values, gradients, types, memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile

from edge2torch.nn import edge_sums as kernel
from edge2torch.nn.edge_sums import EdgeIndex, edge_sums

DOUBLE = torch.float64


def draw_numbers(*shape: int, seed: int = 0, dtype: torch.dtype = DOUBLE) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def random_graph(n_sources: int, n_targets: int, n_edges: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw different edges, sorted by target, of an even number of sources and of targets; half of these have none."""
    pairs = torch.randperm(n_sources * n_targets // 4, generator=torch.Generator().manual_seed(0))[:n_edges].sort()[0]
    return pairs % (n_sources // 2), pairs // (n_sources // 2)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """Draw edges sorted by target, some nodes without any, sometimes no edge at all."""
    n_sources, n_targets = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    pair = st.tuples(st.integers(0, n_targets - 1), st.integers(0, n_sources - 1))
    pairs = sorted(draw(st.sets(pair, max_size=12)), key=lambda edge: edge[0])
    target, source = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
    return source, target, n_sources, n_targets


def dense_sums(weight, state, source, target, n_targets):
    matrix = torch.zeros(n_targets, state.shape[0], dtype=weight.dtype).index_put((target, source), weight)
    return matrix @ state


@settings(deadline=None, max_examples=150)
@given(
    graph=graphs(),
    n_cells=st.sampled_from([0, 1, 3, 64, 513]),
    layout=st.sampled_from(["by node", "by cell", "strided"]),
    biased=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_equals_a_matrix_product(graph, n_cells, layout, biased, seed, lay_out):
    """Values and all gradients."""
    source, target, n_sources, n_targets = graph
    index = EdgeIndex.of(*graph)
    assert (index.n_sources, index.n_targets) == (n_sources, n_targets)
    weight = draw_numbers(source.numel(), seed=seed).requires_grad_()
    state = lay_out(draw_numbers(n_sources, n_cells, seed=seed + 1), layout).requires_grad_()
    upstream = lay_out(draw_numbers(n_targets, n_cells, seed=seed + 2), layout)
    given = [weight, state]
    out, expected = edge_sums(weight, state, index), dense_sums(weight, state, source, target, n_targets)
    if biased:
        given.append(draw_numbers(n_targets, seed=seed + 3).requires_grad_())
        out, expected = edge_sums(weight, state, index, bias=given[2]), expected + given[2][:, None]
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(
        torch.autograd.grad(out, given, upstream), torch.autograd.grad(expected, given, upstream)
    )


@settings(deadline=None)
@given(graph=graphs())
def test_index_reversed_twice_is_the_index(graph):
    index = EdgeIndex.of(*graph)
    back = index.reversed()
    assert (back.n_sources, back.n_targets) == (index.n_targets, index.n_sources)
    assert all(torch.equal(one, two) for one, two in zip(back.reversed(), index, strict=True))
    by_source = sorted(zip(graph[0].tolist(), graph[1].tolist(), strict=True))
    targets_back = torch.repeat_interleave(torch.arange(back.n_targets), back.offsets.diff())
    assert sorted(zip(targets_back.tolist(), back.source.tolist(), strict=True)) == by_source


def test_nodes_without_edges():
    index = EdgeIndex.of(torch.tensor([2]), torch.tensor([1]), 4, 3)
    out = edge_sums(torch.tensor([3.0]), torch.ones(4, 2), index)
    assert torch.equal(out, torch.tensor([[0.0, 0.0], [3.0, 3.0], [0.0, 0.0]]))


# Sums of 30 products of about 1, rounded to 8 and 11 bits.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2**-6), (torch.float16, 2**-9)])
def test_half_precision(dtype, tolerance):
    source, target = random_graph(60, 20, 150)
    index = EdgeIndex.of(source, target, 60, 20)
    halves = [draw_numbers(150).to(dtype), draw_numbers(60, 700).to(dtype)]
    upstream = draw_numbers(20, 700, seed=1).to(dtype)
    found, expected = [], []
    for results, kind in ((found, dtype), (expected, torch.float32)):
        inputs = [half.to(kind).requires_grad_() for half in halves]
        out = edge_sums(*inputs, index)
        results += [out.detach(), *torch.autograd.grad(out, inputs, upstream.to(kind))]
        assert {result.dtype for result in results} == {kind}
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=tolerance, atol=tolerance * other.abs().max().item())


def test_gradients_of_weights_in_half_precision_are_added_up_exactly():
    """In float16, 1 added 5,000 times stays at 2,048."""
    index = EdgeIndex.of(torch.tensor([0]), torch.tensor([0]), 1, 1)
    weight, state = torch.ones(1, dtype=torch.float16, requires_grad=True), torch.ones(1, 5000, dtype=torch.float16)
    (gradient,) = torch.autograd.grad(edge_sums(weight, state, index), weight, torch.ones_like(state))
    assert gradient.item() == 5000


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    """The type of the result is that of ``mm`` under autocast; gradients have the type of what they belong to."""
    source, target = random_graph(10, 6, 15)
    index = EdgeIndex.of(source, target, 10, 6)
    weight = draw_numbers(15, dtype=torch.float32).requires_grad_()
    state = draw_numbers(10, 7, dtype=torch.float32).requires_grad_()
    with torch.autocast("cpu", dtype):
        out = edge_sums(weight, state, index)
        assert (
            edge_sums(weight.double(), state.double(), index).dtype == torch.mm(state.double(), state.T.double()).dtype
        )
    assert out.dtype == dtype
    gradients = torch.autograd.grad(out, (weight, state), torch.ones_like(out))
    assert [gradient.dtype for gradient in gradients] == [torch.float32, torch.float32]
    exact = dense_sums(weight, state, source, target, 6)
    torch.testing.assert_close(out.float(), exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("needs_weight", "needs_state", "n_sums", "n_products"),
    [(True, False, 1, 1), (False, True, 2, 0), (True, True, 2, 1)],
)
def test_no_gradient_is_computed_that_nobody_needs(needs_weight, needs_state, n_sums, n_products, count):
    """One sum on the way forth; on the way back, a sum for the states and a product for the weights."""
    source, target = random_graph(10, 6, 15)
    weight = draw_numbers(15).requires_grad_(needs_weight)
    state = draw_numbers(10, 7).requires_grad_(needs_state)
    sums, products = count(kernel, "sums"), count(kernel, "products")
    edge_sums(weight, state, EdgeIndex.of(source, target, 10, 6)).sum().backward()
    assert (len(sums), len(products)) == (n_sums, n_products)
    assert (weight.grad is not None, state.grad is not None) == (needs_weight, needs_state)


def test_deterministic():
    source, target = random_graph(200, 100, 3000)
    index = EdgeIndex.of(source, target, 200, 100)
    runs = []
    for _ in range(2):
        weight = draw_numbers(3000, dtype=torch.float32).requires_grad_()
        state = draw_numbers(200, 1100, dtype=torch.float32).requires_grad_()
        out = edge_sums(weight, state, index)
        runs.append([out, *torch.autograd.grad(out.square().sum(), (weight, state))])
    assert all(torch.equal(one, other) for one, other in zip(*runs, strict=True))


def test_memory():
    """No allocation is as large as (cells, edges) or (sources, targets): the largest is one of the states."""
    n_nodes, n_edges, n_cells = 600, 3000, 200
    source, target = random_graph(n_nodes, n_nodes, n_edges)
    index = EdgeIndex.of(source, target, n_nodes, n_nodes)
    weight = draw_numbers(n_edges, dtype=torch.float32).requires_grad_()
    state = draw_numbers(n_nodes, n_cells, dtype=torch.float32).requires_grad_()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        edge_sums(weight, state, index).sum().backward()
    events = profiled.profiler.kineto_results.events()
    largest = max(event.nbytes() for event in events if event.name() == "[memory]")
    in_states = 4 * n_nodes * n_cells
    assert in_states <= largest < 1.1 * in_states
    assert 2 * in_states < 4 * min(n_cells * n_edges, n_nodes * n_nodes)
