"""Activations and dropout of hidden nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edge2torch import Edge2TorchError, compile_graph
from edge2torch.nn import make_activation

BY_NAME = {
    "elu": nn.functional.elu,
    "gelu": nn.functional.gelu,
    "leaky_relu": nn.functional.leaky_relu,
    "relu": torch.relu,
    "selu": torch.selu,
    "sigmoid": torch.sigmoid,
    "silu": nn.functional.silu,
    "softplus": nn.functional.softplus,
    "tanh": torch.tanh,
}


class Square(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.square()


@pytest.mark.parametrize("name", BY_NAME)
def test_by_name(name):
    z = torch.linspace(-3, 3, 50)
    assert torch.equal(make_activation(name)(z), BY_NAME[name](z))


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        (nn.Tanh, torch.tanh),
        (nn.Tanh(), torch.tanh),
        (nn.LeakyReLU(0.3), lambda z: nn.functional.leaky_relu(z, 0.3)),
        (Square, torch.square),
        (nn.Sequential(nn.Tanh(), Square()), lambda z: torch.tanh(z).square()),
    ],
    ids=["class", "instance", "instance with option", "own class", "sequence"],
)
def test_class_and_instance(activation, function, skipping, make):
    z = torch.linspace(-3, 3, 50)
    assert torch.equal(make_activation(activation)(z), function(z))
    model, _ = make(skipping, activation=activation)
    x, seen = torch.randn(4, 3), []
    model.blocks[0].register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    model(x)
    assert torch.equal(seen[0], function(model.blocks[0].linear(x)))


def test_none():
    assert make_activation(None) is None


@pytest.mark.parametrize("compile_it", [False, True])
@pytest.mark.parametrize(
    "activation",
    ["ReLU", "swish", "", 3, True, int, dict, torch.tanh, nn.functional.relu, lambda x: x, nn.Linear],
    ids=[
        "case",
        "unknown",
        "empty",
        "number",
        "bool",
        "int",
        "dict",
        "torch.tanh",
        "relu",
        "lambda",
        "needs arguments",
    ],
)
def test_unusable(activation, compile_it, skipping):
    with pytest.raises(Edge2TorchError, match="activation="):
        compile_graph(skipping, activation=activation, quiet=True) if compile_it else make_activation(activation)


def test_unknown_name_lists_the_names():
    with pytest.raises(Edge2TorchError) as caught:
        make_activation("swish")
    assert all(repr(name) in str(caught.value) for name in BY_NAME)


@pytest.mark.parametrize(
    "activation", ["relu", nn.ReLU, nn.ReLU(), nn.PReLU()], ids=["name", "class", "instance", "PReLU"]
)
def test_every_layer_has_a_module_of_its_own(activation, skipping):
    model, _ = compile_graph(skipping, activation=activation, quiet=True)
    modules = [block.activation for block in model.blocks]
    assert modules[-1] is None, "the last layer holds outputs only"
    assert len({id(module) for module in [*modules[:-1], activation]}) == len(modules)
    owned = {id(parameter) for module in modules[:-1] for parameter in module.parameters()}
    assert len(owned) == (2 if isinstance(activation, nn.PReLU) else 0)


def test_layers_of_outputs_have_neither_activation_nor_dropout(skipping):
    """``early`` and ``k`` share a layer; ``late`` is alone."""
    model, artifact = compile_graph(skipping, activation="sigmoid", dropout=0.5, quiet=True)
    assert artifact.node_names_by_layer["layer_2"] == ["early", "k"]
    assert model.blocks[1].activation is not None
    assert model.blocks[2].activation is None
    assert model.blocks[2].dropout is None


def test_no_dropout_in_evaluation(skipping, make):
    with_dropout, _ = make(skipping, activation="tanh", dropout=0.9)
    without, _ = make(skipping, activation="tanh")
    x = torch.randn(20, 3)
    assert torch.equal(with_dropout.eval()(x), without(x))


def test_dropout_in_training(skipping, make):
    """Hidden states are 0 or scaled up so that their mean stays; sums of outputs are left alone."""
    p = 0.25
    model, _ = make(skipping, activation="tanh", dropout=p)
    x, seen = torch.randn(1, 3).expand(20_000, 3), []
    for block in model.blocks:
        block.register_forward_hook(lambda _module, _inputs, out: seen.append(out.detach()))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model.train()(x)
    hidden = seen[0]  # h1 and h2
    kept = torch.tanh(model.blocks[0].linear(x)).detach() / (1 - p)
    assert ((hidden == 0) | torch.isclose(hidden, kept)).all()
    np.testing.assert_allclose((hidden == 0).float().mean(dim=0), p, atol=0.02)
    assert not torch.equal(hidden[:, 0] == 0, hidden[:, 1] == 0), "nodes are dropped one by one"
    early, k = seen[1].T
    weights = dict(zip(zip(skipping["source"], skipping["target"], strict=True), model.edge_weights(), strict=True))
    bias = model.blocks[1].linear.bias[0]
    torch.testing.assert_close(early, (hidden[:, 1] * weights["h2", "early"] + bias).detach())
    assert 0.2 < (k == 0).float().mean() < 0.3
    assert (seen[2] != 0).all()


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5, float("nan"), "half"])
def test_bad_dropout(dropout, skipping):
    with pytest.raises(Edge2TorchError, match="dropout="):
        compile_graph(skipping, dropout=dropout, quiet=True)
