"""Sparse neural networks whose hidden units are the named nodes of prior knowledge."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from edge2torch import datasets, get, io, pl, pp, tl
    from edge2torch._settings import settings
    from edge2torch.align import align_features_to_input_nodes
    from edge2torch.compile import CompileArtifact, compile_graph
    from edge2torch.customize import customize_model
    from edge2torch.edge_weights import get_edge_weights, set_edge_weights
    from edge2torch.interpret import interpret_model

__version__ = version("edge2torch")

__all__ = [
    "CompileArtifact",
    "Edge2TorchError",
    "align_features_to_input_nodes",
    "compile_graph",
    "customize_model",
    "datasets",
    "get",
    "get_edge_weights",
    "interpret_model",
    "io",
    "pl",
    "pp",
    "set_edge_weights",
    "settings",
    "tl",
]

#: where each public name lives; imported when first used, so that ``import edge2torch`` needs neither torch nor scanpy
_HOME = {
    "CompileArtifact": "compile",
    "align_features_to_input_nodes": "align",
    "compile_graph": "compile",
    "customize_model": "customize",
    "get_edge_weights": "edge_weights",
    "interpret_model": "interpret",
    "set_edge_weights": "edge_weights",
    "settings": "_settings",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"edge2torch.{_HOME[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"edge2torch.{name}")
    raise AttributeError(f"module 'edge2torch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
