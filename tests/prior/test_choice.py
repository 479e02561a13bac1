"""What can be asked of a prior: examples, names in any collection, and what cannot be meant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.prior import Choice, Prior, connect


def pairs(edges: pd.DataFrame) -> set[tuple[str, str]]:
    found = list(zip(edges["source"], edges["target"], strict=True))
    assert len(found) == len(set(found))
    return set(found)


def flat(**sets: int) -> Prior:
    """Gene sets of so many genes."""
    rows = [(name, f"{name}{i}") for name, n in sets.items() for i in range(n)]
    return Prior("flat", pd.DataFrame(rows, columns=["source", "target"]))


def genes(**sets: int) -> pd.Series:
    names = [f"{name}{i}" for name, n in sets.items() for i in range(n)]
    return pd.Series(names, index=names)


@pytest.mark.parametrize(
    ("n_genes", "n_measured", "share"), [(100, 55, 0.55), (100, 7, 0.07), (25, 7, 0.28), (3, 1, 1 / 3), (10, 7, 0.7)]
)
def test_a_share_that_is_reached_is_enough(n_genes, n_measured, share):
    """0.55 * 100 is more than 55 for a computer."""
    network = connect(flat(X=n_genes), genes(X=n_measured), Choice(1, min_coverage=share))
    assert network.coverage["share"].tolist() == [share]


def test_a_regulator_of_what_was_taken_out_reads_nothing_in_its_place(prior, measured):
    made = replace(prior({"T": ["A", "B"], "U": ["A", "B"]}, {"R": ["T"], "Q": ["T", "U"]}), contains=False)
    network = connect(made, measured("A", "B"), Choice(2, exclude="T"))
    status = network.coverage.set_index("label")["status"].to_dict()
    assert status == {"T": "excluded", "U": "kept", "Q": "kept", "R": "too few genes"}
    assert set(network.edges["target"]) == {"U", "Q"}


def test_a_whole_reads_the_genes_of_a_part_that_was_taken_out(prior, measured):
    made = prior({"T": ["A", "B"], "U": ["C", "B"]}, {"R": ["T"], "Q": ["R", "U"]})
    network = connect(made, measured("A", "B", "C"), Choice(2, exclude=["T", "R"]))
    assert pairs(network.edges) == {("B", "U"), ("C", "U"), ("A", "Q"), ("B", "Q"), ("U", "Q")}


def test_genes_are_counted_again_where_cycles_were_cut(prior, measured):
    """B saw the genes of A only because A and B read each other."""
    made = replace(prior({"A": list("12345"), "B": ["6"]}, {"A": ["B"], "B": ["A"], "C": ["B", "A"]}), contains=False)
    whole = connect(made, measured(*"123456"), Choice(5))
    assert set(whole.edges["target"]) == {"A", "B", "C"}
    cut = connect(made, measured(*"123456"), Choice(5), acyclic="distance")
    assert pairs(cut.edges) == {*((gene, "A") for gene in "12345"), ("A", "C")}
    assert cut.coverage.set_index("label")["status"].to_dict() == {"A": "kept", "C": "kept", "B": "too few genes"}
    assert cut.summary["edges_cut"] == 0, "of edges between nodes of the graph"


@pytest.mark.parametrize("argument", ["roots", "include", "exclude"])
@pytest.mark.parametrize("make", [list, tuple, set, np.array, pd.Index, pd.Series, dict.fromkeys], ids=range(7))
def test_names_in_any_collection(argument, make, prior, measured):
    made = prior({"T": ["A"], "U": ["B"], "V": ["C"]})
    network = connect(made, measured("A", "B", "C"), Choice(1, **{argument: make(["T", "U"])}))
    assert set(network.edges["target"]) == ({"V"} if argument == "exclude" else {"T", "U"})


@pytest.mark.parametrize("argument", ["roots", "include", "exclude"])
@pytest.mark.parametrize(
    ("given_names", "message"),
    [
        ("apoptsis", "has no node 'apoptsis'; did you mean 'apoptosis'"),
        (["apoptosis", "apoptsis", "?"], "has no node 'apoptsis', '?'; did you mean 'apoptosis'"),
        ("zzz", "has no node 'zzz'; there are"),
        ("", "has no node ''"),
        ([], "is empty: name nodes, or pass None"),
        (set(), "is empty"),
        (7, "must be a list of names of nodes, not int"),
        ([7], "must hold names of nodes, not 7"),
        ([None], "must hold names of nodes, not None"),
        (iter(["apoptosis"]), "must be a list of names of nodes, not list_iterator"),
    ],
    ids=range(10),
)
def test_names_that_are_no_nodes(argument, given_names, message, prior, measured):
    made = prior({"apoptosis": ["A"], "T cell / B cell": ["B"]})
    with pytest.raises(Edge2TorchError, match=rf"^{argument}\b") as caught:
        connect(made, measured("A", "B"), Choice(1, **{argument: given_names}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_genes": 0}, "min_genes=0"),
        ({"min_genes": 2.0}, r"min_genes=2\.0"),
        ({"min_genes": True}, "min_genes=True"),
        ({"min_genes": 5, "max_genes": 4}, "max_genes=4 must be a whole number of at least 5"),
        ({"min_coverage": -0.1}, "min_coverage"),
        ({"min_coverage": 50}, "min_coverage=50 is a share: it must be from 0 to 1"),
        ({"min_coverage": float("nan")}, "min_coverage=nan"),
        ({"min_coverage": "half"}, "min_coverage='half'"),
        ({"depth": 0}, "depth=0"),
        ({"depth": 1.5}, r"depth=1\.5"),
    ],
    ids=str,
)
def test_numbers_out_of_range(arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        Choice(**arguments)


def test_numbers_of_numpy_are_numbers(prior, measured):
    made = prior({"T": ["A", "B"]})
    choice = Choice(np.int64(1), np.int32(5), np.float32(0.5), depth=np.int64(1))
    assert len(connect(made, measured("A", "B"), choice).edges) == 2


def test_an_identifier_of_two_nodes_means_both(prior, measured):
    """Side by side, two priors may have the same term."""
    made = replace(
        prior({"a": ["A"], "b": ["B"], "c": ["C"]}), ids={"a": "GO:1", "b": "GO:1", "c": "GO:2", "gone": "GO:2"}
    )
    assert set(connect(made, measured("A", "B", "C"), Choice(1, exclude="GO:1")).edges["target"]) == {"c"}
    assert set(connect(made, measured("A", "B", "C"), Choice(1, include="GO:2")).edges["target"]) == {"c"}


def test_a_name_goes_before_an_identifier(prior, measured):
    made = replace(prior({"a": ["A"], "b": ["B"]}), ids={"a": "b", "b": "a"})
    assert set(connect(made, measured("A", "B"), Choice(1, include="a")).edges["target"]) == {"a"}


def test_nothing_left_says_why(prior, measured):
    made = prior({"T": ["A", "B"], "U": ["A"]})
    with pytest.raises(Edge2TorchError, match=r"is left \(1 too many genes, 1 low coverage\): choose less strictly"):
        connect(
            replace(made, sets=pd.concat([made.sets, pd.DataFrame({"source": ["U"], "target": ["Z"]})])),
            measured("A", "B"),
            Choice(1, 1, 0.6),
        )


def test_regulators_that_come_to_read_the_same_are_merged_as_well(prior, measured):
    made = replace(prior({"A1": ["a", "b"], "A2": ["a", "b"]}, {"C": ["A1"], "D": ["A2"]}), contains=False)
    network = connect(made, measured("a", "b"), Choice(1, merge=True))
    assert network.coverage.set_index("label")["merged_into"].to_dict() == {"A1": "", "A2": "A1", "C": "", "D": "C"}
    assert pairs(network.edges) == {("a", "A1"), ("b", "A1"), ("A1", "C")}


def test_the_one_of_which_most_was_measured_stands_for_its_twins(prior, measured):
    made = prior({"small": ["A", "B"], "large": ["A", "B", "C", "D"], "also": ["A", "B", "C"]})
    table = connect(made, measured("A", "B"), Choice(1, merge=True)).coverage.set_index("label")
    assert table["merged_into"].to_dict() == {"small": "", "large": "small", "also": "small"}
