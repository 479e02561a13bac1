"""From a prior and the measured genes to an edge list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from edge2torch.errors import Edge2TorchError
from edge2torch.graph import Graph, name_apart
from edge2torch.prior.overlap import explain_mismatch
from edge2torch.prior.prior import Prior

#: appended to the name of a node that is also the name of a gene of the prior, e.g. of a TF that others regulate;
#: whether that gene was measured makes no difference, so that a node has the same name in all data
NODE_SUFFIX = " (node)"


@dataclass(frozen=True, eq=False)
class Network:
    """A prior connected to measured genes, in the direction of computation.

    Attributes
    ----------
    edges
        Edge list: ``source``, ``target``, ``prior`` (where the edge comes from) and, if the prior has weights,
        ``prior_weight`` (NaN on edges of the hierarchy).
    labels
        From node name to what it stands for: the symbol of an input, the prior's name of a hidden node.
    report
        Counts for the line of coverage.
    """

    edges: pd.DataFrame
    labels: dict[str, str]
    report: dict[str, int]


def connect(prior: Prior, symbols: pd.Series, min_genes: int, where: str = "`var_names`") -> Network:
    """Connect a prior to the genes that were measured.

    The direction of biology (regulator -> gene, pathway -> part) becomes that of computation (gene -> regulator,
    part -> pathway). A node with fewer than ``min_genes`` measured genes, its own and those of its parts, is taken out,
    and what it would have read goes to its parents, since a gene of a part is a gene of the whole.

    Parameters
    ----------
    prior
        Gene sets and their hierarchy.
    symbols
        Gene symbol (or NaN) per input; the index holds the names of the inputs, which become node names.
    min_genes
        Least number of measured genes of a node.
    where
        Where the symbols come from, for messages.

    Raises
    ------
    Edge2TorchError
        If no gene of the prior was measured (says why), or no node has enough genes.
    """
    measured = symbols.dropna().astype(str)
    known = set(prior.sets["target"])
    matched = measured[measured.isin(known)]
    if matched.empty:
        raise Edge2TorchError(
            f"0 of {len(symbols):,} genes in {where} are in the prior {prior.name!r}; "
            f"{explain_mismatch(measured.tolist(), known, where)}"
        )
    sets = prior.sets[prior.sets["target"].isin(set(matched))]
    n_genes = _count_genes(sets, prior.hierarchy)
    small = set(n_genes.index[n_genes < min_genes])
    if len(small) == len(n_genes):
        raise Edge2TorchError(
            f"no node of the prior {prior.name!r} has min_genes={min_genes} measured genes; the largest has "
            f"{int(n_genes.max())}: lower min_genes, or keep more genes in adata"
        )
    member, part = _lift(sets, prior.hierarchy, small)
    report = {
        "genes": len(symbols),
        "genes_in_prior": len(matched),
        "prior_genes": len(known),
        "nodes_in_prior": len(
            set(prior.sets["source"]) | set(prior.hierarchy["parent"]) | set(prior.hierarchy["child"])
        ),
        "nodes": len(n_genes) - len(small),
    }
    return _edge_list(prior, matched, member, part, report)


def _count_genes(sets: pd.DataFrame, hierarchy: pd.DataFrame) -> pd.Series:
    """Count the genes of each node, its own and those of its parts."""
    nodes = pd.Index(pd.concat([sets["source"], hierarchy["parent"], hierarchy["child"]]).unique())
    gene, genes = pd.factorize(sets["target"])
    own = sp.csr_array(
        (np.ones(len(sets), dtype=np.int32), (nodes.get_indexer(sets["source"]), gene)), (len(nodes), len(genes))
    )
    parts = sp.csr_array(
        (
            np.ones(len(hierarchy), dtype=np.int32),
            (nodes.get_indexer(hierarchy["parent"]), nodes.get_indexer(hierarchy["child"])),
        ),
        (len(nodes), len(nodes)),
    )
    seen = own
    while True:
        more = own + parts @ seen
        more.data[:] = 1  # only whether a gene is there matters, not over how many ways
        if more.nnz == seen.nnz:
            return pd.Series(np.diff(seen.indptr), index=nodes)
        seen = more


def _lift(
    sets: pd.DataFrame, hierarchy: pd.DataFrame, small: set[str]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Take small nodes out; their genes and parts go to their parents.

    Returns the genes and the parts of every node that stays.
    """
    member = _collect(sets["source"], sets["target"])
    part = _collect(hierarchy["parent"], hierarchy["child"])
    parents = _collect(hierarchy["child"], hierarchy["parent"])
    for node in small:
        own, below, above = member.pop(node, set()), part.pop(node, set()), parents.pop(node, set())
        for parent in above:
            member.setdefault(parent, set()).update(own)
            part[parent] = (part[parent] - {node}) | below
        for child in below:
            parents[child] = (parents[child] - {node}) | above
    return member, part


def _collect(keys: pd.Series, values: pd.Series) -> dict[str, set[str]]:
    collected: dict[str, set[str]] = {}
    for key, value in zip(keys, values, strict=True):
        collected.setdefault(key, set()).add(value)
    return collected


def _edge_list(
    prior: Prior, matched: pd.Series, member: dict[str, set[str]], part: dict[str, set[str]], report: dict[str, int]
) -> Network:
    inputs_of = matched.index.to_series().groupby(matched.to_numpy()).agg(list).to_dict()
    used = {name for genes in member.values() for gene in genes for name in inputs_of[gene]}
    rows: list[tuple[str, str, str | None]] = [
        (name, node, gene) for node, genes in member.items() for gene in genes for name in inputs_of[gene]
    ]
    rows += [(child, parent, None) for parent, children in part.items() for child in children]
    genes = used | set(prior.sets["target"])
    renamed = name_apart(sorted({node for _, node, _ in rows}), genes, NODE_SUFFIX)
    edges = pd.DataFrame(rows, columns=["source", "target", "gene"], dtype=object)
    of_gene = edges["gene"].notna()
    edges["prior"] = prior.name
    if "weight" in prior.sets:
        weight = prior.sets.set_index(["source", "target"])["weight"]
        edges["prior_weight"] = weight.reindex(pd.MultiIndex.from_frame(edges[["target", "gene"]])).to_numpy(
            dtype=float
        )
    edges["target"] = edges["target"].map(renamed)
    edges["source"] = edges["source"].where(of_gene, edges["source"].map(renamed))
    edges = edges.drop(columns="gene").sort_values(["target", "source"], ignore_index=True)
    graph = Graph.from_edgelist(edges)
    labels = {**{name: str(matched[name]) for name in used}, **{new: old for old, new in renamed.items()}}
    report |= {"inputs": len(used), "edges": len(edges), "layers": graph.n_layers}
    return Network(edges, labels, report)
