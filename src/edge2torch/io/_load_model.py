"""``e2t.io.load_model``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open

from edge2torch.attribution import find_edge_model
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import CONSTRAINTS, Graph, arrows
from edge2torch.io._save_model import ENTRY, check_format

if TYPE_CHECKING:
    import os

    from torch import Tensor, nn

    from edge2torch.nn import EdgeModel

NEEDED = {"rebuilds", "settings", "preprocessing", "nodes"}


def load_model(
    path: str | os.PathLike[str],
    *,
    artifact: CompileArtifact | None = None,
    into: nn.Module | None = None,
    other_graph: bool = False,
) -> tuple[nn.Module, CompileArtifact]:
    """Read a model that :func:`save_model` wrote.

    Parameters
    ----------
    path
        The file.
    artifact
        The model that is expected: an error says what differs if the file holds one of another graph, with other
        features or outputs, or for features made in another way.
    into
        Module to load the weights into, made by the code that made the saved one. ``None`` makes a new model, which
        needs nothing but the file if all activations were given by name and nothing was put around the compiled model.
    other_graph
        Whether to load nevertheless if the expected model, or that in ``into``, differs; tensors must fit.

    Returns
    -------
    The model (a new one on the CPU, in evaluation mode and the floating type it was saved in; or ``into``), and the
    artifact from the file.

    Raises
    ------
    Edge2TorchError
        If the file is not such a file or does not hold what is expected; ``into`` is not changed then.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["out", "out"], "initial_weight": [2.0, -1.0]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     e2t.io.save_model(model, artifact, f"{folder}/model.safetensors")
    ...     same, names = e2t.io.load_model(f"{folder}/model.safetensors")
    >>> names.feature_names
    ['a', 'b']
    """
    described, tensors = _read(Path(path))
    state = {name.removeprefix("model."): part for name, part in tensors.items() if name.startswith("model.")}
    if not described["rebuilds"] and into is None:
        raise Edge2TorchError(
            "the file holds the weights of a model with parts that are code (an activation given as a module, a head): "
            "make that model as before, and pass it as into="
        )
    made, found = _compile(Path(path).name, described, tensors)
    if artifact is not None and not other_graph:
        _check_same(found, artifact)
    if into is not None:
        _load_into(into, state, found, other_graph)
        return into, found
    if state.keys() != made.state_dict().keys() or not torch.equal(state["identity"], made.identity):
        raise Edge2TorchError(f"{Path(path).name} is damaged: its weights do not belong to its graph")
    made.to(next(part.dtype for part in state.values() if part.is_floating_point())).load_state_dict(state)
    return made.eval(), found


def _check_same(found: CompileArtifact, expected: CompileArtifact) -> None:
    """Raise if two artifacts differ in what models are bound to; says in what."""
    differing = [part for part, digest in found.identity.items() if digest != expected.identity[part]]
    if not differing:
        return
    details = {
        "graph": lambda: _compare(_edges(found.graph), _edges(expected.graph), "edges"),
        "backend": lambda: f"backend {found.backend!r} instead of {expected.backend!r}",
        "features": lambda: _compare(found.feature_names, expected.feature_names, "features"),
        "outputs": lambda: _compare(found.output_nodes, expected.output_nodes, "outputs"),
        "preprocessing": lambda: f"preprocessing {found.preprocessing!r} instead of {expected.preprocessing!r}",
    }
    raise Edge2TorchError(
        f"the file holds another model: {'; '.join(details[part]() for part in differing)}; "
        "other_graph=True loads it nevertheless"
    )


def _edges(graph: Graph) -> list[str]:
    """Edges as text, with constraints and fixed weights."""
    edges, texts = graph.edges, arrows(graph.edges)
    if "constraint" not in edges:
        return texts
    weights = edges.get("initial_weight", pd.Series(float("nan"), index=edges.index))
    return [
        text
        if constraint == "unconstrained"
        else f"{text} ({constraint}{f' {np.float32(weight)!s}' if constraint == 'fixed' else ''})"
        for text, constraint, weight in zip(texts, edges["constraint"], weights, strict=True)
    ]


def _compare(found: list[str], expected: list[str], what: str) -> str:
    only_found, only_expected = sorted(set(found) - set(expected)), sorted(set(expected) - set(found))
    if not only_found and not only_expected:
        return f"{what} in another order"
    return (
        f"{len(only_found):,} {what} only in the file ({some(only_found) or 'none'}), "
        f"{len(only_expected):,} only in what is expected ({some(only_expected) or 'none'})"
    )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if ENTRY not in metadata:
                raise Edge2TorchError(f"{path.name} was not written by edge2torch.io.save_model")
            described = _parse(metadata[ENTRY], path)
            return described, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise Edge2TorchError(f"{path.name} is not a safetensors file, or is damaged: {error}") from error


def _parse(entry: str, path: Path) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads(entry)
        check_format(described["format"], described["edge2torch_version"])
        missing = NEEDED - described.keys()
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise Edge2TorchError(f"{path.name} is damaged: what it says about the model cannot be read") from error
    if missing:
        raise Edge2TorchError(f"{path.name} is damaged: it lacks {some(sorted(missing))}")
    return described


def _compile(name: str, described: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[EdgeModel, CompileArtifact]:
    """Make a model of the graph in the file, with other weights."""
    try:
        edges = _edge_list(described["nodes"], tensors)
        with torch.random.fork_rng(devices=()):  # initial weights are drawn, then replaced
            settings = _settings(described)
            return compile_graph(edges, **settings, preprocessing=described["preprocessing"], quiet=True)
    except (KeyError, IndexError, TypeError) as error:
        version = described["edge2torch_version"]
        raise Edge2TorchError(f"{name}, written by edge2torch {version}, is damaged or of another version") from error


def _edge_list(nodes: list[str], tensors: dict[str, Tensor]) -> pd.DataFrame:
    names = pd.Series(nodes, dtype=object)
    edges = pd.DataFrame({end: names.iloc[tensors[f"graph.{end}"].numpy()].to_numpy() for end in ("source", "target")})
    if "graph.initial_weight" in tensors:
        edges["initial_weight"] = tensors["graph.initial_weight"].numpy()
    if "graph.constraint" in tensors:
        edges["constraint"] = [CONSTRAINTS[code] for code in tensors["graph.constraint"].tolist()]
    return edges


def _settings(described: dict[str, Any]) -> dict[str, Any]:
    settings = dict(described["settings"])
    if settings.get("nodes") is not None:
        settings["nodes"] = pd.DataFrame(settings["nodes"])
    return settings


def _load_into(into: nn.Module, state: dict[str, Tensor], found: CompileArtifact, other_graph: bool) -> None:
    model = find_edge_model(into)
    prefix = next(f"{name}." if name else "" for name, module in into.named_modules() if module is model)
    differing = model.differs_from(found.identity)
    if differing and not other_graph:
        raise Edge2TorchError(
            f"the file holds another model than into: they differ in {some(differing)}; make into from the same graph, "
            "or load what fits with other_graph=True"
        )
    if f"{prefix}identity" in state:
        state = {**state, f"{prefix}identity": model.identity}
    own = into.state_dict()
    unequal = sorted(set(own) ^ set(state))
    unequal += [name for name in own if name in state and own[name].shape != state[name].shape]
    if unequal:
        raise Edge2TorchError(f"into does not have the parameters of the saved model; it differs in {some(unequal)}")
    into.load_state_dict(state)
