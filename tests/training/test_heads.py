"""Heads read the hidden states of every layer, and bring gradients to the first."""

from __future__ import annotations

import copy

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edge2torch import Edge2TorchError, compile_graph, customize_model
from edge2torch.training import AuxiliaryHeads, heads_loss

PAIRS = ["a h1", "b h1", "b h2", "c h2", "h1 k", "h2 k", "a k", "h2 early", "k late", "c late", "h1 late"]
SKIPPING = pd.DataFrame([pair.split() for pair in PAIRS], columns=["source", "target"])
CASES = [
    ("feedforward", {}),
    ("feedforward", {"norm": "batch"}),
    ("recurrent", {"steps": 4}),
    ("graphnn", {"steps": 3}),
]


@pytest.fixture
def make():
    def make(edges=SKIPPING, backend="feedforward", n_outputs=2, **options):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model, artifact = compile_graph(edges, backend, activation="tanh", quiet=True, **options)
            heads = AuxiliaryHeads(model.double(), n_outputs).double()
        return heads, artifact

    return make


@pytest.fixture
def x():
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize(("backend", "options"), CASES)
@pytest.mark.parametrize("width", [1, 3])
def test_linear_maps_of_hidden_states(backend, options, width, make, x):
    """As hooks see them, columns found by name."""
    heads, artifact = make(backend=backend, width=width, **options)
    other = copy.deepcopy(heads.model)
    seen = []
    for block in other.blocks:
        block.register_forward_hook(lambda _m, _inputs, out: seen.append(out))
    expected = other(x)
    outputs, of_heads = heads(x)
    torch.testing.assert_close(outputs, expected)
    layers = [artifact.node_names_by_layer[f"layer_{k}"] for k in range(1, len(artifact.node_names_by_layer))]
    if backend != "feedforward":
        layers = [[name for layer in layers for name in layer]] * options["steps"]
    found = []
    for state, names in zip(seen, layers, strict=True):
        wide = [width if backend == "graphnn" or name in artifact.hidden_nodes else 1 for name in names]
        parts = zip(names, state.split(wide, dim=1), strict=True)
        hidden = [part for name, part in parts if name in artifact.hidden_nodes]
        if hidden:
            found.append(torch.cat(hidden, dim=1))
    assert len(found) == len(of_heads) == len(heads.heads)
    assert not (backend == "feedforward" and len(found) == len(layers)), "the last layer holds an output only"
    for head, state, out in zip(heads.heads, found, of_heads, strict=True):
        torch.testing.assert_close(out, state @ head.weight.T + head.bias)
        assert out.shape == (6, 2)


def chain(depth):
    """Read at the top of a chain of nodes, two beside each other."""
    pairs = [("gene", "n00 a"), ("gene", "n00 b")]
    for k in range(depth - 1):
        pairs += [(f"n{k:02d} {i}", f"n{k + 1:02d} {j}") for i in "ab" for j in "ab"]
    pairs += [(f"n{depth - 1:02d} {i}", "out") for i in "ab"]
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    return edges.assign(initial_weight=0.25)


def test_first_layers_of_a_deep_chain_get_gradients(make):
    """Each layer halves what comes back from the top, at most; a head hands it over at once."""
    depth = 12
    heads, _ = make(chain(depth), n_outputs=1)
    x = torch.linspace(-1, 1, 20).double()[:, None]

    def gradient(weight):
        heads.zero_grad()
        outputs, of_heads = heads(x)
        (F.mse_loss(outputs, x) + weight * heads_loss(F.mse_loss, of_heads, x)).backward()
        return heads.model.blocks[0].linear.weight.grad.norm()

    without, with_heads = gradient(0.0), gradient(0.3)
    assert 0 < without < 0.5**depth
    assert with_heads > 10 * without


@pytest.mark.parametrize(("backend", "options"), CASES)
def test_trains_like_any_module_and_the_same_each_time(backend, options, make, x):
    states = []
    for _ in range(2):
        heads, _ = make(backend=backend, **options)
        before = copy.deepcopy(heads.state_dict())
        optimizer = torch.optim.Adam(heads.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            outputs, of_heads = heads(x)
            truth = torch.ones(6, 2).double()
            (F.mse_loss(outputs, truth) + 0.3 * heads_loss(nn.MSELoss(), of_heads, truth)).backward()
            optimizer.step()
        states.append(heads.state_dict())
        changed = [name for name in before if not torch.equal(before[name], heads.state_dict()[name])]
        assert {"heads.0.weight", "heads.0.bias"} <= set(changed)
        assert any(name.startswith("model.") for name in changed)
    torch.testing.assert_close(*states, rtol=0, atol=0)
    again, _ = make(backend=backend, **options)
    again.load_state_dict(states[0])
    torch.testing.assert_close(again.eval()(x), heads.eval()(x), rtol=0, atol=0)


def test_the_model_is_the_same_with_heads_around_it(make, x):
    heads, _ = make()
    names = set(heads.model.state_dict())
    assert not any("head" in name for name in names)
    torch.testing.assert_close(heads(x)[0], heads.model(x))


def test_loss_is_the_mean_over_heads(make, x):
    truth = torch.tensor([0, 1, 1, 0, 1, 0])
    _, of_heads = make()[0](x)
    expected = sum(F.cross_entropy(out, truth) for out in of_heads) / len(of_heads)
    torch.testing.assert_close(heads_loss(nn.CrossEntropyLoss(), of_heads, truth), expected)


def test_errors(make):
    model = make()[0].model
    with pytest.raises(Edge2TorchError, match="must come from compile_graph, not be a CustomizedEdgeModel"):
        AuxiliaryHeads(customize_model(model), 2)
    with pytest.raises(Edge2TorchError, match="n_outputs=0"):
        AuxiliaryHeads(model, 0)
    flat, _ = compile_graph(pd.DataFrame({"source": ["a"], "target": ["out"]}), quiet=True)
    with pytest.raises(Edge2TorchError, match="no hidden nodes"):
        AuxiliaryHeads(flat, 1)
