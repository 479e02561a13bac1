"""Scores of predictions, compared with scikit-learn's other functions and with counts."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from edge2torch.training import PARTS, classification_metrics

cells = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(PARTS)), min_size=1, max_size=60)


def f1(true, guess, label):
    hits = int(((true == label) & (guess == label)).sum())
    return 2 * hits / max(int((true == label).sum() + (guess == label).sum()), 1)


@settings(max_examples=50, deadline=None)
@given(cells)
def test_scores_of_each_part(rows):
    labels, predicted = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 1))
    part = np.array([row[2] for row in rows], dtype=object)
    table = classification_metrics(labels, predicted, part)
    assert table["split"].tolist() == [name for name in PARTS if name in part], "in this order, none without cells"
    for row in table.itertuples():
        true, guess = labels[part == row.split], predicted[part == row.split]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on predicted classes that do not occur
            assert np.isclose(row.balanced_accuracy, balanced_accuracy_score(true, guess))
        assert row.n_cells == len(true)
        assert np.isclose(row.accuracy, (true == guess).mean())
        assert np.isclose(row.macro_f1, np.mean([f1(true, guess, label) for label in np.unique(true)]))


def test_kinds_of_columns():
    table = classification_metrics(np.array([0, 1]), np.array([0, 0]), np.array(["train", "test"], dtype=object))
    assert pd.api.types.is_string_dtype(table["split"])
    assert table.drop(columns="split").dtypes.astype(str).to_dict() == {
        "n_cells": "int64",
        "accuracy": "float64",
        "balanced_accuracy": "float64",
        "macro_f1": "float64",
    }
