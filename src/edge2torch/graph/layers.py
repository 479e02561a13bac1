"""Ordering the nodes of a directed graph into layers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra

from edge2torch.graph.nodes import Positions


def count_pairs(row: Positions, column: Positions, shape: tuple[int, int]) -> sp.csr_array:
    """Sparse matrix that counts how often each pair occurs."""
    # older versions of SciPy search graphs only if positions have 32 bits
    ends = (row.astype(np.int32), column.astype(np.int32))
    return sp.csr_array((np.ones(row.size, dtype=np.int32), ends), shape=shape)


def longest_path_layers(source: Positions, target: Positions, n_nodes: int) -> Positions:
    """Length of the longest path that ends in each node; -1 for nodes on a cycle or behind one.

    Parameters
    ----------
    source, target
        The two ends of each edge, as node positions; no edge may be there twice.
    n_nodes
        Number of nodes.

    Notes
    -----
    Kahn's algorithm (doi:10.1145/368996.369025), one layer at a time.

    Examples
    --------
    >>> longest_path_layers(np.array([0, 1, 0]), np.array([1, 2, 2]), 3)
    array([0, 1, 2])
    """
    out = count_pairs(source, target, (n_nodes, n_nodes))
    waiting = np.bincount(target, minlength=n_nodes)
    layer = np.full(n_nodes, -1, dtype=np.intp)
    ready, depth = np.flatnonzero(waiting == 0), 0
    while ready.size:
        layer[ready] = depth
        reached, counts = np.unique(out[ready].indices, return_counts=True)
        waiting[reached] -= counts
        ready, depth = reached[waiting[reached] == 0], depth + 1
    return layer


def shortest_path_layers(source: Positions, target: Positions, n_nodes: int) -> Positions:
    """Least number of edges on a path from any input to each node; -1 for nodes that no input reaches.

    Parameters
    ----------
    source, target
        The two ends of each edge, as node positions; inputs are the nodes that are no target.
    n_nodes
        Number of nodes.

    Examples
    --------
    >>> shortest_path_layers(np.array([0, 1, 0, 2]), np.array([1, 2, 2, 1]), 3)
    array([0, 1, 1])
    """
    out = count_pairs(source, target, (n_nodes, n_nodes))
    inputs = np.flatnonzero(np.bincount(target, minlength=n_nodes) == 0)
    # With edges of length 1 and all inputs as origins, this is a breadth-first search.
    distance = dijkstra(out, indices=inputs, unweighted=True, min_only=True)
    return np.where(np.isfinite(distance), distance, -1).astype(np.intp)


def find_cycle(source: Positions, target: Positions, among: npt.NDArray[np.bool_]) -> list[int]:
    """Return one cycle, first node repeated at the end.

    Parameters
    ----------
    source, target
        The two ends of each edge.
    among
        Which nodes :func:`longest_path_layers` could not place: on a cycle, or behind one. Each of them has a
        predecessor among them, so walking backwards must come round.
    """
    inside = among[source] & among[target]
    predecessor = dict(zip(target[inside].tolist(), source[inside].tolist(), strict=True))
    node = next(iter(predecessor))
    path: dict[int, None] = {}
    while node not in path:
        path[node] = None
        node = predecessor[node]
    walked = list(path)
    backwards = [*walked[walked.index(node) :], node]
    return backwards[::-1]
