"""The names behind a compiled model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    import numpy.typing as npt

    from edge2torch.graph import Graph
    from edge2torch.nn import EdgeModel


@dataclass(frozen=True)
class CompileArtifact:
    """The names behind a compiled model.

    Attributes
    ----------
    backend
        Name of the backend.
    graph
        The graph; ``graph.edges`` is the edge list.
    feature_names
        Names of the columns of the model's input, in order.
    node_names_by_layer
        ``"layer_0"``, ``"layer_1"``, ... to the names of its nodes, sorted; layer 0 holds the inputs. For backends that
        allow cycles, the layer of a node is its least distance from an input.
    input_nodes, hidden_nodes, output_nodes
        Names in model order; ``output_nodes`` are the columns of the model's output.
    fingerprint
        Identifies the graph: models and artifacts with the same fingerprint fit each other.
    preprocessing
        How the features were made, in the user's words.
    settings
        The other arguments of :func:`compile_graph`.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["gene_1", "gene_2", "TF"], "target": ["TF", "TF", "cell_type"]})
    >>> _, artifact = e2t.compile_graph(edges, quiet=True)
    >>> artifact.input_nodes, artifact.hidden_nodes, artifact.output_nodes
    (['gene_1', 'gene_2'], ['TF'], ['cell_type'])
    """

    backend: str
    graph: Graph
    feature_names: list[str]
    node_names_by_layer: dict[str, list[str]]
    input_nodes: list[str]
    hidden_nodes: list[str]
    output_nodes: list[str]
    fingerprint: str
    preprocessing: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, str]:
        """SHA-256 of all that a model is bound to: graph, backend, features, outputs, preprocessing."""
        return {
            "graph": self.fingerprint,
            "backend": _digest([self.backend]),  # it also says how nodes are ordered
            "features": _digest(self.feature_names),
            "outputs": _digest(self.output_nodes),
            "preprocessing": _digest([self.preprocessing]),
        }


def check_pair(model: EdgeModel, artifact: CompileArtifact) -> None:
    """Raise if a model and an artifact do not come from the same call of :func:`compile_graph`, or an equal one."""
    differing = model.differs_from(artifact.identity)
    if differing:
        raise Edge2TorchError(
            f"model and artifact do not belong together, they differ in {some(differing)}: use the two that "
            "compile_graph returned"
        )


def find_edges(model: EdgeModel, artifact: CompileArtifact) -> npt.NDArray[np.intp]:
    """Find the edges of an artifact in a model that may have been made from the same edges in another order."""
    source, target = model.edge_ends.cpu().numpy()
    graph = artifact.graph
    has, wanted = source * graph.nodes.size + target, graph.source * graph.nodes.size + graph.target
    order = np.argsort(has)
    return order[np.searchsorted(has, wanted, sorter=order)]


def _digest(names: list[str]) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()
