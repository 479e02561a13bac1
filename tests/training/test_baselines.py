"""What simple models predict, compared with scikit-learn's and with properties they must have."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV

from edge2torch.errors import Edge2TorchError
from edge2torch.training import PARTS, TASKS, score
from edge2torch.training import baselines as module
from edge2torch.training.baselines import predict_baselines

MODELS = {"classes": "logistic regression", "labels": "logistic regression", "numbers": "ridge"}
CONSTANT = {"classes": "majority", "labels": "majority", "numbers": "mean"}
tasks = pytest.mark.parametrize("task", TASKS)


def draw(task, seed=0, n_cells=80, n_genes=30, n_outputs=3):
    """Cells of which a few genes tell what is asked, most values 0, genes of different spread, one silent."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.0, size=(n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < 0.4) * rng.uniform(0.1, 3, n_genes)
    x[:, -1] = 0
    signal = x[:, :n_outputs] + 0.1 * rng.normal(size=(n_cells, n_outputs))
    if task == "numbers":
        return x.astype(np.float32), signal
    if task == "labels":
        return x.astype(np.float32), (signal > np.median(signal, axis=0)).astype(np.int64)
    return x.astype(np.float32), signal.argmax(axis=1)


@tasks
def test_form(task):
    x, truth = draw(task)
    found = predict_baselines(task, x[:50], truth[:50], x, 3)
    assert list(found) == [CONSTANT[task], MODELS[task]]
    for predicted in found.values():
        assert predicted.shape == (80, 3)
        assert predicted.dtype == np.float64
        assert np.isfinite(predicted).all()
        if task != "numbers":
            assert ((predicted >= 0) & (predicted <= 1)).all()
        if task == "classes":
            assert np.allclose(predicted.sum(axis=1), 1)
        score(task, list("abc"), truth, predicted, np.array(["train"] * 50 + ["test"] * 30, dtype=object))


@tasks
def test_better_than_constant(task):
    x, truth = draw(task, n_cells=300)
    part = np.repeat(np.array(PARTS, dtype=object), [200, 50, 50])
    found = predict_baselines(task, x[:200], truth[:200], x, 3)
    tables = {name: score(task, list("abc"), truth, p, part)[0].set_index("split") for name, p in found.items()}
    column = "r2" if task == "numbers" else "balanced_accuracy"
    constant, model = (tables[name].loc["test", column] for name in (CONSTANT[task], MODELS[task]))
    assert model > constant + 0.3


@tasks
@pytest.mark.parametrize("form", [sp.csr_array, sp.csr_matrix])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_sparse_equals_dense(task, form, class_weight):
    x, truth = draw(task)
    dense = predict_baselines(task, x[:50], truth[:50], x, 3, class_weight=class_weight)
    served = form(x)
    before = served.copy()
    sparse = predict_baselines(task, served[:50], truth[:50], served, 3, class_weight=class_weight)
    assert (served != before).nnz == 0, "the data of the user stay"
    for name, predicted in dense.items():
        assert np.allclose(predicted, sparse[name], atol=2e-3), name  # float32 and the tolerance of the solver


@pytest.mark.parametrize("task", ["classes", "labels"])
def test_sparse_data_stay_sparse(task):
    """Dense, these cells would take 4 GB."""
    n_cells, n_genes = 50_000, 20_000
    codes = np.arange(n_cells) % 2
    x = sp.csr_array((np.ones(n_cells, dtype=np.float32), (np.arange(n_cells), codes)), shape=(n_cells, n_genes))
    truth = codes if task == "classes" else np.eye(2)[codes]
    tracemalloc.start()
    try:
        proba = predict_baselines(task, x, truth, x, 2)["logistic regression"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2e8
    assert (proba.argmax(axis=1) == codes).all()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_majority_is_the_prior(codes):
    codes = np.array(codes)
    x = np.random.default_rng(0).normal(size=(codes.size + 3, 2)).astype(np.float32)
    dummy = DummyClassifier(strategy="prior").fit(x[: codes.size], codes)
    majority = predict_baselines("classes", x[: codes.size], codes, x, 4)["majority"]
    assert np.allclose(majority[:, dummy.classes_], dummy.predict_proba(x))
    assert np.allclose(majority.sum(axis=1), 1)
    assert (majority.argmax(axis=1) == dummy.predict(x)).all()


def pareto(x, n_train):
    """Divide genes by the square root of their deviation in the training cells."""
    deviation = x[:n_train].astype(np.float64).std(axis=0)
    return (x / np.sqrt(np.where(deviation > 0, deviation, 1))).astype(np.float32)


def test_majority_of_labels_and_mean_of_numbers():
    for task, name in [("labels", "majority"), ("numbers", "mean")]:
        x, truth = draw(task)
        constant = predict_baselines(task, x[:50], truth[:50], x, 3)[name]
        assert np.allclose(constant, DummyRegressor().fit(x[:50], truth[:50]).predict(x))


def test_majority_has_no_class_weight():
    x, truth = draw("classes")
    plain, weighted = (predict_baselines("classes", x, truth, x, 3, class_weight=w) for w in (None, "balanced"))
    assert (plain["majority"] == weighted["majority"]).all()
    assert not np.allclose(plain["logistic regression"], weighted["logistic regression"])


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 5.0, 2: 0.5}])
def test_models_equal_scikit_learn(class_weight):
    x, truth = draw("classes")
    scaled = pareto(x, 50)
    model = LogisticRegression(class_weight=class_weight).fit(scaled[:50], truth[:50])
    found = predict_baselines("classes", x[:50], truth[:50], x, 3, class_weight=class_weight)["logistic regression"]
    assert np.allclose(found, model.predict_proba(scaled), atol=1e-4)
    if isinstance(class_weight, dict):
        return
    _, labels = draw("labels")
    found = predict_baselines("labels", x[:50], labels[:50], x, 3, class_weight=class_weight)["logistic regression"]
    for k in range(3):
        model = LogisticRegression(class_weight=class_weight).fit(scaled[:50], labels[:50, k])
        assert np.allclose(found[:, k], model.predict_proba(scaled)[:, 1], atol=1e-4)
    _, numbers = draw("numbers")
    found = predict_baselines("numbers", x[:50], numbers[:50], x, 3)["ridge"]
    for k in range(3):
        model = RidgeCV(np.logspace(0, 5, 6)).fit(scaled[:50], numbers[:50, k])
        assert np.allclose(found[:, k], model.predict(scaled), atol=1e-4)


def test_weights_of_labels():
    """The weight of a label counts its cells that often."""
    x, labels = draw("labels")
    doubled = np.repeat(np.arange(80), 1 + labels[:, 0])
    weighted = predict_baselines("labels", x, labels[:, :1], x, 1, class_weight={0: 2.0})["logistic regression"]
    scaled = pareto(x, 80)
    model = LogisticRegression().fit(scaled[doubled], labels[doubled, 0])
    assert np.allclose(weighted[:, 0], model.predict_proba(scaled)[:, 1], atol=2e-3)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 5.0, 2: 0.5, 3: 1.0}])
def test_classes_and_labels_without_training_cells(class_weight):
    x, truth = draw("classes")
    codes = np.array([0, 2, 3])[truth]
    proba = predict_baselines("classes", x, codes, x, 5, class_weight=class_weight)["logistic regression"]
    assert (proba[:, [1, 4]] == 0).all()
    assert (proba.argmax(axis=1) == codes).mean() > 0.9
    alone = predict_baselines("classes", x[:1], np.array([2]), x, 3, class_weight=class_weight)["logistic regression"]
    assert (alone == [0, 0, 1]).all()
    labels = np.column_stack([truth == 0, np.zeros(80), np.ones(80)]).astype(int)
    proba = predict_baselines("labels", x, labels, x, 3, class_weight=class_weight)["logistic regression"]
    assert (proba[:, 1:] == [0, 1]).all()
    assert np.ptp(proba[:, 0]) > 0.5


@tasks
def test_same_every_time(task, monkeypatch):
    monkeypatch.setattr(module, "_MOST_CELLS_FOR_ALPHA", 20)
    x, truth = draw(task)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global generator must stay as it is
    first, again = (predict_baselines(task, x[:50], truth[:50], x, 3, random_state=4) for _ in range(2))
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    for name in first:
        assert (first[name] == again[name]).all()


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_penalty_chosen_on_some_cells(form, monkeypatch):
    """Where all choices of cells find the same penalty, the ridge on all cells is the same."""
    x, truth = draw("numbers", n_cells=200)
    monkeypatch.setattr(module, "_ALPHAS", [2.0])
    whole = predict_baselines("numbers", form(x[:150]), truth[:150], form(x), 3)["ridge"]
    monkeypatch.setattr(module, "_MOST_CELLS_FOR_ALPHA", 100)
    some = predict_baselines("numbers", form(x[:150]), truth[:150], form(x), 3)["ridge"]
    assert np.allclose(whole, some, atol=2e-3 * np.ptp(truth))


@tasks
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 4))
def test_few_cells(task, seed, n_cells, n_outputs):
    x, truth = draw(task, seed, n_cells, 8, n_outputs)
    for predicted in predict_baselines(task, x, truth, x[:2], n_outputs).values():
        assert predicted.shape == (min(2, n_cells), n_outputs)
        assert np.isfinite(predicted).all()


@tasks
def test_order_of_outputs_is_free(task):
    x, truth = draw(task)
    order = np.array([2, 0, 1])
    moved = np.argsort(order)[truth] if task == "classes" else truth[:, order]
    plain, changed = (predict_baselines(task, x, values, x, 3) for values in (truth, moved))
    for name, predicted in plain.items():
        assert np.allclose(predicted[:, order], changed[name], atol=2e-3)


def test_counts_are_no_problem():
    x, truth = draw("classes")
    counts = (100 * x).astype(np.int64)
    proba = predict_baselines("classes", counts, truth, counts, 3)["logistic regression"]
    assert (proba.argmax(axis=1) == truth).all()


def test_bad_input():
    x, truth = draw("classes")
    with pytest.raises(Edge2TorchError, match="task='class' is unknown"):
        predict_baselines("class", x, truth, x, 3)
    with pytest.raises(Edge2TorchError, match="no training cells; change the split"):
        predict_baselines("classes", x[:0], truth[:0], x, 3)
