"""Which nodes are active in which group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd

from edge2torch.datasets.network import Network
from edge2torch.errors import Edge2TorchError, some
from edge2torch.pp._edit import Draft, nearest

#: most genes, as a share of the smaller node's, that drawn active nodes have in common as long as there are others
OVERLAP = 0.2
#: largest effect, beyond which fold changes of several nodes overflow
MOST_EFFECT = 20


class Active(NamedTuple):
    """A node that is active in a group.

    Attributes
    ----------
    group
        Name of the group.
    node
        Position among the hidden nodes.
    effect
        Log2 fold change of its genes.
    """

    group: str
    node: int
    effect: float


def draw_active(
    network: Network,
    groups: Sequence[str],
    n_active: int,
    sizes: tuple[int, int | None],
    generator: np.random.Generator,
) -> list[tuple[str, int]]:
    """Draw active nodes for each group, no node for two of them.

    Nodes are drawn one after another, all being equally probable. One of which more than a fifth of the genes (of its
    own, or of the other's if that has fewer) are those of a node drawn before is skipped; if there are no others, the
    one with the least in common is taken.

    Returns
    -------
    Groups, and positions among the hidden nodes.
    """
    least, most = sizes
    reach = network.hidden["reach"].to_numpy()
    able = np.flatnonzero((reach >= least) & (reach <= (reach.max() if most is None else most)))
    wanted = n_active * len(groups)
    if able.size < wanted:
        limit = f"at least {least}" if most is None else f"{least} to {most}"
        raise Edge2TorchError(
            f"n_active={n_active} in {len(groups)} groups needs {wanted:,} nodes, but only {able.size:,} of "
            f"{reach.size:,} hidden nodes have {limit} genes: change n_active, groups, min_genes or max_genes"
        )
    order = generator.permutation(able)
    genes = network.seen[order].astype(float)
    common = np.zeros(order.size)  # the largest share of genes in common with a node that was drawn
    drawn: list[int] = []
    for _ in range(wanted):
        k = int(np.flatnonzero(common <= max(OVERLAP, common.min()))[0])
        drawn.append(int(order[k]))
        both = (genes @ genes[[k]].T).toarray()[:, 0]
        common = np.maximum(common, both / np.minimum(reach[order], reach[order[k]]))
        common[k] = np.inf
    return [(groups[i // n_active], node) for i, node in enumerate(drawn)]


def find_active(active: object, draft: Draft, network: Network, groups: list[str], effect: float) -> list[Active]:
    """Look up the nodes that are to be active."""
    if not isinstance(active, Mapping):
        raise Edge2TorchError(f"active={active!r} must be a dict from groups to nodes, {{}} or None")
    unknown = [group for group in active if str(group) not in groups]
    if unknown:
        raise Edge2TorchError(
            f"active names {len(unknown)} groups that are not there: {some(unknown)}; groups has {some(groups)}"
        )
    wanted: list[tuple[str, str, float]] = []
    for group, nodes in active.items():
        given = [nodes] if isinstance(nodes, str) else nodes
        if not isinstance(given, Mapping | Sequence):
            raise Edge2TorchError(
                f"active[{group!r}]={given!r} must be a node, a list of nodes, or a dict with effects"
            )
        effects = given.items() if isinstance(given, Mapping) else [(node, effect) for node in given]
        for node, own in effects:
            check_effect(f"active[{group!r}][{node!r}]", own)
            wanted.append((str(group), str(node), float(own)))
    missing = [node for _, node, _ in wanted if draft.find(node, ("hidden",)) is None]
    if missing:
        raise Edge2TorchError(
            f"active names {len(missing)} of {len(wanted)} nodes that are no hidden nodes of the graph: "
            f"{nearest(missing, draft.names('hidden'))}"
        )
    position = pd.Index(network.hidden["node"])
    found = [Active(group, int(position.get_loc(draft.find(node, ("hidden",)))), own) for group, node, own in wanted]
    counts = Counter((one.group, str(position[one.node])) for one in found)
    twice = [pair for pair, count in counts.items() if count > 1]
    if twice:
        raise Edge2TorchError(f"active has {len(twice)} nodes more than once in a group: {some(twice)}")
    without = [str(position[one.node]) for one in found if not network.hidden["reach"][one.node]]
    if without:
        raise Edge2TorchError(
            f"active names {len(without)} nodes that see no genes: {some(without)}; depth may be too small"
        )
    return found


def check_effect(name: str, value: object) -> None:
    """Raise if something is no log2 fold change."""
    if isinstance(value, bool) or not isinstance(value, Real) or not abs(float(value)) <= MOST_EFFECT:
        raise Edge2TorchError(f"{name}={value!r} must be a log2 fold change from -{MOST_EFFECT} to {MOST_EFFECT}")
