"""Weights are set to 0 as a loop over them would, whole nodes are switched off, and the right ones are."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError, compile_graph, customize_model, get_edge_weights
from edge2torch.training import shrink, switched_off

BACKENDS = ["feedforward", "recurrent", "graphnn"]
CONSTRAINTS = ["unconstrained", "positive", "negative", "fixed"]
random_graphs = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
strength = st.sampled_from([0.0, 0.01, 0.3, 2.0])


def draw_model(data, backend, width, acyclic_edges):
    edges = data.draw(acyclic_edges)
    constraint = data.draw(st.lists(st.sampled_from(CONSTRAINTS), min_size=len(edges), max_size=len(edges)))
    value = np.random.default_rng(data.draw(st.integers(0, 99))).uniform(0.1, 1, len(edges))
    sign = [-1 if c == "negative" else 1 for c in constraint]
    edges = edges.assign(constraint=constraint, initial_weight=value * sign)
    with torch.random.fork_rng():
        torch.manual_seed(data.draw(st.integers(0, 99)))
        model, artifact = compile_graph(edges, backend, steps=10, width=width, quiet=True)
        for linear in model.linears():  # units of one node differ, and so do signs
            linear.weight.data.mul_(torch.randn_like(linear.weight))
    return model.double(), artifact


def by_a_loop(model, artifact, lr, l1, group_lasso):
    """New values of all weights, one after another; those that are fixed as they are used."""
    edges = artifact.graph.edges
    used = torch.cat([linear.edge_weight() for linear in model.linears()]).tolist()
    rows = edges.iloc[model.edge_of_weight.numpy()]
    free = [c != "fixed" for c in rows["constraint"]]
    new = [np.sign(w) * max(abs(w) - lr * l1, 0) if f else w for w, f in zip(used, free, strict=True)]
    for node in artifact.hidden_nodes:
        group = [k for k, (source, f) in enumerate(zip(rows["source"], free, strict=True)) if source == node and f]
        norm = np.sqrt(sum(new[k] ** 2 for k in group))
        factor = max(0.0, 1 - lr * group_lasso * np.sqrt(len(group)) / norm) if norm else 0.0
        for k in group:
            new[k] *= factor
    return new


@random_graphs
@given(
    data=st.data(), backend=st.sampled_from(BACKENDS), width=st.sampled_from([1, 3]), l1=strength, group_lasso=strength
)
def test_equals_a_loop_over_weights(data, backend, width, l1, group_lasso, acyclic_edges):
    model, artifact = draw_model(data, backend, width, acyclic_edges)
    before = copy.deepcopy(model.state_dict())
    expected = by_a_loop(model, artifact, 0.5, l1, group_lasso)
    shrink(model, 0.5, l1=l1, group_lasso=group_lasso)
    found = torch.cat([linear.edge_weight() for linear in model.linears()]).tolist()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert [w == 0 for w in found] == [w == 0 for w in expected], "exactly"
    edge_weights = {id(linear.weight) for linear in model.linears()}
    for name, parameter in model.named_parameters():
        if id(parameter) not in edge_weights or not (l1 or group_lasso):
            assert torch.equal(parameter, before[name]), name
    rows = artifact.graph.edges.iloc[model.edge_of_weight.numpy()]
    alive = set(rows["source"][np.array(expected) != 0])
    assert switched_off(model, artifact) == [name for name in artifact.hidden_nodes if name not in alive]


@pytest.mark.parametrize("amsgrad", [False, True])
def test_steps_of_adam(amsgrad):
    """Each weight moves by lr / (sqrt(v) + eps), written down from the gradients of three steps."""
    pairs = ["a A", "b A", "b B", "A out", "B out", "A other", "A B"]
    edges = pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model, _ = compile_graph(edges, activation="tanh", quiet=True)
        x = torch.randn(8, 2)
    x[:, 0] = 0  # a says nothing: no gradient, no step
    lr, beta, eps, l1, group_lasso = 0.05, 0.9, 1e-3, 0.02, 0.03
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.8, beta), eps=eps, amsgrad=amsgrad)
    v = most = torch.zeros(1).double()
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        gradient = torch.cat([linear.weight.grad for linear in model.linears()]).double()
        optimizer.step()
        v = beta * v + (1 - beta) * gradient**2
        most = torch.maximum(most, v)
    step = lr / (((most if amsgrad else v) / (1 - beta**3)).sqrt() + eps)
    rows = edges.iloc[model.edge_of_weight.numpy()]
    before = torch.cat([linear.weight.detach() for linear in model.linears()]).double()
    expected = before.sign() * (before.abs() - step * l1).clamp(min=0)
    for node in ("A", "B"):
        here = torch.tensor((rows["source"] == node).to_numpy())
        of_group = here.sum() / (1 / step[here]).sum()
        factor = 1 - of_group * group_lasso * here.sum().sqrt() / expected[here].norm()
        expected[here] *= factor.clamp(min=0)
    silent = torch.tensor((rows["source"] == "a").to_numpy())
    expected[silent] = before[silent]
    shrink(model, optimizer, l1=l1, group_lasso=group_lasso)
    found = torch.cat([linear.weight.detach() for linear in model.linears()]).double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(found, before)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_what_the_optimizer_does_not_move_stays(optimizer):
    model, artifact = compile_graph(pd.DataFrame({"source": ["a", "h"], "target": ["h", "out"]}), quiet=True)
    before = copy.deepcopy(model.state_dict())
    one = optimizer([model.blocks[1].linear.weight], lr=0.1)
    model(torch.ones(2, 1)).sum().backward()
    one.step()
    shrink(model, one, l1=100.0)
    after = get_edge_weights(model, artifact)["weight"].tolist()
    assert after == [before["blocks.0.linear.weight"].item(), 0.0]


@random_graphs
@given(data=st.data(), backend=st.sampled_from(BACKENDS), penalty=st.sampled_from(["l1", "group_lasso"]))
def test_a_large_penalty_leaves_what_is_fixed(data, backend, penalty, acyclic_edges):
    model, artifact = draw_model(data, backend, 1, acyclic_edges)
    before = get_edge_weights(model, artifact)["weight"]
    shrink(customize_model(model), 1.0, **{penalty: 1e6})
    edges, after = artifact.graph.edges, get_edge_weights(model, artifact)["weight"]
    fixed = (edges["constraint"] == "fixed").to_numpy()
    stays = fixed if penalty == "l1" else fixed | edges["source"].isin(artifact.input_nodes).to_numpy()
    assert after[stays].equals(before[stays])
    assert (after[~stays] == 0).all()
    kept = set(edges["source"][fixed])
    assert switched_off(model, artifact) == [name for name in artifact.hidden_nodes if name not in kept]


@pytest.mark.parametrize(
    "arguments", [{}, {"l1": 0.0, "group_lasso": 0.0}, {"l1": 1.0, "group_lasso": 1.0, "optimizer": 0}]
)
def test_nothing_changes_a_bit(arguments):
    edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "out"]})
    model, _ = compile_graph(edges, quiet=True)
    before = copy.deepcopy(model.state_dict())
    shrink(model, **{"optimizer": 0.1, **arguments})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("wrong", [{"l1": -1.0}, {"group_lasso": float("nan")}, {"optimizer": float("inf")}])
def test_errors(wrong):
    model, _ = compile_graph(pd.DataFrame({"source": ["a"], "target": ["out"]}), quiet=True)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(Edge2TorchError, match=f"{next(iter(wrong))}="):
        shrink(model, **{"optimizer": 0.1, "l1": 1.0, **wrong})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_other_artifact():
    model, _ = compile_graph(pd.DataFrame({"source": ["a"], "target": ["out"]}), quiet=True)
    _, artifact = compile_graph(pd.DataFrame({"source": ["b"], "target": ["out"]}), quiet=True)
    with pytest.raises(Edge2TorchError, match="do not belong together"):
        switched_off(model, artifact)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("width", [1, 3])
def test_what_is_switched_off_has_no_effect(backend, width):
    """The output does not change with the only gene of a node that is switched off."""
    pairs = ["a A", "b B", "A top", "B top", "A out", "top out"]
    edges = pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])
    edges["initial_weight"] = [1.0, 1.0, 0.05, 1.0, 0.05, 1.0]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, artifact = compile_graph(edges, backend, steps=4, width=width, activation="tanh", quiet=True)
    shrink(model, 0.1, group_lasso=1.0)
    assert switched_off(model, artifact) == ["A"]
    x = torch.tensor([[1.0, 1.0], [5.0, 1.0], [1.0, 5.0]])
    out = model(x)
    assert torch.equal(out[0], out[1])
    assert not torch.equal(out[0], out[2])


@pytest.mark.parametrize("backend", BACKENDS)
def test_gene_sets_that_say_nothing_are_switched_off(backend):
    """Classes depend on the genes of one set of four; without a penalty none is off, with it the others are.

    It begins when genes have been learned: with nodes that are off, they would not be.
    """
    strength = 0.1 if backend == "graphnn" else 0.03
    rng = np.random.default_rng(0)
    sets = ["relevant", "noise 1", "noise 2", "noise 3"]
    genes = [f"{s} gene {i}" for s in sets for i in range(5)]
    edges = pd.DataFrame({"source": genes, "target": np.repeat(sets, 5)})
    readout = pd.DataFrame({"source": np.repeat(sets, 3), "target": ["T", "B", "NK"] * 4})
    values = rng.normal(size=(600, len(genes))).astype(np.float32)
    classes = np.digitize(values[:, :5].sum(axis=1), [-1, 1])
    off = {}
    for group_lasso in (0.0, strength):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            model, artifact = compile_graph(
                pd.concat([edges, readout], ignore_index=True), backend, steps=2, activation="tanh", quiet=True
            )
        x = torch.from_numpy(values[:, [genes.index(name) for name in artifact.feature_names]])
        y = torch.from_numpy(classes)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for step in range(400):
            rows = torch.from_numpy(rng.choice(600, 64, replace=False))
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            if step >= 100:
                shrink(model, optimizer, group_lasso=group_lasso)
        off[group_lasso] = switched_off(model, artifact)
        accuracy = (model(x).argmax(dim=1) == y).float().mean()
    assert off == {0.0: [], strength: sets[1:]}
    assert accuracy > 0.8
