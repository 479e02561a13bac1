"""Every method, on every graph and activation, equals Captum called by hand on a dense network."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import captum.attr as ca
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge2torch import Edge2TorchError
from edge2torch.attribution import METHODS, Request, feature_scores, node_scores

N_STEPS = 7
SEED = 5
Target = int | Tensor | None


@dataclass
class Call:
    """Arguments of one call, in the words of Captum."""

    model: nn.Module
    layer: nn.Module | None
    x: Tensor
    target: Target
    baselines: Tensor
    distribution: Tensor

    @property
    def linear(self) -> nn.Module:
        return self.layer.linear

    def chosen(self, x: Tensor) -> Tensor:
        """Values of the output that is explained."""
        out = self.model(x)
        return out[:, 0] if self.target is None else out[torch.arange(len(x)), self.target]

    def one_by_one(self, explain: Callable[[Tensor, Target], Tensor]) -> Tensor:
        per_cell = isinstance(self.target, Tensor)
        return torch.cat(
            [explain(row[None], self.target[[i]] if per_cell else self.target) for i, row in enumerate(self.x)]
        )


FEATURES: dict[str, Callable[[Call], Tensor]] = {
    "IntegratedGradients": lambda c: ca.IntegratedGradients(c.model).attribute(
        c.x, c.baselines, target=c.target, n_steps=N_STEPS
    ),
    "Saliency": lambda c: ca.Saliency(c.model).attribute(c.x, target=c.target),
    "InputXGradient": lambda c: ca.InputXGradient(c.model).attribute(c.x, target=c.target),
    "DeepLift": lambda c: ca.DeepLift(c.model).attribute(c.x, c.baselines, target=c.target),
    "DeepLiftShap": lambda c: ca.DeepLiftShap(c.model).attribute(c.x, c.distribution, target=c.target),
    "GradientShap": lambda c: ca.GradientShap(c.model).attribute(c.x, c.distribution, target=c.target),
    "Deconvolution": lambda c: ca.Deconvolution(c.model).attribute(c.x, target=c.target),
    "GuidedBackprop": lambda c: ca.GuidedBackprop(c.model).attribute(c.x, target=c.target),
    "FeatureAblation": lambda c: ca.FeatureAblation(c.model).attribute(c.x, c.baselines, target=c.target),
    "Occlusion": lambda c: ca.Occlusion(c.model).attribute(c.x, (1,), baselines=c.baselines, target=c.target),
    "FeaturePermutation": lambda c: ca.FeaturePermutation(c.model).attribute(c.x, target=c.target),
    "ShapleyValueSampling": lambda c: ca.ShapleyValueSampling(c.model).attribute(c.x, c.baselines, target=c.target),
    "ShapleyValues": lambda c: ca.ShapleyValues(c.model).attribute(c.x, c.baselines, target=c.target),
    "KernelShap": lambda c: c.one_by_one(lambda x, t: ca.KernelShap(c.model).attribute(x, c.baselines, target=t)),
    "Lime": lambda c: c.one_by_one(lambda x, t: ca.Lime(c.model).attribute(x, c.baselines, target=t)),
    "LRP": lambda c: ca.LRP(c.model).attribute(c.x, target=c.target),
}
NODES: dict[str, Callable[[Call], Tensor]] = {
    "LayerConductance": lambda c: ca.LayerConductance(c.model, c.layer).attribute(
        c.x, c.baselines, target=c.target, n_steps=N_STEPS
    ),
    "LayerActivation": lambda c: ca.LayerActivation(c.model, c.layer).attribute(c.x),
    "InternalInfluence": lambda c: ca.InternalInfluence(c.model, c.layer).attribute(
        c.x, c.baselines, target=c.target, n_steps=N_STEPS
    ),
    "LayerIntegratedGradients": lambda c: ca.LayerIntegratedGradients(c.model, c.layer).attribute(
        c.x, c.baselines, target=c.target, n_steps=N_STEPS
    ),
    "LayerGradientXActivation": lambda c: ca.LayerGradientXActivation(c.model, c.layer).attribute(c.x, target=c.target),
    "LayerDeepLift": lambda c: ca.LayerDeepLift(c.model, c.layer).attribute(c.x, c.baselines, target=c.target),
    "LayerDeepLiftShap": lambda c: ca.LayerDeepLiftShap(c.model, c.layer).attribute(
        c.x, c.distribution, target=c.target
    ),
    "LayerGradientShap": lambda c: ca.LayerGradientShap(c.model, c.layer).attribute(
        c.x, c.distribution, target=c.target
    ),
    "LayerFeatureAblation": lambda c: ca.LayerFeatureAblation(c.model, c.layer).attribute(c.x, target=c.target),
    "LayerFeaturePermutation": lambda c: ca.LayerFeaturePermutation(c.chosen, c.layer).attribute(c.x),
    "LayerLRP": lambda c: ca.LayerLRP(c.model, c.linear).attribute(c.x, target=c.target),
}
BY_HAND = {**FEATURES, **NODES}
#: activations for which a method has no rule of its own, and would return something else under its name
UNDEFINED = {
    "tanh": {"Deconvolution", "GuidedBackprop"},
    "gelu": {
        *("Deconvolution", "GuidedBackprop", "LRP", "LayerLRP"),
        *("DeepLift", "DeepLiftShap", "LayerDeepLift", "LayerDeepLiftShap"),
    },
}
ACTIVATIONS = ["relu", "tanh", "gelu", None]
STOCHASTIC = {
    *("GradientShap", "FeaturePermutation", "ShapleyValueSampling", "KernelShap", "Lime"),
    *("LayerGradientShap", "LayerFeaturePermutation"),
}
#: a call draws for all of its cells at once, so that the number of calls counts
DRAWN_PER_CALL = {"GradientShap", "ShapleyValueSampling", "LayerGradientShap"}
TABLE = [
    (name, activation, graph)
    for name in METHODS
    for activation in ACTIVATIONS
    for graph in ("chain", "skipping")
    if name not in UNDEFINED.get(activation, ())
]
TARGETS = {"chain": [None], "skipping": [0, torch.tensor([0, 1, 1, 0])]}


@pytest.fixture
def seeded_by_hand():
    """Seed the global generators, from which Captum draws; put them back when the test is over."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002

    def seed() -> None:
        torch.manual_seed(SEED)
        np.random.seed(SEED)  # noqa: NPY002
        random.seed(SEED)

    yield seed
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    random.setstate(states[2])


@pytest.fixture
def scores(baseline, distribution):
    """Scores by this package: for features a list of one table, for nodes a list of one per layer."""

    def scores(name, model, x, **options):
        method = METHODS[name]
        reference = distribution if method.many_baselines else baseline if method.baseline else None
        request = Request(**{"baseline": reference, "n_steps": N_STEPS, "random_state": SEED, **options})
        if method.target == "features":
            return [feature_scores(model, method, x, request)]
        return node_scores(model, method, x, request)

    return scores


@pytest.mark.parametrize(("name", "activation", "graph"), TABLE)
def test_equals_captum(name, activation, graph, make, dense, scores, seeded_by_hand, x, baseline, distribution):
    model, artifact = make(graph, activation)
    twin = dense(model, artifact, activation)
    for target in TARGETS[graph]:
        ours = scores(name, model, x, output=target)
        layers = [None] if name in FEATURES else twin.blocks
        for table, layer in zip(ours, layers, strict=True):
            seeded_by_hand()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = BY_HAND[name](Call(twin, layer, x, target, baseline, distribution))
            torch.testing.assert_close(table, theirs.detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "activation", "graph"), [row for row in TABLE if row[0] not in DRAWN_PER_CALL])
def test_batch_size_does_not_matter(name, activation, graph, make, scores, x):
    """Not even where cells are permuted among each other, or explained one by one."""
    model, _ = make(graph, activation)
    target = TARGETS[graph][-1]
    at_once = scores(name, model, x, output=target)
    for batch_size in (1, 3):
        for table, expected in zip(scores(name, model, x, output=target, batch_size=batch_size), at_once, strict=True):
            torch.testing.assert_close(table, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", sorted(STOCHASTIC))
def test_random_state(name, make, scores, x):
    """The same numbers with the same seed, others with another one."""
    model, _ = make("skipping", "tanh")
    first, again, other = (torch.cat(scores(name, model, x, output=1, random_state=s), dim=1) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("name", sorted(set(METHODS) - STOCHASTIC))
def test_no_random_state(name, make, scores, x):
    model, _ = make("skipping", "relu")
    for one, other in zip(*(scores(name, model, x, output=1, random_state=s) for s in (1, 2)), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("name", "activation"), [(n, a) for a, names in UNDEFINED.items() for n in sorted(names)])
def test_undefined(name, activation, make, scores, x):
    """The error names the methods that can be used, and these work."""
    model, _ = make("skipping", activation)
    with pytest.raises(
        Edge2TorchError, match=rf"{name} is not defined for '{type(model.blocks[0].activation).__name__}'"
    ) as e:
        scores(name, model, x, output=1)
    named = re.findall(r"'(\w+)'", str(e.value).split("use one of")[1])
    same_target = FEATURES if name in FEATURES else NODES
    assert set(named) == set(same_target) - UNDEFINED[activation]
    for alternative in named:
        scores(alternative, model, x, output=1)


class Cube(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z**3


class LeakyReLU(nn.Module):
    """A module of the user with the name of one of torch's."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, z, z / 2)


OF_THE_USER = [
    *(pytest.param(name, Cube, id=name) for name in sorted(UNDEFINED["gelu"])),
    pytest.param("DeepLift", LeakyReLU, id="same name"),
    pytest.param("DeepLift", nn.Sequential(nn.Tanh(), Cube()), id="sequence"),
]


@pytest.mark.parametrize(("name", "activation"), OF_THE_USER)
def test_undefined_for_activations_of_the_user(name, activation, make, scores, x):
    """Captum has no rule for them either: it would quietly return gradients, or fail with an error of its own."""
    model, _ = make("skipping", activation)
    with pytest.raises(Edge2TorchError, match=f"{name} is not defined for .*use one of"):
        scores(name, model, x, output=1)


@pytest.mark.parametrize("name", [n for n in METHODS if n not in UNDEFINED["gelu"]])
def test_activations_of_the_user_elsewhere(name, make, scores, x):
    model, _ = make("skipping", Cube)
    assert all(table.isfinite().all() for table in scores(name, model, x, output=1))


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.steps])
def test_default_batch_size_bounds_memory(name, make):
    """About 4,000 rows, cells x steps, are in the model at once, however many cells there are."""
    model, _ = make("chain", "relu")
    rows = []
    model.register_forward_pre_hook(lambda _module, inputs: rows.append(len(inputs[0])))
    x = torch.ones(300, 3).double()
    method = METHODS[name]
    (feature_scores if method.target == "features" else node_scores)(model, method, x, Request(n_steps=50))
    assert 3000 < max(rows) < 5000


@pytest.mark.parametrize("name", METHODS)
def test_baseline(name, make, x, baseline, distribution):
    """Methods take the baselines they can use, and say so otherwise."""
    model, _ = make("chain", "tanh" if "LRP" in name else "relu")
    method = METHODS[name]
    run = feature_scores if method.target == "features" else node_scores
    if not method.baseline:
        with pytest.raises(Edge2TorchError, match=f"{name} has no baseline"):
            run(model, method, x, Request(baseline=baseline))
    elif not method.many_baselines:
        with pytest.raises(Edge2TorchError, match=f"{name} compares with one baseline, not with 3 rows"):
            run(model, method, x, Request(baseline=distribution))
    elif name.endswith("DeepLiftShap"):
        for too_few in (None, baseline):
            with pytest.raises(Edge2TorchError, match=f"{name} compares with a distribution"):
                run(model, method, x, Request(baseline=too_few))
    else:
        run(model, method, x, Request())
