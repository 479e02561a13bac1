"""``e2t.pp.remove_nodes``."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._notes import note
from edge2torch.errors import Edge2TorchError
from edge2torch.pp._edit import Draft, earlier, nearest, order_nodes, read_draft, write_draft

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def remove_nodes(
    adata: AnnData | MuData, nodes: str | Collection[str], *, key: str = _keys.DEFAULT, copy: bool = False
) -> AnnData | MuData | None:
    """Remove nodes from a graph.

    Nodes that no gene reaches any more go, too, and so do genes that no node reads any more.

    Parameters
    ----------
    adata
        With a graph from :func:`edge2torch.pp.build_graph`.
    nodes
        Name of a node, or several: inputs or hidden nodes. A node may be given by its label, if no other has it.
    key
        Name of the result that holds the graph.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Sets:

    ``adata.uns[key]["graph"]``, ``["nodes"]``
        Without these nodes and their edges.
    ``adata.uns[key]["params"]["remove_nodes"]``
        ``nodes``: those that were named, in all calls since the graph was built.

    What was fitted on the graph before is removed, with its outputs and weights.

    Raises
    ------
    Edge2TorchError
        If a node is unknown, or nothing would be left; nothing is written then.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd, edge2torch as e2t
    >>> genes = ["CD3E", "CD2", "LCK", "MS4A1"]
    >>> adata = anndata.AnnData(np.ones((3, 4), dtype="float32"), var=pd.DataFrame(index=genes))
    >>> net = pd.DataFrame({"source": ["T cell"] * 3 + ["B cell"], "target": genes})
    >>> e2t.pp.build_graph(adata, net, min_genes=1)  # doctest: +ELLIPSIS
    [edge2torch] table: ...
    >>> e2t.pp.remove_nodes(adata, "B cell")
    [edge2torch] e2t: 1 of 2 nodes and 0 of 4 inputs removed; with them 1 input that no node reads any more
    """
    _slots.check_adata(adata, copy=copy)
    draft = read_draft(adata, key)
    chosen = _find(nodes, draft)
    edges, unreached = _without(draft, set(chosen))
    left, _ = order_nodes(edges, draft.labels)
    made = write_draft(
        adata,
        key,
        called={"remove_nodes": {"nodes": earlier(adata, key, "remove_nodes", "nodes") + chosen}},
        edges=edges,
        nodes=left,
        stale=_keys.Keys(key).of_graph,
        copy=copy,
    )
    note(f"{key}: {_summary(draft, chosen, left, unreached)}")
    return made


def _find(nodes: str | Collection[str], draft: Draft) -> list[str]:
    names = [nodes] if isinstance(nodes, str) else list(nodes) if isinstance(nodes, Collection) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise Edge2TorchError(f"nodes={nodes!r} must be the name of a node, or a list of at least one name")
    found = {name: draft.find(name) for name in names}
    unknown = [name for name, node in found.items() if node is None]
    if unknown:
        known = [*draft.nodes["node"], *draft.nodes["label"]]
        raise Edge2TorchError(
            f"{len(unknown):,} of {len(found):,} nodes are neither inputs nor hidden nodes of the graph: "
            f"{nearest(unknown, known)}"
        )
    return list(dict.fromkeys(node for node in found.values() if node is not None))


def _without(draft: Draft, removed: set[str]) -> tuple[pd.DataFrame, int]:
    """Edges that are left, and the number of nodes that were not removed, but are not reached any more."""
    edges = draft.edges[~draft.edges["source"].isin(removed) & ~draft.edges["target"].isin(removed)]
    reached = set(draft.names("input")) - removed
    n_reached = -1
    while len(reached) != n_reached:
        n_reached = len(reached)
        reached.update(edges.loc[edges["source"].isin(reached), "target"])
    left = edges[edges["source"].isin(reached)].reset_index(drop=True)
    if not len(left):
        raise Edge2TorchError(f"without these {len(removed):,} nodes, no edge would be left: remove fewer")
    return left, len(set(draft.names("hidden")) - removed - reached)


def _summary(draft: Draft, chosen: list[str], left: pd.DataFrame, unreached: int) -> str:
    """Say what was removed, and what went with it."""
    inputs, hidden = draft.names("input"), draft.names("hidden")
    n_inputs = len(set(inputs) & set(chosen))
    unread = len(inputs) - n_inputs - int((left["kind"] == "input").sum())
    parts = []
    if unreached:
        parts.append(f"{unreached:,} node{'s' * (unreached > 1)} that no input reaches any more")
    if unread:
        parts.append(f"{unread:,} input{'s' * (unread > 1)} that no node reads any more")
    text = f"{len(chosen) - n_inputs:,} of {len(hidden):,} nodes and {n_inputs:,} of {len(inputs):,} inputs removed"
    return text + ("; with them " + " and ".join(parts) if parts else "")
