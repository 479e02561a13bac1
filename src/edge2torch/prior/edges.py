"""From positions to an edge list with names."""

from __future__ import annotations

import pandas as pd

from edge2torch.graph import name_apart
from edge2torch.prior.coverage import homes
from edge2torch.prior.links import Links
from edge2torch.prior.prior import Prior

#: appended to the name of a node that is also the name of a gene of the prior, e.g. of a TF that others regulate;
#: whether that gene was measured makes no difference, so that a node has the same name in all data
NODE_SUFFIX = " (node)"
#: the node that reads the genes that no other node reads
UNANNOTATED = "unannotated"


def list_edges(prior: Prior, links: Links, matched: pd.Series) -> pd.DataFrame:
    """List who reads whom.

    Parameters
    ----------
    prior
        What is known of each pair.
    links
        Who reads whom, by position; genes as far as they were measured.
    matched
        Gene per input; several inputs may measure one gene.

    Returns
    -------
    ``source`` (an input or a node), ``target`` (a node), whether the source ``is_gene``, ``prior`` and, if the prior
    has weights, ``prior_weight``.
    """
    node, gene = links.own.nonzero()
    inputs = pd.DataFrame({"source": matched.index, "gene": links.genes.get_indexer(pd.Index(matched))})
    own = pd.DataFrame({"target": links.nodes.take(node), "gene": gene}).merge(inputs, on="gene")
    own["read"] = links.genes.take(own["gene"].to_numpy())
    parent, child = links.below.nonzero()
    below = pd.DataFrame({"target": links.nodes.take(parent), "source": links.nodes.take(child)})
    below["read"] = below["source"]
    parts = [
        own.drop(columns="gene").assign(is_gene=True).merge(_known(prior, "sets"), on=["target", "read"], how="left"),
        below.assign(is_gene=False).merge(_known(prior, "hierarchy"), on=["target", "read"], how="left"),
    ]
    edges = pd.concat([part for part in parts if len(part)], ignore_index=True).drop(columns="read")
    # an edge that a node took over from one that was taken out: it is from where the node is from
    return edges.assign(prior=edges["prior"].where(edges["prior"].notna(), edges["target"].map(homes(prior))))


def _known(prior: Prior, part: str) -> pd.DataFrame:
    """What a table of a prior says about each pair of a node (``target``) and what it ``read``s."""
    table, reader, read = (prior.sets, "source", "target") if part == "sets" else (prior.hierarchy, "parent", "child")
    known = pd.DataFrame({"target": table[reader].astype(object), "read": table[read].astype(object)})
    known["prior"] = table.get("prior", prior.name)
    if "weight" in table:
        known["prior_weight"] = table["weight"].astype(float)
    return known


def name_edges(
    prior: Prior, edges: pd.DataFrame, matched: pd.Series, inputs: pd.Index | None = None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Tell nodes apart from genes of the same name, and sort.

    Returns
    -------
    The edge list, and what each name stands for.
    """
    of_gene = edges["is_gene"].to_numpy(dtype=bool)
    used = edges["source"][of_gene].unique()
    nodes = set(edges["target"]) | set(edges["source"][~of_gene])
    renamed = name_apart(
        sorted(nodes), {*used, *prior.sets["target"], *([] if inputs is None else inputs)}, NODE_SUFFIX
    )
    source = edges["source"].where(of_gene, edges["source"].map(renamed))
    columns = ["source", "target", "prior", *(["prior_weight"] if "prior_weight" in edges else [])]
    named = edges.assign(source=source, target=edges["target"].map(renamed))[columns]
    symbol_of = dict(zip(matched.index, matched, strict=True))
    labels = {**{str(name): str(symbol_of[name]) for name in used}, **{new: old for old, new in renamed.items()}}
    return named.sort_values(["target", "source"], ignore_index=True), labels


def add_unannotated(
    edges: pd.DataFrame, labels: dict[str, str], symbols: pd.Series
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add a node that reads the inputs that no other node reads, if there are any.

    Returns
    -------
    The edge list, and what each name stands for.
    """
    used = set(edges["source"])
    rest = [name for name in symbols.index if name not in used]
    if not rest:
        return edges, labels
    name = name_apart([UNANNOTATED], {*symbols.index, *labels}, NODE_SUFFIX)[UNANNOTATED]
    into = pd.DataFrame({"source": pd.Series(rest, dtype=object), "target": name, "prior": UNANNOTATED})
    symbol_of = dict(zip(symbols.index, symbols, strict=True))
    of_rest = {gene: str(symbol_of[gene]) if pd.notna(symbol_of[gene]) else gene for gene in rest}
    return pd.concat([edges, into], ignore_index=True), {**labels, **of_rest, name: UNANNOTATED}
