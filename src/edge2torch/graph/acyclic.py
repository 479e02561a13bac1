"""From a graph with cycles to one without."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import connected_components

from edge2torch.graph.layers import count_pairs, longest_path_layers, shortest_path_layers
from edge2torch.graph.nodes import Positions


def has_cycle(source: Positions, target: Positions, n_nodes: int) -> bool:
    """Say whether there is a cycle; a self loop is one."""
    return bool((longest_path_layers(source, target, n_nodes) < 0).any())


def lead_away(source: Positions, target: Positions, n_nodes: int) -> npt.NDArray[np.bool_]:
    """Choose the edges that stay when cycles are cut by the distance from the inputs.

    The distance of a node is the least number of edges on a path to it from any input. Of the edges between nodes that
    lie on a common cycle, those stay that lead to a greater distance; all other edges stay. What stays has no cycles,
    and every shortest path from the inputs is whole, so that no node is lost.

    Parameters
    ----------
    source, target
        The two ends of each edge, as node positions; inputs, the nodes that are no target, reach all
        others.
    n_nodes
        Number of nodes.

    Examples
    --------
    >>> lead_away(np.array([0, 1, 2, 2]), np.array([1, 2, 1, 3]), 4)  # 0 -> 1 <-> 2 -> 3
    array([ True,  True, False,  True])
    """
    distance = shortest_path_layers(source, target, n_nodes)
    _, group = connected_components(count_pairs(source, target, (n_nodes, n_nodes)), connection="strong")
    return np.asarray((group[source] != group[target]) | (distance[source] < distance[target]))
