"""Width, activation and dropout of each node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph.dropout import dropout_rates
from edge2torch.graph.graph import HIDDEN, Graph

OPTIONS = ("width", "activation", "dropout")


@dataclass(frozen=True, eq=False)
class NodeOptions:
    """What is set for each node, in the order of ``graph.nodes``.

    Attributes
    ----------
    width
        Units, shape (nodes,).
    activations
        The activations that occur, without ``None``.
    activation
        Which of them a node has, shape (nodes,); -1 for none.
    dropout
        Probability with which its state is set to 0 in training, shape (nodes,).
    """

    width: npt.NDArray[np.int64]
    activations: tuple[Any, ...]
    activation: npt.NDArray[np.int64]
    dropout: npt.NDArray[np.float64]


def node_options(
    graph: Graph,
    nodes: pd.DataFrame | None,
    *,
    width: int,
    activation: Any,
    dropout: float,
    dropout_rule: str = "uniform",
    check: Callable[[str, Any], None],
) -> NodeOptions:
    """Combine what is set for all hidden nodes with a table that sets some otherwise.

    Parameters
    ----------
    graph
        The graph.
    nodes
        A row per node that differs: ``node``, and any of ``width``, ``activation`` and ``dropout``; missing values
        leave what is set for all. Other columns are ignored. Inputs and outputs have one unit, no activation and no
        dropout.
    width, activation, dropout
        For all other hidden nodes.
    dropout_rule
        How ``dropout`` depends on the place of a node, see :func:`edge2torch.graph.dropout_rates`. What the table says
        is used as it is.
    check
        Called with name and value of every option; raises if it cannot be used.

    Raises
    ------
    Edge2TorchError
        If the table has no such columns, repeats nodes, names nodes that are not hidden, or sets what cannot be used.
    """
    options = {"width": width, "activation": activation, "dropout": dropout}
    for name, value in options.items():
        check(name, value)
    chosen = {name: _repeat(value, graph.nodes.size) for name, value in options.items()}
    for name, default in (("width", 1), ("activation", None)):
        chosen[name][graph.kind != HIDDEN] = default
    chosen["dropout"][:] = dropout_rates(graph, dropout, rule=dropout_rule)
    if nodes is not None:
        positions = _find_nodes(graph, nodes)
        for name in (name for name in OPTIONS if name in nodes):
            values = nodes[name].to_numpy(dtype=object, copy=True)
            given = ~pd.isna(values)
            if name == "width":  # missing values make floats of numbers that were whole
                values[given] = [_as_whole(value) for value in values[given]]
            for value in pd.unique(values[given]):
                check(name, value)
            chosen[name][positions[given]] = values[given]
    activations = tuple(dict.fromkeys(value for value in chosen["activation"] if value is not None))
    number = {value: i for i, value in enumerate(activations)}
    return NodeOptions(
        width=chosen["width"].astype(np.int64),
        activations=activations,
        activation=np.array([number.get(value, -1) for value in chosen["activation"]], dtype=np.int64),
        dropout=chosen["dropout"].astype(np.float64),
    )


def _as_whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _repeat(value: Any, times: int) -> npt.NDArray[np.object_]:
    array = np.empty(times, dtype=object)  # np.full would look into a value that is a sequence
    array[:] = [value] * times
    return array


def _find_nodes(graph: Graph, nodes: pd.DataFrame) -> npt.NDArray[np.intp]:
    if not isinstance(nodes, pd.DataFrame) or "node" not in nodes or not set(OPTIONS) & set(nodes.columns):
        raise Edge2TorchError(f"nodes must be a DataFrame with a column 'node' and some of {some(OPTIONS)}")
    repeated = nodes.columns[nodes.columns.duplicated()]
    if len(repeated):
        raise Edge2TorchError(f"nodes has columns that occur more than once: {some(repeated.unique())}")
    names = pd.Index(nodes["node"].astype(object).map(str))
    if not names.is_unique:
        raise Edge2TorchError(f"nodes has nodes that occur more than once: {some(names[names.duplicated()].unique())}")
    positions = pd.Index(graph.nodes).get_indexer(names)
    if (positions < 0).any():
        raise Edge2TorchError(f"nodes has nodes that are not in the graph: {some(names[positions < 0])}")
    kinds = graph.kind[positions]
    wrong = names[kinds != HIDDEN]
    if len(wrong):
        raise Edge2TorchError(f"nodes can set options of hidden nodes only, not of inputs and outputs: {some(wrong)}")
    return np.asarray(positions)
