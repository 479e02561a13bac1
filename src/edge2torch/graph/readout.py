"""Output nodes for a graph that has none yet."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from edge2torch._checks import check_choice
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
        ``"all"`` hidden nodes, or those at the ``"top"``, which feed no other node.

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
    readers = hidden[~hidden.isin(prior["source"])] if readout == "top" else hidden
    taken = set(prior["source"]) | set(prior["target"])
    outputs = name_apart(classes, taken, OUTPUT_SUFFIX)
    into = pd.DataFrame(
        [(node, output, READOUT) for node in readers for output in outputs.values()],
        columns=["source", "target", "prior"],
    )
    if "constraint" in prior:
        into["constraint"] = "unconstrained"
    return pd.concat([prior.drop(columns="weight", errors="ignore"), into], ignore_index=True), outputs
