"""What torch offers for any module works with all backends."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

BACKENDS = ["feedforward", "recurrent", "graphnn"]


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(params=[None, 3], ids=["narrow", "wide"])
def model(request, backend, skipping, make):
    constraint = ["fixed", "positive", "negative", *["unconstrained"] * 8]
    edges = skipping.assign(constraint=constraint, initial_weight=[0.5, 0.4, -0.3, *[float("nan")] * 8])
    return make(edges, backend=backend, activation="tanh", width=request.param or 1)[0]


@pytest.fixture
def x(cells):
    return cells(6, 3)


def gradients(model, x):
    model.zero_grad()
    model(x).square().sum().backward()
    return [parameter.grad for parameter in model.parameters()]


def pickled(model):
    return pickle.loads(pickle.dumps(model))


def saved(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("way", [copy.deepcopy, pickled, saved])
def test_copies(way, model, x):
    expected = gradients(model, x)
    twin = way(model)
    assert torch.equal(twin(x), model(x))
    assert all(torch.equal(one, other) for one, other in zip(gradients(twin, x), expected, strict=True))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert not torch.equal(twin(x), model(x))


def test_state_through_a_file(backend, loops, make, cells):
    one, _ = make(loops.iloc[[0, 1, 2, 5, 6]], backend=backend, activation="tanh")
    other, _ = make(loops.iloc[[0, 1, 2, 5, 6]], seed=1, backend=backend, activation="tanh")
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = cells(4, 2)
    assert torch.equal(one(x), other(x))


# Five roundings in a row, and cancellation in sums.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.float16, 0.02), (torch.bfloat16, 0.15)])
def test_dtypes(dtype, tolerance, model, x):
    outputs, expected = model(x), gradients(model, x)
    moved = copy.deepcopy(model).to(dtype)
    found = moved(x.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), outputs, rtol=tolerance, atol=tolerance)
    for one, other in zip(gradients(moved, x.to(dtype)), expected, strict=True):
        assert one.dtype == dtype
        size = other.abs().max().item()
        torch.testing.assert_close(one.float(), other, rtol=tolerance, atol=2 * tolerance * size)


@pytest.mark.parametrize("dropout", [0.0, pytest.param(0.5, id="dropout")])
def test_autocast(dropout, backend, skipping, make, x):
    """Outputs have the type of autocast; parameters and their gradients stay in float32."""
    model, _ = make(skipping, backend=backend, activation="tanh", width=2, dropout=dropout)
    with torch.autocast("cpu", torch.bfloat16):
        out = model(x)
        assert out.dtype == torch.bfloat16
        out.float().square().sum().backward()
    found = [parameter.grad for parameter in model.parameters()]
    assert {gradient.dtype for gradient in found} == {torch.float32}
    if dropout:
        return
    torch.testing.assert_close(out.float(), model(x), rtol=0.1, atol=0.1)
    for one, other in zip(found, gradients(model, x), strict=True):
        torch.testing.assert_close(one, other, rtol=0.1, atol=0.15 * other.abs().max().item())


def test_compile(model, x):
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), model(x))
    found = gradients(compiled, x)
    torch.testing.assert_close(found, gradients(model, x))


def test_export(model, x):
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x))


def test_export_for_any_number_of_cells(backend, model, x):
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("cells")},)).module()
    for n_cells in (2, 6, 700):
        many = x[:1].repeat(n_cells, 1)
        torch.testing.assert_close(exported(many), model(many))


def test_gradients_of_each_cell(model, x):
    parameters = dict(model.named_parameters())

    def loss(parameters, cell):
        return torch.func.functional_call(model, parameters, (cell[None],)).square().sum()

    found = torch.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    for i, cell in enumerate(x):
        expected = gradients(model, cell[None])
        torch.testing.assert_close([gradient[i] for gradient in found.values()], expected)


def test_ensembles(model, x):
    """Several sets of parameters at once."""
    sets = [{name: value.detach() * scale for name, value in model.named_parameters()} for scale in (1, 0.5, -1)]
    stacked = {name: torch.stack([each[name] for each in sets]) for name in sets[0]}
    found = torch.vmap(lambda parameters: torch.func.functional_call(model, parameters, (x,)))(stacked)
    torch.testing.assert_close(found, torch.stack([torch.func.functional_call(model, each, (x,)) for each in sets]))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
def test_jacobians_agree(model, x):
    model.double()
    x = x.double()
    expected = torch.autograd.functional.jacobian(model, x)
    torch.testing.assert_close(torch.func.jacrev(model)(x), expected)
    torch.testing.assert_close(torch.func.jacfwd(model)(x), expected)


class Twice(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


def test_parametrization_of_each_part(model, x):
    twin = copy.deepcopy(model)
    for ours, theirs in zip(model.linears(), twin.linears(), strict=True):
        parametrize.register_parametrization(ours, "weight", Twice())
        with torch.no_grad():
            theirs.weight.mul_(2)
        torch.testing.assert_close(model(x), twin(x))


def test_pruning(model, x):
    linear = model.linears()[-1]
    prune.l1_unstructured(linear, "weight", 2)
    gone = linear.weight_mask == 0
    twin_outputs = model(x)
    gradients(model, x)
    assert (linear.weight_orig.grad[gone] == 0).all()
    prune.remove(linear, "weight")
    assert int((model.linears()[-1].weight[gone] == 0).sum()) == int(gone.sum()) == 2
    torch.testing.assert_close(model(x), twin_outputs)


def test_data_parallel_without_a_gpu(model, x):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert torch.equal(nn.DataParallel(model)(x), model(x))
