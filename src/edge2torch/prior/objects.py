"""Priors that users bring as Python objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.prior import Prior
from edge2torch.prior.table import prior_from_table

if TYPE_CHECKING:
    import networkx as nx

ACCEPTED = (
    "a DataFrame with the columns source and target, a dict from the names of sets to lists of genes, a directed "
    "networkx graph, or a pandas Series (lists of genes, or genes, by set; or weights by source and target)"
)


def prior_from_object(net: object, name: str | None = None) -> Prior:
    """Make a prior of what Python users have in hand.

    Parameters
    ----------
    net
        - DataFrame: see :func:`edge2torch.prior.prior_from_table`
        - mapping from the name of a gene set to a list, set or array of genes; a gene counts once per set
        - directed graph of networkx: from regulator to gene, all edges or none with the attribute ``weight``
        - Series with the names of sets as index and lists of genes as values, or with one gene in each row; or with
          two levels of index (source, target) and numbers as values, which are weights
    name
        What to call it in reports; default: its own name, or what kind of object it is.

    Raises
    ------
    Edge2TorchError
        If it is none of these, or has sets without genes, repeated edges, or missing names.

    Examples
    --------
    >>> prior_from_object({"TCR signalling": ["CD3E", "LCK"]}).sets
               source target
    0  TCR signalling   CD3E
    1  TCR signalling    LCK
    """
    import networkx as nx

    if isinstance(net, pd.DataFrame):
        return prior_from_table(net, name or "table")
    if isinstance(net, pd.Series):
        return _from_series(net, name or (net.name if isinstance(net.name, str) else "") or "series")
    if isinstance(net, Mapping):
        return prior_from_sets(net.items(), name or "sets")
    if isinstance(net, nx.Graph):
        return prior_from_networkx(net, name or str(net.name) or "graph")
    raise Edge2TorchError(f"net is of type {type(net).__name__}, which is no prior; give {ACCEPTED}")


def prior_from_sets(sets: Iterable[tuple[object, object]], name: str, what: str = "net") -> Prior:
    """Make a prior of pairs of a name and its genes; see :func:`prior_from_object`."""
    genes_of = [(set_name, _genes(genes, f"{what}[{set_name!r}]")) for set_name, genes in sets]
    if not genes_of:
        raise Edge2TorchError(f"{what} has no gene sets")
    _check_names([set_name for set_name, _ in genes_of], f"the names of sets in {what}")
    repeated = [text for text, count in Counter(str(set_name) for set_name, _ in genes_of).items() if count > 1]
    if repeated:
        raise Edge2TorchError(
            f"{what} has {len(repeated):,} names that several sets have: {some(repeated)}; rename these sets, "
            "or join them"
        )
    rows = [(str(set_name), gene) for set_name, genes in genes_of for gene in genes]
    return Prior(name, pd.DataFrame(rows, columns=["source", "target"]))


def prior_from_networkx(
    graph: nx.Graph[Any], name: str, what: str = "net", names: Mapping[Any, str] | None = None
) -> Prior:
    """Make a prior of the edges of a directed graph; see :func:`prior_from_object`.

    Parameters
    ----------
    graph
        Nodes without edges are left out.
    name
        What to call it in reports.
    what
        What to call the graph in messages.
    names
        What nodes are called, if not by themselves.
    """
    if not graph.is_directed():
        raise Edge2TorchError(
            f"{what} is an undirected graph, so what regulates what is not known: make it a networkx.DiGraph from "
            "regulator to gene"
        )
    if not graph.number_of_edges():
        raise Edge2TorchError(f"{what} is a graph without edges")
    called = dict(names) if names is not None else {node: str(node) for node in graph}
    alike = [text for text, count in Counter(called.values()).items() if count > 1]
    if alike:
        raise Edge2TorchError(
            f"{what} has {len(alike):,} nodes with the same text: {some(alike)}; make all names strings"
        )
    ends = list(graph.edges())
    table = pd.DataFrame([(called[source], called[target]) for source, target in ends], columns=["source", "target"])
    weights = [attributes.get("weight") for *_, attributes in graph.edges(data=True)]
    lacking = [f"{called[s]} -> {called[t]}" for (s, t), weight in zip(ends, weights, strict=True) if weight is None]
    if lacking and len(lacking) < len(ends):
        raise Edge2TorchError(
            f"{what} has {len(lacking):,} edges of {len(ends):,} without a weight: {some(lacking)}; "
            "give all edges a weight, or none"
        )
    if not lacking:
        table["weight"] = weights
    return prior_from_table(table, name, what)


def _from_series(net: pd.Series, name: str) -> Prior:
    if net.index.nlevels > 1 or pd.api.types.is_numeric_dtype(net):
        return _from_weights(net, name)
    values = net.tolist()
    if all(_is_collection(value) for value in values):
        return prior_from_sets(net.items(), name)
    if any(_is_collection(value) for value in values):
        raise Edge2TorchError("net is a Series of both lists and single genes: make all its values lists of genes")
    genes_of: dict[object, list[object]] = {}
    for set_name, gene in zip(net.index.tolist(), values, strict=True):
        genes_of.setdefault(set_name, []).append(gene)
    return prior_from_sets(genes_of.items(), name)


def _from_weights(net: pd.Series, name: str) -> Prior:
    if net.index.nlevels != 2 or not pd.api.types.is_numeric_dtype(net):
        raise Edge2TorchError(
            f"net is a Series of {net.dtype} with {net.index.nlevels} levels of index; weights are numbers with the "
            "two levels source and target, gene sets have one level (the name of the set) and genes as values"
        )
    source, target = (net.index.get_level_values(level) for level in (0, 1))
    return prior_from_table(pd.DataFrame({"source": source, "target": target, "weight": net.to_numpy()}), name)


def _is_collection(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes)


def _genes(genes: object, what: str) -> list[str]:
    """Texts of the genes of a set, each once; sorted if they came in no order, so that results can be repeated."""
    if isinstance(genes, str | bytes):
        raise Edge2TorchError(f"{what} is {genes!r}: a set of genes must be a list, set or array of names, not text")
    if not _is_collection(genes) or isinstance(genes, Mapping | pd.DataFrame):
        raise Edge2TorchError(
            f"{what} is of type {type(genes).__name__}: a set of genes must be a list, set or array of names "
            "(genes with weights: a DataFrame with the columns source, target and weight)"
        )
    listed = list(genes)  # type: ignore[call-overload] # it is a collection
    if not listed:
        raise Edge2TorchError(f"{what} is empty: a set needs at least one gene; remove it")
    _check_names(listed, what)
    texts = dict.fromkeys(map(str, listed))
    return sorted(texts) if isinstance(genes, set | frozenset) else list(texts)


def _check_names(names: list[object], what: str) -> None:
    bad = [name for name in names if not isinstance(name, str | Integral) or not str(name).strip()]
    if bad:
        raise Edge2TorchError(f"{what}: {len(bad):,} are missing, empty or no text: {some(bad)}; drop or fix them")
