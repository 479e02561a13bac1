"""``e2t.pp.build_graph``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice
from edge2torch._notes import note
from edge2torch.cells import column_sums, feature_names, is_mudata, modalities
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import node_table
from edge2torch.prior import ACYCLIC, Choice, Network, Reading, assemble, assemble_modalities, connect

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: arguments that are objects, not settings
UNRECORDED = ("adata", "net", "hierarchy", "key_added", "copy")
#: layer in which raw counts are kept by convention
COUNTS = "counts"


def build_graph(
    adata: AnnData | MuData,
    net: object,
    *,
    organism: str = "human",
    hierarchy: object = None,
    genes: str = "targets",
    stack: str = "beside",
    net_kwargs: Mapping[str, Any] | None = None,
    weights: str | None = None,
    acyclic: str | None = None,
    min_genes: int = 5,
    max_genes: int | None = None,
    min_coverage: float = 0.0,
    roots: str | Collection[str] | None = None,
    depth: int | None = None,
    include: str | Collection[str] | None = None,
    exclude: str | Collection[str] | None = None,
    merge: bool = False,
    unannotated: bool = False,
    gene_symbols: str | Mapping[str, str] | None = None,
    resolve: bool = False,
    key_added: str = _keys.DEFAULT,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Connect the measured genes with prior knowledge.

    The direction of biology (regulator -> gene, pathway -> part) is turned into that of computation: genes feed
    regulators or pathways, pathways feed the pathways that they are part of. What was not measured is dropped, with
    the nodes that no gene reaches. If a node of a hierarchy is taken out, its genes go to its parents.

    Parameters
    ----------
    adata
        Cells by genes. For a MuData, ``net`` is a dict with a prior for each modality; inputs are called
        ``"<modality>:<feature>"``, and nodes of the same name in several priors are one node.
    net
        One of

        - the name of a prior that comes with the package, all with human symbols: ``"hallmark"``, ``"progeny"``,
          ``"reactome"`` and ``"go_bp"`` (GO biological process), these two with their hierarchies;
        - the name of a network that decoupler downloads: ``"collectri"``, ``"dorothea"``, or ``"decoupler:<function>"``
          for any of its functions, ``"omnipath:<resource>"`` for any annotations of OmniPath; or ``"omnipath"``, its
          signed interactions of proteins, to be put on top of regulons. They are kept in
          ``edge2torch.settings.cache_dir``;
        - a file, by its suffix: .gmt, .sif, .graphml, .csv, .tsv, .parquet, .gaf, Reactome's ``UniProt2Reactome.txt``
          and its like, gzipped (.gz) or not;
        - a DataFrame as in decoupler (``source``: regulator or pathway, ``target``: gene, optionally ``weight``), a
          dict of gene sets, a directed networkx graph, or a Series;
        - a list of these.
    organism
        Species of the genes: what comes with the package or from decoupler is translated from human.
    hierarchy
        Which sets of ``net`` are part of which: a file (.obo, ``ReactomePathwaysRelation.txt``, a table) or a DataFrame
        with ``parent`` and ``child``.
    genes
        ``"targets"``: every target of ``net`` is a gene, and a source of the same name is a node of its own.
        ``"leaves"``: only targets that are no source are genes; the others are nodes that regulate each other.
    stack
        What a list is: priors ``"beside"`` each other, or ``"layers"`` from the genes upwards, such as regulons,
        signalling, receptors: what a later prior regulates are the nodes of those below it.
    net_kwargs
        Further arguments of decoupler, for example ``{"levels": ["A", "B"]}``, or ``{"source": "cell_type"}`` for the
        column of an OmniPath resource that names its sets.
    weights
        What the weights of ``net`` are: the ``"sign"`` that an edge keeps, the ``"initial"`` weight that training
        starts from, a ``"fixed"`` weight, or nothing (``None``). Initial and fixed weights are scaled for each node so
        that their squares add up to 1.
    acyclic
        What to do about cycles: ``None`` leaves them for the backends ``"recurrent"`` and ``"graphnn"``; ``"distance"``
        cuts, of the edges on cycles, those that do not lead away from the genes by the least number of edges.
    min_genes, max_genes
        Least and largest number of measured genes of a node, its own and those of the nodes below it. Above a node
        with too many genes there is none with fewer, so what only it reads is lost.
    min_coverage
        Least share of the genes of a node that were measured.
    roots
        Names (or identifiers) of nodes: only these and those below them are used.
    depth
        Most levels of nodes; roots, or nodes below no other, are at level 1. Genes of deeper ones go to their parents.
    include, exclude
        Names (or identifiers) of nodes: only these, or all but these.
    merge
        Whether nodes with the same measured genes become one, called like the one with the fewest genes in the prior.
    unannotated
        Whether a node ``"unannotated"`` reads the genes that no other node reads.
    gene_symbols
        Column of ``adata.var`` with the names that ``net`` uses; ``None`` for ``var_names``. For a MuData a column that
        all used modalities have, or a dict with the column of some.
    resolve
        Whether to look up human aliases and Ensembl ids (with or without version) that data or prior use.
    key_added
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Sets:

    ``adata.uns[key_added]["graph"]``
        Edge list: ``source``, ``target``, ``prior``; ``prior_weight`` if the prior has weights, ``constraint`` and
        ``initial_weight`` if they are used.
    ``adata.uns[key_added]["nodes"]``
        A row per node: ``node``, ``label``, ``kind``, ``layer``, ``in_degree``, ``out_degree``, ``n_inputs``. A node
        whose name is also that of a gene in ``net`` (a TF that others regulate) is called ``"<name> (node)"``.
    ``adata.uns[key_added]["coverage"]``, ``["summary"]``
        What was kept, what was lost and why: see :func:`edge2torch.get.coverage`.
    ``adata.uns[key_added]["cut_edges"]``
        ``source`` and ``target`` of the edges that ``acyclic`` has cut, if it has cut any.
    ``adata.uns[key_added]["params"]["build_graph"]``
        Arguments.

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
    >>> e2t.pp.build_graph(adata, {"T cell": ["CD3E", "CD2", "LCK"]}, min_genes=2)
    [edge2torch] sets: 3 of 4 genes (75%) are in the prior, which has 3; 1 of 1 nodes kept; 3 edges, 2 layers
    >>> adata.uns["e2t"]["graph"]["source"].tolist()
    ['CD2', 'CD3E', 'LCK']
    """
    called = {name: value for name, value in locals().items() if name not in UNRECORDED}
    _slots.check_adata(adata, copy=copy)
    _slots.check_free(adata, key_added)
    if acyclic is not None:
        check_choice("acyclic", acyclic, ACYCLIC)  # before anything is downloaded
    choice = Choice(min_genes, max_genes, min_coverage, roots, depth, include, exclude, merge, unannotated)
    reading = Reading(organism, hierarchy, genes, net_kwargs, stack, resolve)
    if is_mudata(adata):
        where = "mdata"
        column_of = _columns(gene_symbols, list(adata.mod))
        prior, symbols = assemble_modalities(
            net,
            lambda name: _symbols(modalities(adata)[name], column_of.get(name), f"mdata[{name!r}]"),
            list(adata.mod),
            reading,
        )
    else:
        column = _columns(gene_symbols, ["adata"]).get("adata")
        where = "`var_names`" if column is None else f"`adata.var[{column!r}]`"
        prior, symbols = assemble(net, _symbols(adata, column, "adata"), reading, where)
    network = connect(prior, symbols, choice, weights=weights, acyclic=acyclic, where=where)
    summary = {**network.summary, "share_of_counts": _share_of_counts(adata, network.graph.inputs)}
    adata = adata.copy() if copy else adata
    _slots.write(
        adata,
        key_added,
        called={"build_graph": {**_names_as_lists(called), "net": prior.name}},
        uns={
            _keys.GRAPH: network.edges,
            _keys.NODES: node_table(network.graph, network.labels, outputs=()),
            _keys.COVERAGE: network.coverage,
            _keys.SUMMARY: pd.DataFrame({"quantity": list(summary), "value": [float(v) for v in summary.values()]}),
            **({_keys.CUT: network.cut} if len(network.cut) else {}),
        },
        stale=_keys.Keys(key_added).of_build,
    )
    for line in _report(prior.name, network, prior.left_out):
        note(line)
    return adata if copy else None


def _names_as_lists(called: Mapping[str, Any]) -> dict[str, Any]:
    """Make lists of collections of names, which may be sets, in an order of their own."""
    collections = ("roots", "include", "exclude")
    names = {name: called[name] for name in collections if called[name] is not None}
    return {**called, **{name: [given] if isinstance(given, str) else sorted(given) for name, given in names.items()}}


def _columns(gene_symbols: object, names: list[str]) -> dict[str, str]:
    """Column with the symbols of each modality; ``names`` is ``["adata"]`` if there are none."""
    if gene_symbols is None:
        return {}
    if isinstance(gene_symbols, str):
        return dict.fromkeys(names, gene_symbols)
    if not isinstance(gene_symbols, Mapping):
        raise Edge2TorchError(f"gene_symbols must be the name of a column of var, not {type(gene_symbols).__name__}")
    unknown = [name for name in gene_symbols if name not in names or names == ["adata"]]
    if unknown:
        known = "a dict is for a MuData" if names == ["adata"] else f"mdata has {some(names)}"
        raise Edge2TorchError(f"gene_symbols names modalities that are not there: {some(unknown)}; {known}")
    return dict(gene_symbols)


def _symbols(adata: AnnData, column: str | None, where: str) -> pd.Series:
    names = feature_names(adata)
    if column is None:
        return pd.Series(names, index=names)
    if column not in adata.var:
        columns = some(adata.var) or "none"
        raise Edge2TorchError(f"gene_symbols={column!r} is not a column of {where}.var; it has {columns}")
    return pd.Series(adata.var[column].to_numpy(dtype=object, na_value=None), index=names)


def _share_of_counts(adata: AnnData | MuData, inputs: list[str]) -> float:
    """Share of all counts (``layers["counts"]``, else ``X``) that the inputs have; NaN for scaled values."""
    if is_mudata(adata):
        parts = [(_counts(part), f"{name}:" + part.var_names.astype(str)) for name, part in modalities(adata).items()]
    else:
        parts = [(_counts(adata), adata.var_names.astype(str))]
    used = total = 0.0
    for sums, names in parts:
        used += float(sums[names.isin(inputs)].sum())
        total += float(sums.sum())
    return used / total if total > 0 else float("nan")


def _counts(adata: AnnData) -> Any:
    matrix = adata.layers.get(COUNTS, adata.X)
    if matrix is None:
        return np.zeros(adata.n_vars)
    sums = column_sums(matrix)
    return np.where((sums < 0).any(), np.nan, sums)


def _report(name: str, network: Network, left_out: int) -> list[str]:
    """Say in a line what was kept and, where there is something to say, in others what was lost."""
    n = network.summary
    lines = [
        f"{name}: {n['genes_in_prior']:,} of {n['genes']:,} genes ({n['genes_in_prior'] / n['genes']:.0%}) are in the "
        f"prior, which has {n['prior_genes']:,}; {n['nodes']:,} of {n['nodes_in_prior']:,} nodes kept; {n['edges']:,} "
        f"edges, {n['layers']} layers"
    ]
    if network.hint:
        lines.append(f"most genes are not in the prior; {network.hint}")
    if left_out:
        lines.append(
            f"{left_out:,} rows of {name} were left out: they lead to no node of a layer below, or name no known gene"
        )
    if n["edges_cut"]:
        lines.append(f"{n['edges_cut']:,} edges that close cycles were cut: adata.uns[...]['cut_edges']")
    if n["cyclic"]:
        lines.append(
            "the graph has cycles: fit with backend='recurrent' or 'graphnn', or build with acyclic='distance'"
        )
    return lines
