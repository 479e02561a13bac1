"""How pathways and terms contain each other, and how that is joined with their genes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph.layers import find_cycle, longest_path_layers
from edge2torch.prior.prior import Prior
from edge2torch.prior.table import check_frame, text_column


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Which pathway or term is part of which.

    Attributes
    ----------
    edges
        ``parent``, ``child``; each pair once.
    names
        What nodes are called, where ``edges`` has identifiers.
    """

    edges: pd.DataFrame
    names: Mapping[str, str] = field(default_factory=dict)


def hierarchy_from_table(table: pd.DataFrame, names: Mapping[str, str] | None = None, what: str = "table") -> Hierarchy:
    """Check a table of parents and children and make it a hierarchy.

    Parameters
    ----------
    table
        ``parent``, ``child``; other columns are left out, and a pair that is there more than once (for example as
        "is a" and as "part of") counts once.
    names
        What to call nodes, if the table has identifiers.
    what
        What to call the table in messages.

    Raises
    ------
    Edge2TorchError
        If it is not such a table, or has missing names.

    Examples
    --------
    >>> hierarchy_from_table(pd.DataFrame({"parent": ["Immunity"], "child": ["T cells"]})).edges
         parent    child
    0  Immunity  T cells
    """
    if not isinstance(table, pd.DataFrame):
        raise Edge2TorchError(
            f"{what} must be a DataFrame with the columns parent and child, not {type(table).__name__}"
        )
    missing = [column for column in ("parent", "child") if column not in table]
    if missing:
        raise Edge2TorchError(f"{what} lacks the columns {some(missing)}; it has {some(table.columns)}: rename them")
    check_frame(table, what)
    edges = pd.DataFrame({c: text_column(table[c], f"{what}[{c!r}]") for c in ("parent", "child")})
    return Hierarchy(edges.drop_duplicates(ignore_index=True), dict(names or {}))


def with_hierarchy(prior: Prior, hierarchy: Hierarchy) -> Prior:
    """Join gene sets with the hierarchy of their names or identifiers.

    The sets may be called as the nodes of the hierarchy are, or by their identifiers, or have names with known
    identifiers (``prior.ids``); what fits most sets is taken. Nodes then have names wherever a name is known; nodes of
    the same name get their identifier behind it. Sets that are not in the hierarchy stay as they are.

    Parameters
    ----------
    prior
        Gene sets without a hierarchy.
    hierarchy
        All its edges are kept, also those that lead to no gene.

    Raises
    ------
    Edge2TorchError
        If no set is in the hierarchy, the hierarchy has a cycle, or the prior has a hierarchy already.

    Examples
    --------
    >>> sets = pd.DataFrame({"source": ["GO:2"], "target": ["CD3E"]})
    >>> edges = pd.DataFrame({"parent": ["GO:1"], "child": ["GO:2"]})
    >>> joined = with_hierarchy(Prior("go", sets), Hierarchy(edges, {"GO:2": "T cell activation"}))
    >>> joined.sets["source"].tolist(), joined.hierarchy.values.tolist()
    (['T cell activation'], [['GO:1', 'T cell activation']])
    """
    _check_flat(prior)
    sources = prior.sets["source"].unique().tolist()
    edges = hierarchy.edges[["parent", "child"]]
    linked = pd.unique(pd.concat([edges["parent"], edges["child"]])).tolist()
    base = label_twins({node: hierarchy.names.get(node, node) for node in [*linked, *hierarchy.names]})
    node_of = _identify(prior, sources, base)
    label = _settle(base, {node: name for name, node in node_of.items() if name != node}, set(sources) - set(node_of))
    edges = edges.assign(parent=edges["parent"].map(label), child=edges["child"].map(label))
    check_acyclic(edges, f"the hierarchy for {prior.name!r}")
    new = {name: label[node_of[name]] if name in node_of else name for name in sources}
    ids = {new.get(name, name): node for name, node in prior.ids.items()}
    ids |= {label[node]: node for node in dict.fromkeys([*node_of.values(), *linked]) if label[node] != node}
    sets = prior.sets.assign(source=prior.sets["source"].map(new))
    return replace(prior, sets=sets, hierarchy=edges, contains=True, ids=ids)


def leaves_are_genes(prior: Prior) -> Prior:
    """Take a network of which only the ends are genes, such as receptor -> kinase -> TF -> gene, as a prior.

    Parameters
    ----------
    prior
        Its edges in ``sets``. Edges to a node that has outgoing edges of its own become the hierarchy, in which a
        parent regulates its children; the others, which lead to genes, stay.

    Raises
    ------
    Edge2TorchError
        If a node regulates itself (it could be a gene or a node), if no node is without outgoing edges, or if the
        prior has a hierarchy already.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["CD28", "LCK"], "target": ["LCK", "IL2"]})
    >>> prior = leaves_are_genes(Prior("signalling", edges))
    >>> prior.sets.values.tolist(), prior.hierarchy.values.tolist()
    ([['LCK', 'IL2']], [['CD28', 'LCK']])
    """
    _check_flat(prior)
    edges = prior.sets
    loops = edges.loc[edges["source"] == edges["target"], "source"]
    if len(loops):
        raise Edge2TorchError(
            f"the network {prior.name!r} has {len(loops):,} self loops: {some([f'{n} -> {n}' for n in loops])}; "
            "remove them: where only the ends are genes, a node that regulates itself could be either"
        )
    inner = edges["target"].isin(set(edges["source"]))
    if inner.all():
        raise Edge2TorchError(
            f"no node of the network {prior.name!r} is without outgoing edges ({some(edges['source'].unique())}), so "
            "none can be a gene: add edges from its last nodes to genes, or take all targets as genes"
        )
    above = edges[inner].rename(columns={"source": "parent", "target": "child"})
    return replace(
        prior, sets=edges[~inner].reset_index(drop=True), hierarchy=above.reset_index(drop=True), contains=False
    )


def label_twins(names: Mapping[str, str]) -> dict[str, str]:
    """Tell nodes of the same name apart by their identifiers.

    Parameters
    ----------
    names
        From identifier to name.

    Returns
    -------
    From identifier to a name that no other node has.

    Examples
    --------
    >>> label_twins({"R-1": "Signalling", "R-2": "Signalling", "R-3": "Repair"})
    {'R-1': 'Signalling (R-1)', 'R-2': 'Signalling (R-2)', 'R-3': 'Repair'}
    """
    counts = Counter(names.values())
    used = {name for name, count in counts.items() if count == 1}
    return {node: name if counts[name] == 1 else _free(name, node, used) for node, name in names.items()}


def _free(name: str, node: str, used: set[str]) -> str:
    """Append the identifier of a node until its name is free; from then on it is used."""
    label = f"{name} ({node})"
    while label in used:
        label += f" ({node})"
    used.add(label)
    return label


def _settle(base: Mapping[str, str], ours: Mapping[str, str], apart: set[str]) -> dict[str, str]:
    """Names of all nodes: those that the prior has given to its sets stay, others make way for them."""
    used = apart | set(ours.values())
    free = {node: name for node, name in base.items() if node not in ours and name not in used}
    used |= set(free.values())
    return {node: ours.get(node) or free.get(node) or _free(name, node, used) for node, name in base.items()}


def check_acyclic(edges: pd.DataFrame, what: str) -> None:
    """Raise if a node contains itself, directly or by way of others; names one such cycle.

    Parameters
    ----------
    edges
        ``parent``, ``child``; each pair once.
    what
        What has these edges, for messages.
    """
    codes, names = pd.factorize(pd.concat([edges["parent"], edges["child"]]))
    parent, child = codes[: len(edges)], codes[len(edges) :]
    loops = names[parent[parent == child]]
    if len(loops):
        raise Edge2TorchError(
            f"{what} has {len(loops):,} nodes that are their own parents: {some(loops)}; remove these rows"
        )
    layer = longest_path_layers(parent, child, len(names))
    if (layer < 0).any():
        cycle = " -> ".join(np.asarray(names, dtype=object)[find_cycle(parent, child, layer < 0)])
        raise Edge2TorchError(
            f"{what} has a cycle: {cycle}; nothing can be a part of itself: remove one of these edges"
        )


def _check_flat(prior: Prior) -> None:
    if len(prior.hierarchy):
        raise Edge2TorchError(
            f"the prior {prior.name!r} has a hierarchy of {len(prior.hierarchy):,} edges already: pass its sets alone"
        )


def _identify(prior: Prior, sources: list[str], labels: Mapping[str, str]) -> dict[str, str]:
    """Find the node of the hierarchy that each set is; by identifiers if names fit no better."""
    by_name = {name: node for node, name in labels.items()}
    ways = (
        {name: prior.ids[name] for name in sources if prior.ids.get(name) in labels},
        {name: name for name in sources if name in labels},
        {name: by_name[name] for name in sources if name in by_name},
    )
    best = max(ways, key=len)
    if not best:
        ids = f" (ids: {some(prior.ids.values(), 2)})" if prior.ids else ""
        raise Edge2TorchError(
            f"none of the {len(sources):,} sets of the prior {prior.name!r} is in the hierarchy: the sets are "
            f"{some(sources, 2)}{ids}; the hierarchy has {some(labels, 2)} (names: {some(labels.values(), 2)}); are "
            "both of the same database and species?"
        )
    shared = [node for node, count in Counter(best.values()).items() if count > 1]
    if shared:
        raise Edge2TorchError(
            f"{len(shared):,} identifiers of the prior {prior.name!r} are those of several sets: {some(shared)}; "
            "give each set an identifier of its own"
        )
    return best
