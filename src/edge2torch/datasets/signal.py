"""What active nodes do to their genes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge2torch.datasets.active import Active
from edge2torch.datasets.network import Network, Positions

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Signal:
    """Active nodes, and how much their genes follow.

    Attributes
    ----------
    nodes
        Positions of the active nodes among the hidden nodes, ascending.
    active
        Whether a node is active, groups x active nodes.
    strength
        Log2 fold change per unit of activity, groups x active nodes. Where a node is not active, its activity varies
        with the largest effect that it has anywhere.
    follows
        1, -1 or 0 for each gene of the graph, active nodes x genes.
    """

    nodes: Positions
    active: npt.NDArray[np.bool_]
    strength: Numbers
    follows: Numbers

    @classmethod
    def plant(
        cls,
        network: Network,
        groups: Sequence[str],
        chosen: Sequence[Active],
        penetrance: float,
        generator: np.random.Generator,
    ) -> Signal:
        """Let a share of the genes of each active node follow it."""
        nodes = np.unique(np.array([one.node for one in chosen], dtype=np.intp))
        active = np.zeros((len(groups), nodes.size), dtype=bool)
        effect = np.zeros(active.shape)
        for one in chosen:
            place = (groups.index(one.group), int(np.searchsorted(nodes, one.node)))
            active[place], effect[place] = True, one.effect
        largest = effect[np.abs(effect).argmax(axis=0), np.arange(nodes.size)]
        follows = network.signs(nodes)
        for row in follows:
            genes = np.flatnonzero(row)
            silent = genes.size - max(1, round(penetrance * genes.size))
            row[generator.permutation(genes)[: max(silent, 0)]] = 0.0
        return cls(nodes, active, np.where(active, effect, largest), follows)

    def draw_activity(self, group: Positions, activity_sd: float, generator: np.random.Generator) -> Numbers:
        """Draw the activity of each node in each cell, of which the group is given."""
        noise = generator.standard_normal((group.size, self.nodes.size))
        return np.asarray(self.active[group] + activity_sd * noise)

    def log2_folds(self, group: Positions, activity: Numbers) -> Numbers:
        """Log2 fold changes, cells x genes of the graph."""
        return np.asarray((activity * self.strength[group]) @ self.follows)

    def planted(self) -> Numbers:
        """Log2 fold changes at mean activity, groups x genes of the graph."""
        return np.asarray((self.active * self.strength) @ self.follows)
