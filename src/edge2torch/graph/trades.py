"""Trades: random changes of a graph that keep the degrees of all nodes."""

from __future__ import annotations

import numpy as np

from edge2torch.graph.nodes import Positions

#: rounds in which all nodes trade, as readers and as sources: in every graph that was tried, the share of edges that
#: are still there is then within 0.3 points of that after 200, and mostly is after 10 (tests/bench/rewire.py)
ROUNDS = 30
#: in graphs with cycles, rounds of trades from one time when cycles are turned to the next, and most tries at a time
ROUNDS_PER_TURN = 4
MOST_TRIES = 2000


def trade_sources(
    source: Positions, target: Positions, low: Positions, high: Positions, *, cycles: bool, rng: np.random.Generator
) -> Positions:
    """Draw the sources of all edges anew, so that every node keeps its degrees.

    Parameters
    ----------
    source, target
        The two ends of each edge, as node positions; no edge is there twice, and none is a self loop.
    low, high
        Per node: an edge is possible if ``low`` of its source is less than ``high`` of its target, and it is no self
        loop.
    cycles
        Whether cycles are possible.
    rng
        Random numbers.

    Returns
    -------
    The source of each edge.

    Notes
    -----
    The Curveball algorithm (doi:10.1038/ncomms5114): two nodes at a time deal out anew what only one of them reads, or
    what reads only one of them. All nodes do so at once in random pairs (doi:10.4230/LIPIcs.ESA.2018.11), half of the
    time with nodes of their own layer. Who trades with whom does not depend on the edges, and a deal is as probable as
    its reverse, so in the end all graphs that can be reached are equally probable. Without cycles, these are all graphs
    with these degrees: among the edges that differ between two of them, the source of the highest layer has targets
    that all others may have, too, so a trade can bring the two closer. With cycles, those of three nodes must be turned
    round, too (Rao, Jana and Bandyopadhyay 1996, Sankhya A 58, 225-242).

    Examples
    --------
    >>> source, target, layer = np.array([0, 1, 2]), np.array([3, 3, 4]), np.array([0, 0, 0, 1, 1])
    >>> trade_sources(source, target, layer, layer, cycles=False, rng=np.random.default_rng(0))
    array([0, 2, 1])
    """
    source = source.copy()
    readers, sources = np.unique(target), np.unique(source)
    for turn in range(ROUNDS):
        _trade(source, rng, nodes=readers, end=target, level=high, other=source, other_level=low)
        _trade(source, rng, nodes=sources, end=source, level=-low, other=target, other_level=-high)
        if cycles and turn % ROUNDS_PER_TURN == 0:
            _turn_cycles(source, target, rng)
    return source


def _trade(
    source: Positions,
    rng: np.random.Generator,
    *,
    nodes: Positions,
    end: Positions,
    level: Positions,
    other: Positions,
    other_level: Positions,
) -> None:
    """Let nodes deal out their edges anew, in random pairs.

    Parameters
    ----------
    source
        Source of each edge; changed.
    rng
        Random numbers.
    nodes
        All nodes that trade.
    end, other
        Which of them each edge belongs to, and what is at its other end.
    level, other_level
        Per node: an edge is possible if the level of its ``other`` end is below that of its ``end``.
    """
    drawn = rng.permutation(nodes)
    if rng.random() < 0.5:  # with others of its layer, a node can deal out everything
        drawn = drawn[np.argsort(level[drawn], kind="stable")]
    pair_of = np.full(level.size, -1)
    pair_of[drawn] = np.arange(drawn.size) // 2
    limit = np.minimum.reduceat(level[drawn], np.arange(0, drawn.size, 2))
    pair = pair_of[end]
    # an edge that only one of the two may have stays, and so does one between the two: it would become a self loop
    rows = np.flatnonzero((other_level[other] < limit[pair]) & (pair_of[other] != pair))
    key = pair[rows] * level.size + other[rows]
    order = np.argsort(key)
    new = np.diff(key[order], prepend=-1, append=-1) != 0
    rows = rows[order[new[:-1] & new[1:]]]  # what both have already stays, too
    source[rows] = source[rows[np.argsort(pair[rows] + rng.random(rows.size))]]


def _turn_cycles(source: Positions, target: Positions, rng: np.random.Generator) -> None:
    """Turn cycles of three nodes round, each found from a random edge and a random edge before it, or leave them."""
    row_of = {edge: row for row, edge in enumerate(zip(source.tolist(), target.tolist(), strict=True))}
    into: dict[int, list[int]] = {}
    for row, node in enumerate(target.tolist()):
        into.setdefault(node, []).append(row)
    n_tries = min(source.size, MOST_TRIES)
    starts, choices = rng.integers(source.size, size=n_tries), rng.random((n_tries, 2))
    for first, (choice, coin) in zip(starts.tolist(), choices.tolist(), strict=True):
        a, b = int(source[first]), int(target[first])
        if a not in into or coin < 0.5:
            continue
        second = into[a][int(choice * len(into[a]))]
        c = int(source[second])
        third = row_of.get((b, c))
        if third is None or any(edge in row_of for edge in ((b, a), (a, c), (c, b))):
            continue
        for edge in ((a, b), (c, a), (b, c)):
            del row_of[edge]
        for row, edge in ((first, (c, b)), (second, (b, a)), (third, (a, c))):
            row_of[edge] = row
            source[row] = edge[0]
