"""A graph of named nodes in layers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph.edgelist import arrows, validate_edgelist
from edge2torch.graph.layers import find_cycle, longest_path_layers

INPUT, HIDDEN, OUTPUT = "input", "hidden", "output"


@dataclass(frozen=True, eq=False)
class Graph:
    """An acyclic graph of named nodes, in the order in which a model holds them.

    Nodes are ordered by layer, and by name within a layer. The layer of a node is the length of the longest path
    that leads to it from an input, so every edge points to a later layer; it may skip layers.

    Attributes
    ----------
    edges
        The edge list, rows and columns as given.
    nodes
        All names, in model order.
    layer
        Layer of every node; inputs are in layer 0.
    kind
        ``"input"`` (no incoming edge), ``"output"`` (no outgoing edge) or ``"hidden"``, per node.
    source, target
        Positions in ``nodes``, per row of ``edges``.
    """

    edges: pd.DataFrame
    nodes: npt.NDArray[np.object_]
    layer: npt.NDArray[np.intp]
    kind: npt.NDArray[np.object_]
    source: npt.NDArray[np.intp] = field(repr=False)
    target: npt.NDArray[np.intp] = field(repr=False)

    @classmethod
    def from_edgelist(cls, edgelist: pd.DataFrame) -> Graph:
        """Validate an edge list and order its nodes.

        Parameters
        ----------
        edgelist
            See :func:`edge2torch.graph.validate_edgelist`.

        Raises
        ------
        Edge2TorchError
            If the edge list is not valid, or the graph has a cycle, no inputs or no outputs.

        Examples
        --------
        >>> edges = pd.DataFrame({"source": ["g1", "g2", "TF"], "target": ["TF", "out", "out"]})
        >>> Graph.from_edgelist(edges).nodes.tolist()
        ['g1', 'g2', 'TF', 'out']
        """
        edges = validate_edgelist(edgelist)
        loops = edges[edges["source"] == edges["target"]]
        if len(loops):
            raise Edge2TorchError(f"edgelist has {len(loops):,} self loops: {some(arrows(loops))}; remove them")
        codes, names = pd.factorize(pd.concat([edges["source"], edges["target"]]), sort=False)
        source, target = codes[: len(edges)], codes[len(edges) :]
        layer = longest_path_layers(source, target, len(names))
        if (layer < 0).any():
            cycle = " -> ".join(str(names[i]) for i in find_cycle(source, target, layer < 0))
            raise Edge2TorchError(f"the graph has a cycle, so it has no layers: {cycle}; remove one of these edges")
        order = np.asarray(sorted(range(len(names)), key=lambda i: (layer[i], names[i])), dtype=np.intp)
        rank = np.empty_like(order)
        rank[order] = np.arange(order.size)
        source, target = rank[source], rank[target]
        return cls(edges, np.asarray(names[order], dtype=object), layer[order], _kinds(source, target), source, target)

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
        by_target = sp.csr_array(
            (np.ones(self.source.size, dtype=np.int32), (self.target, self.source)), shape=(self.nodes.size,) * 2
        )
        bounds = np.searchsorted(self.layer, np.arange(self.n_layers + 1))
        seen = sp.eye_array(len(self.inputs), format="csr", dtype=np.int32)
        for k in range(1, self.n_layers):
            reached = by_target[bounds[k] : bounds[k + 1], : bounds[k]] @ seen
            reached.data[:] = 1  # paths are counted by the product; only whether there is one matters
            seen = sp.vstack([seen, reached], format="csr")
        return np.diff(seen.indptr).astype(np.int64)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of names, edges and constraints: equal exactly for graphs that make the same model.

        The order of the rows does not matter; initial weights are not part of it.
        """
        constraint = self.edges["constraint"] if "constraint" in self.edges else ["unconstrained"] * len(self.edges)
        rows = sorted(zip(self.edges["source"], self.edges["target"], constraint, strict=True))
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _kinds(source: npt.NDArray[np.intp], target: npt.NDArray[np.intp]) -> npt.NDArray[np.object_]:
    kind = np.full(max(source.max(), target.max()) + 1, HIDDEN, dtype=object)
    nodes = np.arange(kind.size)
    kind[~np.isin(nodes, source)] = OUTPUT
    kind[~np.isin(nodes, target)] = INPUT
    return kind
