"""Control models: trained as the model was, with one thing taken away."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.get._control import controls

LEARN = {"max_epochs": 6, "batch_size": 8, "lr": 0.05, "progress_bar": False}


@pytest.fixture(scope="module")
def controlled_once(make_cells):
    adata = make_cells()
    e2t.tl.fit(adata, "kind", activation="relu", class_weight={"α/β T": 1.0, "B": 2.0, "NK": 1.0}, norm=None, **LEARN)
    e2t.tl.control(adata, n=2, random_state=5, progress_bar=False)
    return adata


@pytest.fixture
def controlled(controlled_once):
    return controlled_once.copy()


def by_kind(adata, kind):
    return [one for one in controls(adata) if one.kind == kind]


def test_a_row_per_model(controlled):
    table = e2t.get.control(controlled)
    assert table["kind"].tolist() == ["rewired"] * 2 + ["shuffled"] * 2 + ["deterministic"] * 2
    assert table["random_state"].tolist() == [6, 7] * 3
    assert table["control"].is_unique
    assert table["balanced_accuracy"].between(0, 1).all()


def test_rewired_models_read_other_genes_with_the_same_numbers_of_edges(controlled):
    _, own = e2t.get.model(controlled)
    for one in by_kind(controlled, "rewired"):
        edges = one.artifact.graph.edges
        assert sorted(edges["target"]) == sorted(own.graph.edges["target"])
        assert sorted(edges["source"]) == sorted(own.graph.edges["source"])
        pairs = [set(zip(e["source"], e["target"], strict=True)) for e in (edges, own.graph.edges)]
        assert pairs[0] != pairs[1]


def test_a_rewired_model_is_what_a_fit_of_the_rewired_graph_is(controlled):
    """The same settings, cells, split and seed."""
    one = by_kind(controlled, "rewired")[0]
    again = controlled.copy()
    e2t.pp.rewire_graph(again, random_state=6, key_added="other")
    e2t.tl.fit(
        again,
        "kind",
        split="e2t_split",
        activation="relu",
        class_weight={"α/β T": 1.0, "B": 2.0, "NK": 1.0},
        random_state=6,
        key="other",
        **LEARN,
    )
    model, artifact = e2t.get.model(again, key="other")
    assert artifact.fingerprint == one.artifact.fingerprint
    np.testing.assert_array_equal(one.model.edge_weights().detach(), model.edge_weights().detach())


def test_labels_trade_places_within_each_part(controlled):
    given = controlled.obsm["e2t_shuffled"]
    names = e2t.get.control(controlled)
    assert given.shape == (controlled.n_obs, (names["kind"] == "shuffled").sum())
    classes = list(controlled.uns["e2t"]["params"]["fit"]["outputs"])
    own = controlled.obs["kind"].map({name: k for k, name in enumerate(classes)}).astype(int).to_numpy()
    for labels in given.T:
        assert (labels != own).any()
        for part in ("train", "validation", "test"):
            here = (controlled.obs["e2t_split"] == part).to_numpy()
            assert sorted(labels[here]) == sorted(own[here])


def test_labels_can_stay_with_their_donors(controlled):
    controlled.obs["donor"] = np.where(controlled.obs["kind"] == "B", "d1", "d2")
    e2t.tl.control(controlled, "shuffled", n=1, groups="donor", progress_bar=False)
    b = list(controlled.uns["e2t"]["params"]["fit"]["outputs"]).index("B")
    assert ((controlled.obsm["e2t_shuffled"][:, 0] == b) == (controlled.obs["kind"] == "B")).all()


def test_deterministic_inputs_are_learned_to_perfection(make_cells):
    adata = make_cells()
    e2t.tl.fit(adata, "kind", max_epochs=40, patience=40, batch_size=8, lr=0.05, progress_bar=False)
    e2t.tl.control(adata, "deterministic", n=2, progress_bar=False)
    assert (e2t.get.control(adata)["accuracy"] == 1).all()


def test_other_kinds_stay_and_the_same_kind_is_replaced(controlled):
    e2t.tl.control(controlled, ["shuffled"], n=1, random_state=0, progress_bar=False)
    table = e2t.get.control(controlled)
    assert table["control"].tolist() == ["rewired_6", "rewired_7", "deterministic_6", "deterministic_7", "shuffled_1"]
    assert len(list(controls(controlled))) == 5


@pytest.mark.parametrize("target", ["score", ["true b", "true a"], "kind"])
def test_every_task_has_controls(task_cells, target):
    e2t.tl.fit(task_cells, target, **LEARN)
    e2t.tl.control(task_cells, n=2, progress_bar=False)
    assert ("e2t_shuffled" in task_cells.obsm) == (target == "kind")
    x = torch.randn(3, 12)
    for one in controls(task_cells):
        assert one.model(x).isfinite().all()


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_models_survive_a_file(controlled, through_file, suffix):
    back = through_file(controlled, suffix)
    for one, two in zip(controls(controlled), controls(back), strict=True):
        assert one.artifact.fingerprint == two.artifact.fingerprint
        np.testing.assert_array_equal(one.model.edge_weights().detach(), two.model.edge_weights().detach())


def test_a_new_fit_removes_them(controlled):
    e2t.tl.fit(controlled, "kind", **LEARN)
    assert "controls" not in controlled.uns["e2t"]
    assert "e2t_shuffled" not in controlled.obsm
    with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.control first"):
        e2t.get.control(controlled)


def test_a_copy_leaves_the_original(controlled):
    before = e2t.get.control(controlled)
    copy = e2t.tl.control(controlled, "rewired", n=1, copy=True, progress_bar=False)
    assert len(e2t.get.control(copy)) == 5
    assert e2t.get.control(controlled).equals(before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kinds": "random"}, "kinds='random' must be one or several of"),
        ({"kinds": []}, "must be one or several"),
        ({"kinds": ["rewired", "rewired"]}, "each once"),
        ({"n": 0}, "n=0 must be a whole number"),
        ({"random_state": -1}, "random_state"),
        ({"groups": "donor"}, "groups='donor' is not a column"),
    ],
)
def test_what_cannot_be_used_changes_nothing(controlled, given, message):
    before = controlled.copy()
    with pytest.raises(Edge2TorchError, match=message):
        e2t.tl.control(controlled, progress_bar=False, **given)
    assert controlled.uns["e2t"]["params"].keys() == before.uns["e2t"]["params"].keys()
    assert e2t.get.control(controlled).equals(e2t.get.control(before))


def test_a_target_that_is_not_that_of_the_fit(controlled, adata):
    with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.fit first"):
        e2t.tl.control(adata)
    controlled.obs["kind"] = controlled.obs["kind"].cat.rename_categories({"B": "plasma"})
    with pytest.raises(Edge2TorchError, match=r"now has .*'plasma'"):
        e2t.tl.control(controlled)
    del controlled.obs["e2t_split"]
    controlled.obs["kind"] = controlled.obs["kind"].cat.rename_categories({"plasma": "B"})
    with pytest.raises(Edge2TorchError, match="the split of the fit"):
        e2t.tl.control(controlled)


def test_labels_that_cannot_trade_places_are_no_control(controlled):
    controlled.obs["donor"] = controlled.obs["kind"].astype(str)
    before = e2t.get.control(controlled)
    with pytest.raises(Edge2TorchError, match="none can trade places"):
        e2t.tl.control(controlled, groups="donor", progress_bar=False)
    assert e2t.get.control(controlled).equals(before)


def test_scores_that_do_not_depend_on_controls_stay(controlled):
    e2t.tl.interpret(controlled, n_steps=40)
    before = e2t.get.rank_nodes(controlled)
    e2t.tl.control(controlled, "rewired", n=2, progress_bar=False)
    assert e2t.get.rank_nodes(controlled).equals(before)
    e2t.tl.rank_nodes(controlled, n_steps=2)
    e2t.tl.control(controlled, "rewired", n=2, progress_bar=False)
    assert "rank_nodes" not in controlled.uns["e2t"]
    assert "rank_nodes" not in controlled.uns["e2t"]["params"]
