"""The part of a graph that explains one class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from edge2torch import _slots
from edge2torch._checks import check_choice, check_whole
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get import edges as get_edges
from edge2torch.get import features as get_features
from edge2torch.get import graph as get_graph
from edge2torch.get._choose import best_nodes, check_name, check_nodes, labels_of, mean_scores, name_of_groups
from edge2torch.graph.graph import OUTPUT
from edge2torch.pl import _selection
from edge2torch.pl._figure import UNITS
from edge2torch.pl._size import Size, sizes
from edge2torch.tl._explained import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData

Edge = tuple[str, str]

#: what the colours of edges mean
VALUES = {"weight": "edge weight", "score": "mean score of edge"}


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a user asked to see: arguments of :func:`edge2torch.pl.graph`."""

    group: str | None = None
    target: str | None = None
    nodes: str | Sequence[str] | None = None
    around: str | None = None
    path: Sequence[str] | None = None
    n_nodes: int = 5
    n_genes: int = 3
    n_paths: int = 3
    edges: str = "weight"
    n_edges: int = 200
    size: str | None = None

    def check(self) -> None:
        """Raise if an argument cannot be used."""
        for name in ("n_nodes", "n_genes", "n_paths", "n_edges"):
            check_whole(name, getattr(self, name))
        check_choice("edges", self.edges, VALUES)
        chosen = [name for name in ("nodes", "around", "path") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise Edge2TorchError(f"{' and '.join(chosen)} each say which nodes are shown: pass one of them")
        if self.path is not None and (isinstance(self.path, str) or len(self.path) == 0):
            raise Edge2TorchError("path must be a list of names, such as [gene, node, class]")


@dataclass(frozen=True, eq=False)
class Subnetwork:
    """Nodes to show, and the edges among them.

    Attributes
    ----------
    graph
        Nodes with ``kind``, ``label``, ``layer``.
    score
        Mean score of genes and hidden nodes; NaN for the output, and for genes without a score.
    value
        Weight or score of each edge.
    meaning
        Which of the two, in words.
    n_edges
        How many edges there are among the nodes, drawn or not.
    size
        What the size of nodes means, if anything.
    links
        Nodes that are shown only because they link others.
    group
        The group of cells.
    output
        The output node.
    task
        What the output is: ``"classes"``, ``"labels"`` or ``"numbers"``.
    """

    graph: nx.DiGraph[str]
    score: dict[str, float]
    value: dict[Edge, float]
    meaning: str
    n_edges: int
    size: Size | None
    links: frozenset[str]
    group: str
    output: str
    task: str

    @property
    def unit(self) -> str:
        """Unit of scores, in brackets, if they have one."""
        return UNITS[self.task]

    @property
    def caption(self) -> str:
        """What scores of nodes are."""
        return f"mean score{self.unit}"

    def kind(self, node: str) -> str:
        """``"input"``, ``"hidden"`` or ``"output"``."""
        return str(self.graph.nodes[node]["kind"])

    def label(self, node: str) -> str:
        """What a node stands for."""
        return str(self.graph.nodes[node]["label"])

    def lowers(self, node: str) -> bool:
        """Whether the score of a node is negative."""
        return self.score[node] < 0


@dataclass(frozen=True, eq=False)
class Context:
    """Whom a picture is about.

    Attributes
    ----------
    group
        The group of cells.
    label, output, task
        The class, its output node, and what it is.
    score
        Mean score of each gene and hidden node.
    main
        Hidden nodes that were asked for, or the best ones.
    """

    group: str
    label: str
    output: str
    task: str
    score: dict[str, float]
    main: list[str]


def context(adata: AnnData | MuData, whole: nx.DiGraph[str], wanted: Wanted, key: str) -> Context:
    """Find whom a picture is about; see :func:`edge2torch.pl.graph`."""
    outputs = [data["label"] for _, data in whole.nodes(data=True) if data["kind"] == OUTPUT]
    target = None if wanted.target is None else check_name("target", wanted.target, outputs)
    means = mean_scores(adata, None, key, target)
    first = str(target if target in means.index else means.index[0])
    group = first if wanted.group is None else check_name("group", wanted.group, means.index)
    label, output = _class_of(adata, group, target, whole, key)
    score = _scores(adata, means.loc[group].to_dict(), label, key)
    if wanted.nodes is None:
        main = best_nodes(adata, means.loc[[group]], wanted.n_nodes, key)[group]
    else:
        main = check_nodes(wanted.nodes, means.columns, labels_of(adata, key))
    return Context(group, label, output, str(_slots.params(adata, key, "fit")["task"]), score, main)


def subnetwork(adata: AnnData | MuData, wanted: Wanted, key: str) -> Subnetwork:
    """Choose what :func:`edge2torch.pl.graph` shows; its documentation gives the rule."""
    wanted.check()
    whole = get_graph(adata, key=key)
    path = None if wanted.path is None else [_selection.find("path", str(name), whole) for name in wanted.path]
    if path and whole.nodes[path[-1]]["kind"] == OUTPUT:
        wanted = replace(wanted, target=str(whole.nodes[path[-1]]["label"]))
    about = context(adata, whole, wanted, key)
    group, output, score = about.group, about.output, about.score
    kept = {output, *(path or ())}
    whole.remove_nodes_from([node for node in whole if whole.nodes[node]["kind"] == OUTPUT and node not in kept])
    if path is not None:
        chosen = _selection.along(whole, path if path[-1] == output else [*path, output], wanted.n_paths)
    elif wanted.around is not None:
        node = _selection.find("around", str(wanted.around), whole)
        chosen = _selection.around(whole, node, output, score, n_nodes=wanted.n_nodes, n_genes=wanted.n_genes)
    else:
        chosen = _selection.best(whole, about.main, output, score, wanted.n_genes)
    graph = whole.subgraph(chosen.nodes) if chosen.edges is None else whole.edge_subgraph(chosen.edges)
    if wanted.edges == "weight":
        value = {(source, target): float(edge["weight"]) for source, target, edge in graph.edges(data=True)}
    else:
        of_edges = edge_scores(adata, about, key)
        value = {edge: of_edges[edge] for edge in graph.edges}
    strongest = _selection.strongest(value, wanted.n_edges)
    # in the order of the whole graph, so that the same nodes give the same picture
    drawn: nx.DiGraph[str] = nx.DiGraph()
    drawn.add_nodes_from((node, data) for node, data in whole.nodes(data=True) if node in chosen.nodes)
    drawn.add_edges_from(edge for edge in whole.edges if edge in strongest)
    return Subnetwork(
        drawn,
        {node: float(score.get(node, nan)) for node in drawn},
        {edge: value[edge] for edge in drawn.edges},
        VALUES[wanted.edges] + (UNITS[about.task] if wanted.edges == "score" else ""),
        len(value),
        sizes(adata, drawn, wanted.size, group, key),
        chosen.links,
        group,
        output,
        about.task,
    )


def _scores(adata: AnnData | MuData, of_nodes: Mapping[Any, float], label: str, key: str) -> dict[str, float]:
    """Scores of genes for a class, and of hidden nodes in a group."""
    of_genes = get_features(adata, key=key)[label]
    if of_genes.isna().all():
        raise Edge2TorchError(f"no gene has a score for {label!r}: run e2t.tl.interpret with target={label!r}")
    if all(isnan(score) for score in of_nodes.values()):
        raise Edge2TorchError("the scores of all nodes are NaN in this group: run e2t.tl.interpret again")
    return {str(node): float(score) for node, score in {**of_genes.to_dict(), **of_nodes}.items()}


def edge_scores(adata: AnnData | MuData, about: Context, key: str) -> dict[Edge, float]:
    """Scores of all edges in a group."""
    table = get_edges(adata, key=key)
    known = table["group"].astype(str)
    table = table[known == about.group]
    if "output" in table:
        table = table[table["output"].astype(str) == about.label]
    groups = [name_of_groups(adata, key, step) for step in (None, "interpret")]
    if groups[0] != groups[1]:
        raise Edge2TorchError(
            f"edges have scores in groups of {groups[1]!r}, nodes in those of {groups[0]!r}: run e2t.tl.interpret with "
            "edges=True and the same groupby"
        )
    if table.empty:
        raise Edge2TorchError(
            f"edges have no scores in group {about.group!r}, but in {some(known.unique(), 20)}: run e2t.tl.interpret "
            "with edges=True and the same groupby"
        )
    if table["score"].isna().any():
        raise Edge2TorchError(f"some edges have NaN for a score in group {about.group!r}: run e2t.tl.interpret again")
    ends = zip(table["source"].astype(str), table["target"].astype(str), strict=True)
    return dict(zip(ends, table["score"].astype(float), strict=True))


def _class_of(
    adata: AnnData | MuData, group: str, target: str | None, whole: nx.DiGraph[str], key: str
) -> tuple[str, str]:
    """Class whose scores are shown, and its output node."""
    output_of = {data["label"]: node for node, data in whole.nodes(data=True) if data["kind"] == OUTPUT}
    if target is not None:
        return target, output_of[target]
    explained = _slots.params(adata, key, "interpret").get("target", "label")
    is_word = isinstance(explained, str) and explained in WORDS
    named = "" if is_word else str(np.ravel(explained)[0])  # a name in a list is a name in any case
    for label in (named, group, *(output_of if len(output_of) == 1 else ())):
        if label in output_of:
            return label, output_of[label]
    raise Edge2TorchError(
        f"group {group!r} is not a class of the model: pass target=, the class to show; there are {some(output_of, 20)}"
    )
