"""``tl.cross_validate``: every cell is predicted once, by a model that has not seen it."""

from __future__ import annotations

import json
import os
import signal

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch.callbacks import Callback, EarlyStopping

import edge2torch as e2t
from edge2torch.training import with_validation

FIT = {"max_epochs": 2, "batch_size": 16, "lr": 0.03}
QUICK = {"n_splits": 3, "fit_kwargs": FIT, "progress_bar": False}
#: target, task, names of the outputs
CASES = {
    "classes": ("kind", "classes", ["b", "a", "10"]),
    "two classes": ("sign", "classes", ["no", "yes"]),
    "whole numbers as classes": ("cluster", "classes", ["0", "1", "2"]),
    "one label": ("true a", "labels", ["true a"]),
    "labels": ("true marks", "labels", [f"true marks {k}" for k in range(4)]),
    "number": ("score", "numbers", ["score"]),
    "numbers": (["b", "a", "10", "2"], "numbers", ["b", "a", "10", "2"]),
    "numbers, sparse": ("sparse", "numbers", [f"sparse {k}" for k in range(4)]),
}
each = pytest.mark.parametrize("case", CASES)


def outputs(adata):
    nodes = adata.uns["e2t"]["nodes"]
    return nodes.loc[nodes["kind"] == "output", "label"].tolist()


def parts_of(adata, k, target=None, seed=0, groups=None):
    """Split of a fold, as a column for ``tl.fit``."""
    held_out = (adata.obs["e2t_fold"] == k).to_numpy()
    labels = None if target is None else adata.obs[target].astype("category").cat.codes.to_numpy().astype(np.int64)
    donors = None if groups is None else pd.factorize(adata.obs[groups])[0]
    return with_validation(held_out, 0.1, seed + k, labels=labels, groups=donors)


@each
def test_what_is_written(task_cells, case):
    target, task, names = CASES[case]
    slots = {name: set(getattr(task_cells, name)) for name in ("obs", "var", "obsm", "varm", "layers", "obsp", "uns")}
    parts = set(task_cells.uns["e2t"])
    graph = task_cells.uns["e2t"]["graph"].copy()
    assert e2t.tl.cross_validate(task_cells, target, task=task, **QUICK) is None
    added = {name: set(getattr(task_cells, name)) - before for name, before in slots.items()}
    predicted = {"e2t_cv_pred"} if task == "classes" else set()
    nothing = {name: set() for name in slots}
    assert added == {**nothing, "obs": {"e2t_fold"} | predicted, "obsm": {"e2t_cv"}}
    assert set(task_cells.uns["e2t"]) - parts == {"cross_validation"}
    pd.testing.assert_frame_equal(task_cells.uns["e2t"]["graph"], graph)
    table = task_cells.uns["e2t"]["cross_validation"]
    assert list(zip(table["fold"], table["split"], strict=True)) == [
        (fold, part) for fold in range(3) for part in ("train", "validation", "test")
    ]
    assert (table.groupby("fold")["n_cells"].sum() == task_cells.n_obs).all()
    held_out = table[table["split"] == "test"].set_index("fold")["n_cells"]
    assert held_out.to_dict() == task_cells.obs["e2t_fold"].value_counts().to_dict()
    assert held_out.sum() == task_cells.n_obs, "each cell is held out once"
    params = task_cells.uns["e2t"]["params"]["cross_validate"]
    assert params["outputs"].tolist() == names
    expected = {"task": task, "n_splits": 3, "validation": 0.1, "random_state": 0, "lr": 0.03, "max_epochs": 2}
    assert expected.items() <= params.items()
    assert np.array_equal(params["target"], target)
    assert not {"split", "compare", "copy", "progress_bar", "key"} & set(params)


@each
def test_held_out_cells_are_predicted_as_by_a_fit_to_the_same_split(task_cells, case):
    """The same numbers to the bit, and the same scores."""
    target, task, names = CASES[case]
    e2t.tl.cross_validate(task_cells, target, task=task, random_state=5, **QUICK)
    said = pd.DataFrame(task_cells.obsm["e2t_cv"], columns=names)
    for k in range(3):
        task_cells.obs["mine"] = parts_of(task_cells, k, target if task == "classes" else None, seed=5)
        done = e2t.tl.fit(
            task_cells, target, task=task, split="mine", random_state=5 + k, copy=True, progress_bar=False, **FIT
        )
        here = (task_cells.obs["e2t_fold"] == k).to_numpy()
        slot = done.obsm["e2t_values" if task == "numbers" else "e2t_proba"]
        np.testing.assert_array_equal(said[here], pd.DataFrame(slot, columns=outputs(done))[names][here])
        assert task_cells.obsm["e2t_cv"].dtype == slot.dtype
        if task == "classes":
            assert task_cells.obs["e2t_cv_pred"][here].tolist() == done.obs["e2t_pred"][here].tolist()
        table = task_cells.uns["e2t"]["cross_validation"].query("fold == @k").reset_index(drop=True)
        scores = e2t.get.metrics(done)
        pd.testing.assert_frame_equal(table[scores.columns[1:]], scores.iloc[:, 1:])


def test_the_columns_are_those_of_metrics(task_cells):
    e2t.tl.cross_validate(task_cells, "kind", **QUICK)
    e2t.tl.fit(task_cells, "kind", max_epochs=1, progress_bar=False)
    table = task_cells.uns["e2t"]["cross_validation"]
    assert set(e2t.get.metrics(task_cells).columns) - {"model"} == set(table.columns) - {"fold", "model"}


def test_what_can_be_learned_is_learned(task_cells):
    fit_kwargs = {**FIT, "max_epochs": 60, "weight_decay": 0.0, "input_dropout": 0.0}
    for target, task, names in (CASES["classes"], CASES["numbers"]):
        e2t.tl.cross_validate(task_cells, target, n_splits=2, fit_kwargs=fit_kwargs, progress_bar=False)
        if task == "classes":
            assert (task_cells.obs["e2t_cv_pred"].astype(str) == task_cells.obs["kind"].astype(str)).mean() > 0.75
            assert "e2t_cv_pred" in task_cells.obs
            continue
        known = task_cells.obs[names].to_numpy()
        error = ((task_cells.obsm["e2t_cv"] - known) ** 2).mean(axis=0) / known.var(axis=0)
        assert (error < 0.2).all()
        assert "e2t_cv_pred" not in task_cells.obs, "it was that of the classes"


@settings(max_examples=6, deadline=None)
@given(
    donors=st.lists(st.integers(0, 6), min_size=160, max_size=160).filter(lambda drawn: len(set(drawn)) >= 4),
    n_splits=st.integers(2, 3),
    target=st.sampled_from(["score", "proteins"]),
)
def test_a_donor_is_in_one_fold_and_on_one_side(task_cells_once, donors, n_splits, target):
    adata = task_cells_once.copy()
    adata.obs["donor"] = pd.Series([f"d{k}" for k in donors], index=adata.obs_names)
    e2t.tl.cross_validate(
        adata, target, n_splits=n_splits, groups="donor", fit_kwargs={"max_epochs": 1}, progress_bar=False
    )
    assert (adata.obs.groupby("donor")["e2t_fold"].nunique() < 2).all()
    assert adata.obs["e2t_fold"].nunique() == n_splits
    for k in range(n_splits):
        part = pd.Series(parts_of(adata, k, groups="donor"), index=adata.obs_names)
        assert (part.groupby(adata.obs["donor"]).nunique() < 2).all()
        rows = adata.uns["e2t"]["cross_validation"].query("fold == @k").set_index("split")["n_cells"]
        assert rows.to_dict() == part.value_counts().to_dict(), "as it was used"


def test_classes_with_fewer_cells_than_folds(task_cells):
    kind = task_cells.obs["kind"].astype(str).to_numpy()
    rare = np.flatnonzero(kind == "a")[:2]
    kind[rare] = "rare"
    task_cells.obs["kind"] = kind
    e2t.tl.cross_validate(task_cells, "kind", **{**QUICK, "n_splits": 5})
    assert task_cells.obs["e2t_fold"].iloc[rare].nunique() == 2
    assert task_cells.uns["e2t"]["params"]["cross_validate"]["outputs"].tolist() == ["10", "a", "b", "rare"]
    assert task_cells.obsm["e2t_cv"].shape == (160, 4)


def test_a_class_of_one_donor_is_an_error(task_cells, unchanged):
    task_cells.obs["kind"] = np.where(task_cells.obs["donor"] == "d0", "alone", task_cells.obs["kind"].astype(str))
    with unchanged(task_cells), pytest.raises(e2t.Edge2TorchError, match="'alone'"):
        e2t.tl.cross_validate(task_cells, "kind", groups="donor", **QUICK)


def test_folds_have_equal_shares_of_classes(task_cells):
    e2t.tl.cross_validate(task_cells, "kind", **QUICK)
    counts = pd.crosstab(task_cells.obs["kind"], task_cells.obs["e2t_fold"])
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1


def test_the_seed(task_cells):
    one, again, other = (
        e2t.tl.cross_validate(task_cells, "kind", random_state=seed, copy=True, **QUICK) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.obsm["e2t_cv"], again.obsm["e2t_cv"])
    assert (one.obs["e2t_fold"] == again.obs["e2t_fold"]).all()
    assert (one.obs["e2t_fold"] != other.obs["e2t_fold"]).any()


def test_the_greatest_seed(task_cells):
    e2t.tl.cross_validate(task_cells, "kind", random_state=2**32 - 1, **QUICK)
    assert task_cells.uns["e2t"]["params"]["cross_validate"]["random_state"] == 2**32 - 1


def test_a_copy(task_cells, unchanged, same):
    with unchanged(task_cells):
        done = e2t.tl.cross_validate(task_cells, "kind", copy=True, **QUICK)
    e2t.tl.cross_validate(task_cells, "kind", **QUICK)
    same(done, task_cells)


def test_a_fit_stays_and_a_later_fit_keeps_it(task_cells, same):
    fit = {"max_epochs": 1, "progress_bar": False}
    e2t.tl.fit(task_cells, "kind", **fit)
    e2t.tl.interpret(task_cells, n_steps=2)
    before = task_cells.copy()
    e2t.tl.cross_validate(task_cells, "score", **QUICK)
    e2t.tl.predict(task_cells)
    table, values = task_cells.uns["e2t"]["cross_validation"], task_cells.obsm["e2t_cv"].copy()
    e2t.tl.fit(task_cells, "sign", **fit)
    pd.testing.assert_frame_equal(task_cells.uns["e2t"]["cross_validation"], table)
    np.testing.assert_array_equal(task_cells.obsm["e2t_cv"], values)
    again = e2t.tl.cross_validate(before, "score", copy=True, **QUICK)
    np.testing.assert_array_equal(again.obsm["e2t_cv"], values, err_msg="a fit before makes no difference")
    for place, name in ((again.obs, "e2t_fold"), (again.obsm, "e2t_cv"), (again.uns["e2t"], "cross_validation")):
        del place[name]
    del again.uns["e2t"]["params"]["cross_validate"]
    same(again, before)


CHANGES = {
    "built": lambda adata: e2t.pp.build_graph(
        adata, pd.DataFrame({"source": ["X", "Y"] * 6, "target": adata.var_names}), min_genes=1
    ),
    "edges": lambda adata: e2t.pp.add_edges(adata, pd.DataFrame({"source": ["g1"], "target": ["P"]})),
    "nodes": lambda adata: e2t.pp.remove_nodes(adata, ["P"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_graph_removes_it(task_cells, change):
    e2t.tl.cross_validate(task_cells, "kind", **QUICK)
    CHANGES[change](task_cells)
    assert not {"e2t_fold", "e2t_cv_pred"} & set(task_cells.obs)
    assert "e2t_cv" not in task_cells.obsm
    assert "cross_validation" not in task_cells.uns["e2t"]
    assert "cross_validate" not in task_cells.uns["e2t"]["params"]


def test_it_is_not_carried_to_other_cells(task_cells):
    e2t.tl.fit(task_cells, "kind", max_epochs=1, progress_bar=False)
    e2t.tl.cross_validate(task_cells, "kind", **QUICK)
    query = anndata.AnnData(task_cells.X[:9].copy(), var=task_cells.var.copy())
    e2t.tl.predict(query, task_cells)
    assert set(query.uns["e2t"]["params"]) == {"build_graph", "fit"}
    assert set(query.obsm) == {"e2t_proba"}


@each
def test_it_comes_back_from_a_file(task_cells, tmp_path, case):
    target, task, names = CASES[case]
    weights = None if task == "numbers" else {name: k + 1.0 for k, name in enumerate(names)}
    arguments = {**QUICK, "fit_kwargs": {**FIT, "class_weight": weights}}
    e2t.tl.cross_validate(task_cells, target, task=task, groups="donor", **arguments)
    task_cells.write_h5ad(tmp_path / "cells.h5ad")
    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    params, written = read.uns["e2t"]["params"]["cross_validate"], task_cells.uns["e2t"]["params"]["cross_validate"]
    assert set(params) == set(written)
    for name, value in written.items():
        np.testing.assert_array_equal(params[name], value)
    assert params["groups"] == "donor"
    if weights:
        assert json.loads(params["class_weight"]) == weights
    np.testing.assert_array_equal(read.obsm["e2t_cv"], task_cells.obsm["e2t_cv"])
    assert read.obs["e2t_fold"].tolist() == task_cells.obs["e2t_fold"].tolist()
    pd.testing.assert_frame_equal(
        read.uns["e2t"]["cross_validation"],
        task_cells.uns["e2t"]["cross_validation"],
        check_index_type=False,
        check_dtype=False,
    )


WRONG = {
    "split": ({"fit_kwargs": {"split": "parts"}}, ["fit_kwargs", "'split'", "'lr'"]),
    "groups": ({"fit_kwargs": {"groups": "donor"}}, ["'groups'"]),
    "random_state": ({"fit_kwargs": {"random_state": 1}}, ["'random_state'"]),
    "compare": ({"fit_kwargs": {"compare": True}}, ["'compare'"]),
    "key": ({"fit_kwargs": {"key": "x"}}, ["'key'"]),
    "unknown": ({"fit_kwargs": {"epochs": 3}}, ["'epochs'", "'max_epochs'"]),
    "not text": ({"fit_kwargs": {3: 3}}, ["fit_kwargs", "3"]),
    "no mapping": ({"fit_kwargs": [("lr", 1)]}, ["fit_kwargs", "dict"]),
    "bad value": ({"fit_kwargs": {"lr": -1}}, ["lr=-1"]),
    "bad backend": ({"fit_kwargs": {"backend": "x"}}, ["'x'"]),
    "one fold": ({"n_splits": 1}, ["n_splits=1"]),
    "half folds": ({"n_splits": 2.5}, ["n_splits=2.5"]),
    "many folds": ({"n_splits": 161}, ["n_splits=161", "160 cells"]),
    "more folds than donors": ({"n_splits": 9, "groups": "donor"}, ["n_splits=9", "8 groups"]),
    "no donors left": ({"n_splits": 2, "groups": "sign"}, ["1 groups"]),
    "validation 0": ({"validation": 0}, ["validation=0"]),
    "validation 1": ({"validation": 1.0}, ["validation=1.0"]),
    "validation text": ({"validation": "a"}, ["validation='a'"]),
    "seed": ({"random_state": -1}, ["random_state=-1"]),
    "no graph": ({"key": "nope"}, ["'nope'", "'e2t'"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors(task_cells, unchanged, case):
    wrong, words = WRONG[case]
    with unchanged(task_cells), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.cross_validate(task_cells, "kind", **{**QUICK, **wrong})
    for word in words:
        assert word in str(error.value)


def test_the_message_names_only_what_may_be_given(task_cells):
    with pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.cross_validate(task_cells, "kind", fit_kwargs={"epochs": 3})
    allowed = str(error.value).split("it may hold")[1]
    for name in ("split", "groups", "compare", "random_state", "target", "task", "key"):
        assert f"'{name}'" not in allowed
    assert "'trainer_kwargs'" in allowed


def test_an_error_in_the_last_fold_changes_nothing(task_cells, unchanged):
    from lightning.pytorch.callbacks import Callback

    class Stop(Callback):
        folds = 0

        def on_train_end(self, trainer, pl_module):
            Stop.folds += 1
            if Stop.folds == 3:
                raise RuntimeError("stop here")

    fit_kwargs = {**FIT, "trainer_kwargs": {"callbacks": [Stop()]}}
    with unchanged(task_cells), pytest.raises(RuntimeError, match="stop here"):
        e2t.tl.cross_validate(task_cells, "kind", **{**QUICK, "fit_kwargs": fit_kwargs})
    assert Stop.folds == 3


def test_predicted_classes_can_be_compared_with_the_target(task_cells):
    """Also where classes are numbers."""
    e2t.tl.cross_validate(task_cells, "cluster", task="classes", **QUICK)
    assert task_cells.obs["e2t_cv_pred"].cat.categories.tolist() == [0, 1, 2]
    e2t.tl.cross_validate(task_cells, ["kind"], **QUICK)
    assert task_cells.obs["e2t_cv_pred"].cat.categories.tolist() == ["b", "a", "10"]


def test_nothing_of_another_task_stays(task_cells, same):
    fresh = e2t.tl.cross_validate(task_cells, "score", copy=True, **QUICK)
    e2t.tl.cross_validate(task_cells, "kind", **QUICK)
    e2t.tl.cross_validate(task_cells, "score", **QUICK)
    same(task_cells, fresh)


def test_a_class_of_one_donor_is_told_before_anything_is_trained(task_cells, unchanged):
    kind = task_cells.obs["kind"].astype(str)
    task_cells.obs["person"] = np.where(kind == "10", "only", [f"p{k % 5}" for k in range(len(kind))])
    with unchanged(task_cells), pytest.raises(e2t.Edge2TorchError, match=r"all their cells are of few person: '10'"):
        e2t.tl.cross_validate(task_cells, "kind", groups="person", **QUICK)


class Note(EarlyStopping):
    """Note in which epoch each training ended."""

    ended = []  # noqa: RUF012 - of all folds

    def on_train_end(self, trainer, pl_module):
        self.ended.append(trainer.current_epoch)


def test_folds_have_their_own_callbacks(task_cells):
    """EarlyStopping remembers the best loss, and would compare that of another fold with it."""
    fit_kwargs = {**FIT, "max_epochs": 6, "trainer_kwargs": {"callbacks": Note("val_loss", patience=2, min_delta=10)}}
    e2t.tl.cross_validate(task_cells, "kind", n_splits=3, fit_kwargs=fit_kwargs, progress_bar=False)
    assert Note.ended == [3, 3, 3]


class Press(Callback):
    def __init__(self, hook):
        setattr(self, hook, self.press)

    def press(self, trainer, *_):
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.filterwarnings("ignore:training was interrupted")
@pytest.mark.parametrize("hook", ["on_train_epoch_start", "on_validation_start", "on_train_epoch_end"])
def test_ctrl_c_ends_it(task_cells, unchanged, hook):
    """A fold that was trained for less long than others would be taken for one like them."""
    fit_kwargs = {**FIT, "trainer_kwargs": {"callbacks": Press(hook)}}
    with unchanged(task_cells), pytest.raises(KeyboardInterrupt):
        e2t.tl.cross_validate(task_cells, "kind", n_splits=3, fit_kwargs=fit_kwargs, progress_bar=False)
