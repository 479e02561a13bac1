"""Ranks of nodes beside controls: simple cases by hand, and a planted truth."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, norm

import edge2torch as e2t
from edge2torch import Edge2TorchError

LEARN = {"max_epochs": 25, "batch_size": 32, "lr": 0.01, "progress_bar": False}


def regulons(n_nodes=40, n_genes=300, seed=0):
    """Nodes of all sizes: most have few genes, some many."""
    random = np.random.default_rng(seed)
    genes = [f"g{k}" for k in range(n_genes)]
    sizes = np.clip(random.lognormal(2.6, 0.7, n_nodes), 6, 150).astype(int)
    rows = [(f"TF{k}", gene) for k, size in enumerate(sizes) for gene in random.choice(genes, size, replace=False)]
    return pd.DataFrame(rows, columns=["source", "target"])


@pytest.fixture(scope="module")
def ranked_once():
    net = regulons()
    sizes = net.groupby("source").size()
    active = sizes[(sizes > 9) & (sizes < 20)].index[:3].tolist()
    graph = net.rename(columns={"source": "target", "target": "source"})
    adata = e2t.datasets.simulate(
        graph, {"a": active[:1], "b": active[1:2], "c": active[2:]}, n_cells=300, effect=2.0, n_donors=4, random_state=1
    )
    counts = adata.X.toarray()
    adata.X = np.log1p(100 * counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
    e2t.pp.build_graph(adata, net, min_genes=1)
    e2t.tl.fit(adata, "group", n_replicates=2, **LEARN)
    e2t.tl.control(adata, "rewired", n=4, progress_bar=False)
    e2t.tl.control(adata, "shuffled", n=2, progress_bar=False)
    e2t.tl.control(adata, "deterministic", n=1, progress_bar=False)
    e2t.tl.rank_nodes(adata, baseline="zero")
    return adata, dict(zip("abc", active, strict=True))


@pytest.fixture
def ranked(ranked_once):
    return ranked_once[0].copy()


def test_planted_nodes_are_first_and_hubs_are_not(ranked_once):
    adata, active = ranked_once
    for group, node in active.items():
        table = e2t.get.rank_nodes(adata, group)
        assert table.loc[0, "node"] == node
        assert table.loc[0, "z"] > 2
        assert table.loc[0, "direction"] > 0.5
        assert table.loc[0, "stability"] > 0
    found = e2t.tl.evaluate_recovery(adata, by="z")
    assert found.set_index("group").loc["mean of groups", "auroc_all"] > 0.95


def test_columns_agree_with_each_other(ranked):
    table = e2t.get.rank_nodes(ranked)
    assert table.groupby("group").size().tolist() == [40] * 3
    np.testing.assert_allclose(table["corrected"], table["score"] - table["control"])
    np.testing.assert_allclose(table["pval"], 2 * norm.sf(table["z"].abs()), rtol=1e-6)
    for _, rows in table.groupby("group"):
        assert rows["z"].is_monotonic_decreasing
        np.testing.assert_allclose(rows["padj"], false_discovery_control(rows["pval"]))
    sizes = regulons().groupby("source").size()
    assert (table["n_inputs"] == table["node"].map(sizes)).all()
    assert ((table["support"] >= 1 - 1e-9) & (table["support"] <= table["n_inputs"] + 1e-9)).all()
    assert table["direction"].between(-1 - 1e-9, 1 + 1e-9).all()
    assert {"shuffled", "deterministic"} <= set(table.columns)
    genes = regulons().groupby("source")["target"].agg(set)
    for node, sources in zip(table["node"], table["sources"], strict=True):
        assert set(sources.split(", ")) <= genes[node]


def test_sources_go_by_their_symbols():
    net = regulons(n_nodes=6, n_genes=60)
    genes = net["target"].unique()
    adata = anndata.AnnData(np.random.default_rng(0).random((60, len(genes)), dtype=np.float32))
    adata.var_names, adata.var["symbol"] = [f"ENSG{k:011}" for k in range(len(genes))], genes
    adata.obs["group"] = np.repeat(["a", "b", "c"], 20)
    e2t.pp.build_graph(adata, net, gene_symbols="symbol")
    e2t.tl.fit(adata, "group", **{**LEARN, "max_epochs": 2})
    e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    e2t.tl.rank_nodes(adata, n_steps=2)
    sources = e2t.get.rank_nodes(adata).set_index("node")["sources"]
    genes_of = net.groupby("source")["target"].agg(set)
    assert all(set(names.split(", ")) <= genes_of[node] for node, names in sources.items())


def test_score_is_the_mean_conductance_to_the_centred_logit(ranked):
    """By interpret, for one class and for all: the logit of a class minus the mean of the logits."""
    e2t.tl.rank_nodes(ranked, n_cells=None, n_steps=7, baseline="zero")
    table = e2t.get.rank_nodes(ranked, "b").set_index("node")["score"]
    e2t.tl.interpret(ranked, target="all", n_steps=7)
    each = e2t.get.rank_nodes(ranked, "b").pivot_table(index="node", columns="output", values="score")
    np.testing.assert_allclose(table, (each["b"] - each.mean(axis=1))[table.index], atol=1e-5)


def test_it_does_not_depend_on_the_order_of_cells(ranked):
    again = ranked[np.random.default_rng(0).permutation(ranked.n_obs)].copy()
    for adata in (ranked, again):
        e2t.tl.rank_nodes(adata, n_cells=None, n_steps=3)
    one, two = (e2t.get.rank_nodes(adata).set_index(["group", "node"]).sort_index() for adata in (ranked, again))
    columns = ["score", "control", "shuffled", "deterministic", "support", "direction"]
    np.testing.assert_allclose(one[columns], two[columns], atol=1e-5)


def test_donors_are_the_units(ranked):
    e2t.tl.rank_nodes(ranked, n_cells=None, n_steps=3)
    without = e2t.get.rank_nodes(ranked, "a").set_index("node")
    e2t.tl.rank_nodes(ranked, donors="donor", n_cells=None, n_steps=3)
    table = e2t.get.rank_nodes(ranked, "a").set_index("node").loc[without.index]
    means = []
    for donor in sorted(ranked.obs["donor"].unique()):
        ranked.obs["who"] = np.where((ranked.obs["donor"] == donor) & (ranked.obs["group"] == "a"), "mine", "others")
        e2t.tl.rank_nodes(ranked, "who", n_cells=None, n_steps=3)
        means.append(e2t.get.rank_nodes(ranked, "mine").set_index("node")["score"])
    np.testing.assert_allclose(table["score"], pd.concat(means, axis=1).mean(axis=1)[table.index], atol=1e-5)
    assert not np.allclose(table["z"], without["z"])


def test_groups_of_one_donor_have_no_p_values(ranked):
    ranked.obs["donor"] = ranked.obs["donor"].astype(str).where(ranked.obs["group"] != "b", "d1")
    e2t.tl.rank_nodes(ranked, donors="donor", n_steps=3)
    for column in ("pval", "padj", "z", "stability"):
        missing = e2t.get.rank_nodes(ranked).groupby("group")[column].apply(lambda p: p.isna().all())
        assert missing.to_dict() == {"a": False, "b": True, "c": False}


def test_other_groups_targets_and_controls(ranked):
    ranked.obs["half"] = np.where(np.arange(ranked.n_obs) % 2, "odd", "even")
    e2t.tl.rank_nodes(ranked, "half", target="a", by="shuffled", n_steps=3)
    table = e2t.get.rank_nodes(ranked)
    assert set(table["group"]) == {"odd", "even"}
    assert {"rewired", "deterministic"} <= set(table.columns)


def test_controls_are_trained_if_there_are_none(make_cells, capsys):
    adata = make_cells()
    e2t.tl.fit(adata, "kind", max_epochs=2, progress_bar=False)
    copy = e2t.tl.rank_nodes(adata, n_steps=2, copy=True, progress_bar=False)
    assert "there are no rewired controls yet" in capsys.readouterr().out
    assert "controls" not in adata.uns["e2t"]
    assert len(e2t.get.control(copy)) == 15
    assert len(e2t.get.rank_nodes(copy)) == 9


@pytest.mark.parametrize(
    ("backend", "given"), [("recurrent", {}), ("graphnn", {"width": 2}), ("feedforward", {"width": 2})]
)
def test_every_backend(make_cells, backend, given):
    adata = make_cells()
    e2t.tl.fit(adata, "kind", backend=backend, max_epochs=2, progress_bar=False, **given)
    e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    e2t.tl.rank_nodes(adata, n_steps=3)
    table = e2t.get.rank_nodes(adata)
    assert np.isfinite(table[["score", "control", "z", "pval"]]).all(axis=None)


@pytest.mark.parametrize("target", ["score", ["true b", "true a"]])
def test_every_task(task_cells, target):
    e2t.tl.fit(task_cells, target, max_epochs=3, progress_bar=False)
    e2t.tl.control(task_cells, n=2, progress_bar=False)
    e2t.tl.rank_nodes(task_cells, "kind", target="score" if target == "score" else "true a", n_steps=3)
    table = e2t.get.rank_nodes(task_cells)
    assert table.groupby("group").size().tolist() == [3] * 3
    assert np.isfinite(table[["score", "shuffled", "deterministic"]]).all(axis=None)


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_the_table_survives_a_file(ranked, through_file, suffix):
    back = through_file(ranked, suffix)
    for per in ("node", "model"):
        one, two = (e2t.get.rank_nodes(adata, per=per) for adata in (back, ranked))
        pd.testing.assert_frame_equal(one, two, check_dtype=False)
    pd.testing.assert_frame_equal(
        e2t.get.rank_nodes(back[:5], "a", per="model"),
        two[two["group"] == "a"].reset_index(drop=True),
        check_dtype=False,
        check_categorical=False,
    )
    e2t.tl.rank_nodes(back, n_steps=3)


def test_what_each_model_says(ranked):
    """Scores of the replicates and of controls average to those of the table; the null is standard normal."""
    e2t.tl.rank_nodes(ranked, n_steps=3)
    table = e2t.get.rank_nodes(ranked).set_index(["group", "node"])
    each = e2t.get.rank_nodes(ranked, per="model")
    controls = e2t.get.control(ranked)
    assert each["model"].cat.categories.tolist() == ["replicate_0", "replicate_1", *controls["control"]]
    assert each.groupby("model", observed=True)["kind"].first().tolist() == ["replicate"] * 2 + list(controls["kind"])
    assert len(each) == (2 + 7) * 3 * 40
    mean = each.pivot_table(index=["group", "node"], columns="kind", values="score", observed=True).loc[table.index]
    columns = {"replicate": "score", "shuffled": "shuffled", "deterministic": "deterministic"}
    np.testing.assert_allclose(mean[list(columns)], table[list(columns.values())], atol=1e-5)
    z = each.pivot_table(index=["group", "node"], columns="model", values="z", observed=True).loc[table.index]
    chance = z.filter(like="rewired").to_numpy()
    assert abs(chance.mean()) < 0.1
    assert abs(chance.std() - 1) < 0.1
    own = z[["replicate_0", "replicate_1"]]
    best = own.groupby("group", observed=True).rank(ascending=False) <= 2  # 5 % of 40 nodes
    np.testing.assert_allclose(best.mean(axis=1), table["stability"])
    one = e2t.get.rank_nodes(ranked, "b", per="model")
    expected = each[each["group"] == "b"].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, expected, check_categorical=False)


def test_one_replicate_says_what_the_table_does(small):
    e2t.tl.rank_nodes(small, n_steps=3)
    table = e2t.get.rank_nodes(small).set_index(["group", "node"])
    each = e2t.get.rank_nodes(small, per="model").query("kind == 'replicate'").set_index(["group", "node"])
    np.testing.assert_allclose(each.loc[table.index, "z"], table["z"], rtol=1e-5)


def test_shuffled_controls_may_decide(ranked):
    """The null is that of the kind that was compared with, also with donors."""
    e2t.tl.rank_nodes(ranked, by="shuffled", donors="donor", n_steps=3)
    each = e2t.get.rank_nodes(ranked, per="model").set_index("kind")["z"]
    assert np.isfinite(each).all()
    assert abs(each["shuffled"].mean()) < 0.15
    assert each["replicate"].abs().max() > each["shuffled"].abs().max()


def test_what_models_say_goes_when_the_ranking_does(ranked):
    e2t.tl.rank_nodes(ranked, n_steps=2)
    copies = [ranked.copy(), ranked.copy(), ranked.copy()]
    e2t.tl.interpret(copies[0], n_steps=2)
    e2t.tl.control(copies[1], "shuffled", n=1, progress_bar=False)
    e2t.pp.remove_nodes(copies[2], "TF0")
    for adata in copies:
        assert "rank_nodes_models" not in adata.uns["e2t"]
        with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.rank_nodes first"):
            e2t.get.rank_nodes(adata, per="model")


def test_what_models_say_needs_its_table_of_nodes(ranked):
    ranked.uns["e2t"]["nodes"] = ranked.uns["e2t"]["nodes"].iloc[:-5]
    with pytest.raises(Edge2TorchError, match=r"does not fit the .* hidden nodes"):
        e2t.get.rank_nodes(ranked, per="model")
    with pytest.raises(Edge2TorchError, match="per='split' is unknown"):
        e2t.get.rank_nodes(ranked, per="split")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"by": "chance"}, "by='chance' is unknown"),
        ({"n_steps": 0}, "n_steps=0"),
        ({"n_cells": 0}, "n_cells=0"),
        ({"random_state": "a"}, "random_state"),
        ({"groupby": "grup"}, "groupby='grup' is not a column"),
        ({"donors": "patient"}, "donors='patient' is not a column"),
        ({"target": "d"}, "target='d' must be"),
        ({"target": "all"}, "one after the other"),
        ({"baseline": [1.0]}, "baseline must hold"),
        ({"baseline": np.zeros((2, 257))}, "one reference for all cells, but has 2 rows"),
    ],
)
def test_what_cannot_be_used_changes_nothing(ranked, given, message):
    before = e2t.get.rank_nodes(ranked)
    with pytest.raises(Edge2TorchError, match=message):
        e2t.tl.rank_nodes(ranked, **given)
    pd.testing.assert_frame_equal(e2t.get.rank_nodes(ranked), before)


def test_one_control_is_not_enough(ranked):
    e2t.tl.control(ranked, "rewired", n=1, progress_bar=False)
    with pytest.raises(Edge2TorchError, match="there is 1 rewired control, and at least two are needed"):
        e2t.tl.rank_nodes(ranked)
    with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.rank_nodes first"):
        e2t.get.rank_nodes(ranked)


def test_unknown_groups(ranked):
    with pytest.raises(Edge2TorchError, match="group='A' is not among the groups"):
        e2t.get.rank_nodes(ranked, "A")
    with pytest.raises(Edge2TorchError, match=r"group=\['a'\] is not among the groups, 'a', 'b', 'c'"):
        e2t.get.rank_nodes(ranked, ["a"], per="model")


@pytest.fixture(scope="module")
def small_once(make_cells):
    adata = make_cells()
    e2t.tl.fit(adata, "kind", max_epochs=4, progress_bar=False)
    e2t.tl.control(adata, n=2, progress_bar=False)
    return adata


@pytest.fixture
def small(small_once):
    return small_once.copy()


def test_cells_of_some_classes_score_as_among_all(small):
    """Outputs of controls are found by name: a class without cells moves none."""
    few = small[small.obs["kind"] != small.obs["kind"].cat.categories[0]].copy()
    one = few[[int(np.flatnonzero(few.obs["kind"] == kind)[0]) for kind in few.obs["kind"].unique()]].copy()
    e2t.tl.rank_nodes(small, n_steps=3, baseline="zero")
    e2t.tl.rank_nodes(few, n_steps=3, baseline="zero")
    e2t.tl.rank_nodes(one, n_steps=3, baseline="zero")
    table = e2t.get.rank_nodes(few).set_index(["group", "node"])
    columns = ["score", "control", "deterministic"]
    same = e2t.get.rank_nodes(small).set_index(["group", "node"]).loc[table.index, columns]
    np.testing.assert_allclose(table[columns], same, atol=1e-5)
    assert len(e2t.get.rank_nodes(one)) == len(table)


@pytest.mark.parametrize("target", ["score", ["true b", "true a"]])
def test_numbers_and_labels_of_few_cells_are_those_of_the_fit(task_cells, target):
    e2t.tl.fit(task_cells, target, max_epochs=2, progress_bar=False)
    e2t.tl.control(task_cells, "deterministic", n=2, progress_bar=False)
    task_cells.obs["half"] = np.where(task_cells.obs["true b"], "yes", "no")
    one = {"target": "score" if target == "score" else "true a", "by": "deterministic", "n_steps": 3, "n_cells": None}
    few = task_cells[task_cells.obs["true b"]].copy()
    e2t.tl.rank_nodes(task_cells, "half", **one, baseline="zero")
    e2t.tl.rank_nodes(few, "half", **one, baseline="zero")
    table = e2t.get.rank_nodes(few).set_index("node")
    same = e2t.get.rank_nodes(task_cells, "yes").set_index("node").loc[table.index]
    np.testing.assert_allclose(table["control"], same["control"], atol=1e-5)
    assert (table["direction"] == 0).all()  # there is one group, which is all cells


@pytest.mark.parametrize("unknown", [True, False])
def test_controls_that_read_the_labels_are_left_out_without_labels(small, capsys, unknown):
    small.obs["cluster"] = small.obs["kind"].astype(object)
    small.obs["kind"] = small.obs["cluster"].where(np.arange(small.n_obs) > 5)
    if not unknown:
        del small.obs["kind"]
    e2t.tl.rank_nodes(small, "cluster", target="predicted", n_steps=3)
    assert "deterministic controls, which read the target of the fit, are left out" in capsys.readouterr().out
    table = e2t.get.rank_nodes(small)
    assert "deterministic" not in table
    assert table["pval"].notna().all()
    with pytest.raises(Edge2TorchError, match="kind"):
        e2t.tl.rank_nodes(small, "cluster", target="predicted", by="deterministic")


def test_only_kinds_without_controls_are_trained(make_cells, capsys):
    adata = make_cells()
    e2t.tl.fit(adata, "kind", max_epochs=1, progress_bar=False)
    e2t.tl.control(adata, ["shuffled", "deterministic"], n=2, progress_bar=False)
    e2t.tl.rank_nodes(adata, n_steps=2, progress_bar=False)
    assert "five of each kind ('rewired') are trained" in capsys.readouterr().out
    assert e2t.get.control(adata)["kind"].value_counts().to_dict() == {"rewired": 5, "shuffled": 2, "deterministic": 2}


def test_an_edited_table_of_nodes_is_no_name_for_the_scores_of_others(small):
    table = small.uns["e2t"]["nodes"]
    small.uns["e2t"]["nodes"] = table.iloc[::-1]
    with pytest.raises(Edge2TorchError, match="does not fit the trained model"):
        e2t.tl.rank_nodes(small)


def test_groups_that_no_shuffled_control_has_are_not_compared(small):
    """Cells that no control was given the labels of."""
    given = small.obsm["e2t_shuffled"]
    few = small[(given == given[0]).all(axis=1)].copy()
    few.obs["kind"] = few.obs["kind"].cat.add_categories("other")
    e2t.tl.rank_nodes(few, by="shuffled", n_steps=2)
    table = e2t.get.rank_nodes(few)
    outputs = small.uns["e2t"]["params"]["fit"]["outputs"]
    known = table.groupby("group")["pval"].apply(lambda p: p.notna().all())
    for code, name in enumerate(outputs):
        if name in known.index:
            assert known[name] == (few.obsm["e2t_shuffled"] == code).any(axis=0).all()


def test_shuffled_controls_need_the_labels_that_they_were_given(small):
    del small.obsm["e2t_shuffled"]
    with pytest.raises(Edge2TorchError, match="labels that shuffled controls were given"):
        e2t.tl.rank_nodes(small, n_steps=2)
    e2t.tl.rank_nodes(small, target="predicted", n_steps=2)
