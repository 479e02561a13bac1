"""Rankings against the truth, and the numbers against computations of their own."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata

import edge2torch as e2t
from edge2torch import Edge2TorchError

NODES = [f"TF/{k}" for k in range(10)]
ROLES = ["active", "active", "decoy", "decoy", "decoy", "hub", "hub", "other", "other", "other"]
TRUTH = pd.DataFrame({"group": ["a"] * 10 + ["b"] * 10, "node": NODES * 2, "role": ROLES + ["other"] * 10})
evaluate = e2t.tl.evaluate_recovery


@pytest.fixture(scope="module")
def cells():
    adata = ad.AnnData(np.zeros((2, 1), dtype=np.float32))
    adata.uns["truth"] = TRUTH
    return adata


def ranking(scores, groups=("a", "b"), nodes=NODES):
    """The same scores for all groups."""
    parts = [pd.DataFrame({"group": group, "node": nodes, "score": scores}) for group in groups]
    return pd.concat(parts, ignore_index=True)


def test_the_truth_itself_is_perfect(cells):
    found = evaluate(cells, ranking([9, 8, 1, 2, 3, 4, 5, 6, 7, 0])).set_index("group")
    areas = ["auroc_decoys", "auroc_hubs", "auroc_both", "auroc_all", "average_precision"]
    assert (found.loc["a", areas] == 1).all()
    assert found.loc["a", ["n_active", "n_missing", "median_rank", "n_top", "hits"]].tolist() == [2, 0, 1.5, 2, 2]
    worst = evaluate(cells, ranking([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])).set_index("group").loc["a"]
    assert (worst[areas[:4]] == 0).all()
    assert worst["median_rank"] == 9.5
    assert worst["hits"] == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=10, max_size=10))
def test_numbers_equal_those_of_definitions(cells, values):
    scores, active = np.array(values, dtype=float), np.array(ROLES) == "active"
    found = evaluate(cells, ranking(scores), n_top=3).set_index("group").loc["a"]
    for column, rivals in [
        ("decoys", ["decoy"]),
        ("hubs", ["hub"]),
        ("both", ["decoy", "hub"]),
        ("all", ["decoy", "hub", "other"]),
    ]:
        other = scores[np.isin(ROLES, rivals)]
        u = mannwhitneyu(scores[active], other, method="asymptotic").statistic
        assert found[f"auroc_{column}"] == pytest.approx(u / (active.sum() * other.size))
    ranks = rankdata(-scores)
    assert found["median_rank"] == np.median(ranks[active])
    assert found["hits"] == sum((scores >= scores[k]).sum() <= 3 for k in np.flatnonzero(active))
    # precision at each threshold, weighted with the recall that it adds
    steps = [(scores >= t) for t in sorted(set(values), reverse=True)]
    recall = np.array([0, *((step & active).sum() / 2 for step in steps)])
    precision = [(step & active).sum() / step.sum() for step in steps]
    assert found["average_precision"] == pytest.approx((np.diff(recall) * precision).sum())


def test_missing_scores_rank_last(cells):
    scores = [9, np.nan, 1, 2, 3, 4, 5, 6, 7, 0]
    found = evaluate(cells, ranking(scores)).set_index("group").loc["a"]
    low = evaluate(cells, ranking(np.where(np.isnan(scores), -1, scores))).set_index("group").loc["a"]
    assert found["n_missing"] == 1
    pd.testing.assert_series_equal(found.drop("n_missing"), low.drop("n_missing"))
    fewer = ranking(scores).dropna()
    pd.testing.assert_series_equal(evaluate(cells, fewer).set_index("group").loc["a"], found)
    infinite = evaluate(cells, ranking([np.inf, -np.inf, *scores[2:]])).set_index("group").loc["a"]
    assert infinite["auroc_all"] == found["auroc_all"]
    assert infinite["n_missing"] == 0


def test_names_that_only_the_ranking_has_are_left_out(cells):
    usual = ranking(range(10))
    more = pd.concat([usual, ranking([99.0], nodes=["x"]), ranking([99.0], groups=("c",), nodes=["TF/0"])])
    pd.testing.assert_frame_equal(evaluate(cells, more), evaluate(cells, usual))


def test_a_table_of_groups_by_nodes_is_a_ranking(cells):
    long = ranking(np.random.default_rng(0).normal(size=10))
    wide = long.pivot_table(index="group", columns="node", values="score")
    pd.testing.assert_frame_equal(evaluate(cells, wide), evaluate(cells, long))


def test_low_values_and_negative_ones_can_be_best(cells):
    scores = np.random.default_rng(1).normal(size=10)
    usual = evaluate(cells, ranking(scores))
    pd.testing.assert_frame_equal(evaluate(cells, ranking(-scores), ascending=True), usual)
    size = evaluate(cells, ranking(np.abs(scores)))
    pd.testing.assert_frame_equal(evaluate(cells, ranking(scores), absolute=True), size)
    named = ranking(scores).rename(columns={"score": "z"})
    pd.testing.assert_frame_equal(evaluate(cells, named, by="z"), usual)


def test_groups_without_active_nodes_have_no_numbers_and_do_not_count(cells):
    found = evaluate(cells, ranking(range(10))).set_index("group")
    assert found.loc["b", ["auroc_all", "average_precision", "median_rank"]].isna().all()
    assert found.loc["mean of groups", "auroc_all"] == found.loc["a", "auroc_all"]
    null = ad.AnnData(np.zeros((2, 1), dtype=np.float32))
    null.uns["truth"] = TRUTH[TRUTH["group"] == "b"]
    assert evaluate(null, ranking(range(10)))["auroc_all"].isna().all()


def test_nodes_that_share_genes_can_be_left_out(cells):
    adata = cells.copy()
    adata.uns["truth"] = TRUTH.assign(shared=[0.0, 0.0, *[0.0] * 5, 1.0, 0.6, 0.4, *[0.0] * 10])
    scores = ranking([5, 4, 1, 1, 1, 1, 1, 9, 9, 9])
    assert evaluate(adata, scores).loc[0, "auroc_all"] == pytest.approx(5 / 8)
    assert evaluate(adata, scores, max_shared=0.5).loc[0, "auroc_all"] == pytest.approx(5 / 6)
    assert evaluate(adata, scores, max_shared=0.0).loc[0, "auroc_all"] == 1


def test_a_node_that_is_decoy_and_hub_counts_once(cells):
    adata = cells.copy()
    adata.uns["truth"] = pd.concat([TRUTH, pd.DataFrame({"group": ["a"], "node": ["TF/2"], "role": ["hub"]})])
    found = evaluate(adata, ranking([1, 1, 2, 0, 0, 0, 0, 0, 0, 0])).loc[0]
    assert found["auroc_both"] == pytest.approx(4 / 5)
    assert found["auroc_hubs"] == pytest.approx(2 / 3)


def test_the_ranking_of_the_package_is_the_default(cells, unchanged):
    adata = cells.copy()
    table = ranking(np.arange(10.0))
    adata.uns["e2t"] = {"rank_nodes": table, "nodes": pd.DataFrame(), "graph": pd.DataFrame()}
    with unchanged(adata):
        found = evaluate(adata)
    pd.testing.assert_frame_equal(found, evaluate(cells, table))


def test_planted_nodes_are_found_from_the_expression_of_their_genes():
    edges = pd.DataFrame({"source": [f"g{k}" for k in range(300)], "target": [f"TF{k // 15}" for k in range(300)]})
    adata = e2t.datasets.simulate(edges, n_cells=400, groups=2, n_active=2, effect=1.0, random_state=1)
    x = np.log1p(adata.X.toarray() / adata.obs["n_counts"].to_numpy()[:, None] * 100)
    means = pd.DataFrame(x, columns=adata.var_names).groupby(adata.obs["group"].to_numpy()).mean()
    by_node = means.T.groupby(edges.set_index("source")["target"]).mean().T
    found = evaluate(adata, by_node - by_node.mean()).set_index("group")
    assert (found.loc[["group_1", "group_2"], "auroc_both"] > 0.95).all()


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        (None, {}, "has no 'rank_nodes'"),
        (None, {"truth": "other"}, r"uns\['other'\] is no DataFrame"),
        ([1, 2], {}, "ranking must be a DataFrame, not list"),
        (ranking(range(10)), {"by": "z"}, "by='z' is not a column"),
        (ranking(range(10), groups="a"), {}, "lacks 1 of 2 groups of the truth: 'b'"),
        (pd.concat([ranking(range(10))] * 2), {}, "20 nodes more than once"),
        (ranking(list("abcdefghij")), {}, "not numbers"),
        (ranking(range(10)), {"n_top": 0}, "n_top=0"),
        (ranking(range(10)), {"max_shared": 2}, "max_shared=2"),
        (ranking(range(10)), {"max_shared": 0.5}, "no 'shared'"),
    ],
)
def test_what_cannot_be_used_is_named(cells, table, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        evaluate(cells, table, **arguments)
