"""Names of classes are labels: any text, and text that genes and nodes have, too."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t

LEARN = {"max_epochs": 20, "batch_size": 8, "lr": 0.05, "weight_decay": 0.0, "input_dropout": 0.0}
LEARN |= {"split": (0.6, 0.2, 0.2), "progress_bar": False}
NAMES = {
    "slashes": ["CD4+/CD25 T Reg", "PI3K/AKT", "/"],
    "unicode": ["αβ T-Zelle", "γδ", "肝細胞"],
    "spaces": [" B", "B ", "B"],
    "case": ["t", "T", "Tt"],
    "genes": ["g1", "g2", "g0"],
    "nodes": ["π", "P", "Q/R"],
    "suffixes": ["g0", "g0 (output)", "P"],
    "suffixes of nodes": ["P (node)", "P (output)", "P"],
    "numbers": ["10", "2", "1"],
    "key words": ["label", "predicted", "zero"],
    "almost missing": ["nan", "None", "NA"],
    "punctuation": ["a:b", "a.b", "a,b"],
}


def output_labels(adata):
    nodes = adata.uns["e2t"]["nodes"]
    return nodes.loc[nodes["kind"] == "output", "label"].tolist()


@pytest.mark.parametrize("case", NAMES)
def test_names_come_back_as_they_were(make_cells, case):
    classes = NAMES[case]
    adata = make_cells(classes, n=30)
    e2t.tl.fit(adata, "kind", **LEARN)
    assert adata.obs["e2t_pred"].cat.categories.tolist() == classes
    assert sorted(output_labels(adata)) == sorted(classes)
    by_argmax = [output_labels(adata)[i] for i in adata.obsm["e2t_proba"].argmax(axis=1)]
    assert adata.obs["e2t_pred"].tolist() == by_argmax
    assert (adata.obs["e2t_pred"] == adata.obs["kind"]).mean() > 0.7, "each class has its own column"
    before = adata.obs["e2t_pred"].copy()
    e2t.tl.predict(adata)
    pd.testing.assert_series_equal(adata.obs["e2t_pred"], before)
    e2t.tl.interpret(adata, n_steps=3)
    scores = e2t.get.features(adata)
    assert scores.columns.tolist() == output_labels(adata)
    assert {name: scores[name].idxmax() for name in classes} == {name: f"g{k}" for k, name in enumerate(classes)}
    ranked = adata.uns["e2t"]["rank_nodes"]
    assert ranked["group"].drop_duplicates().tolist() == classes


@pytest.mark.parametrize("case", NAMES)
def test_nodes_keep_their_names_whatever_classes_are_called(make_cells, case):
    adata = make_cells(NAMES[case])
    before = adata.uns["e2t"]["nodes"]
    e2t.tl.fit(adata, "kind", **LEARN)
    after = adata.uns["e2t"]["nodes"]
    assert after["node"].is_unique
    former = ["node", "label", "kind"]
    inner = after.loc[after["kind"] != "output", former].reset_index(drop=True)
    pd.testing.assert_frame_equal(inner, before[former])


text = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(lambda s: s.strip())


@settings(max_examples=15, deadline=None)
@given(classes=st.lists(text, min_size=2, max_size=4, unique=True))
def test_any_text_is_a_class(make_cells, classes):
    adata = make_cells(classes, n=4)
    e2t.tl.fit(adata, "kind", max_epochs=1, progress_bar=False)
    assert sorted(output_labels(adata)) == sorted(classes)
    e2t.tl.interpret(adata, target=classes[0] if classes[0] not in ("label", "predicted") else "label", n_steps=1)


def test_unused_categories_are_no_classes(adata):
    adata.obs["kind"] = (
        adata.obs["kind"].cat.add_categories(["absent"]).cat.reorder_categories(["absent", "NK", "B", "α/β T"])
    )
    e2t.tl.fit(adata, "kind", **LEARN)
    assert adata.obs["e2t_pred"].cat.categories.tolist() == ["NK", "B", "α/β T"]
    assert adata.obsm["e2t_proba"].shape == (42, 3)
    assert adata.obs["kind"].cat.categories.tolist() == ["absent", "NK", "B", "α/β T"]


def test_the_order_of_categories_makes_no_difference(adata):
    probas = []
    for order in (["α/β T", "B", "NK"], ["NK", "α/β T", "B"]):
        adata.obs["kind"] = adata.obs["kind"].cat.reorder_categories(order)
        adata.obs["mine"] = np.array(["train", "test", "validation"])[np.arange(42) % 3]
        e2t.tl.fit(adata, "kind", **{**LEARN, "split": "mine"})
        probas.append(pd.DataFrame(adata.obsm["e2t_proba"], columns=output_labels(adata)))
    pd.testing.assert_frame_equal(*probas)


@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_classes_may_be_text_of_any_kind(adata, kind):
    adata.obs["kind"] = adata.obs["kind"].astype(str).astype(kind)
    e2t.tl.fit(adata, "kind", **LEARN)
    assert adata.obs["e2t_pred"].cat.categories.tolist() == sorted(["α/β T", "B", "NK"])
    assert (adata.obs["e2t_pred"].astype(str) == adata.obs["kind"].astype(str)).mean() > 0.7
    e2t.tl.interpret(adata, n_steps=20)


VALUES = {"booleans": [True, False], "whole numbers": [2, 10], "numbers": [0.5, 1.5]}


@pytest.mark.parametrize("case", VALUES)
def test_categories_that_are_not_text(make_cells, case):
    adata = make_cells(["a", "b"])
    kinds = dict(zip("ab", VALUES[case], strict=True))
    adata.obs["kind"] = pd.Categorical(adata.obs["kind"].astype(object).map(kinds).astype(object))
    weights = dict.fromkeys(VALUES[case], 1.0)
    e2t.tl.fit(adata, "kind", class_weight=weights, **LEARN)
    assert sorted(output_labels(adata)) == sorted(str(name) for name in VALUES[case])
    e2t.tl.interpret(adata, n_steps=20)
    assert set(adata.uns["e2t"]["rank_nodes"]["group"]) == {str(name) for name in VALUES[case]}


def test_a_column_of_booleans(make_cells):
    adata = make_cells(["a", "b"])
    adata.obs["kind"] = adata.obs["kind"].to_numpy() == "a"
    e2t.tl.fit(adata, "kind", **LEARN)
    assert (adata.obs["e2t_pred"].astype(str) == adata.obs["kind"].astype(str)).mean() > 0.7
