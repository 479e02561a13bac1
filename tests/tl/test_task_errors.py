"""What ``tl.fit`` refuses of targets, tasks and groups; the AnnData stays as it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import edge2torch as e2t

QUICK = {"max_epochs": 1, "progress_bar": False, "batch_size": 64}
#: target, further arguments, words of the message
CASES = {
    "0 and 1": ("binary", {}, ["'binary'", "2 whole numbers", "task='classes'", "task='numbers'"]),
    "few whole numbers": ("cluster", {}, ["'cluster'", "3 whole numbers", "task='classes'"]),
    "0 and 1 in obsm": ("marks", {}, ["obsm['marks']", "0 and 1", "task='labels'", "task='numbers'"]),
    "0 and 1 in columns": (["binary", "other binary"], {}, ["0 and 1", "task='labels'"]),
    "0 and 1, and truth values": (["binary", "true a"], {}, ["0 and 1", "task='labels'"]),
    "missing number": ("score missing", {}, ["'score missing'", "2 of 160", "predict the others", "notna()"]),
    "missing class": ("kind missing", {}, ["'kind missing'", "2 of 160", "notna()"]),
    "missing in a list": (["score", "score missing"], {}, ["'score missing'", "2 of 160"]),
    "missing in obsm": ("obsm missing", {}, ["obsm['obsm missing']", "1 of 160"]),
    "infinite": ("infinite", {}, ["'infinite'", "1 infinite"]),
    "infinite in obsm": ("obsm infinite", {}, ["obsm['obsm infinite']", "2 infinite"]),
    "constant number": ("constant", {}, ["'constant'", "1 numbers are the same"]),
    "constant in obsm": ("obsm constant", {}, ["1 numbers are the same", "'obsm constant 2'"]),
    "constant label": (["always", "true a"], {}, ["1 labels are the same", "'always'"]),
    "label of no cell": (["never", "true a"], {}, ["1 labels are the same", "'never'"]),
    "label not trained": (["only test", "true a"], {"split": "parts"}, ["1 labels have no cell", "'only test'"]),
    "equal names in obsm": ("obsm twins", {}, ["columns of the same name", "'1'"]),
    "a column twice": (["score", "score"], {}, ["twice"]),
    "three dimensions": ("obsm deep", {}, ["obsm['obsm deep']", "(160, 2, 3)", "cells x outputs"]),
    "no columns": ("obsm empty", {}, ["obsm['obsm empty']", "cells x outputs"]),
    "no columns in a table": ("obsm empty table", {}, ["obsm['obsm empty table']", "cells x outputs"]),
    "text in a list": (["kind", "score"], {}, ["'kind'", "neither"]),
    "text in obsm": ("obsm text", {}, ["'name'", "neither"]),
    "text as numbers": ("kind", {"task": "numbers"}, ["'kind'", "neither"]),
    "text as labels": ("kind", {"task": "labels"}, ["'kind'", "neither"]),
    "unknown task": ("kind", {"task": "regression"}, ["'regression'", "'classes'", "'labels'", "'numbers'"]),
    "task of another type": ("kind", {"task": 3}, ["task=3"]),
    "halves as labels": ("halves", {"task": "labels"}, ["'halves'", "true and false, or 1 and 0"]),
    "numbers as labels": ("proteins", {"task": "labels"}, ["obsm['proteins']", "1 and 0"]),
    "classes of two columns": (["kind", "sign"], {"task": "classes"}, ["one column"]),
    "classes of two labels": (["true a", "true b"], {"task": "classes"}, ["one column"]),
    "classes in obsm": ("proteins", {"task": "classes"}, ["one column"]),
    "a class of one cell": ("score", {"task": "classes"}, ["single cell"]),
    "no such column": ("nope", {}, ["'nope'", "'kind'", "'proteins'"]),
    "no such column in a list": (["score", "nope"], {}, ["'nope'", "'kind'"]),
    "no columns at all": ([], {}, ["target=[]"]),
    "a number": (3, {}, ["target=3"]),
    "numbers in a list": ([1, 2], {}, ["target=[1, 2]"]),
    "a mapping": ({"kind": 1}, {}, ["target={'kind': 1}"]),
    "smoothing of numbers": ("score", {"label_smoothing": 0.1}, ["label_smoothing", "'numbers'"]),
    "smoothing of labels": (["true a", "true b"], {"label_smoothing": 0.1}, ["label_smoothing", "'labels'"]),
    "smoothing of 1": ("kind", {"label_smoothing": 1}, ["label_smoothing=1"]),
    "smoothing, negative": ("kind", {"label_smoothing": -0.1}, ["label_smoothing=-0.1"]),
    "smoothing, text": ("kind", {"label_smoothing": "a"}, ["label_smoothing='a'"]),
    "weights of numbers": ("score", {"class_weight": {"score": 2.0}}, ["class_weight", "numbers"]),
    "weights of other labels": (["true a", "true b"], {"class_weight": {"true a": 2.0}}, ["'true b'"]),
    "no such groups": ("kind", {"groups": "nope"}, ["groups='nope'", "'kind'"]),
    "groups, list": ("kind", {"groups": ["donor"]}, ["groups=['donor']"]),
    "groups missing": ("kind", {"groups": "donor missing"}, ["'donor missing'", "3 of 160"]),
    "groups and a split": ("kind", {"groups": "donor", "split": "parts"}, ["split='parts'", "groups='donor'"]),
    "one group": ("score", {"groups": "constant"}, ["1 groups"]),
    "two groups": ("score", {"groups": "sign"}, ["2 groups", "train and validation and test"]),
    "a class per group": ("kind", {"groups": "kind"}, ["3 groups", "every class in train"]),
}


@pytest.fixture
def prepared(task_cells):
    """With an earlier result, so that there is something to be lost."""
    adata, n = task_cells, task_cells.n_obs
    e2t.tl.fit(adata, "kind", **QUICK)
    obs, first = adata.obs, np.arange(n)
    obs["binary"], obs["other binary"] = first % 2, first // 80
    obs["score missing"] = obs["score"].where(first > 1)
    obs["kind missing"] = obs["kind"].where(first > 1)
    obs["donor missing"] = obs["donor"].where(first > 2)
    obs["infinite"] = obs["score"].where(first != 7, np.inf)
    obs["constant"] = 0.5
    obs["halves"] = np.where(first % 2, 0.5, 1.0)
    obs["always"], obs["never"], obs["only test"] = True, False, obs["parts"] == "test"
    values = adata.obsm["proteins"]
    adata.obsm["obsm missing"] = np.where(first[:, None] == 4, np.nan, values)
    adata.obsm["obsm infinite"] = np.where((first[:, None] == 4) & (np.arange(4) < 2), -np.inf, values)
    adata.obsm["obsm constant"] = np.where(np.arange(4) == 2, 1.0, values)
    adata.obsm["obsm deep"] = np.ones((n, 2, 3))
    adata.obsm["obsm empty"] = np.ones((n, 0))
    adata.obsm["obsm empty table"] = pd.DataFrame(index=obs.index)
    adata.obsm["obsm text"] = pd.DataFrame({"name": ["x", "y"] * (n // 2), "z": values[:, 0]}, index=obs.index)
    adata.obsm["obsm twins"] = pd.DataFrame(values[:, :3], columns=[1, 2, "1"], index=obs.index)
    return adata


@pytest.mark.parametrize("case", CASES)
def test_refused(prepared, unchanged, case):
    target, arguments, words = CASES[case]
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.fit(prepared, target, **{**QUICK, **arguments})
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("case", CASES)
def test_refused_by_cross_validation(prepared, unchanged, case):
    target, arguments, words = CASES[case]
    if "split" in arguments or case in ("two groups", "a class per group"):  # folds are other than splits
        return
    own = {name: value for name, value in arguments.items() if name in ("task", "groups")}
    rest = {name: value for name, value in {**QUICK, **arguments}.items() if name not in (*own, "progress_bar")}
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.cross_validate(prepared, target, n_splits=2, fit_kwargs=rest, progress_bar=False, **own)
    for word in words:
        assert word in str(error.value)


def test_missing_values_of_a_sparse_matrix(prepared, unchanged):
    broken = sp.csr_matrix(prepared.obsm["proteins"])
    broken.data[3] = np.nan
    prepared.obsm["sparse"] = broken
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError, match=r"obsm\['sparse'\] is missing in 1 of 160"):
        e2t.tl.fit(prepared, "sparse", **QUICK)


@pytest.mark.parametrize("target", ["label", "predicted", "nope", None])
@pytest.mark.parametrize("fitted", [["true a", "true b"], ["a", "b"]])
def test_one_of_several_outputs_must_be_named(task_cells, unchanged, fitted, target):
    e2t.tl.fit(task_cells, fitted, **QUICK)
    with unchanged(task_cells), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.interpret(task_cells, target=target, n_steps=2)
    assert f"target={target!r}" in str(error.value)
    for name in fitted:
        assert repr(name) in str(error.value)


@pytest.mark.parametrize("per", ["nope", None, "class"])
def test_metrics_are_per_split_or_output(prepared, unchanged, per):
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError, match="'split', 'output'"):
        e2t.get.metrics(prepared, per=per)


@pytest.mark.parametrize("per", ["split", "output"])
def test_metrics_need_a_fit(task_cells, per):
    with pytest.raises(e2t.Edge2TorchError, match=r"run e2t\.tl\.fit first"):
        e2t.get.metrics(task_cells, per=per)


def test_metrics_are_a_copy(prepared, unchanged):
    with unchanged(prepared):
        table = e2t.get.metrics(prepared)
        table.loc[0, "accuracy"] = -1.0
