"""Simulated cells: what is planted is there, and nothing else."""

from __future__ import annotations

import inspect
import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import nbinom

import edge2torch as e2t
from edge2torch import Edge2TorchError

simulate = e2t.datasets.simulate
#: genes by themselves, for what is true of each
SINGLE = pd.DataFrame({"source": [f"g{k}" for k in range(40)], "target": [f"TF{k % 4}" for k in range(40)]})
PLAIN = {"library_sd": 0.0, "activity_sd": 0.0}


def dense(adata):
    return adata.X.toarray().astype(float)


def of(adata, role, columns="node"):
    truth = adata.uns["truth"]
    return truth.loc[truth["role"] == role, columns]


def test_counts_are_whole_numbers(regulons):
    adata = simulate(regulons, n_cells=50, n_active=1, n_other_genes=7)
    assert sp.issparse(adata.X)
    assert adata.X.format == "csr"
    assert adata.X.dtype == np.float32
    assert adata.shape == (50, regulons["source"].nunique() + 7)
    np.testing.assert_array_equal(adata.X.data, np.round(adata.X.data))
    assert adata.X.data.min() >= 1
    np.testing.assert_array_equal(adata.obs["n_counts"], adata.X.sum(axis=1).A1)
    assert adata.var_names.is_unique
    assert adata.var["in_graph"].tolist() == [name in set(regulons["source"]) for name in adata.var_names]


def test_counts_are_negative_binomial():
    adata = simulate(SINGLE, {}, n_cells=20_000, mean_counts=2.0, **PLAIN)
    mean, dispersion = adata.var["mean"].to_numpy(), adata.var["dispersion"].to_numpy()
    counts = nbinom(1 / dispersion, 1 / (1 + mean * dispersion))
    x = dense(adata)
    assert np.abs((x.mean(axis=0) - mean) / (counts.std() / np.sqrt(20_000))).max() < 4.5
    zeros = counts.pmf(0)
    assert np.abs(((x == 0).mean(axis=0) - zeros) / np.sqrt(zeros * (1 - zeros) / 20_000)).max() < 4.5
    np.testing.assert_allclose(x.var(axis=0), mean + dispersion * mean**2, rtol=0.25)


def test_genes_are_log_normal_with_the_mean_that_was_asked_for(regulons):
    mean = simulate(regulons, {}, n_cells=10, groups=2, mean_counts=0.7, n_other_genes=5000).var["mean"]
    assert mean.mean() == pytest.approx(0.7)
    logs = np.log(mean)
    # a normal distribution with standard deviation 2 of which the part below -1.5 deviations was cut off
    assert logs.max() - logs.min() > 8
    assert np.ptp(np.quantile(logs, [0.5, 0.9])) == pytest.approx(2 * (1.324 - 0.084), rel=0.1)


def test_dispersions_scatter_around_their_trend(regulons):
    genes = simulate(regulons, {}, n_cells=10, groups=2, n_other_genes=5000).var
    residual = np.log(genes["dispersion"] / (0.08 + 0.9 / (1 + genes["mean"] / 1.5)))
    assert residual.mean() == pytest.approx(0, abs=0.05)
    assert residual.std() == pytest.approx(0.7, rel=0.05)


def test_library_sizes_are_log_normal(regulons):
    adata = simulate(regulons, {}, n_cells=3000, mean_counts=20, library_sd=0.5)
    totals = np.log(adata.obs["n_counts"])
    expected = adata.var["mean"].sum()
    assert adata.obs["n_counts"].mean() == pytest.approx(expected, rel=0.05)
    assert totals.std() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("effect", [1.0, -1.0, 0.5])
def test_genes_of_an_active_node_change_by_the_effect_and_others_do_not(regulons, effect):
    adata = simulate(regulons, {"a": ["TF/20"], "b": []}, n_cells=4000, mean_counts=5, effect=effect, **PLAIN)
    genes = set(regulons.loc[regulons["target"] == "TF/20", "source"])
    inside = adata.var_names.isin(genes)
    np.testing.assert_allclose(adata.varm["truth"], np.outer(inside, [effect, 0.0]))
    group = (adata.obs["group"] == "a").to_numpy()
    x = dense(adata)
    ratio = np.log2(x[group].mean(axis=0) / x[~group].mean(axis=0))
    error = np.sqrt((x.var(axis=0) / x.mean(axis=0) ** 2) * 4 / 4000) / np.log(2)
    # totals stay as they are, so that other genes fall by a common factor
    mean = adata.var["mean"]
    common = -np.log2((mean * 2 ** (effect * inside)).sum() / mean.sum())
    assert np.abs((ratio - effect * inside - common) / error).max() < 5
    assert np.average(ratio[inside] - common, weights=error[inside] ** -2) == pytest.approx(effect, abs=0.05)


def test_effects_of_a_dict_and_of_several_nodes_add_up(regulons):
    active = {"a": {"TF/20": 2.0, "TF/25": -0.5}, "b": "TF/03"}
    adata = simulate(regulons, active, n_cells=20, effect=3.0, n_hubs=0)
    has = {
        node: adata.var_names.isin(regulons.loc[regulons["target"] == node, "source"])
        for node in adata.uns["truth"]["node"]
    }
    np.testing.assert_allclose(adata.varm["truth"][:, 0], 2.0 * has["TF/20"] - 0.5 * has["TF/25"])
    np.testing.assert_allclose(adata.varm["truth"][:, 1], 3.0 * has["TF/03"])
    assert of(adata, "active", ["group", "node", "effect"]).to_numpy().tolist() == [
        ["a", "TF/20", 2.0],
        ["a", "TF/25", -0.5],
        ["b", "TF/03", 3.0],
    ]


def test_penetrance_is_the_share_of_genes_that_follow(regulons):
    every = simulate(regulons, {"a": ["TF/29"]}, n_cells=20).varm["truth"][:, 0] != 0
    half = simulate(regulons, {"a": ["TF/29"]}, n_cells=20, penetrance=0.5).varm["truth"][:, 0] != 0
    assert every.sum() == 60
    assert half.sum() == 30
    assert not (half & ~every).any()
    least = simulate(regulons, {"a": ["TF/29"]}, n_cells=20, penetrance=1e-6)
    assert (least.varm["truth"][:, 0] != 0).sum() == 1


def test_activity_varies_between_cells(regulons):
    adata = simulate(regulons, {"a": ["TF/29"], "b": ["TF/10"]}, n_cells=4000, activity_sd=0.5)
    assert adata.uns["truth_params"]["active"].tolist() == ["TF/10", "TF/29"]
    activity = pd.DataFrame(adata.obsm["truth"]).groupby(adata.obs["group"].to_numpy())
    np.testing.assert_allclose(activity.mean(), [[0, 1], [1, 0]], atol=0.06)
    np.testing.assert_allclose(activity.std(), 0.5, rtol=0.08)


def test_without_effect_there_is_nothing(regulons):
    none = simulate(regulons, {}, n_cells=80, groups=3)
    drawn = simulate(regulons, n_cells=80, groups=3, n_active=2, effect=0)
    np.testing.assert_array_equal(none.X.toarray(), drawn.X.toarray())
    assert not none.varm["truth"].any()
    assert not drawn.varm["truth"].any()
    assert set(none.uns["truth"]["role"]) == {"hub", "other"}
    assert len(of(drawn, "active")) == 6


def test_what_is_drawn_depends_on_the_seed_only(regulons, same):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = (simulate(regulons, n_cells=40, n_active=1, random_state=3) for _ in range(2))
    same(one, two)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    other = simulate(regulons, n_cells=40, n_active=1, random_state=4)
    assert (one.X != other.X).nnz
    strong = simulate(regulons, n_cells=40, n_active=1, random_state=3, effect=3)
    pd.testing.assert_series_equal(of(one, "active"), of(strong, "active"))
    pd.testing.assert_frame_equal(one.var, strong.var)


def test_memory_comes_in_blocks_that_do_not_show(regulons, monkeypatch):
    whole = simulate(regulons, n_cells=40, n_active=1, dropout=0.1)
    monkeypatch.setattr("edge2torch.datasets.counts.BLOCK", 1000)
    np.testing.assert_array_equal(
        whole.X.toarray(), simulate(regulons, n_cells=40, n_active=1, dropout=0.1).X.toarray()
    )


def test_groups_have_their_shares(regulons):
    adata = simulate(regulons, {}, n_cells=100, groups={"x": 1, "y/z": 3})
    assert adata.obs["group"].value_counts().to_dict() == {"y/z": 75, "x": 25}
    assert list(simulate(regulons, {"T": ["TF/01"]}, n_cells=10).obs["group"].cat.categories) == ["T", "rest"]
    assert simulate(regulons, {}, n_cells=10).obs["group"].nunique() == 4


def test_donors_have_cells_of_all_groups_or_of_one(regulons):
    crossed = simulate(regulons, {}, n_cells=120, groups=3, n_donors=6).obs
    assert (pd.crosstab(crossed["donor"], crossed["group"]).to_numpy() > 5).all()
    nested = simulate(regulons, {}, n_cells=120, groups=3, n_donors=6, nested=True).obs
    assert ((pd.crosstab(nested["donor"], nested["group"]) > 0).sum(axis=1) == 1).all()
    assert nested.groupby("group", observed=True)["donor"].nunique().tolist() == [2, 2, 2]


def test_donors_differ_as_much_as_asked_for(regulons):
    adata = simulate(regulons, {}, n_cells=4000, n_donors=4, donor_sd=1.0, mean_counts=20, **PLAIN)
    means = pd.DataFrame(dense(adata)).groupby(adata.obs["donor"].to_numpy()).mean()
    spread = np.log2(means.loc[:, (means > 1).all()]).std()
    assert np.sqrt((spread**2).mean()) == pytest.approx(1.0, rel=0.15)


def test_dropout_loses_what_is_rare():
    adata = simulate(SINGLE, {}, n_cells=20_000, mean_counts=2.0, dropout=0.5, **PLAIN)
    mean, dispersion = adata.var["mean"].to_numpy(), adata.var["dispersion"].to_numpy()
    zeros = nbinom(1 / dispersion, 1 / (1 + mean * dispersion)).pmf(0)
    lost = 0.5 / (0.5 + mean)
    expected = zeros + (1 - zeros) * lost
    found = (dense(adata) == 0).mean(axis=0)
    assert np.abs((found - expected) / np.sqrt(expected * (1 - expected) / 20_000)).max() < 4.5


def test_means_of_genes_can_be_given(regulons):
    names = sorted(set(regulons["source"]))
    means = pd.Series(np.linspace(0, 3, len(names)), names)
    adata = simulate(regulons, {}, n_cells=2000, gene_means=means.sample(frac=1, random_state=0), library_sd=0.1)
    np.testing.assert_array_equal(adata.var.loc[names, "mean"], means)
    assert adata[:, names[0]].X.sum() == 0
    assert (
        np.corrcoef(dense(adata)[:, [adata.var_names.get_loc(name) for name in names]].mean(axis=0), means)[0, 1] > 0.99
    )


def test_files_hold_everything(regulons, same, tmp_path):
    adata = simulate(regulons, {"CD4+/CD25": ["TF/20"]}, n_cells=30, n_donors=2)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")
    pd.testing.assert_frame_equal(adata.uns["truth"], back.uns["truth"], check_dtype=False)
    np.testing.assert_array_equal(adata.X.toarray(), back.X.toarray())
    for name, value in adata.uns["truth_params"].items():
        np.testing.assert_array_equal(back.uns["truth_params"][name], value)
    for slot in ("varm", "obsm"):
        np.testing.assert_array_equal(getattr(back, slot)["truth"], getattr(adata, slot)["truth"])


def test_the_graph_of_an_adata_is_used_and_comes_along(unchanged):
    genes = [f"g{k}" for k in range(30)]
    measured = ad.AnnData(np.ones((2, 30), dtype=np.float32), var=pd.DataFrame(index=genes))
    net = pd.DataFrame({"source": [f"TF{k // 10}" for k in range(30)], "target": genes, "weight": [1.0, -1.0] * 15})
    e2t.pp.build_graph(measured, net, key_added="mine")
    with unchanged(measured):
        adata = simulate(measured, {"a": ["TF1"]}, n_cells=60, key="mine", **PLAIN)
    planted = pd.Series(adata.varm["truth"][:, 0], adata.var_names)
    assert planted[[f"g{k}" for k in range(10, 20)]].tolist() == [1.0, -1.0] * 5
    assert np.count_nonzero(planted) == 10
    pd.testing.assert_frame_equal(adata.uns["mine"]["nodes"], measured.uns["mine"]["nodes"], check_dtype=False)
    e2t.tl.fit(adata, "group", key="mine", max_epochs=2, progress_bar=False)
    # the outputs and weights that a fit added are no part of it
    again = simulate(adata, {"a": ["TF1"]}, n_cells=60, key="mine", **PLAIN)
    np.testing.assert_array_equal(
        again.X.toarray(), simulate(measured, {"a": ["TF1"]}, n_cells=60, key="mine", **PLAIN).X.toarray()
    )
    assert set(again.uns["truth"]["node"]) == {"TF0", "TF1", "TF2"}


def test_parameters_are_documented_in_order():
    lines = inspect.getdoc(simulate).split("Parameters\n----------\n")[1].split("\n\nReturns")[0].splitlines()
    documented = [name for line in lines if re.match(r"\S", line) for name in line.split(", ")]
    assert documented == list(inspect.signature(simulate).parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"active": {"a": ["TF/99"]}}, r"active names 1 of 1 nodes .* 'TF/99' \(nearest: 'TF/"),
        ({"active": {"c": ["TF/01"]}, "groups": ["a", "b"]}, "1 groups that are not there: 'c'; groups has 'a', 'b'"),
        ({"active": ["TF/01"]}, "active=.* must be a dict"),
        ({"active": {"a": 3}}, r"active\['a'\]=3 must be a node"),
        ({"active": {"a": ["TF/01", "TF/01"]}}, "1 nodes more than once"),
        ({"active": {"a": {"TF/01": "high"}}}, r"active\['a'\]\['TF/01'\]='high' must be a log2 fold change"),
        ({"effect": np.nan}, "effect=nan must be"),
        ({"n_active": 9}, "needs 36 nodes, but only 30 of 30"),
        ({"min_genes": 61}, "only 0 of 30 hidden nodes have 61 to 200 genes"),
        ({"groups": 1}, "groups=1 must be"),
        ({"groups": ["a", "a"]}, "two different names"),
        ({"groups": "ab"}, "groups='ab' must be a number"),
        ({"groups": {"a": 1, "b": 0}}, "shares of 'b'"),
        ({"n_cells": 3}, "n_cells=3 leaves no cell to 1 groups"),
        ({"n_cells": 0}, "n_cells=0"),
        ({"penetrance": 1.5}, "penetrance=1.5"),
        ({"activity_sd": -1}, "activity_sd=-1"),
        ({"mean_counts": 0}, "mean_counts=0"),
        ({"n_donors": 3, "nested": True}, "n_donors=3 is less than the 4 groups"),
        ({"nested": True}, "say how many donors"),
        ({"n_donors": 20}, "too small for 20 donors"),
        ({"gene_means": {"g000": 1.0}}, "gene_means lacks"),
        ({"gene_means": [1.0]}, "gene_means must be a Series"),
        ({"gene_means": {f"g{k:03}": -1.0 for k in range(400)}}, "gene_means must be mean counts"),
        ({"random_state": -1}, "random_state"),
        ({"depth": 0}, "depth=0"),
        ({"key": "a/b"}, "without '/'"),
    ],
)
def test_what_cannot_be_used_is_named(regulons, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        simulate(regulons, **{"n_cells": 40, "n_active": 1, **arguments})


def test_what_is_no_graph_is_named(regulons):
    with pytest.raises(Edge2TorchError, match="graph must be an AnnData"):
        simulate({"TF": ["g"]})
    with pytest.raises(Edge2TorchError, match="build_graph"):
        simulate(ad.AnnData(np.ones((2, 2), dtype=np.float32)))
    with pytest.raises(Edge2TorchError, match="repeated edges"):
        simulate(pd.concat([regulons, regulons]))
