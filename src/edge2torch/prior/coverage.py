"""What of a prior was measured, what was used, and why not the rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch.graph import Graph, has_cycle
from edge2torch.prior.choose import KEPT, MERGED, NO_GENES, NOT_MEASURED, Chosen
from edge2torch.prior.prior import Prior


def coverage_table(prior: Prior, chosen: Chosen, edges: pd.DataFrame, name_of: Mapping[str, str]) -> pd.DataFrame:
    """Describe what became of each node of a prior.

    Parameters
    ----------
    prior
        The prior.
    chosen
        Its nodes.
    edges
        The edge list that was made of it.
    name_of
        Name in the edge list, by name in the prior.

    Returns
    -------
    A row per node of the prior, those that were kept first, then those with the most measured genes:

    ``node``, ``label``, ``id``
        Name in the graph (for a node that is not in it, in the prior); name in the prior; identifier, or the name.
    ``prior``
        Where it is from.
    ``status``
        See :data:`edge2torch.prior.choose.STATUS`.
    ``merged_into``
        The node in whose place it stands, or ``""``.
    ``n_genes``, ``n_measured``, ``share``
        Genes in the prior, its own and those of the nodes below it; how many of them were measured.
    ``degree``
        Edges of the node in the graph, without those into outputs.
    ``hub``
        Whether the degree is unusually high: its logarithm is above the third quartile by more than 1.5 times the
        distance between the quartiles (Tukey's rule), over the nodes of the graph.
    ``same_genes_as``
        The node in the graph that reads the same genes, and that ``merge`` would put in its place, or ``""``.
    """
    names = chosen.links.nodes.to_numpy(dtype=object)
    home = homes(prior)
    kept = chosen.status == KEPT
    in_graph = np.array(
        [name_of.get(name, name) if stays else name for name, stays in zip(names, kept, strict=True)], dtype=object
    )
    ends = pd.concat([edges["source"], edges["target"]]).value_counts()
    degree = np.where(kept, ends.reindex(in_graph).fillna(0).to_numpy(), 0).astype(np.int64)
    table = pd.DataFrame(
        {
            "node": in_graph,
            "label": names,
            "id": [prior.ids.get(name, name) for name in names],
            "prior": [home[name] for name in names],
            "status": chosen.status,
            "merged_into": np.where(chosen.status == MERGED, in_graph[chosen.head], ""),
            "n_genes": chosen.n_genes,
            "n_measured": chosen.n_measured,
            "share": chosen.n_measured / np.maximum(chosen.n_genes, 1),
            "degree": degree,
            "hub": kept & (degree > _upper_fence(degree[kept])),
            "same_genes_as": np.where(kept & (chosen.twin != np.arange(names.size)), in_graph[chosen.twin], ""),
        }
    )
    order = np.lexsort((names.astype(str), -chosen.n_measured, ~kept))
    return table.iloc[order].reset_index(drop=True)


def homes(prior: Prior) -> dict[str, str]:
    """Say for each node which prior it is from: the first one, if several that were put together have it."""
    named = [
        pd.DataFrame({"node": table[column], "prior": table.get("prior", prior.name)})
        for table, column in ((prior.sets, "source"), (prior.hierarchy, "parent"), (prior.hierarchy, "child"))
    ]
    first = pd.concat(named).drop_duplicates("node")
    return dict(zip(first["node"], first["prior"], strict=True))


def _upper_fence(degree: npt.NDArray[np.int64]) -> float:
    low, high = np.quantile(np.log2(np.maximum(degree, 1)), [0.25, 0.75]) if degree.size else (0.0, 0.0)
    return float(2 ** (high + 1.5 * (high - low)))


def summarize(
    prior: Prior, symbols: pd.Series, matched: pd.Series, *, coverage: pd.DataFrame, graph: Graph, n_cut: int
) -> dict[str, float]:
    """Count what was kept, what was lost and what is unusual.

    Returns
    -------
    ``genes`` (measured), ``genes_in_prior`` (of these), ``prior_genes``, ``prior_genes_measured``, ``inputs`` (genes in
    the graph), ``nodes_in_prior``, ``nodes`` (hidden nodes in the graph), ``edges``, ``layers`` (of a graph without
    cycles: longest path; of one with: shortest paths), ``cyclic``, ``edges_cut``, ``unreachable`` (nodes of the prior
    of which no gene was measured), ``hubs``, ``redundant`` (nodes in the graph that ``merge`` would take out).
    """
    n_inputs = len(graph.inputs)
    return {
        "genes": len(symbols),
        "genes_in_prior": len(matched),
        "prior_genes": prior.sets["target"].nunique(),
        "prior_genes_measured": matched.nunique(),
        "inputs": n_inputs,
        "nodes_in_prior": len(coverage),
        "nodes": graph.nodes.size - n_inputs,
        "edges": len(graph.edges),
        "layers": graph.n_layers,
        "cyclic": int(has_cycle(graph.source, graph.target, graph.nodes.size)),
        "edges_cut": n_cut,
        "unreachable": int(coverage["status"].isin([NO_GENES, NOT_MEASURED]).sum()),
        "hubs": int(coverage["hub"].sum()),
        "redundant": int((coverage["same_genes_as"] != "").sum()),
    }
