"""What an edge list may look like, and everything that can be wrong with one."""

from __future__ import annotations

import enum
import itertools
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.graph import Graph, validate_edgelist


class Gene(str, enum.Enum):  # noqa: UP042 (a StrEnum has the texts of its values)
    """Names that equal plain strings, but have texts of their own."""

    TF = "TF"


def edges(*pairs: tuple[object, object], **columns: object) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["source", "target"]).assign(**columns)


def objects(*pairs: tuple[object, object]) -> pd.DataFrame:
    """Not as text of Arrow, which cannot hold everything that Python calls text."""
    return pd.DataFrame(pairs, columns=["source", "target"], dtype=object)


CHAIN = edges(("gene", "TF"), ("TF", "out"))

BAD = {
    # the table itself
    "list": ([("a", "b")], r"edgelist must be a pandas DataFrame .* not list"),
    "dict": ({"source": ["a"], "target": ["b"]}, r"edgelist must be a pandas DataFrame .* not dict"),
    "None": (None, r"edgelist must be a pandas DataFrame .* not NoneType"),
    "Series": (pd.Series(["a", "b"]), r"edgelist must be a pandas DataFrame .* not Series"),
    "no source": (CHAIN.rename(columns={"source": "from"}), r"lacks the columns 'source'; it has 'from', 'target'"),
    "no target": (CHAIN[["source"]], r"lacks the columns 'target'"),
    "neither": (CHAIN.set_axis([0, 1], axis=1), r"lacks the columns 'source', 'target'; it has 0, 1"),
    "source twice": (CHAIN.set_axis(["source", "source"], axis=1), r"columns .* more than once: 'source'"),
    "weight twice": (
        pd.DataFrame([["a", "b", 1.0, 2.0]], columns=["source", "target", "initial_weight", "initial_weight"]),
        r"columns .* more than once: 'initial_weight'",
    ),
    "two levels of columns": (
        pd.DataFrame([["a", "b"]], columns=pd.MultiIndex.from_tuples([("source", "x"), ("target", "x")])),
        r"columns",
    ),
    "no rows": (CHAIN.iloc[:0], r"edgelist has no rows"),
    # names
    "NaN": (edges(("a", "b"), (np.nan, "b")), r"edgelist\['source'\] has 1 missing names \(rows 1\)"),
    "None name": (edges(("a", None), ("c", "b"), ("d", None)), r"\['target'\] has 2 missing names \(rows 0, 2\)"),
    "NA": (edges(("a", pd.NA)), r"\['target'\] has 1 missing names"),
    "NaN in floats": (edges((1.0, 2.0), (np.nan, 2.0)), r"\['source'\] has 1 missing names"),
    "NaN in categories": (edges(("a", "b"), (None, "b")).astype("category"), r"\['source'\] has 1 missing names"),
    "NA in strings": (edges(("a", "b"), (None, "b")).astype("string"), r"\['source'\] has 1 missing names"),
    "empty": (edges(("", "b")), r"\['source'\] has 1 empty names \(rows 0\)"),
    "spaces": (edges(("a", "b"), ("a", "  ")), r"\['target'\] has 1 empty names \(rows 1\)"),
    "tab": (edges(("a", "\t\n")), r"\['target'\] has 1 empty names"),
    "1 and '1'": (edges((1, "b"), ("1", "c")), r"1 node names .* same text \('1'\)"),
    "1 and '1' across columns": (edges((1, "b"), ("c", "1")), r"1 node names .* same text \('1'\)"),
    "ids that became floats": (pd.DataFrame({"source": [1, 2], "target": [2.0, 3.0]}), r"2\.0|float"),
    "1 and True": (edges((1, "b"), (True, "c")), r"equal names with different texts \('1', 'True'\)"),
    "0.0 and -0.0": (edges((0.0, "b"), (-0.0, "c")), r"equal names with different texts \('-0.0', '0.0'\)"),
    "equal decimals": (edges((Decimal("1.0"), "b"), (Decimal("1.00"), "c")), r"equal names .* \('1.0', '1.00'\)"),
    "string with another text": (
        pd.DataFrame({"source": [Gene.TF, "TF"], "target": ["b", "c"]}, dtype=object),
        r"equal names .* \('Gene.TF', 'TF'\)",
    ),
    "1 and 1.0 in categories": (
        pd.DataFrame({"source": pd.Categorical([1, 2]), "target": pd.Categorical([2.0, 3.0])}),
        r"equal names with different texts \('2', '2.0'\)",
    ),
    "1 and '1' in categories": (
        pd.DataFrame({"source": pd.Categorical([1, "1"]), "target": ["b", "c"]}),
        r"1 node names .* same text \('1'\)",
    ),
    "list as name": (edges((["a"], "b")), r"must hold names, not \['a'\]"),
    "array as name": (edges((np.arange(2), "b"), ("a", "b")), r"must hold names, not array\(\[0, 1\]\)"),
    "list in a tuple": (edges((("a", [1]), "b")), r"must hold names, not \('a', \[1\]\)"),
    # names that no file can hold: from one that was read with errors="surrogateescape"
    "lone surrogate": (
        objects(("g\udce9ne", "b")),
        r"\['source'\] has 1 names that .* valid Unicode text: 'g\\udce9ne'; ",
    ),
    "lone surrogates in targets": (
        objects(*[("a", f"\ud800{i}") for i in range(7)]),
        r"\['target'\] has 7 names that are not valid Unicode text: ('\\ud800\d', ){4}'\\ud8004' and 2 more; they may",
    ),
    "lone surrogate twice": (objects(("\udfff", "b"), ("\udfff", "c")), r"\['source'\] has 1 names that are not valid"),
    "lone surrogate beside a number": (
        objects((1, "b"), ("\udfff", "b")),
        r"\['source'\] has 1 names that are not valid",
    ),
    # edges
    "repeated": (edges(("a", "b"), ("c", "b"), ("a", "b")), r"1 repeated edges: 'a -> b'; keep one row"),
    "repeated thrice": (edges(*[("a", "b")] * 3), r"2 repeated edges: 'a -> b';"),
    "repeated with other weights": (edges(("a", "b"), ("a", "b"), initial_weight=[1.0, 2.0]), r"1 repeated edges"),
    "self loop": (
        edges(("a", "b"), ("b", "b"), ("b", "c")),
        r"1 self loops: 'b -> b'; remove them, or use a backend that allows cycles$",
    ),
    "self loop alone": (edges(("a", "a")), r"1 self loops: 'a -> a'"),
    "cycle": (
        edges(("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")),
        r"a cycle.*: (b -> c -> b|c -> b -> c); remove one of these edges, or use a backend that allows cycles$",
    ),
    "no inputs": (edges(("a", "b"), ("b", "a"), ("b", "out")), r"a cycle"),
    "no outputs": (edges(("in", "a"), ("a", "b"), ("b", "a")), r"a cycle"),
    "part that no input reaches": (edges(("in", "out"), ("a", "b"), ("b", "a"), ("a", "out")), r"a cycle.*: [ab]"),
    # metadata
    "weight in words": (CHAIN.assign(initial_weight=["high", "low"]), r"\['initial_weight'\] is not numeric"),
    "weight as list": (CHAIN.assign(initial_weight=[[1], [2]]), r"\['initial_weight'\] is not numeric"),
    "complex weight": (CHAIN.assign(initial_weight=[1j, 1.0]), r"\['initial_weight'\] is not"),
    "infinite weight": (CHAIN.assign(initial_weight=[1.0, -np.inf]), r"\['initial_weight'\] is infinite in rows 1"),
    "weight beyond float32": (CHAIN.assign(initial_weight=[1.0, 1e39]), r"\['initial_weight'\] is infinite in rows 1"),
    "unknown constraint": (
        CHAIN.assign(constraint=["positive", "Positive"]),
        r"1 unknown values \('Positive'\); the choices are 'unconstrained', 'positive', 'negative', 'fixed'",
    ),
    "number as constraint": (CHAIN.assign(constraint=[1, -1]), r"\['constraint'\] has 2 unknown values \(1, -1\)"),
    "unknown and missing": (
        pd.concat([CHAIN] * 2).assign(source=list("abcd"), constraint=["up", None, "up", "down"]),
        r"\['constraint'\] has 3 unknown values \('up', 'down'\)",
    ),
    "unknown category": (
        CHAIN.assign(constraint=pd.Categorical(["up", "fixed"])),
        r"\['constraint'\] has 1 unknown values \('up'\)",
    ),
    "list as constraint": (CHAIN.assign(constraint=[["fixed"], None]), r"\['constraint'\] must hold words"),
    "fixed, no column": (CHAIN.assign(constraint=["fixed", None]), r"fixed edge needs an initial_weight: 'gene -> TF'"),
    "fixed, NaN": (
        CHAIN.assign(constraint="fixed", initial_weight=[1.0, np.nan]),
        r"fixed edge needs an initial_weight: 'TF -> out'",
    ),
    "positive below 0": (
        CHAIN.assign(constraint="positive", initial_weight=[0.0, -1.0]),
        r"positive edge needs an initial_weight >= 0: 'TF -> out'",
    ),
    "negative above 0": (
        CHAIN.assign(constraint="negative", initial_weight=[1.0, -1.0]),
        r"negative edge needs an initial_weight <= 0: 'gene -> TF'",
    ),
}


@pytest.mark.parametrize(("edgelist", "message"), BAD.values(), ids=BAD.keys())
def test_bad(edgelist, message):
    before = edgelist.copy() if isinstance(edgelist, pd.DataFrame) else None
    with pytest.raises(Edge2TorchError, match=message):
        Graph.from_edgelist(edgelist)
    if before is not None:
        pd.testing.assert_frame_equal(edgelist, before)


@pytest.mark.parametrize(("edgelist", "message"), BAD.values(), ids=BAD.keys())
def test_validate_says_the_same(edgelist, message):
    """But for what only a graph without cycles can be told."""
    if "cycle" in message or "self loops" in message:
        validate_edgelist(edgelist)
        return
    with pytest.raises(Edge2TorchError, match=message):
        validate_edgelist(edgelist)


def test_text_next_to_surrogates():
    """The first and the last code point beside theirs, and those that UTF-16 would write with two of them."""
    for name in ("\U0001f9ec", "\ue000", "\ud7ff", "\x00", "\uffff"):
        assert validate_edgelist(edges((name, "b")))["source"].tolist() == [name]


def test_strings_of_numpy_are_text_too():
    names = pd.DataFrame({"source": pd.Series([np.str_("g\udce9ne")], dtype=object), "target": "out"})
    with pytest.raises(Edge2TorchError, match="not valid Unicode text"):
        validate_edgelist(names)


def test_long_lists_are_shortened():
    loops = edges(*[(f"n{i}", f"n{i}") for i in range(1200)])
    with pytest.raises(Edge2TorchError, match=r"1,200 self loops: ('n\d -> n\d', ){4}'n4 -> n4' and 1,195 more;"):
        Graph.from_edgelist(loops)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_named_cycle_is_a_cycle(data, cyclic_edges):
    edgelist = data.draw(cyclic_edges)
    with pytest.raises(Edge2TorchError, match="a cycle") as caught:
        Graph.from_edgelist(edgelist)
    cycle = str(caught.value).split(": ", 1)[1].split(";")[0].split(" -> ")
    pairs = set(zip(edgelist["source"], edgelist["target"], strict=True))
    assert cycle[0] == cycle[-1]
    assert len(set(cycle)) == len(cycle) - 1 >= 2, "no node twice"
    assert set(itertools.pairwise(cycle)) <= pairs


def test_edgelist_is_not_changed_and_comes_back_whole():
    given_edges = pd.DataFrame(
        {
            "evidence": [3, 1],
            "target": pd.Categorical(["TF", "out"]),
            "constraint": [None, "positive"],
            "source": ["gene", "TF"],
            "initial_weight": pd.array([None, 2], dtype="Int64"),
        },
        index=[7, 7],
    )
    before = given_edges.copy(deep=True)
    result = validate_edgelist(given_edges)
    pd.testing.assert_frame_equal(given_edges, before)
    assert list(result.columns) == list(given_edges.columns)
    assert result.index.tolist() == [0, 1]
    assert result["evidence"].tolist() == [3, 1]
    assert result["constraint"].tolist() == ["unconstrained", "positive"]
    np.testing.assert_array_equal(result["initial_weight"], [np.nan, 2.0])
    result.loc[0, "source"] = "changed"
    pd.testing.assert_frame_equal(given_edges, before)


DTYPES = {
    "object": lambda names: pd.Series(names, dtype=object),
    "string": lambda names: pd.Series(names, dtype="string"),
    "str": lambda names: pd.Series(names, dtype=pd.StringDtype(na_value=np.nan)),
    "category": lambda names: pd.Series(names, dtype="category"),
    "ordered category": lambda names: pd.Series(
        pd.Categorical(names, categories=sorted(set(names), reverse=True), ordered=True)
    ),
    "category with unused": lambda names: pd.Series(pd.Categorical(names, categories=[*sorted(set(names)), "unused"])),
}


@pytest.mark.parametrize("target_dtype", DTYPES)
@pytest.mark.parametrize("source_dtype", DTYPES)
def test_dtype_of_names(source_dtype, target_dtype):
    source, target = ["b", "a", "TF"], ["TF", "TF", "out"]
    graph = Graph.from_edgelist(
        pd.DataFrame({"source": DTYPES[source_dtype](source), "target": DTYPES[target_dtype](target)})
    )
    assert graph.names_by_layer() == {"layer_0": ["a", "b"], "layer_1": ["TF"], "layer_2": ["out"]}
    assert graph.edges["source"].tolist() == source
    assert graph.edges["target"].tolist() == target
    assert {type(name) for name in graph.nodes} == {str}


@pytest.mark.parametrize("dtype", ["int64", "Int64", "uint8", "category", object])
def test_integer_names(dtype):
    edgelist = pd.DataFrame({"source": [10, 9, 100], "target": [100, 100, 7]}).astype(dtype)
    assert Graph.from_edgelist(edgelist).names_by_layer() == {
        "layer_0": ["10", "9"],  # sorted as text
        "layer_1": ["100"],
        "layer_2": ["7"],
    }


def test_names_are_labels():
    names = [
        "T cell",
        "CD4+/CD25 T Reg",
        "HLA-A:01",
        "α-catenin",
        "日本",
        " gene",
        "gene",
        "gene ",
        "a -> b",
        "nan",
        "🧬",
    ]
    graph = Graph.from_edgelist(edges(*[(name, "PI3K/AKT signalling: top") for name in names]))
    assert graph.inputs == sorted(names)
    assert graph.outputs == ["PI3K/AKT signalling: top"]


@pytest.mark.parametrize("weight", [0.0, -0.0])
@pytest.mark.parametrize("constraint", ["positive", "negative", "fixed", "unconstrained"])
def test_zero_is_a_weight_of_any_constraint(constraint, weight):
    result = validate_edgelist(CHAIN.assign(constraint=constraint, initial_weight=weight))
    assert result["initial_weight"].tolist() == [0.0, 0.0]
