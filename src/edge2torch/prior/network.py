"""From a prior and the measured genes to an edge list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import Graph, has_cycle
from edge2torch.prior.choice import Choice
from edge2torch.prior.choose import KEPT, STATUS, Chosen, choose
from edge2torch.prior.coverage import coverage_table, summarize
from edge2torch.prior.edges import add_unannotated, list_edges, name_edges
from edge2torch.prior.links import Links
from edge2torch.prior.overlap import check_overlap, suggest
from edge2torch.prior.prior import Prior
from edge2torch.prior.weights import apply_weights

#: what may be done about cycles
ACYCLIC = ("distance",)


@dataclass(frozen=True, eq=False)
class Network:
    """A prior connected to measured genes, in the direction of computation.

    Attributes
    ----------
    graph
        Its edge list has ``source``, ``target``, ``prior`` (where the edge comes from); ``prior_weight`` if the prior
        has weights (NaN on edges without one); ``constraint`` and ``initial_weight`` if the weights are used.
    labels
        From node name to what it stands for: the symbol of an input, the prior's name of a hidden node.
    coverage
        A row per node of the prior, see :func:`edge2torch.prior.coverage.coverage_table`.
    summary
        Numbers about the whole, see :func:`edge2torch.prior.coverage.summarize`.
    cut
        ``source``, ``target`` of the edges that were cut because they closed a cycle.
    hint
        What would bring more genes into the prior than are there, see :func:`edge2torch.prior.overlap.suggest`.
    """

    graph: Graph
    labels: dict[str, str]
    coverage: pd.DataFrame
    summary: dict[str, float]
    cut: pd.DataFrame
    hint: str | None = None

    @property
    def edges(self) -> pd.DataFrame:
        """The edge list."""
        return self.graph.edges


def connect(
    prior: Prior,
    symbols: pd.Series,
    choice: Choice | None = None,
    *,
    weights: str | None = None,
    acyclic: str | None = None,
    where: str = "`var_names`",
) -> Network:
    """Connect a prior to the genes that were measured.

    The direction of biology (regulator -> gene, pathway -> part) becomes that of computation (gene -> regulator,
    part -> pathway). If a node is taken out, what it would have read goes to the nodes that contain it, since a gene of
    a part is a gene of the whole; a node that it regulates reads nothing in its place.

    Parameters
    ----------
    prior
        Gene sets and their hierarchy. The tables may have a column ``prior``, where several priors were put together.
    symbols
        Gene symbol (or NaN) per input; the index holds the names of the inputs, which become node names.
    choice
        Which nodes stay.
    weights
        See :func:`edge2torch.prior.weights.apply_weights`.
    acyclic
        ``"distance"`` cuts cycles, see :func:`edge2torch.graph.lead_away`; ``None`` leaves them.
    where
        Where the symbols come from, for messages.

    Raises
    ------
    Edge2TorchError
        If no gene of the prior was measured (says why), or no node has enough genes.
    """
    choice = choice or Choice()
    if acyclic is not None:
        check_choice("acyclic", acyclic, ACYCLIC)
    matched = check_overlap(prior, symbols, where)
    links = Links.from_prior(prior)
    chosen = choose(links, prior.ids, np.asarray(links.genes.isin(set(matched))), choice, acyclic)
    hint = suggest(prior, symbols, matched)
    if not (chosen.status == KEPT).any():
        raise Edge2TorchError(
            _nothing_left(prior, chosen, choice) + (f". Most genes do not fit: {hint}" if hint else "")
        )
    # an input that only the unannotated node reads is in the graph, too: no node may have its name
    others = symbols.index if choice.unannotated else None
    edges, labels = name_edges(prior, list_edges(prior, chosen.links, matched), matched, others)
    hidden = set(edges["target"])
    renamed = {label: name for name, label in labels.items() if name in hidden}
    if choice.unannotated:
        edges, labels = add_unannotated(edges, labels, symbols)
    cut = _cut_edges(chosen, renamed, edges)
    edges = apply_weights(edges, weights)
    graph = Graph.from_edgelist(edges, cycles=has_cycle(*_numbered(edges)), outputs=False)
    coverage = coverage_table(prior, chosen, edges, renamed)
    summary = summarize(prior, symbols, matched, coverage=coverage, graph=graph, n_cut=len(cut))
    return Network(graph, labels, coverage, summary, cut, hint)


def _nothing_left(prior: Prior, chosen: Chosen, choice: Choice) -> str:
    counts = {word: int((chosen.status == word).sum()) for word in STATUS}
    largest = int(chosen.n_measured.max())
    if largest < choice.min_genes:
        return (
            f"no node of the prior {prior.name!r} has min_genes={choice.min_genes} measured genes; the largest has "
            f"{largest}: lower min_genes, or keep more genes in adata"
        )
    why = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    return f"no node of the prior {prior.name!r} is left ({why}): choose less strictly"


def _cut_edges(chosen: Chosen, name_of: Mapping[str, str], edges: pd.DataFrame) -> pd.DataFrame:
    """Edges between nodes of the graph that were cut: ``source``, ``target``."""
    parent, child = chosen.cut.nonzero() if chosen.cut is not None else (np.empty(0, int), np.empty(0, int))
    names = chosen.links.nodes.to_numpy(dtype=object)[chosen.head]
    pairs = pd.DataFrame({"source": names[child], "target": names[parent]}, dtype=object)
    pairs = pairs[pairs.isin(set(name_of)).all(axis=1)].replace(dict(name_of))
    still_there = pd.MultiIndex.from_frame(pairs).isin(pd.MultiIndex.from_frame(edges[["source", "target"]]))
    return pairs[~still_there].drop_duplicates().sort_values(["target", "source"], ignore_index=True)


def _numbered(edges: pd.DataFrame) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], int]:
    code, names = pd.factorize(pd.concat([edges["source"], edges["target"]], ignore_index=True))
    return code[: len(edges)], code[len(edges) :], len(names)
