"""Which genes a node sees, along which paths, and with which sign."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from edge2torch.graph import visible_inputs

Positions = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
#: columns that may say whether a source raises or lowers its target, the first that is there
SIGNED = ("prior_weight", "weight", "initial_weight")


@dataclass(frozen=True, eq=False)
class Network:
    """The hidden nodes of a graph and their genes.

    Attributes
    ----------
    table
        A row per node, as from :func:`edge2torch.graph.node_table`, in model order.
    step
        Nodes x nodes: the sign of the edge from a node (row) to another (column).
    depth
        Most edges on a path from a gene to a node; ``None`` for any number.
    """

    table: pd.DataFrame
    step: sp.csr_array
    depth: int | None

    @classmethod
    def from_edges(cls, edges: pd.DataFrame, table: pd.DataFrame, *, signs: bool, depth: int | None) -> Network:
        """Number the edges of a valid edge list."""
        names = pd.Index(table["node"])
        ends = (names.get_indexer(edges["source"]), names.get_indexer(edges["target"]))
        sign = edge_signs(edges) if signs else np.ones(len(edges))
        n = len(names)
        return cls(
            table, sp.csr_array((sign, (ends[0].astype(np.int32), ends[1].astype(np.int32))), shape=(n, n)), depth
        )

    @property
    def genes(self) -> list[str]:
        """Names of the inputs, in model order."""
        return self.table.loc[self.table["kind"] == "input", "node"].tolist()

    @cached_property
    def hidden(self) -> pd.DataFrame:
        """The rows of the hidden nodes, with ``reach``: the number of genes that they see."""
        rows = self.table[self.table["kind"] == "hidden"].reset_index(drop=True)
        return rows.assign(reach=np.diff(self.seen.indptr))

    @cached_property
    def position(self) -> Positions:
        """Position of each hidden node among all nodes."""
        return np.flatnonzero((self.table["kind"] == "hidden").to_numpy())

    @cached_property
    def seen(self) -> sp.csr_array:
        """Hidden nodes x genes: 1 where a path leads from the gene to the node."""
        n = len(self.table)
        if self.depth is None:
            source, target = self.step.tocoo().coords
            visible = visible_inputs(source.astype(np.intp), target.astype(np.intp), n)
            return sp.csr_array(visible.matrix[visible.row[self.position]])
        inputs = np.flatnonzero((self.table["kind"] == "input").to_numpy())
        reads = abs(self.step).T.tocsr() + sp.eye_array(n, format="csr")
        reads.data[:] = 1
        seen = sp.eye_array(n, format="csr")[:, inputs]
        for _ in range(self.depth):
            seen = reads @ seen
            seen.data[:] = 1
        return sp.csr_array(seen[self.position].astype(np.int32))

    def signs(self, nodes: Positions) -> npt.NDArray[np.float64]:
        """Say how genes follow nodes.

        Parameters
        ----------
        nodes
            Hidden nodes, by position among them.

        Returns
        -------
        Nodes x genes: 1 where a gene rises with the node, -1 where it falls, 0 where it does neither. Each of the
        shortest paths from gene to node has the product of the signs of its edges; if as many of them are positive as
        are negative, the gene does not follow.
        """
        value, _ = walk(self.step, self.position[nodes], self.depth)
        return np.sign(value[(self.table["kind"] == "input").to_numpy()].T)

    def on_a_path(self, nodes: Positions) -> Flags:
        """Say which hidden nodes a path connects with each node, in either direction: nodes x hidden nodes."""
        _, below = walk(self.step, self.position[nodes], self.depth)
        _, above = walk(self.step.T.tocsr(), self.position[nodes], self.depth)
        return np.asarray((below | above)[self.position].T)


def edge_signs(edges: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Read the sign of each edge from its constraint or else its weight; 1 where neither says anything.

    Examples
    --------
    >>> edge_signs(pd.DataFrame({"constraint": ["negative", "unconstrained"], "weight": [1.0, -2.0]}))
    array([-1., -1.])
    """
    sign = np.ones(len(edges))
    column = next((name for name in SIGNED if name in edges), None)
    if column is not None:
        weight = pd.to_numeric(edges[column]).to_numpy(dtype=float, na_value=np.nan)
        sign[weight < 0] = -1.0
    if "constraint" in edges:
        sign[(edges["constraint"] == "positive").to_numpy(dtype=bool, na_value=False)] = 1.0
        sign[(edges["constraint"] == "negative").to_numpy(dtype=bool, na_value=False)] = -1.0
    return sign


def walk(step: sp.csr_array, ends: Positions, depth: int | None) -> tuple[npt.NDArray[np.float64], Flags]:
    """Walk against the edges from several nodes at once, along shortest paths.

    Parameters
    ----------
    step
        Nodes x nodes: the sign of the edge from a node (row) to another (column).
    ends
        Where to start.
    depth
        Most edges of a path; ``None`` for any number.

    Returns
    -------
    Nodes x starts: the sum over the shortest paths from each node to the start, each the product of its signs; and
    whether there is a path.
    """
    n = step.shape[0]
    total = np.zeros((n, ends.size))
    total[ends, np.arange(ends.size)] = 1.0
    seen, edge = total > 0, abs(step)
    front, signed, walked = seen.astype(float), total.copy(), 0
    while front.any() and (depth is None or walked < depth):
        new = (np.asarray(edge @ front) > 0) & ~seen
        signed = np.where(new, step @ signed, 0.0)
        total += signed
        seen |= new
        front, walked = new.astype(float), walked + 1
    return total, seen


def shared_with(network: Network, genes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Share of the genes of each hidden node that are among some, which are given as flags; 0 without genes."""
    reach = network.hidden["reach"].to_numpy()
    return np.asarray(network.seen @ genes.astype(float) / np.maximum(reach, 1))
