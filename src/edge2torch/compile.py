"""From an edge list to a PyTorch model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edge2torch._checks import check_choice, check_number
from edge2torch._notes import note
from edge2torch.graph import Graph
from edge2torch.nn import EdgeModel, make_activation

if TYPE_CHECKING:
    import pandas as pd

    from edge2torch.nn.activation import Activation

BACKENDS = ("feedforward",)


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
        ``"layer_0"``, ``"layer_1"``, ... to the names of its nodes, sorted; layer 0 holds the inputs.
    input_nodes, hidden_nodes, output_nodes
        Names in model order; ``output_nodes`` are the columns of the model's output.
    fingerprint
        Identifies the graph: models and artifacts with the same fingerprint fit each other.
    """

    backend: str
    graph: Graph
    feature_names: list[str]
    node_names_by_layer: dict[str, list[str]]
    input_nodes: list[str]
    hidden_nodes: list[str]
    output_nodes: list[str]
    fingerprint: str


def compile_graph(
    edgelist: pd.DataFrame,
    backend: str = "feedforward",
    *,
    bias: bool = True,
    activation: Activation = None,
    dropout: float = 0.0,
    quiet: bool = False,
) -> tuple[EdgeModel, CompileArtifact]:
    """Compile an edge list into a sparse PyTorch model.

    Each node is one unit and each edge one weight. Nodes without incoming edges are the inputs, nodes without outgoing
    edges the outputs; edges may skip layers.

    Parameters
    ----------
    edgelist
        One row per edge: ``source``, ``target``, optionally ``initial_weight`` and ``constraint``
        (``"unconstrained"``, ``"positive"``, ``"negative"``, ``"fixed"``).
    backend
        ``"feedforward"``: nodes are ordered into layers and each is computed once; the graph must be acyclic.
    bias
        Whether hidden and output nodes have a bias.
    activation
        Activation of the hidden nodes: a name such as ``"relu"`` or ``"tanh"``, a module, or a class of modules.
        ``None`` leaves all nodes linear. Output nodes never have one.
    dropout
        Probability with which the state of a hidden node is set to 0 in training.
    quiet
        Whether to keep the notes to oneself.

    Returns
    -------
    The model, from features (cells, features) to outputs (cells, outputs), and the names of everything in it.
    Weights are drawn from torch's global generator, scaled with the in-degree of each node.

    Raises
    ------
    Edge2TorchError
        If the edge list, the graph or an argument is not valid.

    Examples
    --------
    >>> import pandas as pd
    >>> edges = pd.DataFrame({"source": ["gene_1", "gene_2", "TF"], "target": ["TF", "TF", "cell_type"]})
    >>> model, artifact = compile_graph(edges, activation="tanh", quiet=True)
    >>> artifact.node_names_by_layer
    {'layer_0': ['gene_1', 'gene_2'], 'layer_1': ['TF'], 'layer_2': ['cell_type']}
    >>> model(torch.zeros(5, 2)).shape
    torch.Size([5, 1])
    """
    check_choice("backend", backend, BACKENDS)
    check_number("dropout", dropout, below=1)
    make_activation(activation)  # raises if there is no such activation
    graph = Graph.from_edgelist(edgelist)
    if not quiet:
        note(f"Note: Graph contains {graph.nodes.size} node(s) and {len(graph.edges)} edge(s).")
        note("Note: Feedforward backend selected. Graph must be layerable.")
    artifact = CompileArtifact(
        backend=backend,
        graph=graph,
        feature_names=graph.inputs,
        node_names_by_layer=graph.names_by_layer(),
        input_nodes=graph.inputs,
        hidden_nodes=graph.hidden,
        output_nodes=graph.outputs,
        fingerprint=graph.fingerprint,
    )
    return _feedforward(graph, bias=bias, activation=activation, dropout=dropout), artifact


def _feedforward(graph: Graph, *, bias: bool, activation: Activation, dropout: float) -> EdgeModel:
    edges = graph.edges
    constraint = edges["constraint"].to_numpy() if "constraint" in edges else np.full(len(edges), "unconstrained")
    sign = np.where(constraint == "positive", 1, np.where(constraint == "negative", -1, 0))
    weight = edges["initial_weight"].to_numpy(dtype=float) if "initial_weight" in edges else None
    return EdgeModel(
        torch.as_tensor(graph.layer),
        torch.as_tensor(graph.kind == "output"),
        torch.as_tensor(graph.source),
        torch.as_tensor(graph.target),
        initial_weight=None if weight is None else torch.as_tensor(weight.copy()),
        sign=torch.as_tensor(sign),
        fixed=torch.as_tensor(constraint == "fixed"),
        activation=activation,
        bias=bias,
        dropout=dropout,
        fingerprint=graph.fingerprint,
    )
