"""From an edge list to a PyTorch model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edge2torch._checks import check_choice, check_number, check_whole
from edge2torch._notes import note
from edge2torch.artifact import CompileArtifact, check_pair
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import DROPOUT_RULES, Graph, arrows, node_options
from edge2torch.nn import EdgeModel, FeedforwardModel, GraphModel, RecurrentModel, Wiring, make_activation

if TYPE_CHECKING:
    import pandas as pd

    from edge2torch.graph import NodeOptions
    from edge2torch.nn.activation import Activation

__all__ = ["BACKENDS", "CompileArtifact", "check_pair", "compile_graph"]

BACKENDS = ("feedforward", "recurrent", "graphnn")
NORMS = ("batch",)
ALIASES = {"state_update": "recurrent"}


def compile_graph(
    edgelist: pd.DataFrame,
    backend: str = "feedforward",
    *,
    bias: bool = True,
    steps: int = 3,
    activation: Activation = None,
    width: int = 1,
    dropout: float = 0.0,
    dropout_rule: str = "uniform",
    norm: str | None = None,
    nodes: pd.DataFrame | None = None,
    tolerance: float | None = None,
    spectral_norm: float | None = None,
    preprocessing: str = "",
    quiet: bool = False,
) -> tuple[EdgeModel, CompileArtifact]:
    """Compile an edge list into a sparse PyTorch model.

    Each edge is one weight. Nodes without incoming edges are the inputs, nodes without outgoing edges the outputs.

    Parameters
    ----------
    edgelist
        One row per edge: ``source``, ``target``, optionally ``initial_weight`` and ``constraint``
        (``"unconstrained"``, ``"positive"``, ``"negative"``, ``"fixed"``).
    backend
        ``"feedforward"``: nodes are ordered into layers and each is computed once; edges may skip layers; the graph
        must be acyclic. ``"recurrent"`` (or ``"state_update"``): all nodes are updated at once, ``steps`` times, with
        the same weights; cycles and self loops are allowed. ``"graphnn"``: likewise, with vectors of ``width`` channels
        in the nodes, mixed by matrices that all nodes share.
    bias
        Whether hidden and output nodes have a bias.
    steps
        Number of updates, for the backends that have them: enough for an input to reach each output.
    activation
        Activation of the hidden nodes: a name such as ``"relu"`` or ``"tanh"``, a module, or a class of modules.
        ``None`` leaves all nodes linear. Output nodes never have one.
    width
        Units of each hidden node (channels of all nodes, for ``"graphnn"``). An edge then has a weight for each pair of
        units; a given initial weight is shared out among the units of its source.
    dropout
        Probability with which the state of a hidden node is set to 0 in training. Units of a node are dropped one by
        one.
    dropout_rule
        ``"uniform"``: the same for all hidden nodes. ``"redundancy"``: less where few nodes share a target (Fortelny &
        Bock 2020, doi:10.1186/s13059-020-02100-5). With ``n`` the least number of sources that a target of the node
        has, the probability is 0 for ``n = 1``, ``min(dropout, 0.1)`` for 2, ``min(dropout, 0.3)`` for 3 and
        ``dropout`` for more; see :func:`edge2torch.graph.dropout_rates`.
    norm
        ``"batch"``: batch normalisation of the sums of every hidden node before its activation, with a mean, a
        variance, a scale and a shift for each of its units (Ioffe & Szegedy 2015, arXiv:1502.03167); for
        ``"feedforward"``. The other backends update a node several times with the same weights, and its sums have
        other means and variances each time. A batch of one cell is normalised with the running statistics.
    nodes
        Hidden nodes that differ: ``node`` and any of ``width``, ``activation`` (``"linear"`` for none) and ``dropout``.
    tolerance
        For ``"recurrent"``: a cell whose states change by no more than this is updated no more.
    spectral_norm
        For ``"recurrent"``: bound on the largest singular value of the weights between hidden nodes (none of which may
        be fixed), so that feedback does not explode; with a bound below 1, states converge under activations such as
        ``"tanh"`` and ``"relu"``.
    preprocessing
        How the features were made, for instance ``"log1p of counts per 10,000"``: a note that models are bound to.
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
    settings = {name: value for name, value in locals().items() if name not in ("edgelist", "quiet", "preprocessing")}
    backend = ALIASES.get(backend, backend) if isinstance(backend, str) else backend
    check_choice("backend", backend, (*BACKENDS, *ALIASES))
    if not isinstance(preprocessing, str):
        raise Edge2TorchError(f"preprocessing={preprocessing!r} must be text")
    check_whole("steps", steps)
    check_choice("dropout_rule", dropout_rule, DROPOUT_RULES)
    _check_norm(backend, norm)
    _check_recurrent_only(backend, tolerance=tolerance, spectral_norm=spectral_norm)
    graph = Graph.from_edgelist(edgelist, cycles=backend != "feedforward")
    for_all: dict[str, Any] = {
        "width": width,
        "activation": activation,
        "dropout": dropout,
        "dropout_rule": dropout_rule,
    }
    options = node_options(graph, nodes, **for_all, check=_check_option)
    if backend == "graphnn":
        _check_one_width(nodes)
    if backend != "feedforward":
        _check_steps(graph, steps)
    if spectral_norm is not None:
        _check_free_feedback(graph)
    if not quiet:
        note(f"Note: Graph contains {graph.nodes.size} node(s) and {len(graph.edges)} edge(s).")
        note(NOTES[backend].format(steps=steps))
    artifact = CompileArtifact(
        backend=backend,
        graph=graph,
        feature_names=graph.inputs,
        node_names_by_layer=graph.names_by_layer(),
        input_nodes=graph.inputs,
        hidden_nodes=graph.hidden,
        output_nodes=graph.outputs,
        fingerprint=graph.fingerprint,
        preprocessing=preprocessing,
        settings={**settings, "backend": backend, "nodes": None if nodes is None else nodes.copy()},
    )
    wiring = replace(_wire(graph, options), norm=None if norm is None else torch.as_tensor(graph.kind == "hidden"))
    if backend == "feedforward":
        return FeedforwardModel(wiring, bias=bias, identity=artifact.identity), artifact
    if backend == "graphnn":
        wiring = replace(wiring, width=None)
        return GraphModel(wiring, width=width, steps=steps, bias=bias, identity=artifact.identity), artifact
    return RecurrentModel(
        wiring,
        steps=steps,
        tolerance=tolerance,
        spectral_norm=spectral_norm,
        bias=bias,
        identity=artifact.identity,
    ), artifact


NOTES = {
    "feedforward": "Note: Feedforward backend selected. Graph must be layerable.",
    "recurrent": "Note: Recurrent backend selected. All nodes are updated at once, {steps} time(s).",
    "graphnn": "Note: Graph neural network backend selected. Messages are passed {steps} time(s).",
}


def _check_option(name: str, value: Any) -> None:
    if name == "activation":
        make_activation(value)  # raises if there is no such activation
    elif name == "dropout":
        check_number("dropout", value, below=1)
    else:
        check_whole("width", value)


def _check_norm(backend: str, norm: str | None) -> None:
    if norm is None:
        return
    check_choice("norm", norm, NORMS)
    if backend != "feedforward":
        raise Edge2TorchError(
            f"norm={norm!r} is an option of backend='feedforward' only: the nodes of backend={backend!r} are updated "
            "several times, and their sums have other means and variances in each step; leave it out"
        )


def _check_recurrent_only(backend: str, **options: float | None) -> None:
    for name, value in options.items():
        if value is None:
            continue
        if backend != "recurrent":
            raise Edge2TorchError(
                f"{name}={value!r} is an option of backend='recurrent' only: leave it out, or use that"
            )
        check_number(name, value, positive=True)


def _check_one_width(nodes: pd.DataFrame | None) -> None:
    if nodes is not None and "width" in nodes and np.any(nodes["width"].notna()):
        raise Edge2TorchError("the graphnn backend has the same channels in all nodes: leave 'width' out of nodes")


def _check_steps(graph: Graph, steps: int) -> None:
    """Raise if an output is farther from all inputs than there are steps."""
    far = (graph.kind == "output") & (graph.layer > steps)
    if far.any():
        raise Edge2TorchError(
            f"steps={steps} is too few: no input reaches {int(far.sum()):,} of {len(graph.outputs):,} outputs in so "
            f"many ({some(graph.nodes[far])}); use at least {graph.layer[far].max()}"
        )


def _check_free_feedback(graph: Graph) -> None:
    """Raise if there are fixed weights where ``spectral_norm`` scales weights."""
    if "constraint" not in graph.edges:
        return
    between_hidden = (graph.kind[graph.source] == "hidden") & (graph.kind[graph.target] == "hidden")
    wrong = graph.edges[(graph.edges["constraint"] == "fixed") & between_hidden]
    if len(wrong):
        raise Edge2TorchError(
            f"spectral_norm scales the weights between hidden nodes, but {len(wrong):,} of these edges are fixed: "
            f"{some(arrows(wrong))}"
        )


def _wire(graph: Graph, options: NodeOptions) -> Wiring:
    edges = graph.edges
    sign = fixed = weight = None
    if "constraint" in edges:
        constraint = edges["constraint"].to_numpy()
        sign = torch.as_tensor(np.where(constraint == "positive", 1, np.where(constraint == "negative", -1, 0)))
        fixed = torch.as_tensor(constraint == "fixed")
    if "initial_weight" in edges:
        weight = torch.as_tensor(edges["initial_weight"].to_numpy(dtype=float).copy())
    return Wiring(
        layer=torch.as_tensor(graph.layer),
        is_output=torch.as_tensor(graph.kind == "output"),
        source=torch.as_tensor(graph.source),
        target=torch.as_tensor(graph.target),
        width=torch.as_tensor(options.width),
        initial_weight=weight,
        sign=sign,
        fixed=fixed,
        activations=options.activations,
        activation=torch.as_tensor(options.activation),
        dropout=torch.as_tensor(options.dropout),
    )
