"""The sweep computes what the blocks compute one by one, and steps aside where something looks at these."""

from __future__ import annotations

import copy

import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrize, prune

from edge2torch import Edge2TorchError
from edge2torch.nn import FeedforwardModel, feedforward
from edge2torch.nn import sweep as sweep_module
from edge2torch.nn.state import seeded

ACTIVATIONS = ["linear", "relu", "tanh", "sigmoid", "gelu", "softplus"]
DOUBLE = torch.float64
FIRST, SECOND = torch.autograd.gradcheck, torch.autograd.gradgradcheck
random_graphs = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])


def results(forward, model, x, create_graph=False):
    """Outputs, and the gradients of their weighted squares with respect to input and parameters."""
    x = x.clone().requires_grad_()
    out = forward(x)
    loss = (out.square() * torch.linspace(0.5, 1.5, out.numel(), dtype=out.dtype).reshape(out.shape)).sum()
    gradients = torch.autograd.grad(loss, [x, *model.parameters()], create_graph=create_graph)
    return [out.detach(), *gradients]


@random_graphs
@given(data=st.data(), seed=st.integers(0, 2**31), bias=st.booleans(), n_cells=st.sampled_from([0, 1, 4, 513, 1100]))
def test_equals_the_blocks(data, seed, bias, n_cells, acyclic_edges, constrained, hidden_nodes, make, cells):
    edges = data.draw(acyclic_edges.flatmap(constrained))
    table = data.draw(hidden_nodes(edges, ACTIVATIONS))
    model, artifact = make(edges, seed, nodes=table, bias=bias)
    model.double()
    x = cells(n_cells, len(artifact.feature_names), seed).double()
    torch.testing.assert_close(results(model, model, x), results(model.forward_by_block, model, x))


@pytest.fixture
def mixed(skipping, make):
    """A model with nodes of several widths, activations and constraints."""
    constraint = ["positive", "negative", "fixed", *["unconstrained"] * 8]
    edges = skipping.assign(constraint=constraint, initial_weight=[0.5, -0.7, 0.3, *[float("nan")] * 8])
    table = edges[["target"]].drop_duplicates().set_axis(["node"], axis=1).iloc[:3]
    table = table.assign(width=[3, 2, 1], activation=["tanh", "softplus", "linear"])
    return make(edges, nodes=table)[0].double()


@pytest.fixture
def features(cells):
    return cells(4, 3).double()


@pytest.mark.parametrize(
    ("needs_x", "needs_parameters", "n_products"),
    [(True, False, 0), (False, True, 2), (True, True, 2), (False, False, 0)],
)
def test_no_gradient_is_computed_that_nobody_needs(needs_x, needs_parameters, n_products, mixed, features, count):
    """Products, which are the gradients of weights, are those with inputs and those between other units."""
    mixed.requires_grad_(needs_parameters)
    x = features.requires_grad_(needs_x)
    used, products = count(feedforward, "sweep"), count(sweep_module, "products")
    out = mixed(x)
    assert used
    assert out.requires_grad == (needs_x or needs_parameters)
    if out.requires_grad:
        out.sum().backward()
    assert len(products) == n_products
    assert (x.grad is not None) == needs_x
    assert all((parameter.grad is not None) == needs_parameters for parameter in mixed.parameters())


def test_some_frozen_parameters(mixed, features):
    mixed.blocks[1].linear.weight.requires_grad_(False)
    mixed.blocks[0].linear.bias.requires_grad_(False)
    mixed(features).sum().backward()
    found = {name: parameter.grad for name, parameter in mixed.named_parameters()}
    mixed.zero_grad()
    mixed.forward_by_block(features).sum().backward()
    for name, parameter in mixed.named_parameters():
        if parameter.grad is None:
            assert found[name] is None
        else:
            torch.testing.assert_close(found[name], parameter.grad)


def test_without_gradients(mixed, features):
    expected = mixed(features).detach()
    with torch.no_grad():
        assert torch.equal(mixed(features), expected)
    with torch.inference_mode():
        assert torch.equal(mixed(features), expected)


# --- derivatives of any order ----------------------------------------------------------------------------------------


def pure(model):
    """The model as a function of features and parameters, by the sweep."""
    names, parameters = zip(*model.named_parameters(), strict=True)

    def function(x, *values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    return function, parameters


@pytest.mark.parametrize("check", [FIRST, SECOND])
def test_numerical_derivatives(check, mixed, features, count):
    function, parameters = pure(mixed)
    used = count(feedforward, "sweep")
    assert check(function, (features[:2].clone().requires_grad_(), *parameters), fast_mode=check is SECOND)
    assert used


def test_second_derivatives_equal_those_of_the_blocks(mixed, features):
    def penalty(forward):
        gradients = results(forward, mixed, features, create_graph=True)[1:]
        total = sum(gradient.square().sum() for gradient in gradients)
        return torch.autograd.grad(total, list(mixed.parameters()))

    torch.testing.assert_close(penalty(mixed), penalty(mixed.forward_by_block))


def test_second_derivatives_with_dropout(skipping, make, features):
    """The masks are gone, so that there is no right answer."""
    model, _ = make(skipping, activation="tanh", dropout=0.5)
    x = features.float().requires_grad_()
    with pytest.raises(Edge2TorchError, match=r"dropout.*model\.eval\(\)"):
        torch.autograd.grad(model(x).sum(), x, create_graph=True)
    assert torch.autograd.grad(model.eval()(x).sum(), x, create_graph=True)[0].requires_grad


def test_two_backward_passes(mixed, features):
    x = features.requires_grad_()
    out = mixed(x).sum()
    out.backward(retain_graph=True)
    once = [parameter.grad.clone() for parameter in mixed.parameters()]
    out.backward()
    torch.testing.assert_close([parameter.grad for parameter in mixed.parameters()], [2 * grad for grad in once])
    with pytest.raises(RuntimeError, match="second time"):
        out.backward()


def test_changing_a_weight_between_forth_and_back_is_noticed(mixed, features):
    """As for all of torch: saved tensors may not be changed."""
    out = mixed(features.requires_grad_()).sum()
    with torch.no_grad():
        features.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing(reentrant, mixed, features):
    def checkpointed(x):
        return torch.utils.checkpoint.checkpoint(mixed, x, use_reentrant=reentrant)

    found = []
    for forward in (checkpointed, mixed.forward_by_block):
        mixed.zero_grad()
        x = features.clone().requires_grad_()
        forward(x).square().sum().backward()
        found.append([x.grad, *(parameter.grad for parameter in mixed.parameters())])
    torch.testing.assert_close(*found)


BATCHED = "backward of the sweep does not work under vmap (torch.autograd.grad(..., is_grads_batched=True))"


@pytest.mark.parametrize("vectorize", [False, pytest.param(True, marks=pytest.mark.xfail(strict=True, reason=BATCHED))])
def test_functional_jacobian(vectorize, mixed, features):
    found = torch.autograd.functional.jacobian(mixed, features, vectorize=vectorize)
    torch.testing.assert_close(found, torch.func.jacrev(mixed.forward_by_block)(features))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")
def test_forward_mode(mixed, features):
    """Not by torch.func, but by the dual numbers below it."""
    with torch.autograd.forward_ad.dual_level():
        out = mixed(torch.autograd.forward_ad.make_dual(features, features.cos()))
        tangent = torch.autograd.forward_ad.unpack_dual(out).tangent
    torch.testing.assert_close(tangent, torch.func.jvp(mixed, (features,), (features.cos(),))[1])


# --- when the sweep steps aside --------------------------------------------------------------------------------------


def test_used_when_nothing_watches(mixed, features, count):
    used, by_block = count(feedforward, "sweep"), count(FeedforwardModel, "forward_by_block")
    mixed(features)
    mixed.eval()(features.requires_grad_()).sum().backward()
    assert (len(used), len(by_block)) == (2, 0)


WATCHERS = {
    "forward hook": lambda block, see: block.register_forward_hook(lambda *_: see()),
    "pre hook": lambda block, see: block.register_forward_pre_hook(lambda *_: see()),
    "backward hook": lambda block, see: block.register_full_backward_hook(lambda *_: see()),
    "backward pre hook": lambda block, see: block.register_full_backward_pre_hook(lambda *_: see()),
    "hook on the activation": lambda block, see: block.activation.register_forward_hook(lambda *_: see()),
    "hook on the weights": lambda block, see: block.linear.register_forward_hook(lambda *_: see()),
    "hook on all modules": lambda _, see: nn.modules.module.register_module_forward_hook(lambda *_: see()),
}


@pytest.mark.parametrize("watcher", WATCHERS)
def test_hooks(watcher, mixed, features, count):
    expected = results(mixed, mixed, features)
    used, seen = count(feedforward, "sweep"), []
    handle = WATCHERS[watcher](mixed.blocks[0], lambda: seen.append(1))
    try:
        torch.testing.assert_close(results(mixed, mixed, features), expected)
    finally:
        handle.remove()
    assert seen
    assert not used
    torch.testing.assert_close(results(mixed, mixed, features), expected, rtol=0, atol=0)
    assert used, "once the hook is gone"


def test_hooks_can_change_states(mixed, features):
    mixed.blocks[0].register_forward_hook(lambda _module, _inputs, out: torch.zeros_like(out))
    states = [features, torch.zeros(4, 5, dtype=DOUBLE)]
    for block in mixed.blocks[1:]:
        states.append(block(*states))
    assert torch.equal(mixed(features), mixed.pick_outputs(states))


def test_transformations(mixed, features, count):
    function, parameters = pure(mixed)
    expected = results(mixed, mixed, features)
    used = count(feedforward, "sweep")

    def loss(*inputs):
        out = function(*inputs)
        return (out.square() * torch.linspace(0.5, 1.5, out.numel(), dtype=DOUBLE).reshape(out.shape)).sum()

    gradients = torch.func.grad(loss, argnums=tuple(range(len(parameters) + 1)))(features, *parameters)
    torch.testing.assert_close(list(gradients), expected[1:])
    torch.testing.assert_close(
        torch.vmap(mixed)(features.expand(3, 4, 3)), mixed.forward_by_block(features).expand(3, 4, 2)
    )
    assert not used


@pytest.mark.parametrize("tool", ["compile", "export", "trace"])
def test_compilers(tool, mixed, features, count):
    expected = mixed(features)
    used = count(feedforward, "sweep")
    match tool:
        case "compile":
            found = torch.compile(mixed, fullgraph=True, backend="aot_eager")(features)
        case "export":
            found = torch.export.export(mixed, (features,)).module()(features)
        case _:
            with pytest.warns(Warning, match=r"."):  # torch.jit is on its way out
                found = torch.jit.trace(mixed, (features,), check_trace=False)(features)
    torch.testing.assert_close(found, expected)
    assert not used


def test_subclasses_of_tensor(mixed, features, count):
    used = count(feedforward, "sweep")
    torch.testing.assert_close(mixed(nn.Parameter(features)), mixed.forward_by_block(features))
    assert not used


# --- activations, dropout, weights that are computed -----------------------------------------------------------------


class ScalesItself(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul_(2)


SPECIAL = [
    pytest.param(nn.ReLU(inplace=True), id="in place"),
    pytest.param(nn.PReLU(init=0.3), id="with parameters"),
    pytest.param(nn.Sequential(nn.PReLU(init=0.3), nn.ELU(inplace=True)), id="both"),
    pytest.param(nn.BatchNorm1d(2, affine=False), id="with buffers, across cells"),
    pytest.param(nn.Softmax(dim=1), id="across nodes"),
    pytest.param(nn.Identity(), id="its input"),
    pytest.param(ScalesItself(), id="in place, unmarked"),
]


@pytest.mark.parametrize("activation", SPECIAL)
def test_special_activations(activation, make, cells):
    """With more cells than one pass holds."""
    edges = pd.DataFrame(
        [pair.split() for pair in ["a h1", "b h1", "b h2", "h1 k1", "h2 k1", "h2 k2", "k1 out", "k2 out", "a out"]],
        columns=["source", "target"],
    )
    model, _ = make(edges, activation=activation)
    model.double()
    x = cells(1100, 2).double()
    torch.testing.assert_close(results(model, model, x), results(model.forward_by_block, model, x))


def test_the_way_back_is_that_of_the_way_forth(skipping, make, cells):
    """Also if the model was told in between to drop nothing, or something."""
    model, _ = make(skipping, activation="tanh", dropout=0.5)
    x = cells(6, 3)
    for first in (True, False):
        gradients = []
        for then in (first, not first):
            model.train(first)
            with seeded(0):
                loss = model(x).square().sum()
            model.train(then)
            gradients.append(torch.autograd.grad(loss, list(model.parameters())))
        torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_dropout_is_dropped_on_the_way_back_too(skipping, make, cells):
    """With one seed, the gradient is that of the same masks: differences of outputs along a direction show it."""
    model, _ = make(skipping, activation="tanh", dropout=0.5)
    model.double()
    x, direction = cells(700, 3).double().requires_grad_(), cells(700, 3, 1).double()

    def at(x):
        with seeded(3):
            return model(x)

    (gradient,) = torch.autograd.grad(at(x).sum(), x)
    h = 1e-5
    slope = (at(x + h * direction).sum() - at(x - h * direction).sum()) / (2 * h)
    torch.testing.assert_close((gradient * direction).sum(), slope.detach(), rtol=1e-6, atol=1e-6)


class Twice(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return 2 * weight


def test_parametrized_weights(mixed, features, count):
    twin = copy.deepcopy(mixed)
    with torch.no_grad():
        twin.blocks[2].linear.weight.mul_(2)
    parametrize.register_parametrization(mixed.blocks[2].linear, "weight", Twice())
    used = count(feedforward, "sweep")
    torch.testing.assert_close(mixed(features), twin(features))
    assert len(used) == 2
    mixed(features).sum().backward()
    twin(features).sum().backward()
    original = mixed.blocks[2].linear.parametrizations.weight.original
    torch.testing.assert_close(original.grad, 2 * twin.blocks[2].linear.weight.grad)


def test_pruned_weights(mixed, features):
    linear = mixed.blocks[2].linear
    prune.random_unstructured(linear, "weight", 0.5)
    gone = linear.weight_mask == 0
    assert 0 < gone.sum() < gone.numel()
    torch.testing.assert_close(results(mixed, mixed, features), results(mixed.forward_by_block, mixed, features))
    mixed(features).sum().backward()
    assert (linear.weight_orig.grad[gone] == 0).all()
    prune.remove(linear, "weight")
    assert (mixed.blocks[2].linear.edge_weight()[gone] == 0).all()
