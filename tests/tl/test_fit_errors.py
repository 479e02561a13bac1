"""What ``tl.fit`` refuses; the AnnData stays as it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t

EQUAL = {"α/β T": 1.0, "B": 1.0, "NK": 1.0}
TARGETS = {
    "no column": ("nope", ["'nope'", "'kind'"]),
    "no text": (None, ["target=None"]),
    "one class": ("one", ["'one'", "one class", "'x'"]),
    "missing": ("missing", ["'missing'", "3 of 42", "notna"]),
    "number": ("number", ["'number'", "3 whole numbers", "task='classes'", "task='numbers'"]),
    "single cell": ("single", ["'rare'", "single cell"]),
    "equal text": ("twins", ["same text", "'1'"]),
}
ARGUMENTS = {
    "key without graph": ({"key": "nope"}, ["'nope'", "'e2t'"]),
    "key with slash": ({"key": "a/b"}, ["'a/b'"]),
    "activation": ({"activation": "foo"}, ["'foo'", "'tanh'"]),
    "activation, module": ({"activation": torch.nn.Tanh()}, ["activation", "name"]),
    "readout": ({"readout": "some"}, ["'some'", "'all', 'top'"]),
    "backend": ({"backend": "transformer"}, ["'transformer'", "'feedforward'"]),
    "dropout 1": ({"dropout": 1.0}, ["dropout=1.0"]),
    "dropout text": ({"dropout": "x"}, ["dropout='x'"]),
    "dropout None": ({"dropout": None}, ["dropout=None"]),
    "input_dropout": ({"input_dropout": -0.1}, ["input_dropout=-0.1"]),
    "input_dropout None": ({"input_dropout": None}, ["input_dropout=None"]),
    "no epochs": ({"max_epochs": 0}, ["max_epochs=0"]),
    "half an epoch": ({"max_epochs": 1.5}, ["max_epochs=1.5"]),
    "patience": ({"patience": 0}, ["patience=0"]),
    "patience bool": ({"patience": True}, ["patience=True"]),
    "batch_size": ({"batch_size": -4}, ["batch_size=-4"]),
    "lr 0": ({"lr": 0}, ["lr"]),
    "lr NaN": ({"lr": float("nan")}, ["lr"]),
    "lr infinite": ({"lr": float("inf")}, ["lr"]),
    "lr text": ({"lr": "fast"}, ["lr"]),
    "weight_decay": ({"weight_decay": -1.0}, ["weight_decay"]),
    "weight_decay NaN": ({"weight_decay": float("nan")}, ["weight_decay"]),
    "random_state": ({"random_state": -1}, ["random_state=-1"]),
    "random_state text": ({"random_state": "a"}, ["random_state='a'"]),
    "random_state None": ({"random_state": None}, ["random_state=None"]),
    "layer": ({"layer": "nope"}, ["'nope'", "'z'"]),
    "raw": ({"use_raw": True}, ["adata.raw is empty"]),
    "raw and layer": ({"use_raw": True, "layer": "z"}, ["choose one"]),
    "class_weight": ({"class_weight": "other"}, ["'other'", "'balanced'"]),
    "class_weight number": ({"class_weight": 3}, ["class_weight=3"]),
    "class_weight list": ({"class_weight": [1.0, 2.0, 3.0]}, ["class_weight"]),
    "class_weight, classes": ({"class_weight": {"B": 1.0, "T": 1.0}}, ["'NK', 'T', 'α/β T'"]),
    "class_weight negative": ({"class_weight": {**EQUAL, "B": -1.0}}, ["class_weight", "'B'"]),
    "class_weight NaN": ({"class_weight": {**EQUAL, "B": np.nan}}, ["class_weight", "'B'"]),
    "class_weight text": ({"class_weight": {**EQUAL, "B": "x"}}, ["class_weight", "'B'"]),
    "class_weight all 0": ({"class_weight": dict.fromkeys(EQUAL, 0.0)}, ["class_weight"]),
    "split of two": ({"split": (0.5, 0.5)}, ["split=(0.5, 0.5)", "three shares"]),
    "split, sum": ({"split": (0.5, 0.2, 0.2)}, ["add up to 1"]),
    "split of one": ({"split": 0.8}, ["split=0.8"]),
    "split None": ({"split": None}, ["split=None"]),
    "split of text": ({"split": ("a", "b", "c")}, ["split="]),
    "split, NaN": ({"split": (0.5, 0.5, np.nan)}, ["split="]),
    "split, no column": ({"split": "nope"}, ["'nope'", "'kind'"]),
    "split, names": ({"split": "kind"}, ["'kind'", "'train', 'validation', 'test'"]),
    "split, missing": ({"split": "split_missing"}, ["'split_missing'"]),
    "split, no validation": ({"split": "split_two"}, ["'split_two'", "'validation'"]),
    "split, class not trained": ({"split": "split_class"}, ["1 classes", "'B'"]),
    "trainer_kwargs": ({"trainer_kwargs": 3}, ["trainer_kwargs"]),
}


@pytest.fixture
def prepared(adata):
    """With an earlier result, so that there is something to be lost."""
    e2t.tl.fit(adata, "kind", max_epochs=1, progress_bar=False)
    obs = adata.obs
    obs["one"] = "x"
    obs["missing"] = obs["kind"].astype(object).where(np.arange(42) > 2, None)
    obs["number"] = np.arange(42) % 3
    obs["single"] = np.where(np.arange(42) == 5, "rare", obs["kind"].astype(str))
    obs["twins"] = pd.Categorical(pd.Series([1, "1"] * 21, dtype=object))
    parts = np.array(["train", "validation", "test"], dtype=object)[np.arange(42) % 3]
    obs["split_missing"] = pd.Series(parts, index=obs.index).where(np.arange(42) > 0, np.nan)
    obs["split_two"] = np.where(parts == "validation", "train", parts)
    obs["split_class"] = np.where(obs["kind"] == "B", "validation", parts)
    adata.layers["z"] = adata.X.copy()
    return adata


@pytest.mark.parametrize("case", TARGETS)
def test_targets(prepared, unchanged, case):
    target, words = TARGETS[case]
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.fit(prepared, target, max_epochs=1, progress_bar=False)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(prepared, unchanged, case):
    wrong, words = ARGUMENTS[case]
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.fit(prepared, "kind", **{"max_epochs": 1, "progress_bar": False, **wrong})
    for word in words:
        assert word in str(error.value)


def test_without_a_graph(prepared, unchanged):
    del prepared.uns["e2t"]
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError, match="build_graph"):
        e2t.tl.fit(prepared, "kind")


def test_without_genes_of_the_graph(prepared, unchanged):
    small = prepared[:, 2:].copy()
    with unchanged(small), pytest.raises(e2t.Edge2TorchError, match=r"2 of 12 features .*'g0', 'g1'"):
        e2t.tl.fit(small, "kind", progress_bar=False)


@pytest.mark.parametrize("place", ["X", "layer", "raw"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(prepared, unchanged, place, bad):
    broken = prepared.X.copy()
    broken[3, 4] = bad
    if place == "raw":
        prepared.raw = prepared.copy()
        prepared.raw.X[3, 4] = bad
    elif place == "layer":
        prepared.layers["z"] = broken
    else:
        prepared.X = broken
    where = {"X": {}, "layer": {"layer": "z"}, "raw": {"use_raw": True}}[place]
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError, match=r"1 values are NaN or infinite.*'g4'"):
        e2t.tl.fit(prepared, "kind", max_epochs=1, progress_bar=False, **where)


def test_a_loss_that_is_not_finite_is_not_kept_silently(prepared, unchanged):
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError, match="loss"):
        e2t.tl.fit(prepared, "kind", activation=None, lr=1e25, max_epochs=3, progress_bar=False)


def test_adata_must_be_one():
    with pytest.raises(e2t.Edge2TorchError, match="must be an AnnData or MuData, not ndarray"):
        e2t.tl.fit(np.ones((3, 3)), "kind")


def test_an_interrupted_training_changes_nothing(prepared, unchanged):
    from lightning.pytorch.callbacks import Callback

    class Stop(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            raise RuntimeError("stop here")

    generator = torch.get_rng_state()
    with unchanged(prepared), pytest.raises(RuntimeError, match="stop here"):
        e2t.tl.fit(prepared, "kind", progress_bar=False, trainer_kwargs={"callbacks": [Stop()]})
    assert torch.equal(torch.get_rng_state(), generator)
