"""The registry of attribution methods: one record for each class of Captum that fits a network of named nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError, some

Target = Literal["features", "nodes"]

#: activations for which DeepLift has multipliers (``captum.attr._core.deep_lift.SUPPORTED_NON_LINEAR``)
DEEPLIFT = frozenset({"ELU", "LeakyReLU", "ReLU", "Sigmoid", "Softplus", "Tanh"})
#: activations that relevance passes unchanged in Captum's LRP
LRP = frozenset({"ReLU", "Tanh"})
#: the backward pass of these methods is defined for ReLU only; others would silently get plain gradients
RELU = frozenset({"ReLU"})


@dataclass(frozen=True)
class Method:
    """What the package needs to know about a method of Captum.

    Attributes
    ----------
    name
        Class name in ``captum.attr``.
    target
        What it scores: ``"features"`` or ``"nodes"`` (Captum's layer methods).
    baseline
        Name of the argument for the reference input, if there is one.
    many_baselines
        Whether the reference is a distribution (several rows) instead of one point.
    steps
        Name of the argument for the number of steps along a path, if there is one.
    activations
        Activations it is defined for; ``None`` if for all.
    cells_at_once
        How many cells it may get in one call: any number (``"any"``), ``"one"`` or, because it permutes them,
        ``"all"``.
    output
        Who picks the output to be explained: Captum (``"target"``), the ``"model"`` handed to it, where Captum itself
        would pick twice (LayerFeaturePermutation), or nobody (``None``), where scores do not belong to an output.
    part
        Which module of a layer it looks at: the whole ``"block"`` or its ``"linear"`` part.
    for_nodes
        The method's counterpart for layers.
    options
        Arguments that Captum requires and for which a row of named features leaves no choice.
    """

    name: str
    target: Target
    baseline: str | None = None
    many_baselines: bool = False
    steps: str | None = None
    activations: frozenset[str] | None = None
    cells_at_once: Literal["any", "one", "all"] = "any"
    output: Literal["target", "model"] | None = "target"
    part: Literal["block", "linear"] = "block"
    for_nodes: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


_ALL = (
    Method("IntegratedGradients", "features", baseline="baselines", steps="n_steps", for_nodes="LayerConductance"),
    Method("Saliency", "features"),
    Method("InputXGradient", "features", for_nodes="LayerGradientXActivation"),
    Method("DeepLift", "features", baseline="baselines", activations=DEEPLIFT, for_nodes="LayerDeepLift"),
    Method(
        "DeepLiftShap",
        "features",
        baseline="baselines",
        many_baselines=True,
        activations=DEEPLIFT,
        for_nodes="LayerDeepLiftShap",
    ),
    Method("GradientShap", "features", baseline="baselines", many_baselines=True, for_nodes="LayerGradientShap"),
    Method("Deconvolution", "features", activations=RELU),
    Method("GuidedBackprop", "features", activations=RELU),
    Method("FeatureAblation", "features", baseline="baselines", for_nodes="LayerFeatureAblation"),
    Method("Occlusion", "features", baseline="baselines", options={"sliding_window_shapes": (1,)}),
    Method("FeaturePermutation", "features", cells_at_once="all", for_nodes="LayerFeaturePermutation"),
    Method("ShapleyValueSampling", "features", baseline="baselines"),
    Method("ShapleyValues", "features", baseline="baselines"),
    Method("KernelShap", "features", baseline="baselines", cells_at_once="one"),
    Method("Lime", "features", baseline="baselines", cells_at_once="one"),
    Method("LRP", "features", activations=LRP, for_nodes="LayerLRP"),
    Method("LayerConductance", "nodes", baseline="baselines", steps="n_steps"),
    Method("LayerActivation", "nodes", output=None),
    Method("InternalInfluence", "nodes", baseline="baselines", steps="n_steps"),
    Method("LayerIntegratedGradients", "nodes", baseline="baselines", steps="n_steps"),
    Method("LayerGradientXActivation", "nodes"),
    Method("LayerDeepLift", "nodes", baseline="baselines", activations=DEEPLIFT),
    Method("LayerDeepLiftShap", "nodes", baseline="baselines", many_baselines=True, activations=DEEPLIFT),
    Method("LayerGradientShap", "nodes", baseline="baselines", many_baselines=True),
    Method("LayerFeatureAblation", "nodes"),
    Method("LayerFeaturePermutation", "nodes", cells_at_once="all", output="model"),
    Method("LayerLRP", "nodes", activations=LRP, part="linear"),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}

#: why a class of Captum is not in the registry
UNFIT = {
    "GuidedGradCam": "it needs the channels of an image",
    "LayerGradCam": "it needs the channels of an image",
    "NoiseTunnel": "it wraps another method and has no scores of its own",
}


def find_method(name: str | None, target: str) -> Method:
    """Look a method up, and check that it scores what is asked for.

    Parameters
    ----------
    name
        Class name in Captum; ``None`` for ``IntegratedGradients`` (features) or ``LayerConductance`` (nodes).
    target
        ``"features"`` or ``"nodes"``.

    Raises
    ------
    Edge2TorchError
        With the methods that can be used for ``target``.

    Examples
    --------
    >>> find_method("Saliency", "features").baseline is None
    True
    """
    check_choice("target", target, ("features", "nodes"))
    if not isinstance(name, str | None):
        raise Edge2TorchError(f"method={name!r} must be the name of a class in captum.attr")
    fit = [method.name for method in _ALL if method.target == target]
    name = fit[0] if name is None else name
    if name in fit:
        return METHODS[name]
    if name in METHODS:
        why = f"scores {METHODS[name].target}, not {target}"
    elif name in UNFIT:
        why = f"does not fit a network of named nodes: {UNFIT[name]}"
    else:
        why = "is unknown"
    raise Edge2TorchError(f"method {name!r} {why}; for target={target!r} use one of {some(fit, len(fit))}")


def find_pair(name: str | None) -> tuple[Method, Method]:
    """Look up a method for features and its counterpart for nodes, by the name of either.

    Parameters
    ----------
    name
        Class name in Captum; ``None`` for ``IntegratedGradients`` and ``LayerConductance``.

    Raises
    ------
    Edge2TorchError
        With the methods that have a counterpart.

    Examples
    --------
    >>> [method.name for method in find_pair("DeepLift")]
    ['DeepLift', 'LayerDeepLift']
    """
    pairs = {method.name: method.for_nodes for method in _ALL if method.for_nodes}
    for feature_method, node_method in pairs.items():
        if name in (None, feature_method, node_method):
            return METHODS[feature_method], METHODS[node_method]
    if name in UNFIT:
        raise Edge2TorchError(
            f"method {name!r} does not fit a network of named nodes: {UNFIT[name]}; use one of "
            f"{some(pairs, len(pairs))}"
        )
    raise Edge2TorchError(
        f"method {name!r} does not exist for features and for nodes; use one of {some(pairs, len(pairs))}, "
        "or interpret_model for one of the two"
    )


def check_activations(method: Method, activations: set[str]) -> None:
    """Raise if a model has activations (class names) for which a method is not defined."""
    wrong = set() if method.activations is None else activations - method.activations
    if wrong:
        fit = [
            m.name
            for m in _ALL
            if m.target == method.target and (m.activations is None or activations <= m.activations)
        ]
        raise Edge2TorchError(
            f"{method.name} is not defined for {some(sorted(wrong))}, only for "
            f"{some(sorted(method.activations or ()), 9)}; for this model use one of {some(fit, len(fit))}"
        )
