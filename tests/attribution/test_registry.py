"""The registry has every method of Captum that fits, and says of each what Captum says."""

from __future__ import annotations

import inspect

import captum.attr
import pytest
from captum.attr import Attribution, LayerAttribution, NeuronAttribution

from edge2torch import Edge2TorchError
from edge2torch.attribution import METHODS, find_method, find_pair
from edge2torch.attribution.methods import UNFIT

BASE_CLASSES = {
    *("Attribution", "GradientAttribution", "PerturbationAttribution", "InternalAttribution"),
    *("LayerAttribution", "NeuronAttribution"),
}
#: classes that are no methods for a model and its input
OTHER = {
    "DataLoaderAttribution": "runs another method over a data loader",
    "LimeBase": "Lime without a choice of samples and similarity",
    "LLMAttribution": "for language models",
    "LLMGradientAttribution": "for language models",
    "RemoteLLMAttribution": "for language models",
}
CAPTUM = {
    name: cls
    for name, cls in vars(captum.attr).items()
    if inspect.isclass(cls)
    and issubclass(cls, Attribution)
    and not issubclass(cls, NeuronAttribution)
    and name not in BASE_CLASSES
}


def test_all_of_captum():
    """A method that a new version of Captum brings has to be registered, or named as unfit."""
    assert set(CAPTUM) - set(OTHER) == set(METHODS) | set(UNFIT)
    assert not set(METHODS) & set(UNFIT)


@pytest.mark.parametrize("name", METHODS)
def test_record(name):
    method, cls = METHODS[name], CAPTUM[name]
    arguments = inspect.signature(cls.attribute).parameters
    assert method.name == name
    assert method.target == ("nodes" if issubclass(cls, LayerAttribution) else "features")
    assert (method.baseline == "baselines") == ("baselines" in arguments)
    assert (method.steps == "n_steps") == ("n_steps" in arguments)
    if method.output == "target":
        assert "target" in arguments
    assert set(method.options) <= set(arguments)
    required = [n for n, a in arguments.items() if a.default is a.empty and a.kind is a.POSITIONAL_OR_KEYWORD]
    assert set(required) - {"self", "inputs", "baselines"} <= set(method.options)


@pytest.mark.parametrize(("target", "default"), [("features", "IntegratedGradients"), ("nodes", "LayerConductance")])
def test_default_method(target, default):
    assert find_method(None, target) is METHODS[default]
    assert find_method(default, target) is METHODS[default]


@pytest.mark.parametrize("name", sorted({*UNFIT, *OTHER, "NeuronConductance", "deeplift", ""}))
@pytest.mark.parametrize("target", ["features", "nodes"])
def test_other_names(name, target):
    with pytest.raises(Edge2TorchError, match=f"method '{name}' .*use one of") as caught:
        find_method(name, target)
    fit = {n for n, method in METHODS.items() if method.target == target}
    assert {n for n in METHODS if f"'{n}'" in str(caught.value)} == fit


@pytest.mark.parametrize("target", ["edges", "feature", "", None])
def test_other_targets(target):
    with pytest.raises(Edge2TorchError, match="the choices are 'features', 'nodes'"):
        find_method(None, target)


def test_pairs():
    """A counterpart is the class of the same name for layers, where Captum has it; integrated gradients have two."""
    pairs = {name: method.for_nodes for name, method in METHODS.items() if method.for_nodes}
    same_name = {name: f"Layer{name}" for name in METHODS if f"Layer{name}" in METHODS}
    other_name = {"IntegratedGradients": "LayerConductance", "InputXGradient": "LayerGradientXActivation"}
    assert pairs == {**same_name, **other_name}
    for name, for_nodes in pairs.items():
        assert find_pair(name) == find_pair(for_nodes) == (METHODS[name], METHODS[for_nodes])
        assert METHODS[name].target == "features"
        assert METHODS[for_nodes].target == "nodes"
    assert find_pair(None) == (METHODS["IntegratedGradients"], METHODS["LayerConductance"])


@pytest.mark.parametrize("name", ["Saliency", "KernelShap", "LayerActivation", "InternalInfluence", "Shap"])
def test_no_pair(name):
    with pytest.raises(Edge2TorchError, match=f"'{name}' does not exist for features and for nodes; use one of"):
        find_pair(name)
