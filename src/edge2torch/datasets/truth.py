"""The nodes that active ones are compared with, and what is true of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from edge2torch.datasets.active import Active
from edge2torch.datasets.network import Network, Positions, shared_with

ACTIVE, DECOY, HUB, OTHER = ("active", "decoy", "hub", "other")
#: how many doublings of degree or reach a decoy may differ more if it shares no genes with active nodes, instead of all
SHARED_COST = 4.0


def match_decoys(network: Network, active: Sequence[Active], n_decoys: int) -> dict[int, list[int]]:
    """Find nodes that look like active ones and are not.

    A decoy is in the layer of its active node, is active in no group, and no path leads from it to an active node or
    back. Differences in degree and in reach count by how often one is twice the other, and the share of its genes that
    are genes of active nodes counts four times. Of all ways to give every active node its decoys, each to one only, the
    one with the least sum is taken.

    Returns
    -------
    For each position in ``active`` the positions of its decoys among the hidden nodes; fewer than asked for where a
    layer has no more.
    """
    nodes = np.array([one.node for one in active], dtype=np.intp)
    matched: dict[int, list[int]] = {row: [] for row in range(nodes.size)}
    if not nodes.size or not n_decoys:
        return matched
    able = may_stand_for_nothing(network, nodes)
    layer = network.hidden["layer"].to_numpy()
    size = np.log2(np.maximum(network.hidden[["in_degree", "reach"]].to_numpy(dtype=float), 1))
    shared = shared_with(network, _genes_of(network, nodes))
    for k in np.unique(layer[nodes]):
        columns = np.flatnonzero(able & (layer == k))
        rows = np.repeat(np.flatnonzero(layer[nodes] == k), n_decoys)
        distance = np.abs(size[nodes[rows]][:, None] - size[columns][None]).sum(axis=2)
        cost = distance + SHARED_COST * shared[columns]
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            matched[int(rows[row])].append(int(columns[column]))
    return matched


def find_hubs(network: Network, active: Sequence[Active], n_hubs: int) -> Positions:
    """Find the nodes with the highest degrees (then reach) of those that no path connects with an active node."""
    able = np.flatnonzero(may_stand_for_nothing(network, np.array([one.node for one in active], dtype=np.intp)))
    sizes = network.hidden[["in_degree", "reach"]].to_numpy()[able]
    order = np.lexsort((-sizes[:, 1], -sizes[:, 0]))  # a stable sort: model order decides where both are equal
    return np.asarray(able[order[:n_hubs]])


def may_stand_for_nothing(network: Network, active: Positions) -> npt.NDArray[np.bool_]:
    """Say which hidden nodes have genes, and no path to or from an active node."""
    able = network.hidden["reach"].to_numpy() > 0
    if active.size:
        able &= ~network.on_a_path(np.unique(active)).any(axis=0)
    return np.asarray(able)


def truth_table(
    network: Network,
    groups: Sequence[str],
    active: Sequence[Active],
    decoys: Mapping[int, Sequence[int]],
    hubs: Positions,
) -> pd.DataFrame:
    """Write down what every hidden node is in every group; a node that is a decoy and a hub has two rows."""
    hidden = network.hidden
    parts = []
    for group in groups:
        own = [row for row, one in enumerate(active) if one.group == group]
        rows = [(active[row].node, ACTIVE, active[row].effect, "") for row in own]
        names = hidden["node"]
        rows += [(node, DECOY, 0.0, str(names[active[row].node])) for row in own for node in decoys[row]]
        rows += [(int(node), HUB, 0.0, "") for node in hubs]
        taken = {row[0] for row in rows}
        rows += [(node, OTHER, 0.0, "") for node in range(len(hidden)) if node not in taken]
        part = pd.DataFrame(rows, columns=["node", "role", "effect", "matched_to"])
        position = part["node"].to_numpy()
        part["shared"] = _shared(network, np.array([active[row].node for row in own], dtype=np.intp))[position]
        for column, source in (("layer", "layer"), ("degree", "in_degree"), ("reach", "reach")):
            part[column] = hidden[source].to_numpy(dtype=np.int64)[position]
        part["node"] = names.to_numpy()[position]
        part.insert(0, "group", group)
        parts.append(part)
    order = ["group", "node", "role", "effect", "matched_to", "layer", "degree", "reach", "shared"]
    return pd.concat(parts, ignore_index=True)[order]


def _shared(network: Network, own: Positions) -> npt.NDArray[np.float64]:
    """Share of the genes of each hidden node that are those of active nodes, for these: of other active nodes."""
    shared = shared_with(network, _genes_of(network, own))
    for node in own:
        shared[node] = shared_with(network, _genes_of(network, own[own != node]))[node]
    return shared


def _genes_of(network: Network, nodes: Positions) -> npt.NDArray[np.bool_]:
    """Flag the genes that any of some hidden nodes sees."""
    return np.asarray(network.seen[nodes].sum(axis=0) > 0)
