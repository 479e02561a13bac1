"""Compiled loops through all layers: what they compute, and when they step aside."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from edge2torch.nn import compiled, compiled_sweep, sweep

DOUBLE = torch.float64
KNOWN = ["linear", "relu", "tanh", "sigmoid"]


@pytest.fixture(autouse=True)
def for_few_edges(monkeypatch, one_thread):
    """Let the loops handle a few edges, too."""
    monkeypatch.setattr(compiled_sweep, "LEAST_EDGES", 0)


@pytest.fixture
def calls(count):
    """Grows whenever cells go through the loops."""
    return count(sweep, "compiled_sweep")


def results(model, x, *, by_block=False):
    """Outputs, states of all units, and gradients of a function of all of these."""
    x = x.detach().requires_grad_()
    if by_block:
        states = [x]
        for block in model.blocks:
            states.append(block(*states))
        out, states = model.pick_outputs(states), states[1:]
    else:
        out, states = model(x), model.forward_with_states(x)[1]
    loss = sum((k + 1) * (part * part.detach().cos()).sum() for k, part in enumerate([out, *states]))
    return [out, *states, *torch.autograd.grad(loss, [x, *model.parameters()])]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.data(),
    seed=st.integers(0, 2**31),
    bias=st.booleans(),
    n_cells=st.sampled_from([16, 17, 31, 32, 47, 64, 65, 100, 128, 600]),
    layout=st.sampled_from(["by node", "by cell", "strided"]),
    dtype=st.sampled_from([torch.float32, DOUBLE]),
    limits=st.tuples(*[st.sampled_from([0, 1 << 30])] * 2),
)
def test_equals_the_blocks(
    data, seed, bias, n_cells, layout, dtype, limits, acyclic_edges, constrained, hidden_nodes, make, cells, lay_out
):
    """Values and gradients: passes of more or fewer cells that overlap or not, stored past the cache or not."""
    edges = data.draw(acyclic_edges.flatmap(constrained))
    model, artifact = make(edges, seed, nodes=data.draw(hidden_nodes(edges, KNOWN)), bias=bias)
    model.to(dtype)
    x = lay_out(cells(n_cells, len(artifact.feature_names), seed).to(dtype).T, layout).T
    assert compiled_sweep.known_kinds(model) is not None
    assert compiled_sweep.loops_suit(x, *sweep.parameters(model)[:2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "CACHED", limits[0])
        patch.setattr(compiled, "LARGE", limits[1])
        found = results(model, x)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {}
    torch.testing.assert_close(found, results(model, x, by_block=True), **close)


@pytest.fixture
def model(skipping, make):
    return make(skipping, activation="tanh")[0].double()


@pytest.fixture
def x(cells):
    return cells(80, 3).double()


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("name", KNOWN[1:])
def test_activations_are_those_of_torch(name, dtype, make, calls):
    """To a few units in the last place, from the smallest to the largest numbers; NaN stays NaN."""
    model, _ = make(pd.DataFrame({"source": ["x", "h"], "target": ["h", "y"]}), activation=name, bias=False)
    model.to(dtype)
    with torch.no_grad():
        for block in model.blocks:
            block.linear.weight.fill_(1)
    sizes = torch.cat([torch.logspace(-35, 4, 3001, dtype=dtype), torch.tensor([torch.inf], dtype=dtype)])
    x = torch.cat([-sizes, torch.zeros(1, dtype=dtype), sizes])[:, None].requires_grad_()
    _, (state, _) = model.forward_with_states(x)
    expected = model.blocks[0].activation(x)
    assert calls
    eps = torch.finfo(dtype).eps
    tiny = torch.finfo(dtype).tiny  # beside which numbers have fewer digits
    torch.testing.assert_close(state, expected, rtol=4 * eps, atol=4 * tiny)
    (slope,), (wanted,) = torch.autograd.grad(state.sum(), x), torch.autograd.grad(expected.sum(), x)
    torch.testing.assert_close(slope, wanted, rtol=4 * eps, atol=4 * eps)
    with torch.no_grad():
        x[20] = torch.nan
        _, (state, out) = model.forward_with_states(x)
    assert torch.nonzero(state.isnan())[:, 0].tolist() == torch.nonzero(out.isnan())[:, 0].tolist() == [20]


def test_of_which_cells_and_features_there_are_gradients(model, x):
    """What is not a number stays with its cell, also where passes overlap."""
    x[70, 1] = torch.nan
    leaf = x.clone().requires_grad_()
    out = model(leaf)
    assert torch.nonzero(out.isnan().any(dim=1)).flatten().tolist() == [70]
    (gradient,) = torch.autograd.grad(out.sum(), leaf)
    assert torch.nonzero(gradient.isnan().any(dim=1)).flatten().tolist() == [70]


@pytest.mark.parametrize("of_x", [True, False])
@pytest.mark.parametrize("frozen", ["weight", "bias", None])
def test_frozen_parameters(of_x, frozen, model, x):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(frozen is None or not name.endswith(frozen))
    leaf = x.clone().requires_grad_(of_x)
    wanted = [t for t in (leaf, *model.parameters()) if t.requires_grad]
    found, expected = (torch.autograd.grad(f(leaf).square().sum(), wanted) for f in (model, model.forward_by_block))
    torch.testing.assert_close(found, expected)


def test_without_gradients_only_outputs_are_kept(model, x, calls):
    with torch.no_grad():
        torch.testing.assert_close(model(x), model.forward_by_block(x))
        out = model(x)
    assert len(calls) == 2
    assert out.untyped_storage().nbytes() == out.numel() * 8


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_derivatives(check, model, x, calls):
    first = x[:2].clone().requires_grad_()
    assert check(lambda few: model(torch.cat([few, x]))[:3], first)
    assert calls


class TestWhenTheyStepAside:
    def run(self, model, x, calls):
        """Whether the loops were used; what comes out must be the same."""
        calls.clear()
        out = model(x)
        torch.testing.assert_close(out, model.forward_by_block(x))
        return bool(calls)

    def test_limits(self, model, x, calls, monkeypatch):
        assert self.run(model, x, calls)
        assert self.run(model, x[:16], calls)
        assert not self.run(model, x[:15], calls)
        n_edges = sum(linear.weight.numel() for linear in model.linears())
        monkeypatch.setattr(compiled_sweep, "LEAST_EDGES", n_edges)
        assert self.run(model, x, calls)
        monkeypatch.setattr(compiled_sweep, "LEAST_EDGES", n_edges + 1)
        assert not self.run(model, x, calls)

    def test_many_threads_for_much_work(self, model, x, calls, monkeypatch):
        torch.set_num_threads(3)
        assert self.run(model, x, calls)
        monkeypatch.setattr(compiled_sweep, "WORTH_THREADS", 0)
        assert not self.run(model, x, calls)
        torch.set_num_threads(2)
        assert self.run(model, x, calls)

    def test_without_numba(self, model, x, calls, monkeypatch):
        monkeypatch.setattr(compiled, "loops", lambda: None)
        assert not self.run(model, x, calls)

    def test_types(self, model, x, calls):
        model.bfloat16()(x.bfloat16())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model.float()(x.float())
        assert not calls
        assert self.run(model, x.float(), calls)

    def test_dropout_in_training_alone(self, skipping, make, x, calls):
        model = make(skipping, activation="tanh", dropout=0.5)[0].double()
        model.train()
        model(x)
        assert not calls
        assert self.run(model.eval(), x, calls)

    @pytest.mark.parametrize("options", [{"norm": "batch"}, {"activation": "gelu"}, {"activation": nn.LeakyReLU(0.3)}])
    def test_other_layers(self, options, skipping, make, x, calls):
        model = make(skipping, **options)[0].double().eval()
        assert not self.run(model, x, calls)

    def test_an_own_kind_of_a_known_activation(self, skipping, make, x, calls):
        class Twice(nn.Tanh):
            def forward(self, sums):
                return 2 * super().forward(sums)

        assert not self.run(make(skipping, activation=Twice())[0].double(), x, calls)

    def test_hooks(self, model, x, calls):
        seen = []
        model.blocks[0].register_forward_hook(lambda *args: seen.append(args[2]))
        assert not self.run(model, x, calls)
        assert seen
