"""Which inputs a node can see."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from edge2torch.graph.layers import count_pairs, longest_path_layers
from edge2torch.graph.nodes import Positions


class Visible(NamedTuple):
    """The inputs from which a path leads to each node (an input sees itself).

    Attributes
    ----------
    row
        Row of ``matrix`` for every node; nodes on a common cycle see the same inputs and share one.
    inputs
        Positions of the inputs, the nodes without incoming edges: the columns of ``matrix``.
    matrix
        1 where a node sees an input.
    """

    row: Positions
    inputs: Positions
    matrix: sp.csr_array


def visible_inputs(source: Positions, target: Positions, n_nodes: int) -> Visible:
    """Find, for every node, the inputs from which a path leads to it.

    Parameters
    ----------
    source, target
        The two ends of each edge, as node positions; cycles are allowed.
    n_nodes
        Number of nodes.
    """
    inputs = np.flatnonzero(np.bincount(target, minlength=n_nodes) == 0)
    # Nodes on a common cycle see the same inputs; with one node in place of each such group there are no cycles.
    n_groups, group = connected_components(count_pairs(source, target, (n_nodes, n_nodes)), connection="strong")
    source, target = group[source].astype(np.int64), group[target].astype(np.int64)
    between = source != target
    source, target = np.divmod(np.unique(source[between] * n_groups + target[between]), n_groups)
    layer = longest_path_layers(source, target, n_groups)
    order = np.argsort(layer, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    into = count_pairs(rank[target], rank[source], (n_groups, n_groups))
    itself = count_pairs(rank[group[inputs]], np.arange(inputs.size), (n_groups, inputs.size))
    bounds = np.searchsorted(layer[order], np.arange(layer.max() + 2))
    seen = itself[: bounds[1]]  # inputs are in layer 0, and so are cycles that no input reaches
    for begin, end in pairwise(bounds[1:]):
        reached = into[begin:end, :begin] @ seen
        reached.data[:] = 1  # paths are counted by the product; only whether there is one matters
        seen = sp.vstack([seen, reached], format="csr")
    return Visible(rank[group], inputs, seen)


def count_inputs(source: Positions, target: Positions, n_nodes: int) -> npt.NDArray[np.int64]:
    """Count, for every node, the inputs from which a path leads to it (an input sees itself).

    Examples
    --------
    >>> count_inputs(np.array([0, 1, 2, 3]), np.array([2, 3, 3, 2]), 4)
    array([1, 1, 2, 2])
    """
    visible = visible_inputs(source, target, n_nodes)
    return np.diff(visible.matrix.indptr).astype(np.int64)[visible.row]
