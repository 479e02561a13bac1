"""On a GPU, models compute what they compute elsewhere."""

from __future__ import annotations

import copy

import pytest
import torch

from edge2torch.nn.edge_sums import EdgeIndex, edge_sums

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
MODELS = [
    {"backend": "feedforward"},
    {"backend": "feedforward", "width": 3},
    {"backend": "recurrent", "steps": 4, "width": 2},
    {"backend": "recurrent", "steps": 9, "tolerance": 1e-3, "spectral_norm": 0.5},
    {"backend": "graphnn", "steps": 3, "width": 3},
]


def results(model, x):
    x = x.clone().requires_grad_()
    out = model(x)
    return [out.detach(), *torch.autograd.grad(out.square().sum(), [x, *model.parameters()])]


@pytest.mark.parametrize("options", MODELS)
@pytest.mark.parametrize("n_cells", [0, 1, 600])
def test_equals_the_cpu(options, n_cells, skipping, make, cells):
    model, _ = make(skipping, activation="tanh", **options)
    model.eval()
    x = cells(n_cells, 3)
    found = results(copy.deepcopy(model).cuda(), x.cuda())
    torch.testing.assert_close([value.cpu() for value in found], results(model, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", MODELS)
def test_deterministic(options, skipping, make, cells):
    model = make(skipping, activation="tanh", **options)[0].cuda().eval()
    x = cells(600, 3).cuda()
    assert all(torch.equal(one, other) for one, other in zip(results(model, x), results(model, x), strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_kernel_equals_a_matrix_product(dtype):
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randperm(40 * 30, generator=generator)[:300].sort()[0]
    source, target = pairs % 40, pairs // 40
    index = EdgeIndex(*(part.cuda() for part in EdgeIndex.of(source, target, 40, 30)))
    weight, state = torch.randn(300, generator=generator).cuda(), torch.randn(40, 700, generator=generator).cuda()
    inputs = [weight.to(dtype).requires_grad_(), state.to(dtype).requires_grad_()]
    exact = [value.detach().double().requires_grad_() for value in inputs]
    matrix = torch.zeros(30, 40, dtype=torch.float64, device="cuda").index_put((target.cuda(), source.cuda()), exact[0])
    expected = matrix @ exact[1]
    found = edge_sums(*inputs, index)
    upstream = torch.randn(30, 700, generator=generator).cuda().to(dtype)
    pairs = [
        (found, expected),
        *zip(
            torch.autograd.grad(found, inputs, upstream),
            torch.autograd.grad(expected, exact, upstream.double()),
            strict=True,
        ),
    ]
    tolerance = {torch.float16: 2**-9, torch.bfloat16: 2**-6, torch.float64: 1e-12}[dtype]
    for one, other in pairs:
        torch.testing.assert_close(one.double(), other, rtol=tolerance, atol=tolerance * other.abs().max().item())


@pytest.mark.parametrize("options", MODELS)
def test_autocast(options, skipping, make, cells):
    model = make(skipping, activation="tanh", **options)[0].cuda().eval()
    x = cells(20, 3).cuda()
    with torch.autocast("cuda", torch.float16):
        out = model(x)
    assert out.dtype == torch.float16
    out.float().sum().backward()
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}
    torch.testing.assert_close(out.float(), model(x), rtol=0.02, atol=0.02)
