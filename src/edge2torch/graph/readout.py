"""Output nodes for a graph that has none yet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse.csgraph import connected_components

from edge2torch._checks import check_choice
from edge2torch.graph.layers import count_pairs
from edge2torch.graph.names import name_apart

#: value of the column ``prior`` for edges into outputs
READOUT = "readout"
#: appended to the name of an output that is also the name of another node
OUTPUT_SUFFIX = " (output)"


def add_outputs(edges: pd.DataFrame, classes: Sequence[str], readout: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add an output node for every class, fed by hidden nodes.

    Parameters
    ----------
    edges
        Edge list with the column ``prior``; edges of an earlier readout are replaced.
    classes
        Names of the classes.
    readout
        ``"all"`` hidden nodes, or those at the ``"top"``, which feed no other node, or only nodes that feed them back.

    Returns
    -------
    The edge list, and the name of the output node of each class: the class, or ``"<class> (output)"`` if a gene or a
    node has that name already.

    Raises
    ------
    Edge2TorchError
        If ``readout`` is unknown.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["CD4"], "target": ["T helper"], "prior": ["table"]})
    >>> edges, outputs = add_outputs(edges, ["CD4", "B"], "all")
    >>> edges.iloc[1:].values.tolist()
    [['T helper', 'CD4 (output)', 'readout'], ['T helper', 'B', 'readout']]
    """
    check_choice("readout", readout, ("all", "top"))
    prior = edges[edges["prior"] != READOUT]
    hidden = prior["target"].drop_duplicates()
    readers = hidden[_at_top(prior, hidden)] if readout == "top" else hidden
    taken = set(prior["source"]) | set(prior["target"])
    outputs = name_apart(classes, taken, OUTPUT_SUFFIX)
    into = pd.DataFrame(
        [(node, output, READOUT) for node in readers for output in outputs.values()],
        columns=["source", "target", "prior"],
    )
    if "constraint" in prior:
        into["constraint"] = "unconstrained"
    return pd.concat([prior.drop(columns="weight", errors="ignore"), into], ignore_index=True), outputs


def _at_top(prior: pd.DataFrame, hidden: pd.Series) -> npt.NDArray[np.bool_]:
    """Say which hidden nodes feed only nodes on a common cycle with them, or none."""
    nodes = pd.Index(hidden)
    source, target = nodes.get_indexer(prior["source"]), nodes.get_indexer(prior["target"])
    inner = source >= 0
    source, target = source[inner], target[inner]
    _, group = connected_components(count_pairs(source, target, (len(nodes), len(nodes))), connection="strong")
    leaves = group[source] != group[target]
    return np.asarray(~np.isin(group, group[source[leaves]]))
