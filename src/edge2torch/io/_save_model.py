"""``e2t.io.save_model``."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save

from edge2torch._new_file import check_new_file, new_files
from edge2torch.attribution import find_edge_model
from edge2torch.compile import check_pair
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import OPTIONS, constraint_codes

if TYPE_CHECKING:
    import os

    from torch import Tensor, nn

    from edge2torch.compile import CompileArtifact

FORMAT = 1
#: name of the one entry of the file's metadata, which holds all that is not a tensor, as JSON
ENTRY = "edge2torch"


def save_model(model: nn.Module, artifact: CompileArtifact, path: str | os.PathLike[str]) -> None:
    """Write a model, with its graph and all names, to one safetensors file.

    Parameters
    ----------
    model
        A model from :func:`edge2torch.compile_graph`, or one that holds it (with a head, say).
    artifact
        What was returned with that model.
    path
        File to write, by convention ``*.safetensors``. It is replaced at the end, in one go.

    Raises
    ------
    Edge2TorchError
        If model and artifact do not belong together, or the file cannot be written.

    Notes
    -----
    Tensors are stored as such, everything else as JSON in the metadata of the file; there is no pickle. A model with an
    activation that was given as a module, and a model around a compiled one, are code, which the file does not hold:
    :func:`load_model` reads their weights ``into=`` a module made by the same code.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["out", "out"], "initial_weight": [2.0, -1.0]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     e2t.io.save_model(model, artifact, f"{folder}/model.safetensors")
    ...     same, _ = e2t.io.load_model(f"{folder}/model.safetensors", artifact=artifact)
    >>> e2t.get_edge_weights(same, artifact)["weight"].tolist()
    [2.0, -1.0]
    """
    edge_model = find_edge_model(model)
    check_pair(edge_model, artifact)
    target = check_new_file(path, overwrite=True)
    described = {
        "format": FORMAT,
        "edge2torch_version": version("edge2torch"),
        "rebuilds": model is edge_model and _has_names_only(artifact.settings),
        "settings": _plain(artifact.settings),
        "preprocessing": artifact.preprocessing,
        "nodes": artifact.graph.nodes.tolist(),
    }
    # Copies, because parameters may share memory, which the format does not allow.
    state = model.state_dict().items()
    tensors = {f"model.{name}": tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state}
    content = save({**tensors, **_graph_tensors(artifact)}, {ENTRY: json.dumps(described)})
    with new_files(target) as (unfinished,):
        unfinished.write_bytes(content)


def _graph_tensors(artifact: CompileArtifact) -> dict[str, Tensor]:
    graph = artifact.graph
    tensors = {
        "graph.source": torch.as_tensor(graph.source.astype("int32")),
        "graph.target": torch.as_tensor(graph.target.astype("int32")),
    }
    if "initial_weight" in graph.edges:
        tensors["graph.initial_weight"] = torch.tensor(graph.edges["initial_weight"].to_numpy(dtype=float))
    if "constraint" in graph.edges:
        tensors["graph.constraint"] = torch.as_tensor(constraint_codes(graph.edges).astype("uint8"))
    return tensors


def _has_names_only(settings: dict[str, Any]) -> bool:
    """Whether all activations are given by name."""
    activations = [settings.get("activation")]
    if settings.get("nodes") is not None and "activation" in settings["nodes"]:
        activations += list(settings["nodes"]["activation"].dropna())
    return all(activation is None or isinstance(activation, str) for activation in activations)


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as JSON; without activations if there are any that are modules."""
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}
    nodes = plain.get("nodes")
    if not _has_names_only(settings):
        plain["activation"] = None
        nodes = None if nodes is None else nodes.drop(columns="activation", errors="ignore")
    if nodes is not None:
        kept = nodes[[name for name in ("node", *OPTIONS) if name in nodes]]
        plain["nodes"] = _table(kept) if kept.shape[1] > 1 else None
    return plain


def _table(nodes: pd.DataFrame) -> dict[str, list[Any]]:
    """Columns as lists, missing values as ``None``."""
    return {
        str(name): [None if pd.isna(v) else v.item() if isinstance(v, np.generic) else v for v in nodes[name]]
        for name in nodes
    }


def check_format(found: int, written_by: str) -> None:
    """Raise if a file was written by a version that is newer than this one."""
    if found > FORMAT:
        raise Edge2TorchError(f"the file was written by edge2torch {written_by}, in a newer format: update edge2torch")
