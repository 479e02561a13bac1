"""A graph of named nodes in layers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph.edgelist import FIXED, constraint_codes, index_edges
from edge2torch.graph.layers import find_cycle, longest_path_layers, shortest_path_layers
from edge2torch.graph.nodes import Names, Positions
from edge2torch.graph.reach import count_inputs

INPUT, HIDDEN, OUTPUT = "input", "hidden", "output"


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph of named nodes, in the order in which a model holds them.

    Nodes are ordered by layer, and by name within a layer. The layer of a node is

    - if cycles were not allowed: the length of the longest path that leads to it from an input, so every edge points
      to a later layer; it may skip layers;
    - if they were, also where there are none: the least number of edges on a path to it from any input. Nodes that no
      input reaches are in a layer of their own, after all others.

    Attributes
    ----------
    edges
        The edge list, rows and columns as given.
    nodes
        All names, in model order.
    layer
        Layer of every node; inputs are in layer 0.
    kind
        ``"input"`` (no incoming edge), ``"output"`` (no outgoing edge) or ``"hidden"``, per node. A self loop is both
        an incoming and an outgoing edge.
    source, target
        Positions in ``nodes``, per row of ``edges``.
    """

    edges: pd.DataFrame
    nodes: Names
    layer: Positions
    kind: npt.NDArray[np.object_]
    source: Positions = field(repr=False)
    target: Positions = field(repr=False)

    @classmethod
    def from_edgelist(cls, edgelist: pd.DataFrame, cycles: bool = False, outputs: bool = True) -> Graph:
        """Validate an edge list and order its nodes.

        Parameters
        ----------
        edgelist
            See :func:`edge2torch.graph.validate_edgelist`.
        cycles
            Whether cycles and self loops are allowed; this also says what a layer is, see :class:`Graph`.
        outputs
            Whether outputs must be there; ``False`` for a graph to which they will be added. Matters with ``cycles``.

        Raises
        ------
        Edge2TorchError
            If the edge list is not valid. Without ``cycles``: if there are self loops or cycles. With them: if there
            are no inputs, or outputs must be there and are not, or no input reaches one of them.

        Examples
        --------
        >>> edges = pd.DataFrame({"source": ["g1", "g2", "TF"], "target": ["TF", "out", "out"]})
        >>> Graph.from_edgelist(edges).nodes.tolist()
        ['g1', 'g2', 'TF', 'out']
        >>> Graph.from_edgelist(edges, cycles=True).layer.tolist()
        [0, 0, 1, 1]
        """
        edges, names, source, target = index_edges(edgelist)
        kind = _kinds(source, target, len(names))
        ends = (INPUT, OUTPUT) if outputs else (INPUT,)
        layer = _layers_with_cycles(names, source, target, kind, ends) if cycles else _layers(names, source, target)
        by_name = _sorted_by_name(names)
        order = by_name[np.argsort(layer[by_name], kind="stable")]
        rank = _inverse(order)
        return cls(edges, names[order], layer[order], kind[order], rank[source], rank[target])

    @property
    def inputs(self) -> list[str]:
        """Names of the nodes without incoming edges."""
        return self._of_kind(INPUT)

    @property
    def hidden(self) -> list[str]:
        """Names of the nodes between inputs and outputs."""
        return self._of_kind(HIDDEN)

    @property
    def outputs(self) -> list[str]:
        """Names of the nodes without outgoing edges."""
        return self._of_kind(OUTPUT)

    def _of_kind(self, kind: str) -> list[str]:
        return [str(name) for name in self.nodes[self.kind == kind]]

    @property
    def n_layers(self) -> int:
        """Number of layers, the input layer included."""
        return int(self.layer[-1]) + 1

    def names_by_layer(self) -> dict[str, list[str]]:
        """Names of the nodes of every layer, under ``"layer_0"``, ``"layer_1"``, ..."""
        bounds = np.searchsorted(self.layer, np.arange(self.n_layers + 1))
        return {f"layer_{k}": self.nodes[bounds[k] : bounds[k + 1]].tolist() for k in range(self.n_layers)}

    def visible_inputs(self) -> npt.NDArray[np.int64]:
        """Count, for every node, the inputs from which a path leads to it (an input sees itself)."""
        return count_inputs(self.source, self.target, self.nodes.size)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what makes the model: names, edges, constraints, and the values of fixed weights.

        The order of the rows does not matter; weights that training may change are not part of it. Hashed are, one
        after another: the sorted names and the number of edges as JSON; the edges as pairs of positions among these
        names, sorted, as 64-bit integers; the constraint of every edge in this order, a byte each; the weights of the
        fixed edges in this order, as 32-bit floats. Numbers are little-endian.
        """
        by_name = _sorted_by_name(self.nodes)
        position = _inverse(by_name)
        pairs = np.column_stack([position[self.source], position[self.target]])
        row = np.argsort(pairs[:, 0] * np.int64(by_name.size) + pairs[:, 1])
        constraint = constraint_codes(self.edges)[row]
        fixed = np.zeros(0)
        if FIXED in constraint:
            fixed = self.edges["initial_weight"].to_numpy()[row[constraint == FIXED]]
        names = json.dumps([self.nodes[by_name].tolist(), len(self.edges)])
        digest = hashlib.sha256(names.encode())
        digest.update(pairs[row].astype("<i8").tobytes())
        digest.update(constraint.tobytes())
        digest.update((fixed + 0.0).astype("<f4").tobytes())  # + 0.0 makes -0.0 the same as 0.0
        return digest.hexdigest()


def _kinds(source: Positions, target: Positions, n_nodes: int) -> npt.NDArray[np.object_]:
    kind = np.full(n_nodes, HIDDEN, dtype=object)
    kind[np.bincount(source, minlength=n_nodes) == 0] = OUTPUT
    kind[np.bincount(target, minlength=n_nodes) == 0] = INPUT
    return kind


def _layers(names: Names, source: Positions, target: Positions) -> Positions:
    """Find layers by longest paths, or raise if there is a cycle."""
    loops = names[source[source == target]]
    if loops.size:
        raise Edge2TorchError(
            f"edgelist has {loops.size:,} self loops: {some([f'{name} -> {name}' for name in loops])}; remove them, or "
            "use a backend that allows cycles"
        )
    layer = longest_path_layers(source, target, names.size)
    if (layer < 0).any():
        cycle = " -> ".join(names[find_cycle(source, target, layer < 0)])
        raise Edge2TorchError(
            f"the graph has a cycle, so it has no layers: {cycle}; remove one of these edges, or "
            "use a backend that allows cycles"
        )
    return layer


def _layers_with_cycles(
    names: Names, source: Positions, target: Positions, kind: npt.NDArray[np.object_], ends: tuple[str, ...]
) -> Positions:
    """Find layers by shortest paths, or raise if a kind of ends is not there, or no path leads to an output."""
    for end in ends:
        if not (kind == end).any():
            edge = "incoming" if end == INPUT else "outgoing"
            raise Edge2TorchError(
                f"edgelist has no {end}s: all its {names.size:,} nodes have {edge} edges ({some(names)}); "
                f"add {end}s, or remove the {edge} edges of the nodes that are meant to be {end}s"
            )
    layer = shortest_path_layers(source, target, names.size)
    outputs = kind == OUTPUT
    apart = names[outputs & (layer < 0)]
    if apart.size:
        raise Edge2TorchError(
            f"edgelist has {apart.size:,} outputs of {int(outputs.sum()):,} to which no path leads from any input "
            f"({some(apart)}); add edges that lead there, or remove these nodes"
        )
    layer[layer < 0] = layer.max() + 1
    return layer


def _sorted_by_name(names: Names) -> Positions:
    return np.array(sorted(range(names.size), key=names.tolist().__getitem__), dtype=np.intp)


def _inverse(order: Positions) -> Positions:
    """Where each position went: the inverse of a permutation."""
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return rank
