"""``e2t.pp.add_edges``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._notes import note
from edge2torch.cells import feature_names
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import READOUT, arrows, validate_edgelist
from edge2torch.pp._edit import Draft, earlier, name_priors, nearest, order_nodes, read_draft, write_draft

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

COLUMNS = ("source", "target", "initial_weight", "constraint", "prior")
#: columns that stand in ``params``
RECORDED = ("source", "target", "prior")


def add_edges(
    adata: AnnData | MuData, edges: pd.DataFrame, *, key: str = _keys.DEFAULT, copy: bool = False
) -> AnnData | MuData | None:
    """Add edges to a graph.

    Parameters
    ----------
    adata
        With a graph from :func:`edge2torch.pp.build_graph`.
    edges
        In the direction of computation (gene -> node -> node): ``source``, ``target``, optionally ``initial_weight``,
        ``constraint`` (see :func:`edge2torch.compile_graph`), ``prior`` (where the edge is from, else ``"added"``), and
        any other column that the graph has.

        A source is a node, a name in ``var_names``, which becomes an input, or the target of another of these edges. A
        target is a hidden node, or the name of a new one. Nodes may be given by their label, if no other has it; a name
        goes before a label, so a source ``"EGFR"`` is the gene, if that was measured, and a target ``"EGFR"`` the node
        ``"EGFR (node)"``.
    key
        Name of the result that holds the graph.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Sets:

    ``adata.uns[key]["graph"]``, ``["nodes"]``
        With the new edges and nodes.
    ``adata.uns[key]["params"]["add_edges"]``
        ``source``, ``target`` and ``prior`` of all edges that were added since the graph was built.

    What was fitted on the graph before is removed, with its outputs and weights. If the edges close cycles, a note says
    so: only the backends ``"recurrent"`` and ``"graphnn"`` can use such a graph.

    Raises
    ------
    Edge2TorchError
        If the edges are not such a table, are there already, lead into a gene, or come from an unknown source; or if no
        gene reaches a new node. Nothing is written then.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd, edge2torch as e2t
    >>> genes = ["CD3E", "CD2", "LCK", "MS4A1"]
    >>> adata = anndata.AnnData(np.ones((3, 4), dtype="float32"), var=pd.DataFrame(index=genes))
    >>> net = pd.DataFrame({"source": ["T cell"] * 3, "target": genes[:3]})
    >>> e2t.pp.build_graph(adata, net, min_genes=2)  # doctest: +ELLIPSIS
    [edge2torch] table: ...
    >>> mine = pd.DataFrame({"source": ["MS4A1", "T cell", "B cell"], "target": ["B cell", "lymphocyte", "lymphocyte"]})
    >>> e2t.pp.add_edges(adata, mine)
    [edge2torch] e2t: 3 edges added, with 1 new input and 2 new nodes ('B cell', 'lymphocyte')
    """
    _slots.check_adata(adata, copy=copy)
    draft = read_draft(adata, key)
    added = _name_ends(_check_table(edges, draft), draft, feature_names(adata))
    joined = _join(draft.edges, added)
    nodes, cyclic = order_nodes(joined, draft.labels)
    new = nodes[~nodes["node"].isin(draft.nodes["node"])]
    unreached = new.loc[(new["kind"] == "hidden") & (new["n_inputs"] == 0), "node"]
    if len(unreached):
        raise Edge2TorchError(
            f"edges: no gene reaches {len(unreached):,} new nodes ({some(unreached)}): add their sources"
        )
    record = {name: earlier(adata, key, "add_edges", name) + added[name].tolist() for name in RECORDED}
    made = write_draft(
        adata,
        key,
        called={"add_edges": record},
        edges=joined,
        nodes=nodes,
        stale=_keys.Keys(key).of_graph,
        copy=copy,
    )
    note(f"{key}: {len(added):,} edges added{_with_new(new)}")
    if cyclic:
        note(f"{key}: the graph has cycles: fit with backend='recurrent' or 'graphnn'")
    return made


def _check_table(edges: pd.DataFrame, draft: Draft) -> pd.DataFrame:
    """Check what can be seen from the table alone."""
    try:
        added = validate_edgelist(edges)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"edges: {error}") from None
    allowed = list(dict.fromkeys([*COLUMNS, *draft.edges.columns]))
    unknown = [column for column in added if column not in allowed]
    if unknown:
        raise Edge2TorchError(
            f"edges has columns that the graph does not have: {some(unknown)}; it may have {some(allowed, 9)}"
        )
    added["prior"] = name_priors(added)
    if (added["prior"] == READOUT).any():
        raise Edge2TorchError(f"edges['prior'] may not be {READOUT!r}: edges into outputs are made by e2t.tl.fit")
    return added


def _name_ends(added: pd.DataFrame, draft: Draft, features: pd.Index) -> pd.DataFrame:
    """Turn what the user calls nodes into their names."""
    genes, nodes, inputs = set(features), set(draft.nodes["node"]), set(draft.names("input"))
    target_of = {name: draft.find(name, ("hidden",)) or name for name in added["target"].unique()}
    into = [name for name in target_of.values() if name in inputs or (name in genes and name not in nodes)]
    if into:
        raise Edge2TorchError(
            f"edges lead into {len(into):,} genes ({some(into)}), which are inputs: turn the edges round, or call the "
            f"node otherwise, for example {into[0] + ' (node)'!r}"
        )
    as_they_are = genes | nodes | set(target_of.values())
    source_of = {
        name: name if name in as_they_are else draft.find(name) or target_of.get(name)
        for name in added["source"].unique()
    }
    unknown = [name for name, found in source_of.items() if found is None]
    if unknown:
        known = [*features, *draft.nodes["node"], *draft.nodes["label"]]
        raise Edge2TorchError(
            f"{len(unknown):,} sources are neither in var_names, nor nodes, nor targets of other edges: "
            f"{nearest(unknown, known)}"
        )
    return added.assign(source=added["source"].map(source_of), target=added["target"].map(target_of))


def _join(old: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """Put new edges below the old ones."""
    known = pd.MultiIndex.from_frame(old[["source", "target"]])
    there = pd.MultiIndex.from_frame(added[["source", "target"]]).isin(known)
    if there.any():
        raise Edge2TorchError(
            f"{int(there.sum()):,} of the edges are in the graph already: {some(arrows(added[there]))}; leave them out"
        )
    joined = pd.concat([old, added], ignore_index=True)
    if "constraint" in joined:
        joined["constraint"] = joined["constraint"].fillna("unconstrained")
    return joined


def _with_new(new: pd.DataFrame) -> str:
    """Say which nodes are new."""
    n_inputs, hidden = int((new["kind"] == "input").sum()), new.loc[new["kind"] == "hidden", "node"]
    parts = []
    if n_inputs:
        parts.append(f"{n_inputs:,} new input{'s' * (n_inputs > 1)}")
    if len(hidden):
        parts.append(f"{len(hidden):,} new node{'s' * (len(hidden) > 1)} ({some(hidden)})")
    return ", with " + " and ".join(parts) if parts else ""
