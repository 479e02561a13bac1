"""A model knows what it belongs to: its weights cannot be loaded into a model of something else."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch

from edge2torch import Edge2TorchError
from edge2torch.nn import EdgeModel, Wiring

BACKENDS = ["feedforward", "recurrent", "graphnn"]
PARTS = ["graph", "backend", "features", "outputs", "preprocessing"]


def digest(letter: str) -> str:
    return letter * 64


IDENTITY = {part: digest(letter) for part, letter in zip(PARTS, "12abc", strict=True)}


class Little(EdgeModel):
    """As little as a model can be: one parameter for one edge."""

    def __init__(self, identity):
        one = torch.zeros(1, dtype=torch.long)
        super().__init__(Wiring(torch.tensor([0, 1]), torch.tensor([False, True]), one, one + 1), identity)
        self.weight = torch.nn.Parameter(torch.zeros(1))


def written_and_read(state):
    """A state dict as a file brings it back: plain tensors, nothing pickled."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def pickled(model):
    return pickle.loads(pickle.dumps(model))


WAYS = {
    "as it is": lambda state: state,
    "a copy": dict,
    "in float16": lambda state: {name: value.half() for name, value in state.items()},
    "in bfloat16": lambda state: {name: value.bfloat16() for name, value in state.items()},
    "in float64": lambda state: {name: value.double() for name, value in state.items()},
    "from a file": written_and_read,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("differing", [[], *([part] for part in PARTS), PARTS[1:3], PARTS])
def test_state_dict_of_another_model(differing, way):
    """Refused, naming exactly what differs; nothing is loaded then."""
    theirs = Little({**IDENTITY, **{part: digest("e") for part in differing}})
    torch.nn.init.ones_(theirs.weight)
    ours = Little(IDENTITY)
    assert ours.differs_from(IDENTITY) == []
    state = WAYS[way](theirs.state_dict())
    if not differing:
        ours.load_state_dict(state)
        assert ours.weight.item() == 1
        return
    with pytest.raises(Edge2TorchError) as caught:
        ours.load_state_dict(state)
    assert [part for part in PARTS if f"'{part}'" in str(caught.value)] == differing
    assert ours.weight.item() == 0


def test_fingerprint():
    assert Little(IDENTITY).fingerprint == IDENTITY["graph"]
    assert Little(None).fingerprint == digest("0")
    assert Little(IDENTITY).differs_from({**IDENTITY, "outputs": digest("f")}) == ["outputs"]
    assert Little(IDENTITY).differs_from({}) == PARTS


@pytest.mark.parametrize("assign", [False, True])
def test_not_strict(assign):
    """What fits is loaded once the identity is taken out; the model still belongs to what it was made for."""
    theirs, ours = Little({**IDENTITY, "graph": digest("e")}), Little(IDENTITY)
    torch.nn.init.ones_(theirs.weight)
    state = theirs.state_dict()
    with pytest.raises(Edge2TorchError, match=r"'identity'.*strict=False"):
        ours.load_state_dict(state, strict=False, assign=assign)
    assert ours.weight.item() == 0
    assert torch.equal(state["identity"], theirs.identity), "the state dict is as it was"
    del state["identity"]
    ours.load_state_dict(state, strict=False, assign=assign)
    assert ours.weight.item() == 1
    assert ours.differs_from(IDENTITY) == []


@pytest.mark.parametrize(
    "way",
    list(WAYS),
)
def test_assign(way):
    """Tensors of a state dict can be taken as they are, the type of the identity aside."""
    theirs, ours = Little(IDENTITY), Little(IDENTITY)
    state = WAYS[way](theirs.state_dict())
    ours.load_state_dict(state, assign=True)
    assert ours.weight.data_ptr() == state["weight"].data_ptr()
    assert ours.fingerprint == IDENTITY["graph"]
    assert ours.differs_from(IDENTITY) == []
    with pytest.raises(Edge2TorchError, match="'graph'"):
        Little({**IDENTITY, "graph": digest("e")}).load_state_dict(state, assign=True)


def test_state_dict_without_an_identity():
    """As for all of torch: what is missing is named."""
    state = Little(IDENTITY).state_dict()
    del state["identity"]
    with pytest.raises(RuntimeError, match=r"Missing key.*identity"):
        Little(IDENTITY).load_state_dict(state)


def test_state_dict_of_another_version():
    state = Little(IDENTITY).state_dict()
    state["identity"] = state["identity"][:1]
    with pytest.raises(Edge2TorchError, match="another version"):
        Little(IDENTITY).load_state_dict(state)


def test_inside_another_module():
    """The check holds where the model is a part of something."""
    ours = torch.nn.Sequential(torch.nn.Identity(), Little(IDENTITY))
    theirs = torch.nn.Sequential(torch.nn.Identity(), Little({**IDENTITY, "features": digest("e")}))
    with pytest.raises(Edge2TorchError, match="'features'"):
        ours.load_state_dict(theirs.state_dict())
    ours.load_state_dict(torch.nn.Sequential(torch.nn.Identity(), Little(IDENTITY)).state_dict())


@pytest.mark.parametrize("way", [copy.deepcopy, pickled])
def test_copies_check_too(way):
    """And by their own identity, not by that of the model they were copied from."""
    ours = way(Little(IDENTITY))
    theirs = Little({**IDENTITY, "graph": digest("e")})
    with pytest.raises(Edge2TorchError, match="'graph'"):
        ours.load_state_dict(theirs.state_dict())
    ours.load_state_dict(Little(IDENTITY).state_dict())


@pytest.mark.parametrize("convert", ["half", "bfloat16", "double", "float"])
def test_identity_survives_conversions(convert):
    model = getattr(Little(IDENTITY), convert)()
    assert model.differs_from(IDENTITY) == []
    assert model.fingerprint == IDENTITY["graph"]
    assert model.identity.dtype == torch.uint8


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_models_are_bound(backend, skipping, make):
    """To names of nodes, order of rows aside, to constraints, fixed values and the note on preprocessing."""
    edges = skipping.assign(constraint=["fixed", *["unconstrained"] * 10], initial_weight=0.5)
    model, artifact = make(edges, backend=backend, preprocessing="log1p")
    assert model.differs_from(artifact.identity) == []

    def differs(edges, preprocessing="log1p", seed=1):
        other, named = make(edges, seed=seed, backend=backend, preprocessing=preprocessing)
        try:
            model.load_state_dict(other.state_dict())
        except Edge2TorchError:
            return model.differs_from(named.identity)
        return []

    assert differs(edges.sample(frac=1, random_state=0)) == []
    assert differs(edges.assign(initial_weight=[0.5, *[0.25] * 10])) == []
    assert differs(edges.assign(initial_weight=[0.25, *[0.5] * 10])) == ["graph"]
    assert differs(edges.assign(constraint=["fixed", "positive", *["unconstrained"] * 9])) == ["graph"]
    assert differs(edges, preprocessing="counts") == ["preprocessing"]
    assert differs(edges.replace({"a": "z"})) == ["graph", "features"]
    assert differs(edges.replace({"late": "later"})) == ["graph", "outputs"]
    assert differs(edges.replace({"h1": "h3"})) == ["graph"]
    assert differs(edges.iloc[:-1]) == ["graph"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_in_another_order_load_to_the_same_model(backend, skipping, loops, make, cells):
    edges = skipping if backend == "feedforward" else loops
    model, _ = make(edges, backend=backend, activation="tanh")
    other, _ = make(edges.sample(frac=1, random_state=0), seed=1, backend=backend, activation="tanh")
    x = cells(5, model.n_features)
    assert not torch.equal(model(x), other(x))
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(x), other(x))


@pytest.mark.parametrize("backend", BACKENDS)
def test_state_dict_of_another_backend(backend, skipping, make):
    """Also where all shapes are the same."""
    model, _ = make(skipping, backend=backend)
    for another in {*BACKENDS} - {backend}:
        other, named = make(skipping, backend=another)
        assert "backend" in model.differs_from(named.identity)
        with pytest.raises(Edge2TorchError, match="'backend'"):
            model.load_state_dict({**model.state_dict(), "identity": other.identity})
