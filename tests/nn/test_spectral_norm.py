"""The bound on the largest singular value of the weights between hidden nodes."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError, compile_graph


@pytest.fixture(scope="module")
def feedback() -> pd.DataFrame:
    """Three inputs, 12 hidden nodes with 40 random edges between them, self loops included, and two outputs."""
    rng = np.random.default_rng(0)
    pairs = [(f"g{i % 3}", f"h{i}") for i in range(12)]
    pairs += [(f"h{source}", f"h{target}") for source, target in (divmod(k, 12) for k in rng.permutation(144)[:40])]
    pairs += [(f"h{i}", f"out{i % 2}") for i in range(12)]
    return pd.DataFrame(pairs, columns=["source", "target"])


def largest(model, artifact, edges) -> float:
    """Largest singular value of the weights between hidden nodes, written down as a matrix."""
    hidden = artifact.hidden_nodes
    matrix = np.zeros((len(hidden), len(hidden)))
    weights = model.edge_weights().detach().numpy()
    for (source, target), weight in zip(edges[["source", "target"]].to_numpy(), weights, strict=True):
        if source in hidden and target in hidden:
            matrix[hidden.index(target), hidden.index(source)] = weight
    return np.linalg.svd(matrix, compute_uv=False)[0]


def pass_cells(model, times: int) -> None:
    """Let a model in training see cells, without changing its parameters."""
    for _ in range(times):
        model.train()(torch.ones(2, model.n_features))


def compile_bounded(edges, bound, seed=0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return compile_graph(edges, "recurrent", spectral_norm=bound, quiet=True, **{"activation": "tanh"} | options)


@pytest.mark.parametrize("bound", [0.1, 0.9, 3.0])
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_bound(bound, scale, feedback):
    """From below: the estimate may be 2 % too small, and weights are scaled by exactly bound / estimate."""
    edges = feedback.assign(initial_weight=scale * np.random.default_rng(1).normal(size=len(feedback)))
    free, artifact = compile_graph(edges, "recurrent", quiet=True)
    model, _ = compile_bounded(edges, bound)
    pass_cells(model, 100)
    original = largest(free, artifact, edges)
    assert original > bound
    assert 0.999 * bound <= largest(model, artifact, edges) <= 1.02 * bound
    inner = edges["source"].str.startswith("h") & edges["target"].str.startswith("h")
    factor = (model.edge_weights() / free.edge_weights()).detach().numpy()
    np.testing.assert_allclose(factor[inner], bound / original, rtol=0.02)
    assert (factor[~inner] == 1).all(), "weights from inputs and to outputs stay"


def test_weights_below_the_bound_are_untouched(feedback):
    edges = feedback.assign(initial_weight=np.random.default_rng(1).normal(size=len(feedback)))
    free, artifact = compile_graph(edges, "recurrent", quiet=True)
    model, _ = compile_bounded(edges, 1.05 * largest(free, artifact, edges))
    pass_cells(model, 3)
    assert torch.equal(model.edge_weights(), free.edge_weights())


def test_bound_holds_in_training(feedback):
    model, artifact = compile_bounded(feedback, 0.9)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    for _ in range(150):
        optimizer.zero_grad()
        (model(x) - 50).square().mean().backward()
        optimizer.step()
    assert largest(model, artifact, feedback) <= 1.02 * 0.9
    ratio = (model.used_weights()[1] / model.between.edge_weight())[model.to_hidden]
    assert ratio.max() < 0.8, "it was needed"


@pytest.mark.parametrize("activation", ["relu", "tanh", None])
def test_feedback_converges(activation, feedback):
    """Without the bound, states of a linear or a rectified model explode; with it, steps are a contraction."""
    edges = feedback.assign(initial_weight=2 * abs(np.random.default_rng(1).normal(size=len(feedback))))
    x = torch.ones(4, 3)

    def last_changes(**options):
        torch.manual_seed(0)
        model, _ = compile_graph(edges, "recurrent", steps=80, activation=activation, quiet=True, **options)
        states = []
        for block in model.eval().blocks:
            block.register_forward_hook(lambda _module, _inputs, out: states.append(out))
        model(x)
        return states[-1].abs().max(), (states[-1] - states[-2]).abs().max()

    with torch.random.fork_rng(), torch.no_grad():
        size, change = last_changes(spectral_norm=0.8)
        assert size < 1e3
        assert change < 1e-4
        if activation != "tanh":
            assert not last_changes()[0] < 1e10


def test_fixed_feedback_cannot_be_scaled(feedback):
    """Fixed weights between hidden nodes would no longer be what the edge list says."""
    between_hidden = feedback["source"].isin(feedback["target"]) & feedback["target"].isin(feedback["source"])
    edges = feedback.assign(initial_weight=0.1, constraint=np.where(between_hidden, "fixed", "unconstrained"))
    with pytest.raises(Edge2TorchError, match=f"{between_hidden.sum():,} of these edges are fixed"):
        compile_bounded(edges, 0.5)
    compile_bounded(edges.assign(constraint=np.where(between_hidden, "positive", "fixed")), 0.5)


def test_numerical_gradient_of_the_scale(feedback):
    """With the two singular vectors held, as in evaluation; signs, and fixed weights of outputs, included."""
    constraint = np.resize(["positive", "unconstrained", "fixed", "negative"], len(feedback)).astype(object)
    between_hidden = feedback["source"].isin(feedback["target"]) & feedback["target"].isin(feedback["source"])
    constraint[(constraint == "fixed") & between_hidden] = "unconstrained"
    size = np.random.default_rng(2).uniform(0.5, 1, len(feedback))
    edges = feedback.assign(constraint=constraint, initial_weight=np.where(constraint == "negative", -size, size))
    model, _ = compile_bounded(edges, 0.5, steps=4)
    model.double().eval()
    x = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def function(weight):
        return torch.func.functional_call(model, {"between.weight": weight}, (x,))

    weight = model.between.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(function, weight)
    (gradient,) = torch.autograd.grad(function(weight).sum(), weight)
    to_hidden = model.to_hidden & (model.between.fixed_weight.isnan())
    assert (gradient[to_hidden] != 0).all()
    free = copy.deepcopy(model)
    free.spectral_norm = 1e9
    assert not torch.allclose(free(x), model(x))


def test_bound_on_units(feedback):
    """With several units per node, the matrix is that of the units."""
    model, _ = compile_bounded(feedback, 0.5, width=3)
    pass_cells(model, 100)
    linear = model.between
    n_units = linear.offsets.numel() - 1
    matrix = torch.zeros(n_units, n_units)
    targets = torch.repeat_interleave(torch.arange(n_units), linear.offsets.diff())
    matrix[targets, linear.source.long()] = model.used_weights()[1].detach()
    to_hidden = matrix[:-2]  # the outputs come last
    assert int((to_hidden != 0).sum()) == 40 * 9
    assert 0.999 * 0.5 <= np.linalg.svd(to_hidden.numpy(), compute_uv=False)[0] <= 1.02 * 0.5


def test_singular_vectors_are_saved_and_rest_in_evaluation(feedback):
    one, _ = compile_bounded(feedback, 0.5, seed=1)
    other, _ = compile_bounded(feedback, 0.5, seed=2)
    assert {"left", "right"} <= set(one.state_dict())
    other.load_state_dict(one.state_dict())
    x = torch.ones(3, 3)
    assert torch.equal(one.eval()(x), other.eval()(x))
    before = {name: value.clone() for name, value in one.state_dict().items()}
    one(x)
    one.edge_weights()
    assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())
    with torch.no_grad():
        one.between.weight.normal_()
    one.train()(x)
    assert not torch.equal(one.left, before["left"])
    torch.testing.assert_close(one.left.norm(), torch.tensor(1.0))


def test_no_feedback_at_all(make, cells):
    """Without edges between hidden nodes there is nothing to bound."""
    edges = pd.DataFrame([("a", "h"), ("b", "h"), ("c", "h"), ("h", "out")], columns=["source", "target"])
    bounded, _ = make(edges, backend="recurrent", spectral_norm=0.1, activation="tanh")
    free, _ = make(edges, backend="recurrent", activation="tanh")
    free.set_edge_weights(bounded.edge_weights().detach())
    with torch.no_grad():
        free.from_inputs.bias.copy_(bounded.from_inputs.bias)
    x = cells(5, 3)
    pass_cells(bounded, 3)
    torch.testing.assert_close(bounded(x), free(x))


@pytest.mark.parametrize(
    ("pairs", "before", "after"),
    [
        pytest.param(["a h", "h k", "k h", "h o"], [1, 0, 0, 1], [1, 2, 2, 1], id="feedback that begins at 0"),
        pytest.param(
            ["a h", "h h", "h o", "a k", "k k", "k o"], [1, 0.4, 1, 1, 0.1, 1], [1, 0.4, 1, 1, 3, 1], id="two loops"
        ),
    ],
)
def test_bound_holds_for_feedback_that_grows(pairs, before, after):
    edges = pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])
    model, artifact = compile_bounded(edges.assign(initial_weight=np.array(before, dtype=float)), 0.5)
    pass_cells(model, 100)
    model.set_edge_weights(torch.tensor(after, dtype=torch.float32))
    pass_cells(model, 200)
    assert largest(model, artifact, edges) <= 1.02 * 0.5


def test_bound_holds_for_weights_that_are_set(feedback):
    model, artifact = compile_bounded(feedback, 0.5)
    drawn = 20 * np.random.default_rng(3).normal(size=len(feedback))
    model.eval().set_edge_weights(torch.tensor(drawn, dtype=torch.float32))
    assert largest(model, artifact, feedback) <= 1.02 * 0.5
