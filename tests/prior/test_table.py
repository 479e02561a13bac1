"""Tables that users bring."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.prior import prior_from_table


def table(**columns):
    return pd.DataFrame({"source": ["TF1", "TF1", "TF2"], "target": ["A", "B", "A"], **columns})


def test_columns_rows_and_weights_are_kept():
    net = table(weight=[1.0, -0.5, 2.0], resources=["x", "y", "z"])
    prior = prior_from_table(net, "mine")
    assert prior.name == "mine"
    pd.testing.assert_frame_equal(prior.sets, net[["source", "target", "weight"]])
    assert prior.hierarchy.empty


def test_the_table_given_is_not_changed():
    net = table(weight=[1, -1, 2]).set_index(pd.Index([5, 5, 7]))
    before = net.copy()
    prior_from_table(net)
    pd.testing.assert_frame_equal(net, before)


@pytest.mark.parametrize("kind", ["category", "string", object])
def test_text_of_any_kind_is_the_same_table(kind):
    plain = prior_from_table(table()).sets
    pd.testing.assert_frame_equal(prior_from_table(table().astype(kind)).sets, plain)


def test_names_are_not_stripped_or_changed():
    names = [" PI3K/AKT ", "α: β", "T cell, naïve"]
    net = table().assign(source=names)
    assert prior_from_table(net).sets["source"].tolist() == names


def test_integer_names_become_text():
    assert prior_from_table(table().assign(target=[1, 2, 3])).sets["target"].tolist() == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("columns", "weighted"),
    [
        (["parent", "child"], False),
        (["geneset", "genesymbol"], False),
        (["source", "genesymbol", "mor"], True),
        (["parent", "target", "weight"], True),
        (["source", "target", "interaction"], True),
        (["parent", "child", "sign"], True),
        (["source", "target", "score"], False),
    ],
)
def test_columns_of_other_names(columns, weighted):
    net = pd.DataFrame({"source": ["A", "A"], "target": ["x", "y"], "weight": [1, -1]}).iloc[:, : len(columns)]
    sets = prior_from_table(net.set_axis(columns, axis=1)).sets
    pd.testing.assert_frame_equal(sets, net[["source", "target", "weight"][: 3 if weighted else 2]])


def test_standard_columns_come_first():
    net = table(weight=[1.0, 2.0, 3.0], mor=[4, 5, 6], parent=["a", "b", "c"], child="x", sign=1)
    pd.testing.assert_frame_equal(prior_from_table(net).sets, net[["source", "target", "weight"]])
    assert prior_from_table(net.drop(columns="weight")).sets["weight"].tolist() == [4, 5, 6]


@pytest.mark.parametrize("values", [[1, -1, 2], [1, -1, np.nan], ["1", "-1", "1"], ["up", "down", "up"]])
@pytest.mark.parametrize("column", ["interaction", "sign"])
def test_interactions_that_are_no_signs_are_no_weights(column, values):
    assert list(prior_from_table(table(**{column: values})).sets) == ["source", "target"]


WRONG = {
    "no table": ("hallmark", ["DataFrame", "str"]),
    "columns": (table().rename(columns={"source": "tf", "target": "gene"}), ["'source', 'target'", "'tf', 'gene'"]),
    "one column": (table().drop(columns="target"), ["'target'", "rename"]),
    "no rows": (table().iloc[:0], ["no rows"]),
    "column twice": (pd.concat([table(), table()[["target"]]], axis=1), ["more than once"]),
    "missing name": (table().assign(target=["A", None, "B"]), ["'target'", "1 rows", "1"]),
    "NaN": (table().assign(source=["A", "B", np.nan]), ["'source'", "1 rows", "2"]),
    "NA": (table().assign(source=pd.array(["A", pd.NA, "B"], dtype="string")), ["'source'", "1 rows"]),
    "empty name": (table().assign(target=["A", " ", ""]), ["'target'", "2 rows"]),
    "missing category": (table().assign(target=pd.Categorical(["A", None, "B"])), ["'target'", "1 rows"]),
    "repeated pair": (pd.concat([table(), table()]), ["3 repeated pairs", "TF1, A", "drop_duplicates"]),
    "pairs of equal text": (table().assign(source=[1, "1", "x"], target="A"), ["1 repeated pairs", "1, A"]),
    "conflict": (
        pd.concat([table(weight=[1, 2, 3]), table(weight=[1, -2, 4])]),
        ["2 pairs", "conflicting weights", "TF1, B (2, -2)", "TF2, A (3, 4)", "keep one row"],
    ),
    "same weight twice": (pd.concat([table(weight=[1, 2, 3])] * 2), ["3 repeated pairs", "drop_duplicates"]),
    "two sources": (
        pd.DataFrame({"parent": ["A"], "geneset": ["B"], "target": ["C"]}),
        ["'source'", "'parent', 'geneset'", "rename one"],
    ),
    "levels of columns": (
        pd.DataFrame([["A", "B"]], columns=pd.MultiIndex.from_tuples([("source", 1), ("target", 1)])),
        ["2 levels", "flatten"],
    ),
    "weight of text": (table(weight=["1", "2", "x"]), ["weight", "not numeric"]),
    "weight NaN": (table(weight=[1, np.nan, 2]), ["weight", "1 rows", "1"]),
    "weight NA": (table(weight=pd.array([1, None, 2], dtype="Int64")), ["weight", "1 rows"]),
    "weight infinite": (table(weight=[1, -np.inf, np.inf]), ["weight", "2 rows"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_say_what_is_wrong(case):
    net, words = WRONG[case]
    with pytest.raises(Edge2TorchError) as error:
        prior_from_table(net)
    for word in words:
        assert word in str(error.value)


def test_a_long_list_of_wrong_rows_is_shortened():
    net = pd.DataFrame({"source": [f"TF{i}" for i in range(100)] * 2, "target": "A"})
    with pytest.raises(Edge2TorchError, match=r"100 repeated pairs.*and 95 more"):
        prior_from_table(net)


def test_decouplers_own_table():
    dc = pytest.importorskip("decoupler")
    _, net = dc.ds.toy(nobs=4, nvar=20)
    sets = prior_from_table(net).sets
    assert sets["weight"].tolist() == net["weight"].tolist()
    assert list(zip(sets["source"], sets["target"], strict=True)) == list(
        zip(net["source"], net["target"], strict=True)
    )
