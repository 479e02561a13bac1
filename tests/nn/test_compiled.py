"""Compiled loops over edges: what they compute, in which layouts, when they are used, and what happens without them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edge2torch.errors import Edge2TorchError
from edge2torch.nn import compiled
from edge2torch.nn.edge_sums import EdgeIndex, _products_op, edge_products, edge_sums, products, sums
from edge2torch.nn.perturbation import Perturbations, output_changes

DOUBLE = torch.float64


@pytest.fixture(autouse=True)
def for_few_edges(monkeypatch, one_thread):
    """Let compiled loops handle a few edges of 64 cells, too."""
    monkeypatch.setattr(compiled, "LEAST_EDGES", 0)
    monkeypatch.setattr(compiled, "LEAST_CELLS", 64)


@pytest.fixture
def calls(monkeypatch):
    """List what the compiled loops were asked for."""
    seen = []
    pull = compiled.pull

    def watched(weight, state, *args, **kwargs):
        seen.append((weight is not None, state is not None))
        return pull(weight, state, *args, **kwargs)

    monkeypatch.setattr(compiled, "pull", watched)
    return seen


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = DOUBLE) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def random_index(n_sources: int, n_targets: int, n_edges: int) -> tuple[torch.Tensor, torch.Tensor, EdgeIndex]:
    """Draw edges sorted by target; some nodes have none."""
    pairs = torch.randperm(n_sources * n_targets, generator=torch.Generator().manual_seed(0))[:n_edges].sort()[0]
    source, target = pairs % n_sources, pairs // n_sources
    return source, target, EdgeIndex.of(source, target, n_sources, n_targets)


def dense_sums(weight, state, source, target, n_targets):
    return torch.zeros(n_targets, len(state), dtype=weight.dtype).index_put((target, source), weight) @ state


LAYOUTS = ["by node", "by cell", "strided"]


@settings(deadline=None, max_examples=120)
@given(
    n_sources=st.integers(1, 40),
    n_targets=st.integers(1, 40),
    density=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    n_cells=st.sampled_from([64, 65, 96, 127, 128, 200]),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
    dtype=st.sampled_from([torch.float32, DOUBLE]),
    limits=st.tuples(*[st.sampled_from([0, 1 << 30])] * 2),
    seed=st.integers(0, 2**31),
)
def test_equals_a_matrix_product(n_sources, n_targets, density, n_cells, layouts, dtype, limits, seed, lay_out):
    """Values and both gradients: passes of more or fewer cells that overlap or not, in whatever memory."""
    source, target, index = random_index(n_sources, n_targets, round(density * n_sources * n_targets))
    weight = numbers(len(source), seed=seed, dtype=dtype).requires_grad_()
    state = lay_out(numbers(n_sources, n_cells, seed=seed + 1, dtype=dtype), layouts[0]).requires_grad_()
    upstream = lay_out(numbers(n_targets, n_cells, seed=seed + 2, dtype=dtype), layouts[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "CACHED", limits[0])
        patch.setattr(compiled, "LARGE", limits[1])
        patch.setattr(compiled, "HUGE", limits[1])
        assert compiled.suits(index.source, weight, state)
        out = edge_sums(weight, state, index)
        found = torch.autograd.grad(out, (weight, state), upstream)
        each = [torch.autograd.grad(edge_sums(weight, state, index), part, upstream)[0] for part in (weight, state)]
    expected = dense_sums(weight, state, source, target, n_targets)
    wanted = torch.autograd.grad(expected, (weight, state), upstream)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {}
    torch.testing.assert_close(out, expected, **close)
    torch.testing.assert_close(found, wanted, **close)
    torch.testing.assert_close(tuple(each), wanted, **close)


def test_what_is_asked_for(calls):
    """Both gradients in one go; only one where only one is needed."""
    _, _, index = random_index(30, 8, 100)
    weight, state = numbers(100).requires_grad_(), numbers(30, 64).requires_grad_()
    edge_sums(weight, state, index).sum().backward()
    edge_sums(weight, state.detach(), index).sum().backward()
    edge_sums(weight.detach(), state, index).sum().backward()
    forward, both, of_weight = (True, False), (True, True), (False, True)
    assert calls == [forward, both, forward, of_weight, forward, forward]


@pytest.mark.parametrize("sizes", [(12, 5), (5, 12)])
def test_derivatives(sizes):
    source, target, index = random_index(*sizes, 20)
    weight, state, rest = (
        numbers(20).requires_grad_(),
        numbers(sizes[0], 2, seed=1).requires_grad_(),
        numbers(sizes[0], 62),
    )

    def of_few(weight, state):  # with all numbers, the Jacobian is large
        return edge_sums(weight, torch.cat([state, rest], dim=1), index)[:, :3]

    assert torch.autograd.gradcheck(of_few, (weight, state))
    assert torch.autograd.gradgradcheck(of_few, (weight, state))
    state = torch.cat([state, rest], dim=1)
    other = numbers(sizes[1], 64, seed=2)
    expected = (state[source] * other[target]).sum(dim=1)
    torch.testing.assert_close(edge_products(state, other, list(index)), expected)


def test_a_bias(calls):
    source, target, index = random_index(30, 8, 100)
    given = [tensor.requires_grad_() for tensor in (numbers(100), numbers(30, 70, seed=1), numbers(8, seed=2))]
    weight, state, bias = given
    upstream = numbers(8, 70, seed=3)
    found, expected = edge_sums(weight, state, index, bias=bias), dense_sums(weight, state, source, target, 8)
    expected = expected + bias[:, None]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(sums(weight, state, index.source, index.offsets, bias=bias), expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, given, upstream), torch.autograd.grad(expected, given, upstream)
    )
    assert calls == [(True, False), (True, False), (True, True)]


class TestMemory:
    @pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
    @pytest.mark.parametrize("rows", [3, 20_000])
    def test_of_results(self, rows, dtype):
        found = compiled.empty(torch.zeros(1, dtype=dtype), rows, 100)
        assert (found.shape, found.dtype, found.is_contiguous()) == ((rows, 100), dtype, True)
        assert not found.data_ptr() % compiled.LINE
        assert not found._is_view()
        found.fill_(1)
        assert found.sum() == 100 * rows

    def test_room_is_kept(self):
        one, other = compiled.rooms(torch.zeros(1, dtype=DOUBLE), 1000, 50)
        again, more = compiled.rooms(torch.zeros(1), 1000, 60)
        assert [part.size for part in (one, other, again, more)] == [1000, 50, 1000, 60]
        assert (one.dtype, again.dtype) == ("float64", "float32")
        assert not np.shares_memory(one, other)
        assert not np.shares_memory(again, more)
        assert one.ctypes.data == again.ctypes.data
        assert not one.ctypes.data % compiled.HUGE_PAGE

    def test_too_much_room_is_not(self):
        (kept,) = compiled.rooms(torch.zeros(1), 1000)
        (large,) = compiled.rooms(torch.zeros(1), compiled.KEPT // 4 + 1)
        assert not np.shares_memory(kept, large)
        assert compiled.rooms(torch.zeros(1), 1000)[0].ctypes.data == kept.ctypes.data

    def test_threads_have_rooms_of_their_own(self):
        (here,) = compiled.rooms(torch.zeros(1), 1000)
        with ThreadPoolExecutor(1) as pool:
            (there,) = pool.submit(compiled.rooms, torch.zeros(1), 1000).result()
        assert not np.shares_memory(here, there)


def test_numbers_that_repeat_in_memory():
    """The gradient of a sum is one number seen many times."""
    source, target, index = random_index(30, 8, 100)
    state, other = numbers(30, 64).requires_grad_(), numbers(8, 64, seed=1).requires_grad_()
    products_of_edges = (state[source] * other[target]).sum(dim=1)
    wanted = torch.autograd.grad(products_of_edges.sum(), (state, other))
    found = torch.autograd.grad(_products_op(state, other, list(index)).sum(), (state, other))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("cells", [64, 130])
def test_what_is_not_finite_stays_with_its_cell(cells):
    _, _, index = random_index(30, 8, 100)
    weight, state = numbers(100), numbers(30, cells)
    state[:, 3] = torch.nan
    state[:, 60] = torch.inf
    finite = edge_sums(weight, state, index).isfinite().all(dim=0)
    assert finite.tolist() == [cell not in {3, 60} for cell in range(cells)]
    state[:, 3] = 0
    multiplied = products(state, numbers(8, cells, seed=1), index.starts, index.target)
    assert not multiplied.isfinite().any()


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "gelu", None])
@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
def test_models(skipping, make, backend, activation, calls, monkeypatch):
    """A training step, states and perturbations are those of torch's kernels."""
    options = {"steps": 3} if backend != "feedforward" else {}
    model, _ = make(skipping, backend=backend, activation=activation, **options)
    model = model.double()
    x = numbers(150, model.n_features)

    def results():
        model.zero_grad()
        leaf = x.clone().requires_grad_()
        out, states = model.forward_with_states(leaf)
        out.square().mean().backward()
        unit = torch.tensor([model.n_features])
        perturbation = Perturbations(1, torch.zeros(1, dtype=torch.long), unit, torch.zeros(1), torch.zeros(1, 1))
        changes = [found for _, found in output_changes([model], x, perturbation)]
        gradients = [parameter.grad for parameter in model.parameters()]
        return [part.detach() for part in (out, *states, leaf.grad, *gradients, *changes)]

    found = results()
    assert calls
    monkeypatch.setattr(compiled, "LEAST_EDGES", 1 << 62)
    torch.testing.assert_close(found, results())


class TestWhatOtherToolsSee:
    """Compiled loops are hidden from nothing that looks at operations."""

    _, _, index = random_index(30, 8, 100)
    weight, state = numbers(100), numbers(30, 64)

    def dense(self, weight, state):
        return dense_sums(weight, state, self.index.source.long(), self.target(), 8)

    def target(self):
        return torch.repeat_interleave(torch.arange(8), self.index.offsets.diff())

    def sparse(self, weight, state):
        return edge_sums(weight, state, self.index)

    def test_func(self):
        def nth(function):
            return torch.func.grad(lambda weight: function(weight, self.state).tanh().sum())(self.weight)

        torch.testing.assert_close(nth(self.sparse), nth(self.dense))

    @pytest.mark.parametrize("dims", [(0, None), (None, 0), (0, 0)])
    def test_vmap(self, dims):
        weight = torch.stack([self.weight, 2 * self.weight]) if dims[0] == 0 else self.weight
        state = torch.stack([self.state, self.state + 1]) if dims[1] == 0 else self.state
        found, expected = (torch.func.vmap(f, in_dims=dims)(weight, state) for f in (self.sparse, self.dense))
        torch.testing.assert_close(found, expected)

    @pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
    def test_forward_mode(self):
        tangents = numbers(100, seed=5), numbers(30, 64, seed=6)
        found, expected = (torch.func.jvp(f, (self.weight, self.state), tangents) for f in (self.sparse, self.dense))
        torch.testing.assert_close(found, expected)

    def test_compile(self):
        run = torch.compile(self.sparse, fullgraph=True, backend="aot_eager")
        leaves = self.weight.clone().requires_grad_(), self.state.clone().requires_grad_()
        found, expected = (torch.autograd.grad(f(*leaves).square().sum(), leaves) for f in (run, self.dense))
        torch.testing.assert_close(found, expected)

    def test_fake_tensors(self):
        with torch._subclasses.FakeTensorMode() as mode:
            fake = [mode.from_tensor(t) for t in (self.weight, self.state)]
            index = EdgeIndex(*(mode.from_tensor(part) for part in self.index))
            assert edge_sums(*fake, index).shape == (8, 64)

    def test_modes_that_look_at_operations(self, calls):
        with FlopCounterMode(display=False):
            self.sparse(self.weight, self.state)
        assert not calls

    def test_half_precision(self, calls):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert self.sparse(self.weight.float(), self.state.float()).dtype == torch.bfloat16
        assert not calls


def test_few_cells_or_edges_and_several_threads_go_through_torch(calls, monkeypatch):
    _, _, index = random_index(30, 8, 100)
    edge_sums(numbers(100), numbers(30, 63), index)
    torch.set_num_threads(2)
    edge_sums(numbers(100), numbers(30, 65), index)
    torch.set_num_threads(1)
    monkeypatch.setattr(compiled, "LEAST_EDGES", 101)
    edge_sums(numbers(100), numbers(30, 64), index)
    assert not calls
    monkeypatch.setattr(compiled, "LEAST_EDGES", 100)
    edge_sums(numbers(100), numbers(30, 64), index)
    assert calls


def test_what_does_not_fit_is_refused():
    """Compiled loops would read beyond the end."""
    _, _, index = random_index(30, 8, 200)
    weight, state = numbers(200), numbers(30, 64)
    with pytest.raises(Edge2TorchError, match="more nodes than there are states"):
        sums(weight, state[:20], index.source, index.offsets)
    with pytest.raises(Edge2TorchError, match="more nodes than there are states"):
        products(state[:20], numbers(8, 64), index.starts, index.target)
    with pytest.raises(Edge2TorchError, match="a weight each"):
        sums(weight[:-1], state, index.source, index.offsets)
    with pytest.raises(Edge2TorchError, match="64 and 65 cells"):
        products(state, numbers(8, 65), index.starts, index.target)


RUN = textwrap.dedent("""
    import sys
    {before}
    import torch
    from edge2torch.nn import compiled
    from edge2torch.nn.edge_sums import EdgeIndex, edge_sums
    compiled.LEAST_EDGES, compiled.LEAST_CELLS = 0, 64
    torch.set_num_threads(1)
    index = EdgeIndex.of(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2, 2)
    weight, state = torch.tensor([1.0, 2.0, 3.0]), torch.ones(2, 64)
    assert compiled.suits(index.source, weight, state) == {compiles}
    assert edge_sums(weight, state, index).tolist() == [[3.0] * 64, [3.0] * 64]
""")


@pytest.mark.parametrize(
    ("before", "environment", "compiles"),
    [
        ("", {}, True),
        ("sys.modules['numba'] = None", {}, False),
        ("", {"NUMBA_DISABLE_JIT": "1"}, False),
        ("import numba\nfrom numba.core import caching\ncaching.CacheImpl._locator_classes = []", {}, True),
    ],
    ids=["as installed", "without numba", "numba is off", "nowhere to keep what is compiled"],
)
def test_environments(before, environment, compiles):
    code = RUN.format(before=before, compiles=compiles)
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | environment)


def test_direct_activations_are_those_of_torch(skipping, make):
    """States and gradients, NaN and 0 included."""
    for name, module in {"relu": nn.ReLU(), "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid()}.items():
        model, _ = make(skipping, activation=name)
        direct = model.layers()[0].direct
        sums_of_units = torch.tensor([[-1.0, 0.0, 2.0, torch.nan, torch.inf]], requires_grad=True)
        expected = module(sums_of_units)
        found = direct.activate(sums_of_units.detach(), out=torch.empty(1, 5))
        torch.testing.assert_close(found, expected.detach(), equal_nan=True, rtol=0, atol=0)
        grad = torch.arange(5.0)[None]
        of_sums = direct.of_sums(grad, found, out=torch.empty(1, 5))
        wanted = torch.autograd.grad(expected, sums_of_units, grad)[0]
        torch.testing.assert_close(of_sums, wanted, equal_nan=True, rtol=0, atol=0)
