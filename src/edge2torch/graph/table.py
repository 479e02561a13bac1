"""The nodes of a graph as a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from edge2torch.graph.graph import HIDDEN, OUTPUT, Graph


def node_table(graph: Graph, labels: Mapping[str, str], outputs: Collection[str]) -> pd.DataFrame:
    """Describe the nodes of a graph, a row each, in model order.

    Parameters
    ----------
    graph
        The graph.
    labels
        What a node stands for, where that is not its name.
    outputs
        Nodes that are outputs of the model; others without outgoing edges are hidden nodes still to be read.

    Returns
    -------
    Columns ``node``, ``label``, ``kind`` (input, hidden, output), ``layer``, ``in_degree``, ``out_degree`` and
    ``n_inputs`` (inputs from which a path leads to the node).
    """
    n_nodes = graph.nodes.size
    kind = np.where((graph.kind == OUTPUT) & ~np.isin(graph.nodes, list(outputs)), HIDDEN, graph.kind)
    return pd.DataFrame(
        {
            "node": graph.nodes,
            "label": [labels.get(name, name) for name in graph.nodes],
            "kind": kind,
            "layer": graph.layer.astype(np.int64),
            "in_degree": np.bincount(graph.target, minlength=n_nodes),
            "out_degree": np.bincount(graph.source, minlength=n_nodes),
            "n_inputs": graph.visible_inputs(),
        }
    )
