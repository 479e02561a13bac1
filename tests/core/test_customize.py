"""Parts behind a compiled model."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from edge2torch import Edge2TorchError, customize_model
from edge2torch.nn import CustomizedEdgeModel


@pytest.mark.parametrize(("activation", "dropout", "head"), list(itertools.product([False, True], repeat=3)))
def test_parts_in_order(activation, dropout, head, model):
    parts = {
        "activation": nn.Tanh() if activation else None,
        "dropout": nn.Dropout(0.5) if dropout else None,
        "head": nn.Linear(2, 4) if head else None,
    }
    customized = customize_model(model, **parts)
    assert isinstance(customized, CustomizedEdgeModel)
    assert customized.base_model is model
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))

    def run(module: nn.Module) -> torch.Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return module(x)

    expected = nn.Sequential(model, *(part for part in parts.values() if part is not None))
    for mode in (True, False):
        customized.train(mode)
        expected.train(mode)
        assert torch.equal(run(customized), run(expected))


@pytest.mark.parametrize("activation", ["relu", nn.ReLU, nn.ReLU()], ids=["name", "class", "instance"])
def test_forms_of_activation(activation, model):
    x = torch.randn(6, 3)
    assert torch.equal(customize_model(model, activation=activation)(x), torch.relu(model(x)))


@pytest.mark.parametrize("dropout", [0, 0.0, 0.9])
def test_dropout_by_probability(dropout, model):
    customized = customize_model(model, dropout=dropout)
    assert customized.dropout.p == dropout
    x = torch.randn(6, 3)
    assert torch.equal(customized.eval()(x), model(x))


def test_modules_given_are_the_modules_used(model):
    dropout, head = nn.AlphaDropout(0.1), nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    customized = customize_model(model, dropout=dropout, head=head)
    assert customized.dropout is dropout
    assert customized.head is head
    assert customized(torch.randn(6, 3)).shape == (6,)


def test_parameters_are_shared_with_the_base_model(model):
    head = nn.Linear(2, 1)
    customized = customize_model(model, head=head)
    own = [id(parameter) for parameter in customized.parameters()]
    assert own == [id(parameter) for parameter in (*model.parameters(), *head.parameters())]
    before = model.edge_weights().detach().clone()
    customized(torch.ones(4, 3)).sum().backward()
    torch.optim.SGD(customized.parameters(), lr=0.1).step()
    assert not torch.equal(model.edge_weights(), before)


def test_nothing_is_trained_inside(model):
    """The nodes inside keep their state: with an activation, only outputs change."""
    x, seen = torch.randn(6, 3), []
    model.blocks[0].register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    model(x)
    customize_model(model, activation="sigmoid")(x)
    assert torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("activation", "swish"),
        ("activation", 1),
        ("dropout", -0.1),
        ("dropout", 1.0),
        ("dropout", True),
        ("dropout", "half"),
        ("dropout", float("nan")),
        ("head", nn.Linear),
        ("head", torch.sigmoid),
        ("head", 3),
    ],
)
def test_bad_part(argument, value, model):
    with pytest.raises(Edge2TorchError, match=argument):
        customize_model(model, **{argument: value})


@pytest.mark.parametrize("wrong", [nn.Linear(3, 2), None, "model"])
def test_bad_model(wrong):
    with pytest.raises(Edge2TorchError, match="model must come from compile_graph"):
        customize_model(wrong)


def test_customized_twice(model):
    with pytest.raises(Edge2TorchError, match="model must come from compile_graph, not be a CustomizedEdgeModel"):
        customize_model(customize_model(model))
