"""``e2t.pp.rewire_graph``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._notes import note
from edge2torch.errors import Edge2TorchError
from edge2torch.graph.rewire import rewire
from edge2torch.pp._edit import order_nodes, read_draft, write_draft

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def rewire_graph(
    adata: AnnData | MuData,
    kind: str = "degree",
    *,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    key_added: str = "e2t_rewired",
    copy: bool = False,
) -> AnnData | MuData | None:
    """Make a null graph: the same nodes, connected at random.

    Fit it like any other graph. What holds for it as much as for the graph it was made from (an accuracy, a high score
    of a node) does not come from the prior knowledge.

    Parameters
    ----------
    adata
        With a graph from :func:`edge2torch.pp.build_graph`.
    kind
        What is kept, from most to least; inputs stay inputs, and a graph without cycles gets none.

        - ``"degree"``: how many genes and how many nodes each node reads, and how many nodes read it.
        - ``"targets"``: how many genes and how many nodes each node reads. Genes that no node is drawn to read are not
          in the graph.
        - ``"layers"``: how many edges lead from each layer to each other. Every node stays in its layer, and every gene
          is read.

        With the first two, what a node reads keeps its constraint and weights.
    random_state
        Seed.
    key
        Name of the result that holds the graph.
    key_added
        Name of the new result, which must be another.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Sets:

    ``adata.uns[key_added]["graph"]``, ``["nodes"]``
        As from :func:`edge2torch.pp.build_graph`: outputs and weights of a fit are left out.
    ``adata.uns[key_added]["params"]["rewire_graph"]``
        Arguments; ``edges`` and ``edges_changed``, the numbers of edges, and of those that ``key`` does not have.

    An earlier result under ``key_added`` is replaced.

    Raises
    ------
    Edge2TorchError
        If there is no graph, it is not valid, or an argument cannot be used; nothing is written then.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd, edge2torch as e2t
    >>> genes = ["CD3E", "CD2", "LCK", "MS4A1"]
    >>> adata = anndata.AnnData(np.ones((3, 4), dtype="float32"), var=pd.DataFrame(index=genes))
    >>> net = pd.DataFrame({"source": ["T cell"] * 3 + ["B cell"], "target": genes})
    >>> e2t.pp.build_graph(adata, net, min_genes=1)  # doctest: +ELLIPSIS
    [edge2torch] table: ...
    >>> e2t.pp.rewire_graph(adata, random_state=2)
    [edge2torch] e2t_rewired: 2 of 4 edges (50%) differ from those of 'e2t'
    >>> adata.uns["e2t_rewired"]["graph"].loc[0, ["source", "target"]].tolist()
    ['LCK', 'B cell']
    """
    _slots.check_adata(adata, copy=copy)
    if key_added == key:
        raise Edge2TorchError(f"key_added={key_added!r} is also key, so the graph would be lost: choose another")
    _slots.check_free(adata, key_added)
    draft = read_draft(adata, key)
    edges = rewire(draft.edges, kind, random_state)
    nodes, _ = order_nodes(edges, draft.labels)
    same = _pairs(edges).isin(_pairs(draft.edges))
    changed = int((~same).sum())
    unread = len(draft.names("input")) - int((nodes["kind"] == "input").sum())
    made = write_draft(
        adata,
        key_added,
        called={
            "rewire_graph": {
                "kind": kind,
                "random_state": int(random_state),
                "key": key,
                "edges": len(edges),
                "edges_changed": changed,
            }
        },
        edges=edges,
        nodes=nodes,
        stale=_keys.Keys(key_added).of_build,
        copy=copy,
    )
    note(
        f"{key_added}: {changed:,} of {len(edges):,} edges ({changed / len(edges):.0%}) differ from those of {key!r}"
        + (f"; {unread:,} inputs are read by no node any more" if unread else "")
    )
    return made


def _pairs(edges: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(edges[["source", "target"]])
