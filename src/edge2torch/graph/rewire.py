"""Null graphs: the same nodes, with random edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch._checks import check_choice, check_seed
from edge2torch.errors import Edge2TorchError
from edge2torch.graph.edgelist import index_edges
from edge2torch.graph.layers import longest_path_layers, shortest_path_layers
from edge2torch.graph.nodes import Positions
from edge2torch.graph.trades import trade_sources

#: draws of a graph with cycles until every node is reached
MOST_DRAWS = 100


@dataclass(frozen=True, eq=False)
class _Wires:
    """Edges as node positions; ``source`` (and ``target``, for ``"layers"``) is overwritten.

    Attributes
    ----------
    source, target
        The two ends of each edge.
    layer
        Layer per node, as in :class:`edge2torch.graph.Graph`.
    is_input
        Whether a node has no incoming edge, per node.
    cyclic
        Whether there are cycles or self loops, so that an edge may lead to a lower layer, too.
    apart
        Layer of the nodes that no input reaches, -1 if there are none.
    """

    source: Positions
    target: Positions
    layer: Positions
    is_input: npt.NDArray[np.bool_]
    cyclic: bool
    apart: int

    def rows_by_class(self) -> tuple[Positions, Positions]:
        """Edges from inputs, and edges from other nodes without self loops, which are never touched."""
        of_input = self.is_input[self.source]
        return np.flatnonzero(of_input), np.flatnonzero(~of_input & (self.source != self.target))

    def levels(self) -> tuple[Positions, Positions]:
        """Two numbers per node: one may read another if the first of the other is below its own second."""
        if self.cyclic:
            return np.zeros_like(self.layer), np.ones_like(self.layer)
        return self.layer, self.layer


def rewire(edges: pd.DataFrame, kind: str = "degree", random_state: int = 0) -> pd.DataFrame:
    """Connect the nodes of a graph at random.

    Inputs (nodes without incoming edges) stay inputs and other nodes stay other nodes, and no node reads more or fewer
    inputs than before because it now reads nodes instead. No edge comes about twice, and no self loop. If the graph has
    no cycles, every edge leads from a lower to a higher layer of the graph that was given (a layer being the longest
    path from an input), so there are none afterwards. If it has cycles, edges may lead anywhere, self loops stay as
    they are, and every node that an input reached is still reached by one.

    Parameters
    ----------
    edges
        Edge list in the direction of computation, see :func:`edge2torch.graph.validate_edgelist`.
    kind
        What is kept, from most to least:

        - ``"degree"``: how many inputs and how many nodes each node reads, and how many nodes read it. All graphs
          with these degrees and these layers are equally probable.
        - ``"targets"``: how many inputs and how many nodes each node reads; which ones is drawn from all inputs,
          and all nodes that it may read. Inputs that are not drawn are in the graph no more.
        - ``"layers"``: how many edges lead from each layer to each other. Every node stays in its layer: it reads
          at least one of the layer below, chosen at random, and every input is read at least once, by a node chosen at
          random; all other edges are drawn from all that remain possible between their two layers.
    random_state
        Seed.

    Returns
    -------
    A new edge list, a row for each row of ``edges``. For ``"degree"`` and ``"targets"``, only ``source`` differs: a
    node keeps the constraints and weights of what it reads. For ``"layers"``, ``target`` differs, too, and other
    columns stay with the two layers. A graph that has no other form is returned as it is.

    Raises
    ------
    Edge2TorchError
        If the edge list is not valid or has no inputs, an argument is unknown, or no graph was found in which inputs
        reach all nodes.

    Notes
    -----
    For ``"degree"``, see :func:`edge2torch.graph.trades.trade_sources`.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["a", "b", "c", "c"], "target": ["T", "T", "U", "V"]})
    >>> rewire(edges, "degree", random_state=1)
      source target
    0      a      T
    1      c      T
    2      c      U
    3      b      V
    """
    check_choice("kind", kind, tuple(_KINDS))
    check_seed(random_state)
    table, names, source, target = index_edges(edges)
    wires = _draw(_wires(source, target, len(names)), kind, np.random.default_rng(int(random_state)))
    for column, positions in (("source", wires.source), ("target", wires.target)):
        # as in the edge list: None is what this pandas makes of strings
        dtype = object if pd.api.types.is_object_dtype(table[column].dtype) else None
        table[column] = pd.Series(names, dtype=dtype).take(positions).set_axis(table.index)
    return table


def _wires(source: Positions, target: Positions, n_nodes: int) -> _Wires:
    is_input = np.bincount(target, minlength=n_nodes) == 0
    if not is_input.any():
        raise Edge2TorchError("edgelist has no inputs: all its nodes have incoming edges; add edges from inputs")
    layer = longest_path_layers(source, target, n_nodes)
    cyclic, apart = bool((layer < 0).any()), -1
    if cyclic:
        layer = shortest_path_layers(source, target, n_nodes)
        if (layer < 0).any():
            apart = int(layer.max()) + 1
            layer[layer < 0] = apart
    return _Wires(source, target, layer, is_input, cyclic, apart)


def _draw(given: _Wires, kind: str, rng: np.random.Generator) -> _Wires:
    """Draw edges until every node that an input reached is reached, which is certain if there are no cycles."""
    for _ in range(MOST_DRAWS):
        wires = replace(given, source=given.source.copy(), target=given.target.copy())
        _KINDS[kind](wires, rng)
        if not wires.cyclic:
            return wires
        distance = shortest_path_layers(wires.source, wires.target, wires.layer.size)
        if not ((distance < 0) & (wires.layer != wires.apart)).any():
            return wires
    raise Edge2TorchError(
        f"kind={kind!r}: each of {MOST_DRAWS} random graphs had nodes that no input reaches any more: use kind='layers'"
    )


def _keep_degrees(wires: _Wires, rng: np.random.Generator) -> None:
    low, high = wires.levels()
    for rows in wires.rows_by_class():
        if rows.size:
            wires.source[rows] = trade_sources(
                wires.source[rows], wires.target[rows], low, high, cycles=wires.cyclic, rng=rng
            )


def _keep_targets(wires: _Wires, rng: np.random.Generator) -> None:
    low, high = wires.levels()
    for rows, is_class in zip(wires.rows_by_class(), (wires.is_input, ~wires.is_input), strict=True):
        if not rows.size:
            continue
        pool = np.flatnonzero(is_class)
        pool = pool[np.argsort(low[pool], kind="stable")]
        by_target = rows[np.argsort(wires.target[rows], kind="stable")]
        nodes, begin = np.unique(wires.target[by_target], return_index=True)
        n_possible = np.searchsorted(low[pool], high[nodes])
        place = np.full(low.size, pool.size)
        place[pool] = np.arange(pool.size)
        itself = np.where(place[nodes] < n_possible, place[nodes], pool.size)  # not to be drawn
        for own, n, skipped in zip(np.split(by_target, begin[1:]), n_possible, itself, strict=True):
            chosen = rng.choice(n - (skipped < pool.size), own.size, replace=False)
            wires.source[own] = pool[chosen + (chosen >= skipped)]


def _keep_layers(wires: _Wires, rng: np.random.Generator) -> None:
    source, target, layer = wires.source, wires.target, wires.layer
    rows, inputs = np.flatnonzero(source != target), np.flatnonzero(wires.is_input)
    reads_itself = np.isin(np.arange(layer.size), source[source == target])
    # each input gets an edge of its own, whichever layer that leads to
    to_be_read = np.full(source.size, -1)
    to_be_read[rng.choice(np.flatnonzero(wires.is_input[source]), inputs.size, replace=False)] = inputs
    block = layer[source[rows]] * (layer.max() + 1) + layer[target[rows]]
    order = np.argsort(block, kind="stable")
    for own in np.split(rows[order], np.flatnonzero(np.diff(block[order])) + 1):
        below, above = int(layer[source[own[0]]]), int(layer[target[own[0]]])
        readers = np.flatnonzero(layer == above)
        must_read = readers[:0]
        if above == below + 1:
            must_read = readers
        elif above == wires.apart:  # they read each other, or just themselves
            must_read = readers[~reads_itself[readers]]
        pairs = _draw_pairs(
            np.flatnonzero(layer == below),
            readers,
            must_be_read=to_be_read[own][to_be_read[own] >= 0],
            must_read=must_read,
            n=own.size,
            rng=rng,
        )
        source[own], target[own] = rng.permutation(pairs).T


def _draw_pairs(
    sources: Positions,
    readers: Positions,
    *,
    must_be_read: Positions,
    must_read: Positions,
    n: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Draw edges from one layer to another, or within one: first those that must be there, then any others.

    Returns sources and readers in two columns.
    """
    same = int(np.array_equal(sources, readers))
    width = sources.size - same  # how many sources a reader has to choose from: not itself
    n_first = max(must_be_read.size, must_read.size)
    row = np.searchsorted(readers, rng.permutation(must_read))
    row = np.append(row, rng.integers(readers.size, size=n_first - row.size))
    column = np.searchsorted(sources, rng.permutation(must_be_read))  # inputs, so this is not within a layer
    column = np.append(column, rng.integers(width, size=n_first - column.size))
    first = np.sort(row * width + column)
    # the others are drawn by their rank among the pairs that are still free
    rank = rng.choice(readers.size * width - n_first, n - n_first, replace=False)
    rest = rank + np.searchsorted(first - np.arange(n_first), rank, side="right")
    row, column = np.divmod(np.append(first, rest), width)
    return np.column_stack([sources[column + same * (column >= row)], readers[row]])


_KINDS: dict[str, Callable[[_Wires, np.random.Generator], None]] = {
    "degree": _keep_degrees,
    "targets": _keep_targets,
    "layers": _keep_layers,
}
