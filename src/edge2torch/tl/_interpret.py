"""``e2t.tl.interpret``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from edge2torch import _keys, _slots
from edge2torch.attribution import Request, find_pair
from edge2torch.cells import feature_names
from edge2torch.errors import Edge2TorchError
from edge2torch.get._model import models
from edge2torch.tl._baseline import find_baseline, name_of
from edge2torch.tl._explained import explained_classes, find_explained
from edge2torch.tl._groups import find_groups
from edge2torch.tl._node_table import fitted_nodes
from edge2torch.tl._per_cell import PerCell
from edge2torch.tl._predictions import predicted_classes
from edge2torch.tl._query import fitted_cells
from edge2torch.tl._scores import find_signs, score_cells
from edge2torch.tl._summary import Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.compile import CompileArtifact
    from edge2torch.tl._explained import Explained

UNRECORDED = ("adata", "key", "copy")


def interpret(
    adata: AnnData | MuData,
    *,
    method: str | None = None,
    target: str | Sequence[str] = "label",
    baseline: str | npt.ArrayLike = "zero",
    n_steps: int = 20,
    groupby: str | None = None,
    per_cell: bool = True,
    cell_features: bool = False,
    edges: bool = False,
    batch_size: int | None = None,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Score genes and hidden nodes: how much each contributes to the class of each cell.

    Integrated gradients of the genes and conductance of the nodes, the default, come from one walk along the path from
    the baseline to a cell, looked at in ``n_steps + 1`` points. Cells are read and scored some at a time.

    Parameters
    ----------
    adata
        Cells by genes, with a model from :func:`edge2torch.tl.fit`. Of an AnnData that was opened with
        ``backed="r+"``, results go into the file at once, and per-cell scores need not fit into memory.
    method
        A method of Captum that exists for features and for layers: ``"IntegratedGradients"`` (with
        ``LayerConductance``; the default), ``"DeepLift"``, ``"GradientShap"``, ``"InputXGradient"``, ...
    target
        Which class is explained in a cell: its own (``"label"``), the ``"predicted"`` one, one for all, by name, or
        ``"all"``: every output in every cell. Of labels and numbers, one by name, or ``"all"``; where there is only
        one, it need not be named. A class that is called ``"label"`` is named by ``["label"]``.
    baseline
        Reference input: ``"zero"``, ``"mean"`` (of all cells), a group of ``groupby`` (mean of its cells), a Series or
        DataFrame by gene, or an array (inputs,) or (n, inputs), in the order of the inputs in ``uns[key]["nodes"]``.
        Methods that compare with several cells take n rows.
    n_steps
        Steps along the path from the baseline, for methods that integrate along one.
    groupby
        Column of ``adata.obs`` over whose groups node scores are averaged; ``None`` for the target of the fit or, where
        there is no such column, the classes that are explained.
    per_cell
        Whether to keep scores and states of the nodes for each cell; without, only means are kept, and memory does not
        grow with the number of cells.
    cell_features
        Whether to keep the scores of the genes for each cell, too.
    edges
        Whether to score edges, too: the part of a node's conductance that arrives over each of them, as means over
        groups of cells. Only with the default method.
    batch_size
        Cells in one pass; by default as many as make cells x steps about 4,000.
    random_state
        Seed for methods that sample.
    key
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Scores are in units of the logit, or of the number; of replicates, their mean. Sets:

    ``adata.obsm[key + "_nodes"]``
        Cells x hidden nodes, in the order of ``uns[key]["nodes"]``; see :func:`edge2torch.get.nodes`. Not set with
        ``target="all"``, where a cell has scores for every output.
    ``adata.obsm[key + "_activations"]``
        State of the hidden nodes, cells x hidden nodes in the same order: how active a pathway is, as far as the
        network can tell. Sign and scale are the network's own: a node may be high where its genes are low. A state of
        several units is their sum; of backends that take steps, it is the last. Of replicates it is the mean, after the
        sign was changed where a node correlates negatively, over all cells, with itself in the first replicate.
    ``adata.varm[key + "_features"]``
        Genes x outputs: mean score of a gene for a class over the cells that were explained for it; 0 for genes that
        the graph does not use, NaN for classes that were not explained. See :func:`edge2torch.get.features`.
    ``adata.uns[key]["rank_nodes"]``
        ``group``, ``node``, ``layer``, ``score``: mean over the cells of a group, highest first. With ``target="all"``,
        there is a column ``output``, too.
    ``adata.uns[key]["completeness"]``
        Row per ``output`` that was explained: ``n_cells``; ``difference``, by how much the output differs from that at
        the baseline (zero, for methods without one); ``error``, by how much the sum of the scores of the genes misses
        that, both as mean of absolute values over cells; ``relative_error``, the second as a share of the first.
    ``adata.uns[key]["edge_scores"]``
        With ``edges``: ``group``, with ``target="all"`` also ``output``, (tables,), and ``score``, (tables, edges), in
        the order of ``uns[key]["graph"]``. See :func:`edge2torch.get.edges`.
    ``adata.obsm[key + "_features"]``
        With ``cell_features``: cells x inputs, in the order of ``uns[key]["nodes"]``.

    Raises
    ------
    Edge2TorchError
        If there is no model, an argument cannot be used, or the output is the same in all cells as at the baseline;
        nothing is written then.

    References
    ----------
    Integrated gradients: Sundararajan et al. 2017 (arXiv:1703.01365). Conductance: Dhamdhere et al. 2018
    (arXiv:1805.12233).

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> e2t.get.nodes(adata).shape
    (700, 39)
    """
    called = {name: value for name, value in locals().items() if name not in UNRECORDED}
    _slots.check_adata(adata, copy=copy)
    methods = find_pair(method)
    replicates, artifact = models(adata, key=key)
    if not adata.n_obs:
        raise Edge2TorchError("adata has no cells: there is nothing to interpret")
    fit_params = _slots.params(adata, key, "fit")
    nodes = fitted_nodes(adata, key, artifact)
    cells = fitted_cells(adata, artifact.feature_names, fit_params)
    labels = nodes.loc[nodes["kind"] == "output", "label"].tolist()
    explained = find_explained(adata, target, fit_params, labels, lambda: predicted_classes(replicates, cells))
    groups = find_groups(adata, groupby, fit_params, lambda: explained_classes(explained))
    keys = _keys.Keys(key)
    widths = _widths(keys, artifact, explained, per_cell=per_cell, cell_features=cell_features)
    request = Request(
        baseline=find_baseline(baseline, cells, groups),
        n_steps=n_steps,
        batch_size=batch_size,
        random_state=random_state,
    )
    hidden = np.flatnonzero(nodes["kind"] == "hidden")
    columns, in_file = hidden - len(artifact.feature_names), _slots.is_open_file(adata)
    summary = Summary(explained, groups, adata.n_obs)
    with PerCell(
        keys,
        widths,
        hidden=columns,
        signs=find_signs(replicates, cells) if per_cell else torch.ones(()),
        n_cells=adata.n_obs,
        folder=adata.filename.parent if in_file else None,
    ) as each:
        groups_of_edges = summary.group if edges else None
        for scored in score_cells(replicates, methods, cells, explained, request, edge_groups=groups_of_edges):
            summary.add(scored)
            each.add(scored)
        summary.check(n_steps if methods[0].steps else None)
        adata = adata.copy() if copy else adata
        named = {"method": methods[0].name, "method_nodes": methods[1].name, "baseline": name_of(baseline)}
        _slots.write(
            adata,
            key,
            called={"interpret": {**called, **named}},
            uns={
                _keys.RANK_NODES: summary.rank_nodes(nodes.iloc[hidden], columns),
                _keys.COMPLETENESS: summary.completeness(),
                **({_keys.EDGE_SCORES: summary.edge_scores()} if edges else {}),
            },
            obsm=each.slots,
            varm={keys.features: _of_genes(adata, summary.features(), artifact.feature_names)},
            stale=keys.of_interpret,
            in_file=in_file,
        )
    return adata if copy else None


def _widths(
    keys: _keys.Keys, artifact: CompileArtifact, explained: Explained, *, per_cell: bool, cell_features: bool
) -> dict[str, int]:
    """Which slots of ``obsm`` are going to be filled, and how many columns they have."""
    one = explained.output is not None
    if cell_features and not (per_cell and one):
        wrong = "target='all', where a cell has scores for every output" if per_cell else "per_cell=False"
        raise Edge2TorchError(f"cell_features=True keeps scores of the genes for each cell, not with {wrong}")
    if not per_cell:
        return {}
    n_inputs, n_hidden = len(artifact.input_nodes), len(artifact.hidden_nodes)
    widths = {keys.nodes: n_hidden} if one else {}
    return {**widths, keys.activations: n_hidden, **({keys.features: n_inputs} if cell_features else {})}


def _of_genes(
    adata: AnnData | MuData, means: npt.NDArray[np.float64], inputs: Sequence[str]
) -> npt.NDArray[np.float32]:
    """Mean scores of all genes for all outputs, (genes, outputs), from those of the inputs."""
    scores = np.where(np.isnan(means[:1]), np.nan, np.zeros((adata.n_vars, 1))).astype(np.float32)
    rows = feature_names(adata).get_indexer(pd.Index(inputs))
    scores[rows[rows >= 0]] = means[rows >= 0]
    return scores
