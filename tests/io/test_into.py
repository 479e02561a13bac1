"""Weights of models that are partly code are read into a module made by that code."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import nn

from edge2torch import Edge2TorchError, compile_graph, customize_model, get_edge_weights
from edge2torch.io import load_model, save_model


def with_module(trained, edges):
    return trained(edges, activation=nn.LeakyReLU(0.3))


def with_class(trained, edges):
    return trained(edges, "recurrent", activation=nn.Mish, steps=4)


def with_learned_activation(trained, edges):
    return trained(edges, activation=nn.PReLU())


def with_module_of_a_node(trained, edges):
    nodes = pd.DataFrame({"node": ["h"], "activation": [nn.LeakyReLU(0.7)], "dropout": [0.2]})
    return trained(edges, activation="tanh", nodes=nodes)


def with_head(trained, edges):
    model, artifact = trained(edges, "graphnn", width=2)
    return customize_model(model, activation="relu", head=nn.Linear(2, 3)).eval(), artifact


def inside_a_module(trained, edges):
    model, artifact = trained(edges, activation="tanh")
    return nn.Sequential(nn.Linear(3, 3), model, nn.BatchNorm1d(2)).eval(), artifact


CODE = [with_module, with_class, with_learned_activation, with_module_of_a_node, with_head, inside_a_module]


@pytest.mark.parametrize("code", CODE)
def test_same_code(code, trained, edges, x, bits, tmp_path):
    model, artifact = code(trained, edges)
    save_model(model, artifact, tmp_path / "model")
    into, _ = code(trained, edges)
    for parameter in into.parameters():
        nn.init.zeros_(parameter)
    before = torch.get_rng_state()
    loaded, found = load_model(tmp_path / "model", into=into, artifact=artifact)
    assert loaded is into
    assert torch.equal(torch.get_rng_state(), before)
    assert bits(into) == bits(model)
    assert torch.equal(into(x), model(x))
    assert found.identity == artifact.identity


@pytest.mark.parametrize("code", CODE)
def test_without_the_code(code, trained, edges, tmp_path):
    save_model(*code(trained, edges), tmp_path / "model")
    with pytest.raises(Edge2TorchError, match=r"parts that are code \(an activation .* a head\).* pass it as into="):
        load_model(tmp_path / "model")


def test_of_a_plain_model(trained, edges, x, tmp_path):
    """``into=`` works for these as well; the module keeps its mode and floating type."""
    model, artifact = trained(edges, activation="tanh")
    save_model(model, artifact, tmp_path / "model")
    into, _ = compile_graph(edges, activation="tanh", quiet=True)
    load_model(tmp_path / "model", into=into.train().double())
    assert into.training
    torch.testing.assert_close(into(x.double()), model.double()(x.double()))


STRUCTURES = {
    "no head": lambda m: m,
    "another head": lambda m: customize_model(m, head=nn.Linear(2, 4)),
    "a head without bias": lambda m: customize_model(m, head=nn.Linear(2, 3, bias=False)),
    "other names": lambda m: nn.Sequential(m, nn.Linear(2, 3)),
}
#: reads two features, as many as the other graph has outputs
TWO = pd.DataFrame({"source": ["p", "q"], "target": ["y", "y"]})
ANOTHER = "the file holds another model than into: they differ in "


@pytest.mark.parametrize("other_graph", [True, False])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_another_structure(structure, other_graph, trained, edges, bits, tmp_path):
    model, artifact = trained(edges)
    save_model(customize_model(model, head=nn.Linear(2, 3)), artifact, tmp_path / "model")
    into = STRUCTURES[structure](compile_graph(edges, quiet=True)[0])
    before = bits(into)
    with pytest.raises(Edge2TorchError, match="into does not have the parameters of the saved model; it differs in '"):
        load_model(tmp_path / "model", into=into, other_graph=other_graph)
    assert bits(into) == before


@pytest.mark.parametrize("options", [{"width": 2}, {"bias": False}], ids=str)
def test_other_settings(options, trained, edges, bits, tmp_path):
    save_model(*trained(edges), tmp_path / "model")
    into, _ = compile_graph(edges, **options, quiet=True)
    before = bits(into)
    with pytest.raises(Edge2TorchError, match="into does not have the parameters"):
        load_model(tmp_path / "model", into=into)
    assert bits(into) == before


@pytest.mark.parametrize("other_graph", [True, False])
@pytest.mark.parametrize(
    ("build", "n"), [(lambda _: nn.Linear(2, 3), 0), (lambda m: nn.Sequential(m, compile_graph(TWO, quiet=True)[0]), 2)]
)
def test_not_one_compiled_model(build, n, other_graph, trained, edges, bits, tmp_path):
    model, artifact = trained(edges)
    save_model(customize_model(model, head=nn.Linear(2, 3)), artifact, tmp_path / "model")
    into = build(compile_graph(edges, quiet=True)[0])
    before = bits(into)
    with pytest.raises(Edge2TorchError, match=f"model must hold one model from compile_graph; it holds {n}$"):
        load_model(tmp_path / "model", into=into, other_graph=other_graph)
    assert bits(into) == before


@pytest.mark.parametrize(
    ("options", "differing"),
    [
        ({"backend": "recurrent"}, "'backend'"),
        ({"backend": "graphnn", "preprocessing": "counts"}, "'backend', 'preprocessing'"),
        ({"preprocessing": "counts"}, "'preprocessing'"),
    ],
    ids=str,
)
def test_bound_to_something_else(options, differing, trained, edges, bits, tmp_path):
    save_model(*trained(edges), tmp_path / "model")
    into, _ = compile_graph(edges, **options, quiet=True)
    before = bits(into)
    with pytest.raises(Edge2TorchError, match=f"{ANOTHER}{differing}; make into from the same graph, or .*other_graph"):
        load_model(tmp_path / "model", into=into)
    assert bits(into) == before


def test_another_backend_if_asked_for(trained, edges, bits, tmp_path):
    """The tensors of backends with steps and without do not have the same names."""
    save_model(*trained(edges), tmp_path / "model")
    into, _ = compile_graph(edges, "recurrent", quiet=True)
    before = bits(into)
    with pytest.raises(Edge2TorchError, match="into does not have the parameters"):
        load_model(tmp_path / "model", into=into, other_graph=True)
    assert bits(into) == before


WRAPPED = [
    pytest.param(lambda m: m, id="bare"),
    pytest.param(lambda m: customize_model(m, head=nn.Linear(2, 3)), id="head"),
    pytest.param(lambda m: nn.Sequential(nn.Linear(3, 3), m), id="a part before it"),
]


@pytest.mark.parametrize("wrap", WRAPPED)
def test_of_another_graph(wrap, trained, edges, bits, tmp_path):
    """All tensors fit, but the names do not: nothing of it is loaded."""
    model, artifact = trained(edges)
    save_model(wrap(model), artifact, tmp_path / "model")
    into = wrap(compile_graph(edges.replace("k", "kk"), quiet=True)[0])
    before = bits(into)
    with pytest.raises(Edge2TorchError, match=f"{ANOTHER}'graph'; "):
        load_model(tmp_path / "model", into=into)
    assert bits(into) == before


@pytest.mark.parametrize("wrap", WRAPPED)
def test_of_another_graph_if_asked_for(wrap, trained, edges, bits, tmp_path):
    """Then all is loaded but what the model is bound to."""
    model, artifact = trained(edges)
    saved = wrap(model)
    save_model(saved, artifact, tmp_path / "model")
    other, _ = compile_graph(edges.replace("k", "kk"), quiet=True)
    into, own = wrap(other), other.fingerprint
    load_model(tmp_path / "model", into=into, other_graph=True)
    differing = {name for name, part in bits(into).items() if part != bits(saved)[name]}
    assert all(name.endswith("identity") for name in differing)
    assert other.fingerprint == own != model.fingerprint


def test_message_for_another_graph(trained, edges, tmp_path):
    save_model(*trained(edges), tmp_path / "model")
    into, _ = compile_graph(edges.replace("k", "kk"), quiet=True)
    with pytest.raises(
        Edge2TorchError, match=rf"^{ANOTHER}'graph'; make into from the same graph, or .*other_graph=True$"
    ):
        load_model(tmp_path / "model", into=into)


def test_artifact_is_looked_at_before_into(trained, edges, bits, tmp_path):
    save_model(*trained(edges), tmp_path / "model")
    into, _ = compile_graph(edges, quiet=True)
    _, expected = compile_graph(edges.replace("k", "kk"), quiet=True)
    before = bits(into)
    with pytest.raises(Edge2TorchError, match="the file holds another model"):
        load_model(tmp_path / "model", into=into, artifact=expected)
    assert bits(into) == before


def test_parameters_that_are_shared(trained, edges, x, tmp_path):
    """Two names for one parameter are fine for torch."""
    model, artifact = trained(edges)
    heads = [nn.Linear(2, 2), nn.Linear(2, 2)]
    heads[1].weight = heads[0].weight
    tied = nn.Sequential(model, *heads)
    save_model(tied, artifact, tmp_path / "model")
    expected = tied(x)
    nn.init.zeros_(heads[0].weight)
    load_model(tmp_path / "model", into=tied)
    assert torch.equal(tied(x), expected)


ORDERS = {
    "plain": ({}, ["feedforward", "recurrent", "graphnn"]),
    "wide": ({"width": 3, "activation": "tanh"}, ["feedforward", "recurrent", "graphnn"]),
    "constraints": ({"width": 2, "constraints": True}, ["feedforward", "recurrent", "graphnn"]),
    "node table": (
        {"nodes": pd.DataFrame({"node": ["k", "h"], "width": [3, 2], "activation": ["relu", None]})},
        ["feedforward", "recurrent"],
    ),
    "spectral norm": ({"spectral_norm": 0.3, "steps": 9, "width": 2}, ["recurrent"]),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("backend", "case"), [(backend, case) for case, (_, backends) in ORDERS.items() for backend in backends]
)
def test_rows_in_another_order(backend, case, seed, trained, edges, x, tmp_path):
    """The order of rows says nothing about a graph, so weights are read by edge, not by row."""
    options = dict(ORDERS[case][0])
    if options.pop("constraints", False):
        edges = edges.assign(
            constraint=["positive", "negative", "fixed", None, "positive", None, "negative", "fixed", None, None],
            initial_weight=[1.0, -1.0, 0.25, 2.0, None, None, None, -1 / 3, None, 0.5],
        )
    model, artifact = trained(edges, backend, **options)
    save_model(model, artifact, tmp_path / "model")
    into, other = compile_graph(edges.sample(frac=1, random_state=seed), backend, **options, quiet=True)
    assert not torch.equal(into(x), model(x))
    assert load_model(tmp_path / "model", into=into.eval(), artifact=other)[0] is into
    torch.testing.assert_close(into(x), model(x))
    one, two = (
        get_edge_weights(into, names).set_index(["source", "target"])["weight"].sort_index()
        for names in (artifact, other)
    )
    expected = get_edge_weights(model, artifact).set_index(["source", "target"])["weight"].sort_index()
    pd.testing.assert_series_equal(one, expected)
    pd.testing.assert_series_equal(two, expected)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
def test_saved_with_an_artifact_of_another_order(backend, trained, edges, x, tmp_path):
    """The file holds the edge list of the artifact; outputs and names are those of the model all the same."""
    model, artifact = trained(edges, backend, width=2, activation="tanh")
    _, other = compile_graph(edges.iloc[::-1], backend, width=2, activation="tanh", quiet=True)
    save_model(model, other, tmp_path / "model")
    loaded, found = load_model(tmp_path / "model", artifact=artifact)
    torch.testing.assert_close(loaded(x), model(x))
    weights = get_edge_weights(loaded, found)
    pd.testing.assert_frame_equal(weights, get_edge_weights(model, other))
    assert weights["source"].tolist() == edges["source"].tolist()[::-1]


class Scaled(nn.Module):
    """A head with a parameter of the name that the compiled model has for what it is bound to."""

    def __init__(self):
        super().__init__()
        self.identity = nn.Parameter(torch.ones(2))

    def forward(self, out):
        return out * self.identity


def test_head_with_a_parameter_called_identity(trained, edges, x, tmp_path):
    model, artifact = trained(edges)
    saved = customize_model(model, head=Scaled()).eval()
    nn.init.constant_(saved.get_parameter("head.identity"), 2.0)
    save_model(saved, artifact, tmp_path / "model")
    into = customize_model(compile_graph(edges, quiet=True)[0], head=Scaled()).eval()
    load_model(tmp_path / "model", into=into)
    assert torch.equal(into(x), saved(x))
