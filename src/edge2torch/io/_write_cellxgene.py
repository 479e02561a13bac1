"""``e2t.io.write_cellxgene``."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData, settings

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice, check_seed, check_whole
from edge2torch._new_file import check_new_file, new_files
from edge2torch._notes import note
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get import nodes as get_nodes
from edge2torch.get._choose import best_nodes, check_nodes, labels_of, mean_scores
from edge2torch.io._viewer_cells import colours, result_columns, viewer_columns
from edge2torch.io._viewer_genes import gene_sets, viewer_matrix, write_gene_sets
from edge2torch.io._viewer_maps import check_maps, known_maps, node_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mudata import MuData

#: nodes of one file, each with two columns: the page needs seconds for 300 columns
MOST_NODES = 150
#: with fewer cells, answers of the viewer's server are too short to be compressed, and come without content
FEWEST_CELLS = 97


def write_cellxgene(
    adata: AnnData | MuData,
    path: str | os.PathLike[str],
    *,
    groupby: str | None = None,
    nodes: str | Sequence[str] | None = None,
    n_nodes: int = 3,
    n_genes: int = 20,
    layer: str | None = None,
    embedding: str | None = "umap",
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    overwrite: bool = False,
) -> None:
    """Write an h5ad file that CZ cellxgene opens as it is, and the gene sets of the nodes beside it.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret`; it is not changed.
    path
        File to write, ``*.h5ad``. Beside it stands ``*_gene_sets.csv``, the top genes of each node.
    groupby
        Column of ``adata.obs`` with the groups of which the best nodes are shown; ``None`` for the groups in
        ``uns[key]["rank_nodes"]``.
    nodes
        Names, or labels, of hidden nodes to show instead, in this order.
    n_nodes
        Nodes per group: those with the highest ``z`` after :func:`edge2torch.tl.rank_nodes`, else with the highest mean
        score.
    n_genes
        Most genes of a gene set.
    layer
        Matrix to colour by: a key of ``adata.layers``, or ``"X"``; ``None`` for what the model was trained on.
    embedding
        What maps the cells by the scores of all hidden nodes: ``"umap"``, ``"pca"``; ``None`` for no such map.
    random_state
        Seed of that map.
    key
        Name of the result.
    overwrite
        Whether the two files may replace others.

    Raises
    ------
    Edge2TorchError
        If there are no scores for single cells, some are NaN or infinite in a cell that has others, a node or a group
        does not exist, there are more than 150 nodes or fewer than 97 cells, two columns would have one name, or the
        files cannot be written. Files that were there are as they were then.

    Notes
    -----
    ``obs`` has ``"<label> (score)"`` and ``"<label> (activation)"`` of each node, ``"<key>_confidence"`` (the highest
    probability) and the columns of ``adata.obs`` as text categories, int32, float32 or bool; in names, "/" becomes "|".
    ``obsm`` has ``"X_<key>_nodes"`` (UMAP, McInnes et al. 2018, arXiv:1802.03426, of the first 50 principal components
    of the scores) and the two-dimensional maps of ``adata``. Cells without scores have no place in the former. The
    matrix is float32, by column (CSC) unless most of it is not 0. Notes name what is left out, and the command that
    opens the file.

    Genes of a set are those with the highest score among those that lead to the node, in the group in which it scores
    highest. After :func:`edge2torch.tl.interpret` with ``edges=True``, the score is the part of the node's score that
    arrives from the gene; otherwise, or if none leads to it directly, the score of the gene through all nodes. The
    column ``gene_set_description`` says which.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     e2t.io.write_cellxgene(adata, folder + "/pbmc.h5ad", embedding="pca")  # doctest: +ELLIPSIS
    [edge2torch] 17 nodes are in pbmc.h5ad; ...
    """
    _slots.check_adata(adata, written=False)
    for name, number in (("n_nodes", n_nodes), ("n_genes", n_genes)):
        check_whole(name, number)
    check_seed(random_state)
    if embedding is not None:
        check_choice("embedding", embedding, ("umap", "pca"))
    files = Files.of(adata, path, overwrite)
    if adata.n_obs < FEWEST_CELLS:
        raise Edge2TorchError(
            f"adata has {adata.n_obs} cells, and cellxgene shows nothing of fewer than {FEWEST_CELLS}"
        )
    scores = get_nodes(adata, key=key)
    _check_scores(scores)
    chosen = _choose(adata, groupby, nodes, n_nodes, key)
    matrix, genes = viewer_matrix(adata, layer, key)
    own = result_columns(adata, scores, list(chosen), key)
    obs, left_out = viewer_columns(adata.obs, own)
    maps, no_maps = known_maps(adata)
    check_maps(maps, f"X_{key}_nodes", embedding)
    sets = gene_sets(adata, chosen, genes, n_genes, key)
    if embedding is not None:
        maps = {f"X_{key}_nodes": node_map(scores, embedding, random_state), **maps}
    del scores
    uns, no_colours = colours(adata, obs, key)
    _write(files, AnnData(matrix, obs=obs, var=pd.DataFrame(index=genes), obsm=maps, uns=uns), sets)
    for what, names in (("obs", left_out), ("obsm", no_maps), ("uns", no_colours)):
        if names:
            note(f"left out of {what}, as cellxgene cannot show it: {'; '.join(names)}")
    call = "cellxgene --no-upgrade-check launch --open --disable-annotations --disable-gene-sets-save --gene-sets-file"
    note(
        f"{len(chosen)} nodes are in {files.cells.name}; to look at it: "
        f"{shlex.join([*call.split(), str(files.sets), str(files.cells)])}"
    )


class Files(NamedTuple):
    """The two files.

    Attributes
    ----------
    cells, sets
        Their paths.
    """

    cells: Path
    sets: Path

    @classmethod
    def of(cls, adata: AnnData | MuData, path: str | os.PathLike[str], overwrite: bool) -> Files:
        """Check that they can be written."""
        cells = check_new_file(path, (".h5ad",), overwrite=overwrite)
        behind = adata.filename if adata.isbacked else None
        if behind and Path(behind).resolve() == cells.resolve():
            raise Edge2TorchError(f"path={str(path)!r} is the file of adata itself: choose another path")
        return cls(cells, check_new_file(cells.with_name(f"{cells.stem}_gene_sets.csv"), overwrite=overwrite))


def _check_scores(scores: AnnData) -> None:
    """Raise unless all nodes have a score in each cell, or none has."""
    bad = ~np.isfinite(scores.X)
    bad &= ~np.isnan(scores.X).all(axis=1, keepdims=True)
    if bad.any():
        names = scores.var_names[bad.any(axis=0)]
        raise Edge2TorchError(
            f"scores of {len(names):,} nodes are NaN or infinite in {int(bad.any(axis=1).sum()):,} cells in which "
            f"others are not: {some(names)}; run e2t.tl.interpret again"
        )
    if np.isnan(scores.X).all():
        raise Edge2TorchError("all scores are NaN: run e2t.tl.interpret again, with a target that is in these cells")


def _choose(
    adata: AnnData | MuData, groupby: str | None, nodes: str | Sequence[str] | None, n_nodes: int, key: str
) -> dict[str, str]:
    """Names of the nodes to show, and the group in which each scores highest, among those for which it was chosen."""
    means = mean_scores(adata, groupby, key)
    if nodes is None:
        best = best_nodes(adata, means, n_nodes, key)
        names = list(dict.fromkeys(name for group in best.values() for name in group))
    else:
        names = check_nodes(nodes, means.columns, labels_of(adata, key))
        best = dict.fromkeys(map(str, means.index), names)
    if len(names) > MOST_NODES:
        asked = f"n_nodes={n_nodes} in {len(best)} groups" if nodes is None else "nodes"
        raise Edge2TorchError(
            f"{asked} would show {len(names):,} nodes, each as two columns; cellxgene gets slow, so that at most "
            f"{MOST_NODES} may be: pass {'a smaller n_nodes, or nodes=' if nodes is None else 'fewer'}"
        )
    groups = {name: [group for group in best if name in best[group]] for name in names}
    return {name: str(means.loc[groups[name], name].astype(float).fillna(-np.inf).idxmax()) for name in names}


def _write(files: Files, cells: AnnData, sets: list[tuple[str, str, str, str]]) -> None:
    """Write both under other names, then rename them."""
    with new_files(*files) as (cells_file, sets_file):
        # else text may be stored in a way that cellxgene reads no gene of
        with settings.override(allow_write_nullable_strings=False):
            cells.write_h5ad(cells_file)
        write_gene_sets(sets_file, sets)
