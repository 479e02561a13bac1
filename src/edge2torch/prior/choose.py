"""Which nodes of a prior stay, and why the others do not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.choice import Choice
from edge2torch.prior.links import Flags, Links, fingerprints

KEPT, MERGED = "kept", "merged"
NOT_BELOW, TOO_DEEP, NOT_INCLUDED, EXCLUDED = "not below roots", "too deep", "not included", "excluded"
NO_GENES, NOT_MEASURED = "without genes", "not measured"
TOO_FEW, TOO_MANY, TOO_LOW = "too few genes", "too many genes", "low coverage"
#: what can become of a node, in the order in which it is asked
STATUS = (KEPT, MERGED, NOT_BELOW, TOO_DEEP, NOT_INCLUDED, EXCLUDED, NO_GENES, NOT_MEASURED, TOO_FEW, TOO_MANY, TOO_LOW)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The nodes that stay.

    Attributes
    ----------
    links
        What they read.
    status
        What became of each node, one of :data:`STATUS`.
    head
        The node in whose place each node stands: itself unless it was merged.
    n_genes, n_measured
        Genes of each node in the prior, and how many of them were measured: its own and those of the nodes below it.
    twin
        The first of the kept nodes that read the same genes; the node itself where there is no other.
    cut
        Nodes x nodes: 1 where a parent (row) no longer reads a child (column), since that closed a cycle.
    """

    links: Links
    status: npt.NDArray[np.object_]
    head: npt.NDArray[np.intp]
    n_genes: npt.NDArray[np.int64]
    n_measured: npt.NDArray[np.int64]
    twin: npt.NDArray[np.intp]
    cut: sp.csr_array | None = None


class Counts(NamedTuple):
    """Genes of each node in the prior, those that were measured, and whether that holds if nodes are taken out."""

    n_genes: npt.NDArray[np.int64]
    n_measured: npt.NDArray[np.int64]
    fixed: bool


def choose(links: Links, ids: Mapping[str, str], measured: Flags, choice: Choice, acyclic: str | None = None) -> Chosen:
    """Choose nodes.

    Parameters
    ----------
    links
        All nodes and genes of the prior.
    ids
        Other names of nodes.
    measured
        Which genes were measured.
    choice
        What the user wants.
    acyclic
        ``"distance"`` cuts cycles, as soon as it is known which nodes there are; what then is no longer below a root is
        taken out, and genes are counted again.

    Raises
    ------
    Edge2TorchError
        If the choice names a node that there is not.
    """
    reach = links.reach()
    n_genes, n_measured = reach.count(), reach.count(measured)
    status = _by_name(links, ids, choice)
    # where parents contain their children, they keep all genes, so counts stay what they are
    counts = Counts(n_genes, n_measured, fixed=links.all_within)
    links = _drop_by_size(links.measured(measured).without(status != KEPT), status, counts, choice)
    cut: sp.csr_array | None = None
    if acyclic is not None and not counts.fixed:
        whole = links
        links, cut = whole.without_cycles()
        if choice.roots is not None:
            roots = locate_nodes(links.nodes, ids, choice.roots, "roots")
            out = np.isfinite(_levels(whole, roots)) & np.isinf(_levels(links, roots))
            status[out] = NOT_BELOW
            links = links.without(out)
        links = _drop_by_size(links, status, counts, choice)
    head = _heads(links, status, n_genes)
    if choice.merge:
        status[head != np.arange(head.size)] = MERGED
        return Chosen(links.read_as(head), status, head, n_genes, n_measured, head, cut)
    return Chosen(links, status, np.arange(head.size), n_genes, n_measured, head, cut)


def _by_name(links: Links, ids: Mapping[str, str], choice: Choice) -> npt.NDArray[np.object_]:
    """Apply roots, depth, include and exclude."""
    status = np.full(len(links.nodes), KEPT, dtype=object)
    names = {"roots": choice.roots, "include": choice.include, "exclude": choice.exclude}
    found = {
        argument: locate_nodes(links.nodes, ids, given, argument)
        for argument, given in names.items()
        if given is not None
    }
    if "exclude" in found:
        status[found["exclude"]] = EXCLUDED
    if "include" in found:
        status[~np.isin(np.arange(status.size), found["include"])] = NOT_INCLUDED
    if choice.depth is not None or "roots" in found:
        level = _levels(links, found.get("roots"))
        if choice.depth is not None:
            status[level > choice.depth] = TOO_DEEP
        status[np.isinf(level)] = NOT_BELOW
    return status


def _levels(links: Links, roots: npt.NDArray[np.intp] | None) -> npt.NDArray[np.float64]:
    """Level of each node below the roots, which are at level 1; infinite where there is no way."""
    if roots is None:
        is_child = np.zeros(len(links.nodes), dtype=bool)
        is_child[links.below.indices] = True
        roots = np.flatnonzero(~is_child)
        if not roots.size:
            raise Edge2TorchError("depth needs nodes to count from, but every node is below another one: pass roots=")
    return np.asarray(dijkstra(links.below, indices=roots, unweighted=True, min_only=True)) + 1


def locate_nodes(
    nodes: pd.Index, ids: Mapping[str, str], given: str | Collection[str], argument: str
) -> npt.NDArray[np.intp]:
    """Find nodes by name or identifier.

    Raises
    ------
    Edge2TorchError
        If there is no such node; names those that are called alike.
    """
    names = [given] if isinstance(given, str) else list(given)
    by_id: dict[str, list[str]] = {}
    for name, identifier in ids.items():
        by_id.setdefault(identifier, []).append(name)  # side by side, two priors may have the same
    called = {name: [name] if name in nodes else [n for n in by_id.get(name, []) if n in nodes] for name in names}
    unknown = [name for name in names if not called[name]]
    position = nodes.get_indexer(pd.Index([node for name in names for node in called[name]], dtype=object))
    if unknown:
        close = get_close_matches(unknown[0], [str(name) for name in nodes], n=3, cutoff=0.5)
        hint = f"; did you mean {some(close)}?" if close else f"; there are {some(nodes, 3)}"
        raise Edge2TorchError(f"{argument}: the prior has no node {some(unknown)}{hint}")
    return np.unique(position)


def _drop_by_size(links: Links, status: npt.NDArray[np.object_], counts: Counts, choice: Choice) -> Links:
    """Take out nodes with too few or too many genes until there are none, and write down why into ``status``."""
    while True:
        n_left = counts.n_measured if counts.fixed else links.reach().count()
        now = _by_size(counts, n_left, choice)
        out = (status == KEPT) & (now != KEPT)
        status[out] = now[out]
        links = links.without(out)
        if counts.fixed or not out.any():
            return links


def _by_size(counts: Counts, n_left: npt.NDArray[np.int64], choice: Choice) -> npt.NDArray[np.object_]:
    """Apply the limits of genes; ``n_left`` of the measured ones are those that the nodes that stay lead to."""
    n_genes, n_measured, _ = counts
    status = np.full(n_genes.size, KEPT, dtype=object)
    # a share, not a product: 0.55 * 100 is more than 55
    status[n_measured / np.maximum(n_genes, 1) < choice.min_coverage] = TOO_LOW
    if choice.max_genes is not None:
        status[n_left > choice.max_genes] = TOO_MANY
    status[n_left < choice.min_genes] = TOO_FEW
    status[n_measured == 0] = NOT_MEASURED
    status[n_genes == 0] = NO_GENES
    return status


def _heads(links: Links, status: npt.NDArray[np.object_], n_genes: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Find for each kept node the one in whose place it would stand."""
    itself = np.arange(len(links.nodes))
    head = _first_of_each(_same_genes(links), status == KEPT, n_genes, links.nodes)
    if links.all_within:
        return head
    while True:  # nodes that read nodes of which one takes the place of the other now read the same
        merged = links.read_as(head)
        first = _first_of_each(_same_genes(merged), (status == KEPT) & (head == itself), n_genes, links.nodes)
        if (first == itself).all():
            return head
        head = first[head]


def _same_genes(links: Links) -> npt.NDArray[np.uint64]:
    """Number the nodes by what they read: the same number if it is the same genes.

    Where nodes regulate each other, all nodes on a cycle reach the same genes; there, it is what they read directly.
    """
    if links.all_within:
        return links.reach().fingerprints()
    return fingerprints(links.own) + np.uint64(0x9E3779B97F4A7C15) * fingerprints(links.below)


def _first_of_each(
    same: npt.NDArray[np.uint64], among: Flags, n_genes: npt.NDArray[np.int64], names: pd.Index
) -> npt.NDArray[np.intp]:
    """Find for each kept node the first of those that read the same genes: itself, if there is no other.

    The first is the one with the fewest genes in the prior, so the one of which most was measured; then by name.
    """
    nodes = pd.DataFrame({"same": same, "n_genes": n_genes, "name": names.astype(str), "at": np.arange(same.size)})
    kept = nodes[among].sort_values(["n_genes", "name"], kind="stable")
    first = np.arange(same.size)
    first[kept.index] = kept.groupby("same", sort=False)["at"].transform("first")
    return first
