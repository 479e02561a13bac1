"""``e2t.pp.build_graph``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch._notes import note
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import Graph, node_table
from edge2torch.prior import Network, connect, load_shipped, prior_from_table

if TYPE_CHECKING:
    from anndata import AnnData


def build_graph(
    adata: AnnData,
    net: str | pd.DataFrame,
    *,
    min_genes: int = 5,
    gene_symbols: str | None = None,
    key_added: str = _keys.DEFAULT,
    copy: bool = False,
) -> AnnData | None:
    """Connect the measured genes with prior knowledge.

    The direction of biology (regulator -> gene, pathway -> part) is turned into that of computation: genes feed
    regulators or pathways, pathways feed the pathways that they are part of. What was not measured is dropped, with
    the nodes that no gene reaches. A node with fewer than ``min_genes`` measured genes (its own and those of its
    parts) is taken out, and its genes go to its parents.

    Parameters
    ----------
    adata
        Cells by genes.
    net
        Name of a shipped prior (``"hallmark"``, ``"progeny"``, ``"reactome"`` with its hierarchy; human symbols), or a
        table as in decoupler: ``source`` (regulator or pathway), ``target`` (gene), optionally ``weight``, which is
        kept in the edge list as ``prior_weight``.
    min_genes
        Least number of measured genes of a node, at least 1.
    gene_symbols
        Column of ``adata.var`` with the names that ``net`` uses; ``None`` for ``var_names``.
    key_added
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Sets:

    ``adata.uns[key_added]["graph"]``
        Edge list: ``source``, ``target``, ``prior``.
    ``adata.uns[key_added]["nodes"]``
        A row per node: ``node``, ``label``, ``kind``, ``layer``, ``in_degree``, ``out_degree``, ``n_inputs``. A node
        whose name is also that of a gene in ``net`` (a TF that others regulate) is called ``"<name> (node)"``.
    ``adata.uns[key_added]["params"]["build_graph"]``
        Arguments and coverage.

    An earlier result under the same key is replaced.

    Raises
    ------
    Edge2TorchError
        If ``net`` is not usable, or too few of its genes were measured; nothing is written then.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd, edge2torch as e2t
    >>> adata = anndata.AnnData(
    ...     np.ones((3, 4), dtype="float32"), var=pd.DataFrame(index=["CD3E", "CD2", "LCK", "MS4A1"])
    ... )
    >>> net = pd.DataFrame({"source": ["T cell"] * 3, "target": ["CD3E", "CD2", "LCK"]})
    >>> e2t.pp.build_graph(adata, net, min_genes=2)
    [edge2torch] table: 3 of 4 genes (75%) are in the prior, which has 3; 1 of 1 nodes kept; 3 edges, 2 layers
    >>> adata.uns["e2t"]["graph"]["source"].tolist()
    ['CD2', 'CD3E', 'LCK']
    """
    _slots.check_adata(adata)
    _slots.check_free(adata, key_added)
    keys = _keys.Keys(key_added)
    check_whole("min_genes", min_genes)
    symbols = _symbols(adata, gene_symbols)
    prior = load_shipped(net) if isinstance(net, str) else prior_from_table(net)
    where = "`var_names`" if gene_symbols is None else f"`adata.var[{gene_symbols!r}]`"
    network = connect(prior, symbols, min_genes, where)
    nodes = node_table(Graph.from_edgelist(network.edges), network.labels, outputs=())
    adata = adata.copy() if copy else adata
    _slots.write(
        adata,
        key_added,
        called={
            "build_graph": {
                "net": prior.name,
                "min_genes": min_genes,
                "gene_symbols": gene_symbols,
                **network.report,
            }
        },
        uns={_keys.GRAPH: network.edges, _keys.NODES: nodes},
        stale=keys.of_fit,
    )
    note(_coverage(prior.name, network))
    return adata if copy else None


def _symbols(adata: AnnData, gene_symbols: str | None) -> pd.Series:
    if not adata.var_names.is_unique:
        raise Edge2TorchError("adata.var_names are not unique: call adata.var_names_make_unique()")
    if gene_symbols is None:
        return pd.Series(adata.var_names.astype(str), index=adata.var_names.astype(str))
    if gene_symbols not in adata.var:
        raise Edge2TorchError(f"gene_symbols={gene_symbols!r} is not a column of adata.var; it has {some(adata.var)}")
    return pd.Series(adata.var[gene_symbols].to_numpy(dtype=object, na_value=None), index=adata.var_names.astype(str))


def _coverage(name: str, network: Network) -> str:
    n = network.report
    share = n["genes_in_prior"] / n["genes"]
    return (
        f"{name}: {n['genes_in_prior']:,} of {n['genes']:,} genes ({share:.0%}) are in the prior, which has "
        f"{n['prior_genes']:,}; {n['nodes']:,} of {n['nodes_in_prior']:,} nodes kept; {n['edges']:,} edges, "
        f"{n['layers']} layers"
    )
