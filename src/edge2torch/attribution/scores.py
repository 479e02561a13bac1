"""Calling Captum, cells in chunks."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import captum.attr
import torch
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from edge2torch._checks import check_seed, check_whole
from edge2torch.attribution.methods import METHODS, Method, check_activations
from edge2torch.attribution.walk import find_edge_model
from edge2torch.attribution.walked import WalkRequest, can_walk, walked_features, walked_nodes
from edge2torch.errors import Edge2TorchError, some
from edge2torch.nn import EdgeLinear, EdgeModel, NodeDropout
from edge2torch.nn.state import evaluating, seeded

#: cells x steps in one pass, unless the caller says otherwise
ROWS_AT_ONCE = 4096
#: arguments of Captum's ``attribute`` that the package sets itself, or that would change what is returned
OWN_ARGUMENTS = frozenset(
    {
        "self",
        "inputs",
        "target",
        "baselines",
        "n_steps",
        "additional_forward_args",
        "return_convergence_delta",
        "return_input_shape",
        "attribute_to_layer_input",
        "kwargs",
    }
)
#: attributes that Captum's DeepLift and LRP set on modules
CAPTUM_ATTRIBUTES = frozenset({"activation", "activations", "input", "input_ref", "output", "output_ref", "rule"})


@dataclass(frozen=True)
class Request:
    """What is to be explained, and how.

    Attributes
    ----------
    output
        Output to explain: one for all cells, or one per cell, shape (cells,); ``None`` if the model has just one.
    baseline
        Reference input, shape (1, features), or (n, features) for methods that compare with a distribution; ``None``
        for zero.
    n_steps
        Steps along the path, for methods that have one.
    batch_size
        Cells in one call; ``None`` lets cells x steps be about 4,000.
    random_state
        Seed for methods that sample.
    options
        Further arguments of Captum's ``attribute``.
    """

    output: int | Tensor | None = None
    baseline: Tensor | None = None
    n_steps: int = 50
    batch_size: int | None = None
    random_state: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_whole("n_steps", self.n_steps)
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size)
        check_seed(self.random_state)


def feature_scores(model: nn.Module, method: Method, x: Tensor, request: Request) -> Tensor:
    """Score the features of each cell.

    Parameters
    ----------
    model
        Maps (cells, features) to (cells, outputs).
    method
        A method with target ``"features"``.
    x
        Features, shape (cells, features).
    request
        What is to be explained.

    Returns
    -------
    Scores in units of the output, shape (cells, features), on the CPU.

    Raises
    ------
    Edge2TorchError
        If the method is not defined for the model's activations, or the baseline or an option does not fit it.
    """
    if can_walk(model, method.name) and not request.options:
        return walked_features(model, method.name, x, _walk_request(method, x, request))
    return _scores(model, None, method, x, request)


def node_scores(model: nn.Module, method: Method, x: Tensor, request: Request) -> list[Tensor]:
    """Score the nodes of every layer, or in every step, for each cell.

    As :func:`feature_scores`, for a method with target ``"nodes"`` and a model that holds one
    :class:`edge2torch.nn.EdgeModel`. Where a walk along the path gives the scores of all layers (``WALKED``), and no
    options are given, there is one instead of a call of Captum for each layer; the scores are the same.

    Returns
    -------
    Scores of shape (cells, nodes), on the CPU: of the nodes of layer 1, 2, ... or, for a model that takes steps, of all
    nodes behind the inputs in step 1, 2, ... The scores of a node's units are added up.
    """
    _check_steps(model, method)
    if can_walk(model, method.name) and not request.options:
        return walked_nodes(model, method.name, x, _walk_request(method, x, request))
    edge_model = find_edge_model(model)
    sites = [block if method.part == "block" else block.linear for block in edge_model.blocks]
    return [edge_model.sum_units(_scores(model, site, method, x, request), k) for k, site in enumerate(sites)]


def _walk_request(method: Method, x: Tensor, request: Request) -> WalkRequest:
    reference = _path_arguments(method, x, request).get(method.baseline or "")
    return WalkRequest(request.output if method.output else None, reference, request.n_steps, request.batch_size)


def _check_steps(model: nn.Module, method: Method) -> None:
    if method.name.endswith("LRP") and any(isinstance(m, EdgeModel) and m.site == "step" for m in model.modules()):
        others = [m.name for m in METHODS.values() if m.target == method.target and not m.name.endswith("LRP")]
        raise Edge2TorchError(
            f"{method.name} is not defined for backends that take steps, whose weights are used several times; "
            f"use one of {some(others, len(others))}"
        )


def one_table(model: nn.Module, scores: Sequence[Tensor]) -> Tensor:
    """Put what :func:`node_scores` returns together: (cells, nodes behind the inputs), in model order.

    Layers stand beside each other. Steps are added up: what flows through a node in any step counts once for each path
    by which it reaches an output in time, so that for an acyclic graph and enough steps, the sum is the score of the
    node in the feedforward network with the same weights, if all nodes are linear.
    """
    if find_edge_model(model).site == "layer":
        return torch.cat(list(scores), dim=1)
    return torch.stack(list(scores)).sum(dim=0)


def _scores(model: nn.Module, layer: nn.Module | Tensor | None, method: Method, x: Tensor, request: Request) -> Tensor:
    _check_options(method, request.options)
    _check_steps(model, method)
    arguments = {**method.options, **_path_arguments(method, x, request), **request.options}
    with _prepared(model, method, request.random_state):
        forward = _OneOutput(model, request.output) if method.output == "model" else model
        explain = getattr(captum.attr, method.name)(*([forward] if layer is None else [forward, layer]))
        scores = []
        size = _cells_at_once(method, len(x), request)
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            if method.output == "target":
                output = request.output
                arguments["target"] = output[rows] if isinstance(output, Tensor) else output
            with _epsilon_rules(model) if method.name.endswith("LRP") else nullcontext():
                part = explain.attribute(x[rows].detach().clone().requires_grad_(), **arguments)
            scores.append(part.detach().cpu())
    return torch.cat(scores)


class _OneOutput(nn.Module):
    """A model reduced to the output that is explained, shape (cells,)."""

    def __init__(self, model: nn.Module, output: int | Tensor | None) -> None:
        super().__init__()
        self.model = model
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.model(x)
        if self.output is None:
            return out.reshape(len(x))
        return out[torch.arange(len(x), device=x.device), self.output]


@contextmanager
def _prepared(model: nn.Module, method: Method, random_state: int) -> Iterator[None]:
    """Evaluation mode, gradients, seeds, and none of Captum's notes; all undone afterwards."""
    check_activations(method, _nonlinear(model))
    with (
        evaluating(model),
        _restoring(model),
        seeded(random_state),
        torch.enable_grad(),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", r"Setting (forward, )?backward hooks", UserWarning)
        yield


def _nonlinear(model: nn.Module) -> set[str]:
    """Classes of a model's activations, and of leaf modules that others wrote, which may be anything."""
    found = set()
    for module in model.modules():
        home = type(module).__module__
        if home == "torch.nn.modules.activation":
            found.add(type(module).__name__)
        elif not any(module.children()) and not home.startswith(("torch.nn.modules.", "edge2torch.")):
            found.add(f"{home}.{type(module).__qualname__}")
    return found


@contextmanager
def _epsilon_rules(model: nn.Module) -> Iterator[None]:
    """Let Captum's LRP treat our layers as those of torch that they stand for; it takes all rules away after a call."""
    with _restoring(model):
        for module in model.modules():
            if isinstance(module, EdgeLinear | NodeDropout | nn.BatchNorm1d):
                module.rule = EpsilonRule()
        yield


@contextmanager
def _restoring(model: nn.Module) -> Iterator[None]:
    """Put back hooks and attributes of modules, which Captum may leave behind after an error, or take away."""
    before = [
        (
            vars(module),
            {name: vars(module)[name] for name in CAPTUM_ATTRIBUTES & vars(module).keys()},
            {name: hooks.copy() for name, hooks in vars(module).items() if name.endswith("_hooks")},
        )
        for module in model.modules()
    ]
    try:
        yield
    finally:
        for now, attributes, hooks in before:
            for name in CAPTUM_ATTRIBUTES & now.keys():
                del now[name]
            now.update(attributes)
            for name, registered in hooks.items():
                now[name].clear()  # in place, because handles of hooks refer to it
                now[name].update(registered)


def _check_options(method: Method, options: Mapping[str, Any]) -> None:
    known = set(inspect.signature(getattr(captum.attr, method.name).attribute).parameters) - OWN_ARGUMENTS
    unknown = sorted(set(options) - known)
    if unknown:
        raise Edge2TorchError(
            f"{some(unknown)} cannot be given to {method.name}; its options are {some(sorted(known), 20) or 'none'}"
        )


def _path_arguments(method: Method, x: Tensor, request: Request) -> dict[str, Any]:
    arguments: dict[str, Any] = {method.steps: request.n_steps} if method.steps else {}
    if not method.baseline:
        if request.baseline is not None:
            raise Edge2TorchError(f"{method.name} has no baseline; leave baseline out")
        return arguments
    reference = torch.zeros_like(x[:1]) if request.baseline is None else request.baseline.to(x)
    if not method.many_baselines and len(reference) != 1:
        raise Edge2TorchError(f"{method.name} compares with one baseline, not with {len(reference)} rows: pass one row")
    if method.name.endswith("DeepLiftShap") and len(reference) < 2:
        raise Edge2TorchError(f"{method.name} compares with a distribution: pass a baseline of at least two rows")
    if not len(reference):
        raise Edge2TorchError("baseline has no rows")
    return {**arguments, method.baseline: reference}


def _cells_at_once(method: Method, n_cells: int, request: Request) -> int:
    if method.cells_at_once == "all":
        return max(1, n_cells)
    if method.cells_at_once == "one":
        return 1
    return request.batch_size or max(1, ROWS_AT_ONCE // (request.n_steps if method.steps else 1))
