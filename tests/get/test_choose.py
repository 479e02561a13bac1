"""Which groups plots speak of."""

from __future__ import annotations

import numpy as np
import pytest

import edge2torch as e2t
from edge2torch.get._choose import name_of_groups


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
