"""Classes, labels and numbers: from ``obs`` or ``obsm`` to predictions and scores, and back from a file."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, logit

import edge2torch as e2t

GENES = [f"g{i}" for i in range(12)]
NAMES = ["b", "a", "10", "2"]
N = 160
SETTINGS = {"max_epochs": 60, "batch_size": 16, "lr": 0.03, "weight_decay": 0.0, "input_dropout": 0.0}
SETTINGS |= {"split": "parts", "progress_bar": False}
QUICK = {**SETTINGS, "max_epochs": 2}
SLOTS = {"classes": "e2t_proba", "labels": "e2t_proba", "numbers": "e2t_values"}

#: target, task that is said, task, names of the outputs
CASES = {
    "classes": ("kind", None, "classes", ["b", "a", "10"]),
    "two classes": ("sign", None, "classes", ["no", "yes"]),
    "true or false": ("true a", None, "classes", ["False", "True"]),
    "whole numbers as classes": ("cluster", "classes", "classes", ["0", "1", "2"]),
    "one label": ("true a", "labels", "labels", ["true a"]),
    "labels": ([f"true {name}" for name in NAMES], None, "labels", [f"true {name}" for name in NAMES]),
    "labels, array": ("marks", "labels", "labels", [f"marks {k}" for k in range(4)]),
    "labels, truth values": ("true marks", None, "labels", [f"true marks {k}" for k in range(4)]),
    "number": ("score", None, "numbers", ["score"]),
    "whole numbers": ("count", None, "numbers", ["count"]),
    "few whole numbers": ("grade", "numbers", "numbers", ["grade"]),
    "numbers": (NAMES, None, "numbers", NAMES),
    "numbers, array": ("proteins", None, "numbers", [f"proteins {k}" for k in range(4)]),
    "numbers, sparse": ("sparse", None, "numbers", [f"sparse {k}" for k in range(4)]),
    "numbers, table": ("table", None, "numbers", NAMES),
}
each = pytest.mark.parametrize("case", CASES)


@pytest.fixture(scope="module")
def fits(task_cells_once):
    """A fit of each case; not to be changed."""
    return {
        case: e2t.tl.fit(task_cells_once, target, task=task, copy=True, **SETTINGS)
        for case, (target, task, _, _) in CASES.items()
    }


def outputs(adata):
    nodes = adata.uns["e2t"]["nodes"]
    return nodes.loc[nodes["kind"] == "output", "label"].tolist()


def predictions(adata):
    """Of all outputs, by name."""
    task = adata.uns["e2t"]["params"]["fit"]["task"]
    return pd.DataFrame(adata.obsm[SLOTS[task]], columns=outputs(adata))


def truth(adata, case):
    """What is known, by name of the output: an independent reading."""
    target, _, task, names = CASES[case]
    if isinstance(target, list):
        return adata.obs[target].astype(float).reset_index(drop=True)
    if target in adata.obs and task == "classes":
        return pd.DataFrame({name: adata.obs[target].astype(str).to_numpy() == name for name in names}).astype(float)
    values = adata.obs[target].to_numpy() if target in adata.obs else adata.obsm[target]
    values = values.toarray() if sp.issparse(values) else np.asarray(values)
    return pd.DataFrame(values.reshape(N, -1).astype(float), columns=names)


@each
def test_what_is_written(task_cells_once, fits, case):
    target, _, task, names = CASES[case]
    done = fits[case]
    params = done.uns["e2t"]["params"]["fit"]
    assert params["task"] == task
    assert params["outputs"].tolist() == names
    assert np.array_equal(params["target"], target)
    assert ("mean" in params, "std" in params) == (task == "numbers",) * 2
    assert sorted(outputs(done)) == sorted(names)
    has_prediction = task == "classes" or (task == "numbers" and len(names) == 1)
    assert set(done.obs) - set(task_cells_once.obs) == {"e2t_split"} | ({"e2t_pred"} if has_prediction else set())
    assert set(done.obsm) - set(task_cells_once.obsm) == {SLOTS[task]}
    slot = done.obsm[SLOTS[task]]
    assert type(slot) is np.ndarray
    assert slot.shape == (N, len(names))
    assert slot.flags.c_contiguous
    made = {"graph", "nodes", "params", "coverage", "summary", "model", "history", "metrics", "metrics_of_outputs"}
    assert set(done.uns["e2t"]) == made
    table = done.uns["e2t"]["metrics_of_outputs"]
    assert table.groupby("split")["output"].apply(list).to_dict() == dict.fromkeys(
        ["test", "train", "validation"], names
    )


@each
def test_predictions_are_in_the_units_of_the_target(fits, case):
    _, _, task, names = CASES[case]
    done, said = fits[case], predictions(fits[case])
    if task == "numbers":
        if len(names) == 1:
            np.testing.assert_array_equal(done.obs["e2t_pred"], done.obsm["e2t_values"][:, 0])
        return
    assert done.obsm["e2t_proba"].dtype == np.float32
    assert said.min(axis=None) >= 0
    assert said.max(axis=None) <= 1
    if task == "classes":
        np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
        assert done.obs["e2t_pred"].astype(str).tolist() == said.idxmax(axis=1).tolist()


@each
def test_what_can_be_learned_is_learned(fits, case):
    """Each output by its own name: mixed-up columns would fail."""
    _, _, task, _ = CASES[case]
    known, said = truth(fits[case], case), predictions(fits[case])
    test = (fits[case].obs["parts"] == "test").to_numpy()
    for name in known:
        one, other = known.loc[test, name].to_numpy(), said.loc[test, name].to_numpy()
        if task == "numbers":
            least = 0.5 if case in ("few whole numbers", "numbers, sparse") else 0.9  # in steps, or cut at 0
            assert 1 - ((one - other) ** 2).sum() / ((one - one.mean()) ** 2).sum() > least, name
        else:
            above = (other[one == 1][:, None] > other[one == 0]).mean()  # of all pairs, that is the AUROC
            assert above > 0.95, name


@each
def test_scores_are_those_of_the_metrics(fits, case):
    _, _, task, _ = CASES[case]
    known, said, table = truth(fits[case], case), predictions(fits[case]), e2t.get.metrics(fits[case], per="output")
    assert (table["model"] == "network").all()
    for row in table.itertuples():
        here = (fits[case].obs["parts"] == row.split).to_numpy()
        one, other = known.loc[here, row.output].to_numpy(), said.loc[here, row.output].to_numpy()
        if task == "numbers":
            assert np.isclose(row.mse, ((one - other) ** 2).mean(), rtol=1e-5)
        else:
            pairs = other[one == 1][:, None] - other[one == 0]
            assert np.isclose(row.auroc, (pairs > 0).mean() + (pairs == 0).mean() / 2)


def naive_loss(adata, case, weight, smoothing=0.0):
    """Loss of the validation cells, from the predictions."""
    _, _, task, names = CASES[case]
    parts = adata.obs["parts"].to_numpy()
    known, said = truth(adata, case).to_numpy(), predictions(adata)[names].to_numpy().astype(float)
    train, here = known[parts == "train"], parts == "validation"
    if task == "numbers":
        return (((said - known)[here] / train.std(axis=0)) ** 2).mean()
    positive = train.sum(axis=0)
    if weight == "balanced":
        weight = len(train) / (len(names) * positive) if task == "classes" else (len(train) - positive) / positive
    elif weight is None:
        weight = np.ones(len(names))
    else:
        weight = np.array([weight[name] for name in names])
    said, known = said[here], known[here]
    if task == "labels":
        return -(weight * known * np.log(said) + (1 - known) * np.log1p(-said)).mean()
    mixed = (1 - smoothing) * known + smoothing / len(names)
    return -(weight * mixed * np.log(said)).sum() / (weight * known).sum()


@pytest.mark.parametrize("weighted", ["balanced", "none", "mapping"])
@each
def test_the_loss_is_that_of_the_formula(task_cells_once, case, weighted):
    """The weights that are kept have the lowest loss on the validation cells."""
    target, task, known, names = CASES[case]
    weight = {"balanced": "balanced", "none": None, "mapping": {name: 0.5 + k for k, name in enumerate(names)}}[
        weighted
    ]
    if known == "numbers" and weighted == "mapping":
        return
    done = e2t.tl.fit(task_cells_once, target, task=task, class_weight=weight, copy=True, **{**QUICK, "max_epochs": 3})
    assert np.isclose(done.uns["e2t"]["history"]["val_loss"].min(), naive_loss(done, case, weight), rtol=1e-4)
    if weighted == "mapping":
        assert json.loads(done.uns["e2t"]["params"]["fit"]["class_weight"]) == weight


@pytest.mark.parametrize("weight", ["balanced", {"b": 3.0, "a": 1.0, "10": 0.2}])
def test_label_smoothing(task_cells_once, weight):
    arguments = {**QUICK, "max_epochs": 4, "class_weight": weight, "copy": True}
    done = e2t.tl.fit(task_cells_once, "kind", label_smoothing=0.3, **arguments)
    loss = done.uns["e2t"]["history"]["val_loss"].min()
    assert np.isclose(loss, naive_loss(done, "classes", weight, smoothing=0.3), rtol=1e-4)
    assert not np.isclose(loss, naive_loss(done, "classes", weight), rtol=3e-3)
    assert done.uns["e2t"]["params"]["fit"]["label_smoothing"] == 0.3


def test_smoothing_makes_predictions_less_certain(task_cells_once, fits):
    done = e2t.tl.fit(task_cells_once, "kind", label_smoothing=0.5, copy=True, **SETTINGS)
    assert done.obsm["e2t_proba"].max(axis=1).mean() < fits["classes"].obsm["e2t_proba"].max(axis=1).mean() - 0.1


def test_balanced_labels_have_a_limit(task_cells):
    """All training cells are positive, which would make the weight 0."""
    task_cells.obs["often"] = task_cells.obs["parts"] == "train"
    e2t.tl.fit(task_cells, ["often", "true a"], **QUICK)
    assert np.isfinite(task_cells.uns["e2t"]["history"].to_numpy()).all()


UNITS = {"as it is": (0.0, 1.0), "varies little": (1e6, 1e-3), "varies much": (-3e5, 1e6), "tiny": (0.0, 1e-12)}


@pytest.mark.parametrize("case", UNITS)
def test_units_of_numbers_make_no_difference(task_cells_once, fits, case):
    """Numbers around a million that differ by a thousandth need double precision from beginning to end."""
    mean, unit = UNITS[case]
    cells = task_cells_once.copy()
    cells.obs["score"] = mean + unit * cells.obs["score"]
    e2t.tl.fit(cells, "score", **SETTINGS)
    said, expected = cells.obsm["e2t_values"], fits["number"].obsm["e2t_values"]
    np.testing.assert_allclose((said - mean) / unit, expected, atol=0.05)
    metrics, plain = (e2t.get.metrics(adata) for adata in (cells, fits["number"]))
    np.testing.assert_allclose(metrics["r2"], plain["r2"], atol=0.01)
    params = cells.uns["e2t"]["params"]["fit"]
    training = cells.obs.loc[cells.obs["parts"] == "train", "score"].to_numpy()
    np.testing.assert_allclose([params["mean"][0], params["std"][0]], [training.mean(), training.std()], rtol=1e-9)
    before = said.copy()
    e2t.tl.predict(cells)
    np.testing.assert_array_equal(cells.obsm["e2t_values"], before)


def test_numbers_that_are_constant_in_training(task_cells):
    """The mean of equal numbers may differ from them by rounding, which is no deviation."""
    train = task_cells.obs["parts"] == "train"
    task_cells.obs["same"] = np.where(train, 0.1, task_cells.obs["score"])
    e2t.tl.fit(task_cells, ["same", "score"], **QUICK)
    params = task_cells.uns["e2t"]["params"]["fit"]
    assert params["std"][0] == 1
    assert np.abs(task_cells.obsm["e2t_values"]).max() < 100


def at_zero(adata):
    """Prediction of a cell without expression."""
    empty = anndata.AnnData(np.zeros((1, len(GENES)), dtype=np.float32), var=pd.DataFrame(index=GENES))
    e2t.tl.predict(empty, adata)
    return predictions(empty)


@each
def test_scores_add_up_to_what_is_predicted(fits, case):
    """In units of the number, or the logit."""
    _, _, task, names = CASES[case]
    done = fits[case].copy()
    name = names[-1]
    e2t.tl.interpret(done, target=name, n_steps=200, cell_features=True)
    said, base = predictions(done).astype(float), at_zero(done).astype(float)
    if task == "numbers":
        change = said[name] - base[name].iloc[0]
    elif task == "labels":
        change = logit(said[name]) - logit(base[name].iloc[0])
    else:
        model, artifact = e2t.get.model(done)
        import torch

        x = torch.from_numpy(np.asarray(done[:, artifact.feature_names].X))
        column = outputs(done).index(name)
        with torch.no_grad():
            change = (model(x)[:, column] - model(torch.zeros_like(x[:1]))[:, column]).numpy()
        np.testing.assert_allclose(
            log_softmax(model(x).detach().numpy(), axis=1)[:, column], np.log(said[name]), atol=1e-4
        )
    scale = np.abs(change).max()
    assert scale > 0.3
    certain = np.ones(N, bool) if task != "labels" else said[name].between(1e-3, 1 - 1e-3).to_numpy()
    assert certain.sum() > 10
    for scores in (done.obsm["e2t_features"], done.obsm["e2t_nodes"]):
        np.testing.assert_allclose(scores.sum(axis=1)[certain], change[certain], atol=1e-2 * scale)
    table = e2t.get.features(done)
    assert table.columns.tolist() == outputs(done)
    assert table[name].notna().all()
    assert table.drop(columns=name).isna().all(axis=None)


def test_scores_grow_with_the_unit(task_cells):
    scores = []
    for unit in (1.0, 1e6):
        task_cells.obs["2"] = task_cells.obs["2"] * unit
        e2t.tl.fit(task_cells, NAMES, **QUICK)
        e2t.tl.interpret(task_cells, target="2", n_steps=5, cell_features=True)
        scores.append([task_cells.obsm["e2t_features"], task_cells.obsm["e2t_nodes"], task_cells.varm["e2t_features"]])
    for one, other in zip(*scores, strict=True):
        np.testing.assert_allclose(other, 1e6 * one, rtol=1e-2, atol=1e4 * np.nanmax(np.abs(one)))


@pytest.mark.parametrize("case", ["one label", "number", "few whole numbers"])
def test_a_single_output_need_not_be_named(fits, case):
    named, unnamed = fits[case].copy(), fits[case].copy()
    e2t.tl.interpret(named, target=CASES[case][3][0], n_steps=3)
    e2t.tl.interpret(unnamed, n_steps=3)
    np.testing.assert_array_equal(named.obsm["e2t_nodes"], unnamed.obsm["e2t_nodes"])
    assert unnamed.uns["e2t"]["rank_nodes"]["group"].unique().tolist() == CASES[case][3]


@each
def test_all_comes_back_from_a_file(fits, tmp_path, case):
    name = CASES[case][3][0]
    done = e2t.tl.interpret(fits[case], target=name, n_steps=3, copy=True)
    done.write_h5ad(tmp_path / "cells.h5ad")
    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    for part in ("metrics", "metrics_of_outputs", "history"):
        pd.testing.assert_frame_equal(
            read.uns["e2t"][part], done.uns["e2t"][part], check_index_type=False, check_dtype=False
        )
    slot = SLOTS[CASES[case][2]]
    read.obsm[slot] = np.zeros_like(read.obsm[slot])
    del read.obsm["e2t_nodes"]
    e2t.tl.predict(read)
    e2t.tl.interpret(read, target=name, n_steps=3)
    np.testing.assert_array_equal(read.obsm[slot], done.obsm[slot])
    assert read.obsm[slot].dtype == done.obsm[slot].dtype
    np.testing.assert_array_equal(read.obsm["e2t_nodes"], done.obsm["e2t_nodes"])
    np.testing.assert_array_equal(read.varm["e2t_features"], done.varm["e2t_features"])
    if "e2t_pred" in done.obs:
        assert read.obs["e2t_pred"].tolist() == done.obs["e2t_pred"].tolist()
    onward = fits[case][:0].copy()
    e2t.tl.predict(onward)
    assert onward.obsm[slot].shape == (0, len(CASES[case][3]))


@each
def test_other_cells_that_lack_the_target(fits, unchanged, case):
    done, slot = fits[case], SLOTS[CASES[case][2]]
    query = anndata.AnnData(done.X[30:60, ::-1].copy(), var=pd.DataFrame(index=GENES[::-1]))
    with unchanged(done):
        e2t.tl.predict(query, done)
    np.testing.assert_allclose(query.obsm[slot], done.obsm[slot][30:60], rtol=1e-4, atol=1e-6)
    assert set(query.obsm) == {slot}
    assert set(query.obs) == set(done.obs) & {"e2t_pred"}
    if CASES[case][2] == "classes":
        assert query.obs["e2t_pred"].tolist() == done.obs["e2t_pred"].astype(str)[30:60].tolist()
    e2t.tl.interpret(query, target=CASES[case][3][0], n_steps=10)
    e2t.tl.predict(query)


@pytest.mark.parametrize("former", ["classes", "labels", "number", "numbers"])
@pytest.mark.parametrize("latter", ["classes", "labels", "number", "numbers"])
def test_nothing_of_another_task_stays(task_cells_once, fits, same, former, latter):
    again = e2t.tl.interpret(fits[former], target=CASES[former][3][0], n_steps=2, cell_features=True, copy=True)
    target, task, _, _ = CASES[latter]
    e2t.tl.fit(again, target, task=task, **QUICK)
    fresh = e2t.tl.fit(task_cells_once, target, task=task, copy=True, **QUICK)
    order = list(fresh.obs)
    again.obs = again.obs[order]
    same(again, fresh)


@pytest.mark.parametrize("former", ["labels", "number"])
def test_a_reference_replaces_results_of_another_task(fits, former):
    query = fits[former].copy()
    e2t.tl.predict(query, fits["classes"])
    assert {slot for slot in query.obsm if slot.startswith("e2t")} == {"e2t_proba"}
    np.testing.assert_array_equal(query.obsm["e2t_proba"], fits["classes"].obsm["e2t_proba"])
    assert "e2t_split" not in query.obs


@pytest.mark.parametrize("case", ["labels", "numbers"])
@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 3, 0, 2]])
def test_the_order_of_columns_makes_no_difference(task_cells_once, fits, case, order):
    target = [CASES[case][0][k] for k in order]
    weight = {name: k + 0.5 for k, name in enumerate(CASES[case][3])} if case == "labels" else None
    one, other = (
        e2t.tl.fit(task_cells_once, columns, class_weight=weight, copy=True, **QUICK)
        for columns in (CASES[case][0], target)
    )
    assert other.uns["e2t"]["params"]["fit"]["outputs"].tolist() == target
    np.testing.assert_array_equal(predictions(one)[target], predictions(other)[target])
    pd.testing.assert_frame_equal(one.uns["e2t"]["history"], other.uns["e2t"]["history"])
    by_name = [
        adata.uns["e2t"]["metrics_of_outputs"].set_index(["split", "output"]).sort_index() for adata in (one, other)
    ]
    pd.testing.assert_frame_equal(*by_name)


@pytest.mark.parametrize(("one", "other"), [("numbers", "numbers, table"), ("labels, array", "labels, truth values")])
def test_the_place_of_the_target_makes_no_difference(fits, one, other):
    np.testing.assert_array_equal(predictions(fits[one]).to_numpy(), predictions(fits[other]).to_numpy())
    pd.testing.assert_frame_equal(fits[one].uns["e2t"]["history"], fits[other].uns["e2t"]["history"])


@pytest.mark.parametrize("kind", ["float32", "int64", "csc", "csr_array", "dense integers"])
def test_matrices_of_any_kind(task_cells, kind):
    counts = np.round(20 * task_cells.obsm["proteins"])
    task_cells.obsm["plain"] = counts
    task_cells.obsm["other"] = {
        "float32": counts.astype(np.float32),
        "int64": counts.astype(np.int64),
        "csc": sp.csc_matrix(counts),
        "csr_array": sp.csr_array(counts),
        "dense integers": counts.astype(np.int16),
    }[kind]
    plain, other = (e2t.tl.fit(task_cells, name, copy=True, **QUICK) for name in ("plain", "other"))
    np.testing.assert_array_equal(plain.obsm["e2t_values"], other.obsm["e2t_values"])


def test_a_list_of_one_column_is_the_column(task_cells, same):
    same(*(e2t.tl.fit(task_cells, target, copy=True, **QUICK) for target in ("kind", ["kind"])))


def test_a_column_comes_before_a_matrix_of_the_same_name(task_cells):
    task_cells.obsm["kind"] = task_cells.obsm["proteins"]
    e2t.tl.fit(task_cells, "kind", **QUICK)
    assert task_cells.uns["e2t"]["params"]["fit"]["task"] == "classes"


def test_many_whole_numbers_are_numbers_and_few_must_be_said(task_cells):
    for n, known in ((31, True), (30, False)):
        task_cells.obs["few"] = np.arange(N) % n
        if known:
            e2t.tl.fit(task_cells, "few", **QUICK)
            assert task_cells.uns["e2t"]["params"]["fit"]["task"] == "numbers"
        else:
            with pytest.raises(e2t.Edge2TorchError, match=r"30 whole numbers.*task='classes'"):
                e2t.tl.fit(task_cells, "few", **QUICK)
    task_cells.obs["few"] = (np.arange(N) % 2) + 0.5
    e2t.tl.fit(task_cells, "few", **QUICK)
    assert task_cells.uns["e2t"]["params"]["fit"]["task"] == "numbers", "halves are no classes"


BASELINES = {"classes": ["majority", "logistic regression"], "labels": ["majority", "logistic regression"]}
BASELINES |= {"numbers": ["mean", "ridge"]}


@pytest.mark.parametrize("case", ["classes", "two classes", "labels", "number", "numbers, table"])
def test_simple_models_are_rows_of_the_metrics(task_cells_once, case, same):
    target, task, known, names = CASES[case]
    compared, plain = (
        e2t.tl.fit(task_cells_once, target, task=task, compare=compare, copy=True, **QUICK) for compare in (True, False)
    )
    table, rows = e2t.get.metrics(compared), e2t.get.metrics(compared, per="output")
    models = ["network", *BASELINES[known]]
    assert list(zip(table["model"], table["split"], strict=True)) == [
        (model, part) for model in models for part in ("train", "validation", "test")
    ]
    assert len(rows) == len(table) * len(names)
    pd.testing.assert_frame_equal(table.iloc[:3], e2t.get.metrics(plain))
    measure = "r2" if known == "numbers" else "auroc"
    test = table[table["split"] == "test"].set_index("model")[measure]
    assert test[models[2]] > 0.7, "what there is to learn is almost linear"
    assert test[models[1]] < 0.51
    for adata in (compared, plain):
        del adata.uns["e2t"]["metrics"], adata.uns["e2t"]["metrics_of_outputs"]
        del adata.uns["e2t"]["params"]["fit"]["compare"]
    same(compared, plain)


def test_simple_models_read_sparse_cells(task_cells):
    scores = []
    for matrix in (task_cells.X, sp.csr_matrix(task_cells.X), sp.csc_array(task_cells.X)):
        task_cells.X = matrix
        e2t.tl.fit(task_cells, "kind", compare=True, **QUICK)
        scores.append(e2t.get.metrics(task_cells))
    pd.testing.assert_frame_equal(scores[0], scores[1], atol=1e-3)
    pd.testing.assert_frame_equal(scores[0], scores[2], atol=1e-3)


@settings(max_examples=12, deadline=None)
@given(
    donors=st.lists(st.integers(0, 6), min_size=N, max_size=N).filter(lambda drawn: len(set(drawn)) >= 4),
    seed=st.integers(0, 2**32 - 1),
    target=st.sampled_from(["sign", "score", "proteins"]),
)
def test_a_donor_is_never_on_two_sides(task_cells_once, donors, seed, target):
    cells = task_cells_once.copy()
    cells.obs["donor"] = pd.Series([f"d/{k}" for k in donors], index=cells.obs_names)
    # every donor has both classes, so that some of each are left to train on
    cells.obs["sign"] = np.where(np.arange(N) % 2, "yes", "no")
    arguments = {**QUICK, "max_epochs": 1, "split": (0.5, 0.25, 0.25)}
    done = e2t.tl.fit(cells, target, groups="donor", random_state=seed, class_weight=None, copy=True, **arguments)
    sides = done.obs.groupby("donor", observed=True)["e2t_split"].nunique()
    assert (sides == 1).all()
    assert set(done.obs["e2t_split"]) == {"train", "validation", "test"}
    assert done.uns["e2t"]["params"]["fit"]["groups"] == "donor"


def test_groups_may_be_numbers_or_categories(task_cells):
    splits = []
    task_cells.obs["donor"] = task_cells.obs["donor"].str[1:].astype(int)
    for kind in (int, str, "category"):
        task_cells.obs["donor"] = task_cells.obs["donor"].astype(kind)
        e2t.tl.fit(task_cells, "kind", groups="donor", **{**QUICK, "split": (0.6, 0.2, 0.2)})
        splits.append(task_cells.obs["e2t_split"].tolist())
    assert splits[0] == splits[1] == splits[2]
