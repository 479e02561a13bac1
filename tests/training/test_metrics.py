"""Scores of predictions, compared with scikit-learn's other functions and with counts."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from edge2torch.errors import Edge2TorchError
from edge2torch.training import PARTS, score

cells = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(PARTS)), min_size=1, max_size=60)


def f1(true, guess, label):
    hits = int(((true == label) & (guess == label)).sum())
    return 2 * hits / max(int((true == label).sum() + (guess == label).sum()), 1)


@settings(max_examples=50, deadline=None)
@given(cells)
def test_classes_that_do_not_occur(rows):
    """The mean recall and F1 are of the classes that occur in a part; others may be predicted there."""
    labels, predicted = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 1))
    part = np.array([row[2] for row in rows], dtype=object)
    table, _ = score("classes", list("abcd"), labels, np.eye(4)[predicted], part)
    assert table["split"].tolist() == [name for name in PARTS if name in part], "in this order, none without cells"
    for row in table.itertuples():
        true, guess = labels[part == row.split], predicted[part == row.split]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on predicted classes that do not occur
            assert np.isclose(row.balanced_accuracy, sk.balanced_accuracy_score(true, guess))
        assert row.n_cells == len(true)
        assert np.isclose(row.accuracy, (true == guess).mean())
        assert np.isclose(row.macro_f1, np.mean([f1(true, guess, label) for label in np.unique(true)]))


COLUMNS = {
    "classes": "accuracy balanced_accuracy macro_f1 auroc log_loss calibration_error",
    "labels": "balanced_accuracy macro_f1 auroc average_precision log_loss calibration_error",
    "numbers": "r2 pearson mse",
}
OUTPUT_COLUMNS = {
    "classes": "precision recall f1 auroc",
    "labels": "precision recall f1 auroc average_precision",
    "numbers": "r2 pearson mse",
}
LOSSES = ["log_loss", "calibration_error", "mse"]
tasks = pytest.mark.parametrize("task", list(COLUMNS))


def draw(task, seed, n_cells=60, n_outputs=4):
    """Predictions that are somewhat right, rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    part = rng.choice(PARTS, n_cells).astype(object)
    if task == "numbers":
        truth = rng.normal(size=(n_cells, n_outputs)).round(1)
        return truth, truth + rng.normal(size=truth.shape).round(1), part
    if task == "labels":
        truth = rng.integers(0, 2, (n_cells, n_outputs))
        return truth, ((truth + rng.uniform(0, 3, truth.shape)) / 4).round(2), part
    truth = rng.integers(0, n_outputs, n_cells)
    odds = rng.uniform(0, 1, (n_cells, n_outputs)).round(2) + np.eye(n_outputs)[truth]
    return truth, odds / odds.sum(axis=1, keepdims=True), part


def names_of(predicted):
    return [f"{k}/ü" for k in range(predicted.shape[1])]


def calibration_error(confidence, right):
    """Guo et al. 2017, equation 3: the gap between confidence and accuracy in each of 15 bins."""
    bins = np.minimum((np.asarray(confidence) * 15).astype(int), 14)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return sum(gaps)


def test_classes_equal_scikit_learn():
    truth, proba, part = draw("classes", 0)
    whole, each = score("classes", names_of(proba), truth, proba, part)
    for split in PARTS:
        true, p = truth[part == split], proba[part == split]
        guess = p.argmax(axis=1)
        row = whole.set_index("split").loc[split]
        assert row["accuracy"] == sk.accuracy_score(true, guess)
        assert np.isclose(row["balanced_accuracy"], sk.balanced_accuracy_score(true, guess))
        assert np.isclose(row["macro_f1"], sk.f1_score(true, guess, average="macro"))
        assert np.isclose(row["auroc"], sk.roc_auc_score(true, p, multi_class="ovr", average="macro"))
        assert np.isclose(row["log_loss"], sk.log_loss(true, p))
        assert np.isclose(row["calibration_error"], calibration_error(p.max(axis=1), guess == true), atol=1e-5)
        rows = each[each["split"] == split]
        report = sk.classification_report(true, guess, output_dict=True)
        for k in range(4):
            assert np.isclose(rows["precision"].iloc[k], report[str(k)]["precision"])
            assert np.isclose(rows["recall"].iloc[k], report[str(k)]["recall"])
            assert np.isclose(rows["f1"].iloc[k], report[str(k)]["f1-score"])
            assert rows["n_cells"].iloc[k] == report[str(k)]["support"]
            assert np.isclose(rows["auroc"].iloc[k], sk.roc_auc_score(true == k, p[:, k]))


def test_labels_equal_scikit_learn():
    truth, proba, part = draw("labels", 1)
    whole, each = score("labels", names_of(proba), truth, proba, part)
    for split in PARTS:
        true, p = truth[part == split], proba[part == split]
        guess = p > 0.5
        row = whole.set_index("split").loc[split]
        columns = range(4)
        balanced = np.mean([sk.balanced_accuracy_score(true[:, k], guess[:, k]) for k in columns])
        assert np.isclose(row["balanced_accuracy"], balanced)
        assert np.isclose(row["macro_f1"], sk.f1_score(true, guess, average="macro"))
        assert np.isclose(row["auroc"], sk.roc_auc_score(true, p, average="macro"))
        assert np.isclose(row["average_precision"], sk.average_precision_score(true, p, average="macro"))
        assert np.isclose(row["log_loss"], np.mean([sk.log_loss(true[:, k], p[:, k]) for k in columns]))
        expected = np.mean([calibration_error(p[:, k], true[:, k]) for k in columns])
        assert np.isclose(row["calibration_error"], expected, atol=1e-5)
        rows = each[each["split"] == split]
        assert rows["n_cells"].tolist() == true.sum(axis=0).tolist()
        for name, function in [("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)]:
            assert np.allclose(rows[name], function(true, guess, average=None))
        assert np.allclose(rows["auroc"], sk.roc_auc_score(true, p, average=None))
        assert np.allclose(rows["average_precision"], sk.average_precision_score(true, p, average=None))


def test_numbers_equal_scikit_learn():
    truth, predicted, part = draw("numbers", 2)
    whole, each = score("numbers", names_of(predicted), truth, predicted, part)
    for split in PARTS:
        true, p = truth[part == split], predicted[part == split]
        rows = each[each["split"] == split]
        correlation = [pd.Series(true[:, k]).corr(pd.Series(p[:, k])) for k in range(4)]
        assert np.allclose(rows["r2"], sk.r2_score(true, p, multioutput="raw_values"))
        assert np.allclose(rows["mse"], sk.mean_squared_error(true, p, multioutput="raw_values"))
        assert np.allclose(rows["pearson"], correlation)
        row = whole.set_index("split").loc[split]
        assert np.isclose(row["r2"], sk.r2_score(true, p))
        assert np.isclose(row["mse"], sk.mean_squared_error(true, p))
        assert np.isclose(row["pearson"], np.mean(correlation))


@tasks
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 5))
def test_tables_for_few_cells(task, seed, n_cells, n_outputs):
    truth, predicted, part = draw(task, seed, n_cells, n_outputs)
    names = names_of(predicted)
    whole, each = score(task, names, truth, predicted, part)
    there = [split for split in PARTS if split in part]
    assert whole.columns.tolist() == ["split", "n_cells", *COLUMNS[task].split()]
    assert each.columns.tolist() == ["split", "output", "n_cells", *OUTPUT_COLUMNS[task].split()]
    assert whole["split"].tolist() == there
    assert list(zip(each["split"], each["output"], strict=True)) == [(s, name) for s in there for name in names]
    for table in (whole, each):
        kinds = table.drop(columns=[c for c in ("split", "output") if c in table]).dtypes.astype(str)
        assert kinds.pop("n_cells") == "int64"
        assert set(kinds) == {"float64"}
        shares = table[[c for c in kinds.index if c not in ("log_loss", "r2", "pearson", "mse")]]
        assert ((shares >= 0) & (shares <= 1) | shares.isna()).all(axis=None)
    # A score of the whole is a mean of those of the outputs that have one.
    for column in {"auroc", "average_precision", "r2", "pearson", "mse"} & set(whole.columns):
        means = each.groupby("split", sort=False)[column].mean()
        assert np.allclose(whole.set_index("split")[column], means.loc[there], equal_nan=True)
    for split in there:
        alone = score(task, names, truth[part == split], predicted[part == split], part[part == split])
        for table, own in zip((whole, each), alone, strict=True):
            pd.testing.assert_frame_equal(table[table["split"] == split].reset_index(drop=True), own)


@tasks
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_order_of_outputs_is_free(task, seed, order):
    truth, predicted, part = draw(task, seed, 30)
    names = np.array(names_of(predicted))
    position = np.argsort(order)
    whole, each = score(task, names.tolist(), truth, predicted, part)
    moved = position[truth] if task == "classes" else truth[:, order]
    whole_moved, each_moved = score(task, names[order].tolist(), moved, predicted[:, order], part)
    pd.testing.assert_frame_equal(whole, whole_moved)
    by = ["split", "output"]
    pd.testing.assert_frame_equal(each.set_index(by), each_moved.set_index(by).loc[pd.MultiIndex.from_frame(each[by])])


@tasks
def test_perfect_predictions(task):
    truth, _, part = draw(task, 3)
    predicted = np.eye(4)[truth] if task == "classes" else truth.astype(np.float32)
    for table in score(task, names_of(predicted), truth, predicted, part):
        scores = table.drop(columns=["split", "output", "n_cells"], errors="ignore")
        losses = scores.columns.isin(LOSSES)
        assert np.allclose(scores.loc[:, losses], 0, atol=1e-10)
        assert np.allclose(scores.loc[:, ~losses], 1)


@tasks
def test_constant_predictions(task):
    truth, predicted, _ = draw(task, 4)
    same = np.tile(truth.mean(axis=0) if task != "classes" else np.bincount(truth) / truth.size, (truth.shape[0], 1))
    whole, each = score(task, names_of(predicted), truth, same, np.full(truth.shape[0], "test", dtype=object))
    if task == "numbers":
        assert each["pearson"].isna().all()
        assert np.allclose(each["r2"], 0), "the mean explains nothing"
        assert np.allclose(each["mse"], truth.var(axis=0))
        return
    assert np.allclose(each["auroc"], 0.5)
    assert np.isclose(whole["calibration_error"][0], 0, atol=1e-6), "shares are calibrated"
    if task == "classes":
        assert np.isclose(whole["balanced_accuracy"][0], 1 / 4)
        assert each["precision"].notna().sum() == 1, "the only class that is predicted"
        assert each["recall"].tolist() == (np.arange(4) == same[0].argmax()).astype(float).tolist()


def test_undefined_scores_are_nan():
    part = np.full(3, "test", dtype=object)
    proba = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.7, 0.2]])
    whole, each = score("classes", list("abc"), np.array([0, 0, 0]), proba, part)
    assert np.isnan(whole["auroc"][0])
    assert whole["balanced_accuracy"][0] == whole["accuracy"][0] == 2 / 3
    nan = np.nan
    expected = [[3, 1, 2 / 3, 0.8, nan], [0, 0, nan, 0, nan], [0, nan, nan, nan, nan]]
    assert np.allclose(each[["n_cells", *OUTPUT_COLUMNS["classes"].split()]], expected, equal_nan=True)
    truth = np.array([[1, 0, 0], [1, 0, 1], [1, 0, 1]])
    whole, each = score("labels", list("abc"), truth, proba, part)
    assert each["auroc"].isna().tolist() == each["average_precision"].isna().tolist() == [True, True, False]
    assert each["recall"].isna().tolist() == [False, True, False]
    assert whole["auroc"][0] == each["auroc"][2]
    whole, _ = score("labels", ["a", "b"], truth[:, :2], proba[:, :2], part)
    missing = whole.drop(columns=["split", "n_cells"]).isna().iloc[0]
    assert missing[missing].index.tolist() == ["balanced_accuracy", "macro_f1", "auroc", "average_precision"]
    # Of constant numbers, neither r2 nor a correlation is known; 0.1 + 0.1 + 0.1 is no multiple of 0.1 in floats.
    whole, each = score("numbers", list("abc"), np.array([[0.1, 1, 2], [0.1, 2, 2], [0.1, 3, 2]]), proba, part)
    assert each["r2"].isna().tolist() == each["pearson"].isna().tolist() == [True, False, True]
    assert whole["r2"][0] == each["r2"][1]


@pytest.mark.parametrize("n_outputs", [1, 2, 300])
@tasks
def test_numbers_of_outputs(task, n_outputs):
    truth, predicted, part = draw(task, 5, 900, n_outputs)
    whole, each = score(task, names_of(predicted), truth, predicted, part)
    assert len(each) == 3 * n_outputs
    assert whole.drop(columns="auroc", errors="ignore").notna().all(axis=None)


def test_float_rounding_of_probabilities():
    """Torchmetrics takes numbers beyond 1 for logits."""
    proba = np.array([[1 + 1e-7, 0], [0, 1]], dtype=np.float32)
    part = np.full(2, "test", dtype=object)
    for task, truth in [("classes", np.array([0, 1])), ("labels", np.eye(2, dtype=int))]:
        whole, _ = score(task, ["a", "b"], truth, proba, part)
        assert np.allclose(whole[["log_loss", "calibration_error"]], 0, atol=1e-10)


def test_certain_and_wrong_is_finite():
    part = np.full(2, "test", dtype=object)
    whole, _ = score("classes", ["a", "b"], np.array([1, 0]), np.eye(2), part)
    assert np.isclose(whole["log_loss"][0], sk.log_loss([1, 0], np.eye(2)))
    whole, _ = score("labels", ["a", "b"], 1 - np.eye(2, dtype=int), np.eye(2), part)
    assert np.isclose(whole["log_loss"][0], sk.log_loss([1, 0], np.eye(2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "class"}, "task='class' is unknown"),
        ({"names": ["a"]}, r"`predicted` has shape \(2, 2\), but .* \(2, 1\)"),
        ({"truth": np.eye(2)}, r"`truth` has shape \(2, 2\), but .* \(2,\)"),
        ({"truth": np.array([0, 2])}, "`truth` is no position in `names`, 0 to 1, for 1 of 2 cells: rows 1"),
        ({"predicted": np.array([[1, 0], [np.nan, 1]])}, "`predicted` is not finite for 1 of 2 cells: rows 1"),
        ({"part": np.array(["all", "all"], dtype=object)}, "`part` puts none of 2 cells into 'train', "),
    ],
)
def test_bad_input(change, message):
    arguments = {
        "task": "classes",
        "names": ["a", "b"],
        "truth": np.array([0, 1]),
        "predicted": np.eye(2),
        "part": np.array(["train", "test"], dtype=object),
    }
    with pytest.raises(Edge2TorchError, match=message):
        score(**{**arguments, **change})
