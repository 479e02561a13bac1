"""Which groups plots speak of."""

from __future__ import annotations

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pytest

import edge2torch as e2t
from edge2torch.get._choose import check_nodes, name_of_groups


@pytest.fixture(scope="module")
def cells():
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()[::3].copy()
    e2t.pp.build_graph(adata, "hallmark")
    e2t.tl.fit(adata, "bulk_labels", max_epochs=1, progress_bar=False)
    e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    return adata


def test_groups_are_those_of_the_last_ranking(cells):
    adata = cells.copy()
    steps = {"interpret": e2t.tl.interpret, "rank_nodes": e2t.tl.rank_nodes}
    turns = [("interpret", "louvain"), ("rank_nodes", "phase"), ("interpret", "louvain"), ("rank_nodes", None)]
    turns += [("rank_nodes", "phase"), ("interpret", None), ("rank_nodes", "louvain"), ("interpret", "phase")]
    for step, groupby in turns:
        steps[step](adata, groupby=groupby, n_steps=2)
        column = groupby or "bulk_labels"
        assert name_of_groups(adata, "e2t") == column
        assert set(e2t.get.rank_nodes(adata)["group"]) == set(adata.obs[column])


def test_without_classes_groups_are_outputs():
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()[::4].copy()
    rng = np.random.default_rng(0)
    adata.obs["one"], adata.obs["two"] = rng.normal(size=(2, adata.n_obs))
    e2t.pp.build_graph(adata, "hallmark")
    e2t.tl.fit(adata, ["one", "two"], max_epochs=1, progress_bar=False)
    e2t.tl.interpret(adata, target="two", n_steps=2)
    assert name_of_groups(adata, "e2t") == "output"
    assert set(e2t.get.rank_nodes(adata)["group"]) == {"two"}


def test_nodes_by_name_or_by_a_label_that_one_has():
    label_of = {"A": "x", "B": "A", "C": "y", "D": "y", "E (node)": "E"}
    assert check_nodes(["A", "E", "E (node)", "x"], label_of, label_of) == ["A", "E (node)"]
    assert check_nodes("E", label_of, label_of) == ["E (node)"]
    with pytest.raises(e2t.Edge2TorchError, match="1 of 2 nodes do not exist: 'y'"):
        check_nodes(["y", "A"], label_of, label_of)


def test_a_node_with_the_name_of_a_gene_is_found_by_that(tmp_path):
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, {"LYZ": adata.var_names[:20], "other": ["LYZ", *adata.var_names[20:40]]})
    e2t.tl.fit(adata, "louvain", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=20)
    assert e2t.get.nodes(adata).var_names.tolist() == ["LYZ (node)", "other"]
    assert [text.get_text() for text in e2t.pl.nodes(adata, nodes="LYZ").get_yticklabels()] == ["LYZ"]
    plt.close("all")
    e2t.io.write_cellxgene(adata, tmp_path / "cells.h5ad", nodes=["LYZ"], embedding=None)
    assert "LYZ (score)" in anndata.read_h5ad(tmp_path / "cells.h5ad").obs
    for name in ("LYZ", "LYZ (node)"):
        e2t.io.write_graph(adata, tmp_path / f"{name}.graphml", nodes=name)
    assert (tmp_path / "LYZ.graphml").read_bytes() == (tmp_path / "LYZ (node).graphml").read_bytes()
