"""What cannot be written for cellxgene; nothing is there then."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.io import write_cellxgene


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.h5ad"


def spoil_one(adata):
    adata.obsm["e2t_nodes"][3, 2] = np.nan


def spoil_all(adata):
    adata.obsm["e2t_nodes"][:] = np.nan


def forget(adata):
    del adata.obsm["e2t_nodes"]


def clash(adata):
    adata.obs["e2t_confidence"] = 1.0


def clash_by_slash(adata):
    adata.obs["score|100"] = 1.0


def have_map(adata):
    adata.obsm["X_e2t_nodes"] = adata.obsm["X_umap"]


def nothing(adata):
    return None


BAD = {
    "node": (nothing, {"nodes": ["nobody"]}, "1 of 1 nodes do not exist: 'nobody'"),
    "no nodes": (nothing, {"nodes": []}, "nodes is empty"),
    "group": (nothing, {"groupby": "nobody"}, "groupby='nobody' is not a column"),
    "key": (nothing, {"key": "other"}, r"adata\.uns\['other'\] has no"),
    "slash": (nothing, {"key": "a/b"}, "must be text without '/'"),
    "n_nodes": (nothing, {"n_nodes": 0}, "n_nodes=0 must be a whole number of at least 1"),
    "n_genes": (nothing, {"n_genes": 1.5}, r"n_genes=1\.5 must be a whole number"),
    "seed": (nothing, {"random_state": -1}, "random_state=-1"),
    "embedding": (nothing, {"embedding": "tsne"}, "embedding='tsne' is unknown"),
    "layer": (nothing, {"layer": "nobody"}, "layer='nobody' is not in adata.layers"),
    "no scores": (forget, {}, "has no 'e2t_nodes'"),
    "a score": (spoil_one, {}, "scores of 1 nodes are NaN or infinite in 1 cells"),
    "all scores": (spoil_all, {}, "all scores are NaN"),
    "column": (clash, {}, "1 columns would have a name that another one has: 'e2t_confidence'"),
    "columns": (clash_by_slash, {}, r"1 columns would have a name that another one has: 'score\|100'"),
    "map": (have_map, {"embedding": "pca"}, "has 'X_e2t_nodes' already"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(adata, path, unchanged, case):
    change, options, message = BAD[case]
    change(adata)
    with unchanged(adata), pytest.raises(Edge2TorchError, match=message):
        write_cellxgene(adata, path, **{"embedding": None, **options})
    assert not list(path.parent.iterdir())


def test_too_many_nodes(adata, path):
    names = [f"node {i}" for i in range(160)]
    table = pd.DataFrame({"source": adata.var_names[:160], "target": names})
    big = AnnData(adata.X, obs=adata.obs[["louvain"]], var=adata.var[[]], obsm={"X_umap": adata.obsm["X_umap"]})
    e2t.pp.build_graph(big, table.rename(columns={"source": "target", "target": "source"}), min_genes=1)
    e2t.tl.fit(big, "louvain", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(big, n_steps=20)
    with pytest.raises(
        Edge2TorchError, match=r"nodes would show 160 nodes, each as two columns.*at most 150.*pass fewer"
    ):
        write_cellxgene(big, path, nodes=names, embedding=None)
    with pytest.raises(Edge2TorchError, match=r"n_nodes=100000 in 11 groups would show 160 nodes.*a smaller n_nodes"):
        write_cellxgene(big, path, n_nodes=100_000, embedding=None)
    write_cellxgene(big, path, nodes=names[:150], embedding=None)


def test_few_cells_no_maps_and_places_that_cannot_be(adata, path, tmp_path):
    with pytest.raises(Edge2TorchError, match="adata has 96 cells, and cellxgene shows nothing of fewer than 97"):
        write_cellxgene(adata[:96], path)
    bare = adata.copy()
    del bare.obsm["X_umap"], bare.obsm["X_pca"]
    with pytest.raises(Edge2TorchError, match="needs a map of the cells"):
        write_cellxgene(bare, path, embedding=None)
    with pytest.raises(Edge2TorchError, match=r"known endings are \.h5ad"):
        write_cellxgene(adata, tmp_path / "cells.h5")
    with pytest.raises(Edge2TorchError, match="does not exist: make it first"):
        write_cellxgene(adata, tmp_path / "nobody" / "cells.h5ad")
    del adata.obs["score/100"]
    adata.write_h5ad(path)
    backed = anndata.read_h5ad(path, backed="r")
    with pytest.raises(Edge2TorchError, match="is the file of adata itself"):
        write_cellxgene(backed, path, overwrite=True)
    backed.file.close()
    with pytest.raises(Edge2TorchError, match="must be an AnnData or MuData"):
        write_cellxgene(adata.obs, path)
