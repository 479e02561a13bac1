"""Calling Captum, cells in chunks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import captum.attr
import torch
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from edge2torch.attribution.methods import Method, check_activations
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import EdgeLinear, EdgeModel
from edge2torch.nn.state import evaluating, seeded

#: cells x steps in one pass, unless the caller says otherwise
ROWS_AT_ONCE = 4096


def feature_scores(
    model: nn.Module,
    method: Method,
    x: Tensor,
    *,
    output: int | Tensor | None = None,
    baseline: Tensor | None = None,
    n_steps: int = 50,
    batch_size: int | None = None,
    random_state: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Tensor:
    """Score the features of each cell.

    Parameters
    ----------
    model
        Maps (cells, features) to (cells, outputs).
    method
        A method with target ``"features"``.
    x
        Features, shape (cells, features).
    output
        Output to explain, one for all or one per cell; ``None`` if the model has just one.
    baseline
        Reference input, shape (1, features), or (n, features) for methods that compare with a distribution;
        ``None`` for zero.
    n_steps
        Steps along the path, for methods that have one.
    batch_size
        Cells in one call; ``None`` lets cells x steps be about 4,000.
    random_state
        Seed for methods that sample.
    options
        Further arguments of Captum's ``attribute``.

    Returns
    -------
    Scores in units of the output, shape (cells, features), on the CPU.

    Raises
    ------
    Edge2TorchError
        If the method is not defined for the model's activations, or the baseline does not fit the method.
    """
    with _prepared(model, method, random_state):
        explain = getattr(captum.attr, method.name)(model)
        arguments = {**method.options, **_path_arguments(method, x, baseline, n_steps), **(options or {})}
        size = _chunk_size(method, len(x), n_steps, batch_size)
        return _in_chunks(explain, method, x, output, size=size, arguments=arguments)


def node_scores(
    model: nn.Module,
    method: Method,
    x: Tensor,
    *,
    output: int | Tensor | None = None,
    baseline: Tensor | None = None,
    n_steps: int = 50,
    batch_size: int | None = None,
    random_state: int = 0,
    options: Mapping[str, Any] | None = None,
) -> list[Tensor]:
    """Score the nodes of every layer, for each cell.

    Parameters are those of :func:`feature_scores`; ``model`` holds one :class:`edge2torch.nn.EdgeModel`.

    Returns
    -------
    Scores of shape (cells, nodes of the layer) for layer 1, 2, ..., on the CPU.
    """
    scores = []
    for block in find_edge_model(model).blocks:
        with _prepared(model, method, random_state):
            layer = block if method.part == "block" else block.linear
            forward = _OneOutput(model, output) if method.output == "model" else model
            explain = getattr(captum.attr, method.name)(forward, layer)
            size = _chunk_size(method, len(x), n_steps, batch_size)
            arguments = {**method.options, **_path_arguments(method, x, baseline, n_steps), **(options or {})}
            scores.append(_in_chunks(explain, method, x, output, size=size, arguments=arguments))
    return scores


def find_edge_model(model: nn.Module) -> EdgeModel:
    """Find the compiled model inside a model.

    Raises
    ------
    Edge2TorchError
        If there is none, or more than one.
    """
    found = [module for module in model.modules() if isinstance(module, EdgeModel)]
    if len(found) != 1:
        raise Edge2TorchError(f"model must hold one model from compile_graph; it holds {len(found)}")
    return found[0]


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
    """Evaluation mode, seeds, and the rules that LRP needs; all undone afterwards."""
    activations = {type(m).__name__ for m in model.modules() if type(m).__module__ == "torch.nn.modules.activation"}
    check_activations(method, activations)
    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        stack.enter_context(seeded(random_state))
        if method.name.endswith("LRP"):
            stack.enter_context(_cleaning_up_after_lrp(model))
        stack.enter_context(warnings.catch_warnings())
        for expected in ("Input Tensor 0 did not already require gradients", r"Setting (forward, )?backward hooks"):
            warnings.filterwarnings("ignore", expected, UserWarning)
        yield


@contextmanager
def _cleaning_up_after_lrp(model: nn.Module) -> Iterator[None]:
    """Remove what Captum's LRP leaves on modules."""
    try:
        yield
    finally:
        for module in model.modules():
            for left_behind in ("rule", "activations"):
                module.__dict__.pop(left_behind, None)


def _in_chunks(
    explain: Any, method: Method, x: Tensor, output: int | Tensor | None, *, size: int, arguments: dict[str, Any]
) -> Tensor:
    scores = []
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        if method.output == "target":
            arguments["target"] = output[rows] if isinstance(output, Tensor) else output
        if method.name.endswith("LRP"):
            _attach_epsilon_rules(explain.model)
        scores.append(explain.attribute(x[rows], **arguments).detach().cpu())
    return torch.cat(scores)


def _attach_epsilon_rules(model: nn.Module) -> None:
    """Let LRP treat edge layers as it treats ``nn.Linear``; Captum takes the rules away after each call."""
    for module in model.modules():
        if isinstance(module, EdgeLinear):
            module.rule = EpsilonRule()


def _path_arguments(method: Method, x: Tensor, baseline: Tensor | None, n_steps: int) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if method.steps:
        arguments[method.steps] = n_steps
    if baseline is not None and not method.baseline:
        raise Edge2TorchError(f"{method.name} has no baseline; leave baseline out")
    if method.baseline:
        reference = torch.zeros_like(x[:1]) if baseline is None else baseline.to(x)
        if not method.many_baselines and len(reference) != 1:
            raise Edge2TorchError(
                f"{method.name} compares with one baseline, not with {len(reference)} rows: pass one row"
            )
        if method.name.endswith("DeepLiftShap") and len(reference) < 2:
            raise Edge2TorchError(f"{method.name} compares with a distribution: pass a baseline of at least two rows")
        arguments[method.baseline] = reference
    return arguments


def _chunk_size(method: Method, n_cells: int, n_steps: int, batch_size: int | None) -> int:
    """Cells in one call."""
    if method.cells_at_once == "all":
        return max(1, n_cells)
    if method.cells_at_once == "one":
        return 1
    return batch_size or max(1, ROWS_AT_ONCE // (n_steps if method.steps else 1))
