from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t


@pytest.fixture
def adata(hallmark):
    """Losses of many epochs; the best one occurs twice."""
    adata = hallmark.copy()
    val = [3.0, 2.0, 1.0, 1.5, 1.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 9.5]
    adata.uns["e2t"]["history"] = pd.DataFrame(
        {"replicate": 0, "epoch": range(12), "train_loss": np.linspace(2, 0.5, 12), "val_loss": val}
    )
    return adata


def test_lines_are_the_losses(adata):
    history = adata.uns["e2t"]["history"]
    lines = {line.get_label(): line for line in e2t.pl.history(adata).get_lines()}
    for name, column in (("training", "train_loss"), ("validation", "val_loss")):
        np.testing.assert_array_equal(lines[name].get_xdata(), history["epoch"])
        np.testing.assert_array_equal(lines[name].get_ydata(), history[column])


def test_marks_the_epoch_that_was_kept(adata):
    ax = e2t.pl.history(adata)
    (mark,) = [line for line in ax.get_lines() if line.get_label().startswith("kept")]
    assert mark.get_label() == "kept: epoch 2"
    assert mark.get_xdata().tolist() == [2]
    assert mark.get_ydata().tolist() == [1]


def test_kept_epoch_is_the_one_of_the_model(hallmark):
    """The marked loss is that of the stored model on the validation cells."""
    (mark,) = [line for line in e2t.pl.history(hallmark).get_lines() if line.get_label().startswith("kept")]
    cells = hallmark[hallmark.obs["e2t_split"] == "validation"]
    classes = hallmark.uns["e2t"]["nodes"].query("kind == 'output'")["label"].tolist()
    codes = np.array([classes.index(name) for name in cells.obs["louvain"]])
    train = hallmark.obs["louvain"][hallmark.obs["e2t_split"] == "train"].value_counts()
    weight = np.array([1 / train[name] for name in classes])[codes]  # class_weight="balanced"
    loss = -np.log(cells.obsm["e2t_proba"][np.arange(len(codes)), codes])
    assert mark.get_ydata()[0] == pytest.approx((weight * loss).sum() / weight.sum(), rel=1e-4)


def test_a_single_epoch_can_be_seen(adata):
    adata.uns["e2t"]["history"] = adata.uns["e2t"]["history"][:1]
    ax = e2t.pl.history(adata)
    assert all(line.get_marker() == "o" for line in ax.get_lines() if line.get_label() in ("training", "validation"))


def test_names_of_axes_and_lines(adata):
    ax = e2t.pl.history(adata)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss (cross-entropy)")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation", "kept: epoch 2"]
