"""Batch normalisation of hidden nodes: against torch's own on a dense network, by the sweep and block by block."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from edge2torch import Edge2TorchError, compile_graph
from edge2torch.nn import FeedforwardModel, NodeNorm, feedforward
from edge2torch.nn.sweep import CELLS_AT_ONCE

random_graphs = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="session")
def make_norm(make):
    """Compile with batch normalisation, in float64, and draw scales and shifts."""

    def make_norm(edges, seed=0, **options):
        model, artifact = make(edges, seed, norm="batch", **options)
        model.double()
        draw = torch.Generator().manual_seed(seed)
        for norm in (module.norm for module in model.modules() if isinstance(module, NodeNorm)):
            for part in (norm.weight.data, norm.bias.data, norm.running_mean):
                part.copy_(torch.randn(part.shape, generator=draw))
            norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=draw) + 0.5)
        return model, artifact

    return make_norm


def in_dense(model, artifact, x, activation, width=1):
    """Compute the outputs from dense matrices and torch's BatchNorm1d, one per node and unit."""
    layers = [artifact.node_names_by_layer[f"layer_{k}"] for k in range(len(model.blocks) + 1)]
    states = [x]
    norms = []
    for block, names in zip(model.blocks, layers[1:], strict=True):
        gathered = block.gather(states)
        matrix = torch.zeros(block.linear.offsets.numel() - 1, gathered.shape[1], dtype=x.dtype)
        targets = torch.repeat_interleave(torch.arange(len(matrix)), block.linear.offsets.diff())
        matrix[targets, block.linear.source.long()] = block.linear.edge_weight()
        sums = gathered @ matrix.T + block.linear.bias
        hidden = np.repeat(
            [name in artifact.hidden_nodes for name in names],
            [width if n in artifact.hidden_nodes else 1 for n in names],
        )
        columns, k = [], 0
        for column, is_hidden in zip(sums.T, hidden, strict=True):
            if is_hidden:
                norm = nn.BatchNorm1d(1).double().train(model.training)
                own = block.norm.norm
                for name in ("weight", "bias", "running_mean", "running_var"):
                    getattr(norm, name).data.copy_(getattr(own, name)[k : k + 1])
                norms.append(norm)
                k += 1
                columns.append(activation(norm(column[:, None])[:, 0]))
            else:
                columns.append(column)
        states.append(torch.stack(columns, dim=1))
    return model.pick_outputs(states), norms


@random_graphs
@given(data=st.data(), seed=st.integers(0, 2**31), training=st.booleans(), width=st.sampled_from([1, 2]))
def test_equals_a_dense_network(data, seed, training, width, acyclic_edges, make_norm, cells):
    edges = data.draw(acyclic_edges)
    model, artifact = make_norm(edges, seed, activation="tanh", width=width)
    model.train(training)
    x = cells(7, len(artifact.feature_names), seed).double()
    expected, norms = in_dense(copy.deepcopy(model), artifact, x, torch.tanh, width)
    torch.testing.assert_close(model(x), expected)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        own = [getattr(block.norm.norm, name).flatten() for block in model.blocks if block.norm is not None]
        theirs = [getattr(norm, name).flatten() for norm in norms]
        if own and name != "num_batches_tracked":
            torch.testing.assert_close(torch.cat(own), torch.cat(theirs))
        elif own:
            assert set(torch.cat(own).tolist()) == {int(training)}


def results(forward, model, x):
    out = forward(x)
    loss = (out.square() * torch.linspace(0.5, 1.5, out.numel(), dtype=out.dtype).reshape(out.shape)).sum()
    return [out.detach(), *torch.autograd.grad(loss, [x, *model.parameters()])]


@random_graphs
@given(
    data=st.data(),
    seed=st.integers(0, 2**31),
    training=st.booleans(),
    bias=st.booleans(),
    n_cells=st.sampled_from([0, 1, 2, 2 * CELLS_AT_ONCE + 3]),
    activation=st.sampled_from([None, "relu", "tanh"]),
)
def test_the_sweep_equals_the_blocks(data, seed, training, bias, n_cells, activation, acyclic_edges, make_norm, cells):
    """Outputs, gradients and running statistics."""
    edges = data.draw(acyclic_edges)
    model, artifact = make_norm(edges, seed, bias=bias, activation=activation)
    model.train(training)
    other = copy.deepcopy(model)
    x = cells(n_cells, len(artifact.feature_names), seed).double().requires_grad_()
    torch.testing.assert_close(results(model, model, x), results(other.forward_by_block, other, x))
    torch.testing.assert_close(model.state_dict(), other.state_dict())


@pytest.fixture
def mixed(skipping, make_norm):
    """Hidden nodes of several widths and activations, and an output beside some."""
    table = pd.DataFrame({"node": ["h1", "h2", "k"], "width": [3, 2, 1], "activation": ["tanh", "softplus", "linear"]})
    return make_norm(skipping, nodes=table)[0]


@pytest.fixture
def features(cells):
    return cells(5, 3).double()


def test_it_is_the_sweep_that_is_compared(mixed, features, count):
    used, by_block = count(feedforward, "sweep"), count(FeedforwardModel, "forward_by_block")
    mixed(features).sum().backward()
    mixed.eval()(features)
    assert (len(used), len(by_block)) == (2, 0)
    assert all(parameter.grad is not None for parameter in mixed.parameters())


def test_one_cell_in_training_is_normalised_with_the_running_statistics(mixed, features):
    before = copy.deepcopy(mixed.state_dict())
    for forward in (mixed, mixed.forward_by_block):
        found = forward(features[:1])
        torch.testing.assert_close(mixed.state_dict(), before, rtol=0, atol=0)
        torch.testing.assert_close(found, mixed.eval()(features[:1]))
        mixed.train()


def test_cells_do_not_matter_to_each_other_in_evaluation(mixed, features):
    mixed.eval()
    torch.testing.assert_close(mixed(features)[1:2], mixed(features[1:2]))
    mixed.train()
    assert not torch.allclose(mixed(features)[1:2], mixed(features[:2])[1:2])


def test_hidden_nodes_only(mixed, features):
    """Sums have mean 0 and variance 1; those of outputs do not."""
    for block in mixed.blocks:
        if block.norm is None:
            continue
        nn.init.ones_(block.norm.norm.weight)
        nn.init.zeros_(block.norm.norm.bias)
        seen = []
        with block.norm.register_forward_hook(lambda _m, inputs, out, seen=seen: seen.append((inputs[0], out))):
            mixed(features)
        ((before, after),) = seen
        is_output = torch.zeros(before.shape[1], dtype=torch.bool)
        is_output[mixed.output_columns[list(mixed.blocks).index(block)]] = True
        assert torch.equal(after[:, is_output], before[:, is_output])
        hidden = after[:, ~is_output]
        torch.testing.assert_close(hidden.mean(dim=0), torch.zeros_like(hidden[0]), atol=1e-9, rtol=0)
        variance = before[:, ~is_output].var(dim=0, correction=0)
        torch.testing.assert_close(hidden.var(dim=0, correction=0), variance / (variance + 1e-5))


def test_numerical_derivatives(mixed, features):
    names, values = zip(*mixed.named_parameters(), strict=True)

    def function(x, *given):
        return torch.func.functional_call(mixed, dict(zip(names, given, strict=True)), (x,))

    x = features.requires_grad_()
    assert torch.autograd.gradcheck(function, (x, *values), fast_mode=True)
    mixed.eval()
    assert torch.autograd.gradgradcheck(function, (x, *values), fast_mode=True)


def test_second_derivatives_in_training(mixed, features):
    x = features.requires_grad_()
    with pytest.raises(Edge2TorchError, match=r"batch normalisation.*model\.eval\(\)"):
        torch.autograd.grad(mixed(x).sum(), x, create_graph=True)


def test_frozen_scales(mixed, features):
    norm = mixed.blocks[0].norm.norm
    norm.weight.requires_grad_(False)
    mixed(features).square().sum().backward()
    assert norm.weight.grad is None
    assert norm.bias.grad is not None


def test_something_else_in_its_place(mixed, features, count):
    """Another module is called as it is."""
    mixed.blocks[0].norm.norm = nn.BatchNorm1d(5, affine=False).double()
    used = count(feedforward, "sweep")
    torch.testing.assert_close(mixed(features), mixed.forward_by_block(features))
    assert not used


@pytest.mark.parametrize("tool", ["compile", "export", "half", "autocast"])
def test_tools(tool, mixed, features):
    mixed.eval()
    expected = mixed(features)
    match tool:
        case "compile":
            torch.testing.assert_close(torch.compile(mixed, fullgraph=True, backend="aot_eager")(features), expected)
        case "export":
            torch.testing.assert_close(torch.export.export(mixed, (features,)).module()(features), expected)
        case "half":
            found = mixed.bfloat16()(features.bfloat16())
            torch.testing.assert_close(found.double(), expected, rtol=0.1, atol=0.3)
        case "autocast":
            mixed.float().train()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                one = copy.deepcopy(mixed)
                out = mixed(features.float())
                by_block = one.forward_by_block(features.float())
            assert out.dtype == torch.bfloat16
            torch.testing.assert_close(out, by_block)
            out.sum().backward()


def test_errors(skipping):
    with pytest.raises(Edge2TorchError, match=r"norm='layer' is unknown"):
        compile_graph(skipping, norm="layer", quiet=True)
    for backend in ("recurrent", "graphnn"):
        with pytest.raises(Edge2TorchError, match=r"norm='batch' is an option of backend='feedforward' only"):
            compile_graph(skipping, backend, norm="batch", quiet=True)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
@pytest.mark.parametrize("width", [1, 2])
def test_states_are_what_hooks_see(backend, width, skipping, make, features):
    """And gradients through them are those of the blocks."""
    options = {"norm": "batch"} if backend == "feedforward" else {"steps": 4}
    model, _ = make(skipping, backend=backend, width=width, activation="tanh", **options)
    model.double()
    other = copy.deepcopy(model)
    seen = []
    for block in other.blocks:
        block.register_forward_hook(lambda _m, _inputs, out: seen.append(out))
    expected = other(features)
    out, states = model.forward_with_states(features)
    torch.testing.assert_close([out, *states], [expected, *seen])
    one = torch.autograd.grad(sum(s.pow(3).sum() for s in [out, *states]), list(model.parameters()))
    two = torch.autograd.grad(sum(s.pow(3).sum() for s in [expected, *seen]), list(other.parameters()))
    torch.testing.assert_close(one, two)


def test_states_after_convergence(loops, make, cells):
    """Steps that are not computed repeat the last state."""
    model, _ = make(loops, backend="recurrent", steps=30, activation="tanh", tolerance=1e-2, spectral_norm=0.5)
    x = cells(4, 2)
    out, states = model.eval().forward_with_states(x)
    assert len(states) == 30
    assert torch.equal(states[-1], states[-2])
    assert not torch.equal(states[0], states[1])
    torch.testing.assert_close(out, model(x))
