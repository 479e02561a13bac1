"""What is reported of a prior, whatever things are called."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.prior import Choice, Prior, connect

many = settings(deadline=None, max_examples=60)

#: for genes, nodes and inputs alike
NAMES = [
    "TP53",
    "TP53 (node)",
    "TP53 (node) (node)",
    "unannotated",
    "unannotated (node)",
    "T cell / B cell",
    "GO:0006915",
    "rna:CD3E",
    " blank",
    "β-catenin",
    "细胞",
    "nan",
    "1",
]
names = st.sampled_from(NAMES)


@st.composite
def problems(draw):
    """Genes, nodes and inputs that are called alike."""
    nodes = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    pairs = [(node, gene) for node in nodes for gene in NAMES]
    sets = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=20, unique=True))
    down = [(nodes[i], nodes[j]) for i in range(len(nodes)) for j in range(i + 1, len(nodes))]
    parts = draw(st.lists(st.sampled_from(down), max_size=8, unique=True)) if down else []
    inputs = draw(st.lists(names, min_size=1, max_size=10, unique=True))
    symbols = draw(st.lists(names | st.sampled_from([None, np.nan]), min_size=len(inputs), max_size=len(inputs)))
    prior = Prior(
        "random", pd.DataFrame(sets, columns=["source", "target"]), pd.DataFrame(parts, columns=["parent", "child"])
    )
    choice = Choice(draw(st.integers(1, 3)), merge=draw(st.booleans()), unannotated=draw(st.booleans()))
    return prior, pd.Series(symbols, index=inputs, dtype=object), choice


def plain(prior: Prior, symbols: pd.Series) -> tuple[Prior, pd.Series]:
    """The same with names that do not meet, in the same order."""
    order = sorted(NAMES)

    def new(column: pd.Series, kind: str) -> pd.Series:
        return column.map(lambda name: f"{kind}{order.index(name):02d}", na_action="ignore").astype(object)

    return Prior(
        "random",
        pd.DataFrame({"source": new(prior.sets["source"], "node"), "target": new(prior.sets["target"], "gene")}),
        pd.DataFrame({column: new(prior.hierarchy[column], "node") for column in ("parent", "child")}, dtype=object),
    ), new(symbols, "gene").set_axis(new(symbols.index.to_series(), "input").to_numpy())


@settings(deadline=None, max_examples=100)
@given(problems())
def test_what_things_are_called_makes_no_difference(problem):
    prior, symbols, choice = problem
    same, same_symbols = plain(prior, symbols)
    try:
        expected = connect(same, same_symbols, choice)
    except Edge2TorchError:
        with pytest.raises(Edge2TorchError):
            connect(prior, symbols, choice)
        return
    network = connect(prior, symbols, choice)
    order = sorted(NAMES)
    # from our names to plain ones, by what the report says
    called = dict(zip(symbols.index, same_symbols.index, strict=True))
    called = {name: called[name] for name in network.graph.inputs}
    in_graph = network.coverage[network.coverage["status"] == "kept"]
    hidden = {
        name: f"node{order.index(label):02d}" for name, label in zip(in_graph["node"], in_graph["label"], strict=True)
    }
    extra = set(network.edges.loc[network.edges["prior"] == "unannotated", "target"])
    assert not set(called) & set(hidden), "no input is a node"
    assert not extra & (set(called) | set(hidden))
    called |= hidden | dict.fromkeys(extra, "unannotated")
    edges = [(called[s], called[t]) for s, t in zip(network.edges["source"], network.edges["target"], strict=True)]
    assert len(edges) == len(set(edges)) == len(expected.edges)
    assert set(edges) == set(zip(expected.edges["source"], expected.edges["target"], strict=True))
    assert network.summary == expected.summary
    shared = ["status", "n_genes", "n_measured", "share", "degree", "hub"]
    ours = network.coverage.assign(label=[f"node{order.index(label):02d}" for label in network.coverage["label"]])
    pd.testing.assert_frame_equal(
        ours.set_index("label")[shared].sort_index(), expected.coverage.set_index("label")[shared].sort_index()
    )
    # labels say what each name stands for
    assert set(network.labels) == set(network.graph.nodes)
    assert {name: network.labels[name] for name in hidden} == dict(
        zip(in_graph["node"], in_graph["label"], strict=True)
    )
    for name in network.graph.inputs:
        assert network.labels[name] == (symbols[name] if pd.notna(symbols[name]) else name)


@many
@given(problems())
def test_the_unannotated_node_reads_what_no_other_reads(problem):
    prior, symbols, choice = problem
    try:
        without = connect(prior, symbols, Choice(choice.min_genes))
    except Edge2TorchError:
        return
    network = connect(prior, symbols, Choice(choice.min_genes, unannotated=True))
    added = network.edges[network.edges["prior"] == "unannotated"]
    # an input has the same name in both, a node may get a suffix
    rest = set(symbols.index) - set(without.graph.inputs)
    assert set(added["source"]) == rest
    assert added["target"].nunique() == bool(rest)
    assert set(network.graph.inputs) == set(symbols.index)
    assert len(network.edges) == len(without.edges) + len(rest)
    assert network.summary["nodes"] == without.summary["nodes"] + bool(rest)


def test_a_node_called_like_an_input_that_is_no_gene_of_the_prior(prior, measured):
    """A regulator that nothing regulates: its gene was measured, but the prior does not have it."""
    made = prior({"TP53": ["A", "B"]})
    network = connect(made, measured("A", "B", "TP53", "C"), Choice(1, unannotated=True))
    rest = network.edges[network.edges["target"] == "unannotated"]
    assert set(rest["source"]) == {"TP53", "C"}
    assert network.edges["target"].unique().tolist() == ["TP53 (node)", "unannotated"]
    assert network.graph.inputs == ["A", "B", "C", "TP53"]


def test_degrees_of_a_node_called_unannotated(prior, measured):
    network = connect(prior({"unannotated": ["A", "B"]}), measured("A", "B", "C"), Choice(1, unannotated=True))
    row = network.coverage.iloc[0]
    assert (network.edges["target"] == row["node"]).sum() == row["degree"] == 2
    assert network.edges.loc[network.edges["source"] == "C", "target"].tolist() != [row["node"]]


def test_an_input_called_like_a_node_with_a_suffix(prior, measured):
    made = prior({"X": ["A", "B"], "Y": ["X"]})
    row = connect(made, measured("A", "B", "X", "X (node)"), Choice(1)).coverage.set_index("label").loc["X"]
    assert row["degree"] == 2


def test_a_gene_measured_twice_is_one_gene_and_two_inputs(prior):
    symbols = pd.Series(["A", "A", None, np.nan, "B"], index=list("vwxyz"), dtype=object)
    network = connect(prior({"T": ["A", "B"]}), symbols, Choice(2))
    assert network.edges["source"].tolist() == ["v", "w", "z"]
    assert network.coverage["n_measured"].tolist() == [2]
    with pytest.raises(Edge2TorchError, match="the largest has 2"):
        connect(prior({"T": ["A", "B"]}), symbols, Choice(3))


@pytest.mark.parametrize("kind", ["string", "category", object], ids=str)
def test_symbols_of_any_kind_of_text(kind, prior):
    symbols = pd.Series(["A", "B", None, "C"], index=list("vwxy"), dtype=kind)
    network = connect(prior({"T": ["A", "B"]}), symbols, Choice(2, unannotated=True))
    assert network.labels == {"v": "A", "w": "B", "x": "x", "y": "C", "T": "T", "unannotated": "unannotated"}
    edges = network.edges[["source", "target"]].to_numpy().tolist()
    assert edges == [["v", "T"], ["w", "T"], ["x", "unannotated"], ["y", "unannotated"]]


def test_hubs_are_those_of_tukey(prior, measured):
    sizes = {f"n{i}": 4 + i % 5 for i in range(20)} | {"hub": 200}
    genes = [f"g{i}" for i in range(200)]
    network = connect(prior({node: genes[:n] for node, n in sizes.items()}), measured(*genes), Choice(1))
    log = np.log2(list(sizes.values()))
    q1, q3 = np.percentile(log, [25, 75])
    expected = {node for node, n in sizes.items() if np.log2(n) > q3 + 1.5 * (q3 - q1)}
    assert set(network.coverage.loc[network.coverage["hub"], "label"]) == expected == {"hub"}
    assert network.summary["hubs"] == 1


@many
@given(problems())
def test_rows_are_in_order_and_degrees_are_those_of_the_graph(problem):
    prior, symbols, choice = problem
    try:
        network = connect(prior, symbols, choice)
    except Edge2TorchError:
        return
    table = network.coverage
    rank = [
        (s != "kept", -n, label)
        for s, n, label in zip(table["status"], table["n_measured"], table["label"], strict=True)
    ]
    assert rank == sorted(rank)
    assert table["label"].is_unique
    graph = nx.DiGraph(list(zip(network.edges["source"], network.edges["target"], strict=True)))
    kept = table[table["status"] == "kept"].set_index("node")["degree"]
    assert kept.to_dict() == {node: graph.degree(node) for node in kept.index}
    assert not table.loc[table["status"] != "kept", ["degree", "hub"]].any(axis=None)


def test_nothing_is_changed(measured):
    sets = pd.DataFrame({"source": ["T", "T", "U"], "target": ["A", "B", "A"], "weight": [1.0, -1.0, 2.0]})
    hierarchy = pd.DataFrame({"parent": ["V", "V"], "child": ["T", "U"]})
    ids = {"T": "ID:T"}
    symbols = measured("A", "B", "C")
    before = [sets.copy(), hierarchy.copy(), symbols.copy()]
    choice = Choice(1, exclude=["ID:T"], merge=True, unannotated=True)
    connect(Prior("p", sets, hierarchy, ids=ids), symbols, choice, weights="fixed", acyclic="distance")
    pd.testing.assert_frame_equal(sets, before[0])
    pd.testing.assert_frame_equal(hierarchy, before[1])
    pd.testing.assert_series_equal(symbols, before[2])
    assert ids == {"T": "ID:T"}


GENES = [f"g{i}" for i in range(5)]
NODES = ["TF1", "TF2", "TF3", "K1", "K2", "g0"]


@st.composite
def regulators(draw):
    """Regulators that read genes and each other, in cycles."""
    sets = draw(st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(GENES)), min_size=1, unique=True))
    two = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES))
    above = draw(st.lists(two.filter(lambda pair: pair[0] != pair[1]), min_size=1, max_size=14, unique=True))
    return Prior(
        "random",
        pd.DataFrame(sets, columns=["source", "target"]),
        pd.DataFrame(above, columns=["parent", "child"]),
        contains=False,
    )


@many
@given(regulators(), st.booleans())
def test_what_is_cut_is_reported(prior, unannotated):
    symbols = pd.Series([*GENES, "other"], index=[f"v{i}" for i in range(6)])
    choice = Choice(1, unannotated=unannotated)
    whole, network = connect(prior, symbols, choice), connect(prior, symbols, choice, acyclic="distance")
    pairs = [
        {tuple(pair) for pair in table[["source", "target"]].to_numpy().tolist()}
        for table in (whole.edges, network.edges, network.cut)
    ]
    assert pairs[1] | pairs[2] == pairs[0]
    assert not pairs[1] & pairs[2]
    assert len(network.cut) == network.summary["edges_cut"] == len(pairs[2])
    cyclic = not nx.is_directed_acyclic_graph(nx.DiGraph(list(pairs[0])))
    assert (len(network.cut) > 0) == cyclic
    assert whole.summary["cyclic"] == cyclic
    assert network.summary["cyclic"] == 0
    assert whole.summary["edges_cut"] == len(whole.cut) == 0
    # the rest of the report is about the graph that is left, with the same nodes
    graph = nx.DiGraph(list(pairs[1]))
    assert network.summary["layers"] == nx.dag_longest_path_length(graph) + 1
    assert set(network.graph.nodes) == set(whole.graph.nodes) == set(network.labels) == set(whole.labels)
    degree = network.coverage.query("status == 'kept'").set_index("node")["degree"].to_dict()
    assert degree == {node: graph.degree(node) for node in degree}


@many
@given(regulators(), st.data())
def test_below_roots_also_where_cycles_were_cut(prior, data):
    nodes = sorted(set(prior.sets["source"]) | set(prior.hierarchy.to_numpy().ravel()))
    roots = data.draw(st.lists(st.sampled_from(nodes), min_size=1, unique=True))
    symbols = pd.Series(GENES, index=[f"v{i}" for i in range(5)])
    try:
        whole = connect(prior, symbols, Choice(1, roots=roots))
    except Edge2TorchError:  # no genes below the roots
        return
    network = connect(prior, symbols, Choice(1, roots=roots), acyclic="distance")
    before, after = (
        nx.DiGraph([tuple(pair) for pair in one.edges[["source", "target"]].to_numpy().tolist()])
        for one in (whole, network)
    )
    assert nx.is_directed_acyclic_graph(after)
    called = network.coverage.set_index("label")["node"]
    at_top = set(called[roots]) & set(after)
    assert at_top == {name for name in whole.coverage.set_index("label")["node"][roots] if name in before}
    hidden = {node for node in after if after.in_degree(node)}
    assert hidden == at_top.union(*(nx.ancestors(after, root) & hidden for root in at_top))
    status = pd.DataFrame({"before": whole.coverage.set_index("label")["status"]})
    status["after"] = network.coverage.set_index("label")["status"]
    changed = status[status["before"] != status["after"]]
    assert (changed["before"] == "kept").all()
    assert (changed["after"] == "not below roots").all()


def test_nothing_is_cut_without_cycles(prior, measured):
    made = prior({"part": ["A", "B"]}, {"whole": ["part"]})
    one, two = (connect(made, measured("A", "B"), Choice(1), acyclic=rule) for rule in (None, "distance"))
    pd.testing.assert_frame_equal(one.edges, two.edges)
    assert len(two.cut) == 0
    assert list(two.cut) == ["source", "target"]


@pytest.mark.parametrize("rule", ["dist", "", True, 1], ids=repr)
def test_unknown_rule(rule, prior, measured):
    with pytest.raises(Edge2TorchError, match=r"acyclic=.* is unknown; the choices are 'distance'"):
        connect(prior({"T": ["A"]}), measured("A"), Choice(1), acyclic=rule)
