"""Priors from Python objects: nothing is lost, nothing is guessed."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.prior.objects import prior_from_object

#: to the indices of pandas, a text ends with the character 0
NAMES = st.text(st.characters(exclude_categories=("Cs",), min_codepoint=1), min_size=1, max_size=6).filter(str.strip)
SETS = st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=4, unique=True), min_size=1, max_size=5)
WEIGHTS = st.dictionaries(
    st.tuples(NAMES, NAMES), st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8
)
many = settings(deadline=None, max_examples=80)


def members(prior) -> dict[str, list[str]]:
    return prior.sets.groupby("source", sort=False)["target"].agg(list).to_dict()


def edges(prior) -> dict[tuple[str, str], float]:
    assert list(prior.sets) == ["source", "target", "weight"]
    return {(s, t): w for s, t, w in prior.sets.itertuples(index=False)}


@many
@given(
    sets=SETS,
    kind=st.sampled_from(
        [list, tuple, set, frozenset, np.array, pd.Series, pd.Index, lambda g: dict.fromkeys(g).keys()]
    ),
)
def test_dict_of_sets(sets, kind):
    prior = prior_from_object({name: kind(genes) for name, genes in sets.items()})
    if kind in (set, frozenset):
        sets = {name: sorted(genes) for name, genes in sets.items()}
    assert members(prior) == sets
    assert prior.name == "sets"
    assert prior.hierarchy.empty


@many
@given(weights=WEIGHTS, kind=st.sampled_from([nx.DiGraph, nx.MultiDiGraph]), weighted=st.booleans())
def test_graph(weights, kind, weighted):
    graph = kind(name="mine")
    graph.add_node("alone")
    for (source, target), weight in weights.items():
        graph.add_edge(source, target, **({"weight": weight} if weighted else {}))
    prior = prior_from_object(graph)
    assert prior.name == "mine"
    if weighted:
        assert edges(prior) == weights
    else:
        assert set(prior.sets.itertuples(index=False, name=None)) == set(weights)


@many
@given(weights=WEIGHTS)
def test_series_of_weights(weights):
    index = pd.MultiIndex.from_tuples(list(weights))
    assert edges(prior_from_object(pd.Series(list(weights.values()), index=index))) == weights


@many
@given(sets=SETS)
def test_series_of_lists_and_of_genes(sets):
    lists = pd.Series(list(sets.values()), index=list(sets), name="mine")
    genes = lists.explode()
    assert members(prior_from_object(lists)) == members(prior_from_object(genes)) == sets
    assert prior_from_object(lists).name == prior_from_object(genes).name == "mine"
    assert prior_from_object(lists, "other").name == "other"


def test_table():
    net = pd.DataFrame({"source": ["A"], "target": ["B"], "weight": [2]})
    pd.testing.assert_frame_equal(prior_from_object(net).sets, net)
    assert prior_from_object(net).name == "table"


def test_a_gene_counts_once_and_numbers_become_text():
    assert members(prior_from_object({1: [10, np.int64(10), "7"]})) == {"1": ["10", "7"]}
    assert members(prior_from_object(pd.Series(["a", "a", "b"], index=["X", "X", "Y"]))) == {"X": ["a"], "Y": ["b"]}


def test_what_is_given_is_not_changed():
    graph = nx.DiGraph([("A", "B")])
    series = pd.Series([["a"], ["b"]], index=["X", "Y"])
    sets = {"X": {"a"}}
    for net in (graph, series, sets):
        prior_from_object(net)
    assert list(graph.edges(data=True)) == [("A", "B", {})]
    assert series.tolist() == [["a"], ["b"]]
    assert sets == {"X": {"a"}}


def graph(*edges, kind=nx.DiGraph):
    made = kind()
    made.add_edges_from(edges)
    return made


def series(values, *levels):
    return pd.Series(values, index=pd.MultiIndex.from_arrays(levels) if len(levels) > 1 else levels[0])


WRONG = {
    "list": ([("A", "B")], ["type list", "DataFrame", "dict", "networkx", "Series"]),
    "None": (None, ["type NoneType", "dict"]),
    "array": (np.zeros((2, 2)), ["type ndarray"]),
    "text": ("hallmark", ["type str"]),
    "no sets": ({}, ["no gene sets"]),
    "empty set": ({"A": ["x"], "B": []}, ["net['B'] is empty", "remove"]),
    "text for a set": ({"A": "CD3E"}, ["net['A'] is 'CD3E'", "a set of genes must be a list", "not text"]),
    "bytes for a set": ({"A": b"CD3E"}, ["net['A']", "not text"]),
    "number for a set": ({"A": 3}, ["net['A'] is of type int", "list"]),
    "dict for a set": ({"A": {"x": 1.0}}, ["net['A'] is of type dict", "weight"]),
    "table for a set": ({"A": pd.DataFrame({"x": [1]})}, ["net['A'] is of type DataFrame"]),
    "iterator for a set": ({"A": iter("ab")}, ["net['A']", "list"]),
    "missing gene": ({"A": ["x", None, np.nan, pd.NA]}, ["net['A']: 3 are missing", "None, nan, <NA>"]),
    "blank gene": ({"A": ["x", " "]}, ["net['A']: 1 are missing, empty"]),
    "list for a gene": ({"A": [["x"]]}, ["net['A']", "['x']"]),
    "missing set name": ({None: ["x"]}, ["names of sets", "None"]),
    "set names alike": ({1: ["x"], "1": ["y"]}, ["1 names", "'1'"]),
    "undirected": (nx.Graph([("A", "B")]), ["undirected", "DiGraph"]),
    "no edges": (nx.DiGraph(), ["without edges"]),
    "parallel edges": (graph(("A", "B"), ("A", "B"), kind=nx.MultiDiGraph), ["1 repeated pairs", "A, B"]),
    "parallel weights": (
        graph(("A", "B", {"weight": 1}), ("A", "B", {"weight": 2}), kind=nx.MultiDiGraph),
        ["conflicting weights", "A, B (1, 2)"],
    ),
    "some weights": (graph(("A", "B", {"weight": 1}), ("B", "C")), ["1 edges of 2 without a weight", "B -> C"]),
    "weights of text": (graph(("A", "B", {"weight": "x"})), ["weight", "not numeric"]),
    "weights that are no number": (graph(("A", "B", {"weight": np.nan})), ["weight", "NaN"]),
    "nodes alike": (graph((1, "1")), ["1 nodes with the same text", "'1'"]),
    "blank node": (graph(("A", " ")), ["missing or empty"]),
    "numbers by set": (series([1.0, 2.0], ["A", "B"]), ["float64", "1 levels", "source and target"]),
    "genes by two levels": (series(["x", "y"], ["A", "B"], ["C", "D"]), ["2 levels"]),
    "weights by three levels": (series([1.0], ["A"], ["B"], ["C"]), ["3 levels"]),
    "weights twice": (series([1.0, 2.0], ["A", "A"], ["B", "B"]), ["conflicting", "A, B (1.0, 2.0)"]),
    "lists and genes": (series([["x"], "y"], ["A", "B"]), ["both lists and single genes"]),
    "lists of one name": (series([["x"], ["y"]], ["A", "A"]), ["1 names", "'A'"]),
    "missing gene in a series": (series(["x", None], ["A", "B"]), ["net['B']", "missing"]),
    "empty series": (pd.Series([], dtype=object), ["no gene sets"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_say_what_is_wrong(case):
    net, words = WRONG[case]
    with pytest.raises(Edge2TorchError) as error:
        prior_from_object(net)
    for word in words:
        assert word in str(error.value)
