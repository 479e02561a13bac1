"""Features as sparse tensors: the same results, read as they are where that is quicker."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from edge2torch import Edge2TorchError
from edge2torch.nn import all_read_csr, compiled, compiled_sweep, sweep

pytestmark = pytest.mark.filterwarnings("ignore:Sparse (CSR|CSC) tensor support is in beta state")


@pytest.fixture(autouse=True)
def for_few_edges(monkeypatch, one_thread):
    """Let the loops handle a few edges, too."""
    monkeypatch.setattr(compiled_sweep, "LEAST_EDGES", 0)


@pytest.fixture
def read(monkeypatch):
    """Grows whenever loops read features, by their layout."""
    layouts = []

    def noted(plan, x, *parameters):
        layouts.append(x.layout)
        return compiled_sweep.compiled_sweep(plan, x, *parameters)

    monkeypatch.setattr(sweep, "compiled_sweep", noted)
    return layouts


@pytest.fixture
def model(skipping, make):
    return make(skipping, activation="tanh")[0]


@pytest.fixture
def x(cells):
    x = cells(80, 3)
    return x * (x > 0)


def results(model, x):
    """Outputs, states of all units, and gradients of the parameters."""
    out, states = model.forward_with_states(x)
    loss = sum((k + 1) * part.square().sum() for k, part in enumerate([model(x), *states]))
    return [out, *states, *torch.autograd.grad(loss, list(model.parameters()))]


def assert_same(found, expected):
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.data(),
    seed=st.integers(0, 2**31),
    n_cells=st.sampled_from([16, 17, 63, 64, 65, 130]),
    density=st.sampled_from([0.0, 0.1, 1.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    whole=st.sampled_from([torch.int32, torch.int64]),
)
def test_the_same_to_the_last_bit(data, seed, n_cells, density, dtype, whole, acyclic_edges, make, cells):
    """In passes that overlap or not, with features in any order, some of them stored in two parts."""
    model, artifact = make(data.draw(acyclic_edges), seed, activation="tanh")
    model.to(dtype)
    random = torch.Generator().manual_seed(seed)
    dense = cells(n_cells, len(artifact.feature_names), seed).to(dtype)
    dense = torch.where(torch.rand(dense.shape, generator=random) < density, dense, 0)
    columns = [row.nonzero().flatten() for row in dense]
    columns = [torch.cat([part, part])[torch.randperm(2 * len(part), generator=random)] for part in columns]
    begins = torch.tensor([0, *(len(part) for part in columns)]).cumsum(0).to(whole)
    values = torch.cat([row[part] / 2 for row, part in zip(dense, columns, strict=True)])
    csr = torch.sparse_csr_tensor(begins, torch.cat(columns).to(whole), values, dense.shape, check_invariants=False)
    assert torch.equal(csr.to_dense(), dense)
    assert model.reads_csr(n_cells)
    assert_same(results(model, csr), results(model, dense))


def test_nan_stays_with_its_cell(model, x):
    x[70, 1] = torch.nan
    out = model(x.to_sparse_csr())
    assert torch.nonzero(out.isnan().any(dim=1)).flatten().tolist() == [70]


@pytest.mark.parametrize(
    "make_sparse", [torch.Tensor.to_sparse_csr, torch.Tensor.to_sparse_csc, torch.Tensor.to_sparse]
)
@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
def test_all_backends_and_layouts(backend, make_sparse, skipping, make, x):
    model, _ = make(skipping, backend=backend)
    assert_same(results(model, make_sparse(x)), results(model, x))


def test_second_derivatives(model, x):
    def of_weights(x):
        parameters = list(model.parameters())
        first = torch.autograd.grad(model(x).square().sum(), parameters, create_graph=True)
        return torch.autograd.grad(sum(part.square().sum() for part in first), parameters)

    torch.testing.assert_close(of_weights(x.to_sparse_csr()), of_weights(x))


def test_frozen_weights(model, x):
    for linear in model.linears():
        linear.weight.requires_grad_(False)
    biases = [linear.bias for linear in model.linears()]
    found, expected = (torch.autograd.grad(model(x).square().sum(), biases) for x in (x.to_sparse_csr(), x))
    assert_same(found, expected)


class TestWhatIsReadAsItIs:
    def test_csr(self, model, x, read):
        model(x.to_sparse_csr())
        assert read == [torch.sparse_csr]
        assert model.reads_csr(len(x))
        assert all_read_csr([model, model], len(x))

    def test_not_of_few_cells(self, model, x, read):
        torch.testing.assert_close(model(x[:15].to_sparse_csr()), model(x[:15]))
        assert not read
        assert not model.reads_csr(15)

    @pytest.mark.parametrize("options", [{"norm": "batch"}, {"dropout": 0.5}, {"activation": "gelu"}])
    def test_not_by_other_layers(self, options, skipping, make, x, read):
        model = make(skipping, **options)[0]
        assert not model.reads_csr(len(x))
        model(x.to_sparse_csr())
        assert not read

    def test_not_if_its_gradient_is_wanted(self, model, x, read):
        leaf, dense = x.to_sparse_csr().requires_grad_(), x.clone().requires_grad_()
        model(leaf).sum().backward()
        model(dense).sum().backward()
        assert set(read) == {torch.strided}
        expected = torch.where(x != 0, dense.grad, 0)
        torch.testing.assert_close(leaf.grad.to_dense(), expected)

    def test_not_under_autocast(self, model, x, read):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(model(x.to_sparse_csr()), model(x))
        assert not read

    def test_not_block_by_block(self, model, x, read):
        model.blocks[0].register_forward_hook(lambda *_: None)
        assert not model.reads_csr(len(x))
        assert torch.equal(model(x.to_sparse_csr()), model(x))
        assert not read

    def test_not_without_numba(self, model, x, read, monkeypatch):
        monkeypatch.setattr(compiled, "loops", lambda: None)
        assert not model.reads_csr(len(x))
        assert torch.equal(model(x.to_sparse_csr()), model(x))

    def test_not_by_other_models(self, model, x):
        assert not all_read_csr([model, nn.Linear(3, 2)], len(x))


@pytest.mark.parametrize(
    ("begins", "columns"),
    [([0, 1, 2], [0, 3]), ([0, 1, 2], [0, -1]), ([0, 2, 1], [0, 1]), ([1, 1, 2], [0, 1]), ([0, 1, 3], [0, 1])],
)
def test_what_is_no_csr_is_refused(begins, columns, model):
    """As nothing else would look: torch itself does not, unless told to."""
    begins = torch.tensor(begins + begins[-1:] * 20)
    wrong = torch.sparse_csr_tensor(begins, torch.tensor(columns), torch.ones(2), (22, 3), check_invariants=False)
    with pytest.raises(Edge2TorchError, match="no valid CSR"):
        model(wrong)


def test_other_shapes_are_refused(model, x):
    with pytest.raises(Edge2TorchError, match=r"reads \(cells, 3\) features, not \(80, 2\)"):
        model(x[:, :2].to_sparse_csr())
