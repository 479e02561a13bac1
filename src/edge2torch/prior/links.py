"""Who reads whom in a prior, by position."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from edge2torch.graph import lead_away, visible_inputs
from edge2torch.prior.prior import Prior

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Links:
    """The nodes of a prior, their genes, and the nodes below them.

    Attributes
    ----------
    nodes, genes
        Names.
    own
        Nodes x genes: 1 for a gene that a node reads itself.
    below
        Nodes x nodes: 1 for a child (column) that a parent (row) reads.
    within
        The part of ``below`` where the parent contains the child.
    """

    nodes: pd.Index
    genes: pd.Index
    own: sp.csr_array
    below: sp.csr_array
    within: sp.csr_array

    @classmethod
    def from_prior(cls, prior: Prior) -> Links:
        """Number the nodes and genes of a prior."""
        sets, hierarchy = prior.sets, prior.hierarchy
        names = pd.concat([sets["source"], hierarchy["parent"], hierarchy["child"]])
        nodes = pd.Index(names.astype(object).unique())
        gene, genes = pd.factorize(sets["target"].astype(object))
        n = len(nodes)
        parent, child = nodes.get_indexer(hierarchy["parent"]), nodes.get_indexer(hierarchy["child"])
        contains = (
            hierarchy["contains"].to_numpy(bool) if "contains" in hierarchy else np.full(parent.size, prior.contains)
        )
        return cls(
            nodes,
            pd.Index(genes),
            _ones(nodes.get_indexer(sets["source"]), gene, (n, len(genes))),
            _ones(parent, child, (n, n)),
            _ones(parent[contains], child[contains], (n, n)),
        )

    @property
    def all_within(self) -> bool:
        """Whether every parent contains its children."""
        return bool(self.below.nnz == self.within.nnz)

    def measured(self, genes: Flags) -> Links:
        """Leave out the genes that were not measured."""
        return replace(self, own=_rows_and_columns(self.own, None, genes))

    def reach(self) -> Reach:
        """Find the genes of every node, its own and those of the nodes below it."""
        n = len(self.nodes)
        node, gene = self.own.nonzero()
        parent, child = self.below.nonzero()
        row, inputs, matrix = visible_inputs(
            np.concatenate([gene + n, child]).astype(np.intp),
            np.concatenate([node, parent]).astype(np.intp),
            n + len(self.genes),
        )
        is_gene = inputs >= n  # a node without genes and children is an input as well
        return Reach(row[:n], matrix[:, is_gene], inputs[is_gene] - n)

    def without(self, out: Flags) -> Links:
        """Take nodes out; the nodes that contain them read what they have read."""
        through = self.within[:, out]
        step = self.within[out][:, out]
        while True:  # from one removed node to the next
            more = _flat(through + through @ step)
            if more.nnz == through.nnz:
                break
            through = more
        stays = ~out
        return replace(
            self,
            own=_rows_and_columns(_flat(self.own + through @ self.own[out]), stays, None),
            below=_rows_and_columns(_flat(self.below + _no_loops(through @ self.below[out])), stays, stays),
            within=_rows_and_columns(_flat(self.within + through @ self.within[out]), stays, stays),
        )

    def without_cycles(self) -> tuple[Links, sp.csr_array]:
        """Cut cycles by the distance from the genes; also return what was cut, parents x children.

        See :func:`edge2torch.graph.lead_away`.
        """
        n = len(self.nodes)
        node, gene = self.own.nonzero()
        parent, child = self.below.nonzero()
        source = np.concatenate([gene + n, child]).astype(np.intp)
        target = np.concatenate([node, parent]).astype(np.intp)
        stays = lead_away(source, target, n + len(self.genes))[node.size :]
        below = _ones(parent[stays], child[stays], (n, n))
        cut = _ones(parent[~stays], child[~stays], (n, n))
        return replace(self, below=below, within=_flat(self.within.multiply(below))), cut

    def read_as(self, head: npt.NDArray[np.intp]) -> Links:
        """Let the node ``head[i]`` read, and be read, in place of node ``i``."""
        n = len(self.nodes)
        onto = _ones(np.arange(n), head, (n, n))
        below, within = (_flat(onto.T @ part @ onto) for part in (self.below, self.within))
        return replace(self, own=_flat(onto.T @ self.own), below=_no_loops(below), within=_no_loops(within))


@dataclass(frozen=True, eq=False)
class Reach:
    """The genes of every node, its own and those of the nodes below it.

    Attributes
    ----------
    row
        Row of ``matrix`` for every node.
    matrix
        1 for the genes (columns) of a node.
    genes
        Which genes the columns are.
    """

    row: npt.NDArray[np.intp]
    matrix: sp.csr_array
    genes: npt.NDArray[np.intp]

    def count(self, among: Flags | None = None) -> npt.NDArray[np.int64]:
        """Count the genes of every node, all or those flagged."""
        weight = np.ones(self.genes.size) if among is None else among[self.genes].astype(float)
        return np.asarray(self.matrix @ weight).astype(np.int64)[self.row]

    def fingerprints(self) -> npt.NDArray[np.uint64]:
        """Number the sets of genes: two nodes with the same genes, and only these, have the same number."""
        return fingerprints(self.matrix)[self.row]


def fingerprints(matrix: sp.csr_array) -> npt.NDArray[np.uint64]:
    """Number the rows by which of their entries are there: the sum of a random 64-bit number per column."""
    salt = np.random.default_rng(0).integers(0, 2**64, matrix.shape[1], dtype=np.uint64, endpoint=False)
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(salt[matrix.indices], dtype=np.uint64)])
    # sums wrap around, and so do their differences
    return np.asarray(total[matrix.indptr[1:]] - total[matrix.indptr[:-1]], dtype=np.uint64)


def _ones(
    row: npt.NDArray[np.integer[Any]], column: npt.NDArray[np.integer[Any]], shape: tuple[int, int]
) -> sp.csr_array:
    return _flat(sp.csr_array((np.ones(row.size, dtype=np.int32), (row, column)), shape=shape))


def _flat(matrix: sp.csr_array) -> sp.csr_array:
    """Make a sum of paths say only whether there is one."""
    made = sp.csr_array(matrix)
    made.sum_duplicates()
    made.data[:] = 1
    return made


def _rows_and_columns(matrix: sp.csr_array, rows: Flags | None, columns: Flags | None) -> sp.csr_array:
    """Empty the rows and columns that are not flagged."""
    kept = matrix.tocoo()
    stays = np.ones(kept.nnz, dtype=bool)
    if rows is not None:
        stays &= rows[kept.row]
    if columns is not None:
        stays &= columns[kept.col]
    return _ones(kept.row[stays], kept.col[stays], matrix.shape)


def _no_loops(matrix: sp.csr_array) -> sp.csr_array:
    kept = matrix.tocoo()
    off = kept.row != kept.col
    return _ones(kept.row[off], kept.col[off], matrix.shape)
