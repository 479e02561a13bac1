"""From a prior and the measured genes to edges, compared with networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.prior import Choice, Prior, connect

GENES = [f"g{i}" for i in range(8)]
#: some nodes are called like genes
NODES = ["P0", "P1", "P2", "P3", "P4", "g0", "g5"]


@st.composite
def problems(draw):
    """A random prior with an acyclic hierarchy, and symbols of inputs: measured, unknown, repeated or missing."""
    order = draw(st.permutations(NODES))
    pairs = [(node, gene) for node in order for gene in GENES]
    sets = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=25, unique=True))
    above = [(order[i], order[j]) for i in range(len(order)) for j in range(i + 1, len(order))]
    parts = draw(st.lists(st.sampled_from(above), max_size=12, unique=True))
    prior = Prior(
        "random", pd.DataFrame(sets, columns=["source", "target"]), pd.DataFrame(parts, columns=["parent", "child"])
    )
    symbols = draw(st.lists(st.sampled_from([*GENES, "unknown", None]), min_size=1, max_size=12))
    index = [f"v{i}" for i in range(len(symbols))]
    return prior, pd.Series(symbols, index=index, dtype=object), draw(st.integers(1, 4))


class Oracle:
    """The same question asked of networkx: genes as ``("gene", name)``, nodes as ``("node", name)``."""

    def __init__(self, prior, symbols, min_genes):
        measured = set(symbols.dropna())
        self.all_genes = set(prior.sets["target"])
        self.graph = nx.DiGraph()
        self.graph.add_edges_from(
            (("node", s), ("gene", t)) for s, t in prior.sets.to_numpy().tolist() if t in measured
        )
        self.graph.add_edges_from((("node", p), ("node", c)) for p, c in prior.hierarchy.to_numpy().tolist())
        self.genes_of = {
            name: {n for k, n in nx.descendants(self.graph, (kind, name)) if k == "gene"}
            for kind, name in self.graph
            if kind == "node"
        }
        self.kept = {name for name, genes in self.genes_of.items() if len(genes) >= min_genes}

    def name(self, node):
        return f"{node} (node)" if node in self.all_genes else node

    def reads(self, node):
        """What a kept node reads: genes and kept nodes below it, through nodes that were taken out."""
        found, waiting = set(), list(self.graph.successors(("node", node)))
        while waiting:
            kind, name = waiting.pop()
            if kind == "gene" or name in self.kept:
                found.add((kind, name))
            else:
                waiting += self.graph.successors((kind, name))
        return found


@settings(max_examples=150, deadline=None)
@given(problems())
def test_edges_equal_those_of_networkx(problem):
    prior, symbols, min_genes = problem
    oracle = Oracle(prior, symbols, min_genes)
    if not oracle.kept:
        with pytest.raises(Edge2TorchError):
            connect(prior, symbols, Choice(min_genes))
        return
    network = connect(prior, symbols, Choice(min_genes))
    inputs_of = {gene: set(symbols.index[symbols == gene]) for gene in GENES}
    expected = {
        (source, oracle.name(node))
        for node in oracle.kept
        for kind, name in oracle.reads(node)
        for source in (inputs_of[name] if kind == "gene" else {oracle.name(name)})
    }
    edges = list(zip(network.edges["source"], network.edges["target"], strict=True))
    assert len(edges) == len(set(edges))
    assert set(edges) == expected
    assert (network.edges["prior"] == "random").all()


@settings(max_examples=100, deadline=None)
@given(problems())
def test_genes_that_reach_a_kept_node_are_those_of_its_descendants(problem):
    prior, symbols, min_genes = problem
    oracle = Oracle(prior, symbols, min_genes)
    if not oracle.kept:
        return
    network = connect(prior, symbols, Choice(min_genes))
    graph = nx.from_pandas_edgelist(network.edges, create_using=nx.DiGraph)
    assert nx.is_directed_acyclic_graph(graph)
    hidden = {oracle.name(node): node for node in oracle.kept}
    assert {v for v in graph if graph.in_degree(v)} == set(hidden), "no node without genes, and none is lost"
    for name, node in hidden.items():
        reaching = {symbols[v] for v in nx.ancestors(graph, name) if v in symbols.index}
        assert reaching == oracle.genes_of[node]
        assert len(reaching) >= min_genes


@settings(max_examples=60, deadline=None)
@given(problems())
def test_report_and_labels(problem):
    prior, symbols, min_genes = problem
    oracle = Oracle(prior, symbols, min_genes)
    if not oracle.kept:
        return
    network = connect(prior, symbols, Choice(min_genes))
    graph = nx.from_pandas_edgelist(network.edges, create_using=nx.DiGraph)
    inputs = {v for v in graph if not graph.in_degree(v)}
    assert {
        "genes": len(symbols),
        "genes_in_prior": int(symbols.isin(oracle.all_genes).sum()),
        "prior_genes": len(oracle.all_genes),
        "nodes_in_prior": len(set(prior.sets["source"]) | set(prior.hierarchy.to_numpy().ravel())),
        "nodes": len(oracle.kept),
        "prior_genes_measured": symbols[symbols.isin(oracle.all_genes)].nunique(),
        "unreachable": len(set(prior.sets["source"]) | set(prior.hierarchy.to_numpy().ravel()))
        - sum(bool(genes) for genes in oracle.genes_of.values()),
        "inputs": len(inputs),
        "edges": graph.number_of_edges(),
        "layers": nx.dag_longest_path_length(graph) + 1,
    }.items() <= network.summary.items()
    assert {v: network.labels[v] for v in inputs} == {v: symbols[v] for v in inputs}
    assert {oracle.name(node): node for node in oracle.kept}.items() <= network.labels.items()


def test_biology_is_turned_round(prior, measured):
    network = connect(prior({"part": ["A", "B"]}, {"whole": ["part"]}), measured("A", "B"), Choice(1))
    assert network.edges[["source", "target"]].to_numpy().tolist() == [["A", "part"], ["B", "part"], ["part", "whole"]]


def test_genes_of_parts_count_for_the_whole_but_once(prior, measured):
    made = prior({"left": ["A", "B"], "right": ["B", "C"]}, {"whole": ["left", "right"]})
    assert set(connect(made, measured("A", "B", "C"), Choice(3)).edges["target"]) == {"whole"}
    with pytest.raises(Edge2TorchError, match="min_genes=4 measured genes; the largest has 3"):
        connect(made, measured("A", "B", "C"), Choice(4))


def test_genes_of_a_small_node_without_parent_are_left_out(prior, measured):
    network = connect(prior({"big": ["A", "B"], "small": ["C"]}), measured("A", "B", "C"), Choice(2))
    assert set(network.edges["source"]) == {"A", "B"}


def test_a_regulated_regulator_is_an_input_and_a_node(prior, measured):
    made = prior({"TF1": ["A", "TF2", "TF1"], "TF2": ["A", "TF1"]})  # cyclic, and self-regulated
    network = connect(made, measured("A", "TF1", "TF2"), Choice(1))
    edges = network.edges[["source", "target"]].to_numpy().tolist()
    assert edges == [[g, "TF1 (node)"] for g in ("A", "TF1", "TF2")] + [[g, "TF2 (node)"] for g in ("A", "TF1")]
    assert network.labels["TF1 (node)"] == "TF1"


def test_names_of_nodes_do_not_depend_on_what_was_measured(prior, measured):
    made = prior({"TF1": ["A", "TF2"], "TF2": ["A"]})
    for genes in (["A"], ["A", "TF2"], ["A", "TF1", "TF2"]):
        assert set(connect(made, measured(*genes), Choice(1)).edges["target"]) == {"TF1", "TF2 (node)"}


def test_a_suffix_never_makes_two_names_one(prior, measured):
    made = prior({"X": ["A", "B"], "X (node)": ["C", "D"], "Z": ["X"]})
    network = connect(made, measured("A", "B", "C", "D", "X"), Choice(1))
    assert network.edges["target"].nunique() == 3
    assert sorted(network.edges.groupby("target").size()) == [1, 2, 2]


def test_a_suffix_never_makes_a_node_a_gene(prior, measured):
    made = prior({"X": ["A", "B"], "Z": ["X", "X (node)"]})
    network = connect(made, measured("A", "B", "X", "X (node)"), Choice(1))
    graph = nx.from_pandas_edgelist(network.edges, create_using=nx.DiGraph)
    assert sum(graph.in_degree(v) == 0 for v in graph) == 4


def test_weights_stay_with_their_edge():
    sets = pd.DataFrame({"source": ["T", "T", "U"], "target": ["A", "B", "A"], "weight": [0.5, -2.0, 3.0]})
    symbols = pd.Series(["B", "A", "A"], index=["x", "y", "z"])
    edges = connect(Prior("w", sets), symbols, Choice(1)).edges
    weight = {(s, t): w for s, t, w in edges[["source", "target", "prior_weight"]].to_numpy().tolist()}
    assert weight == {("x", "T"): -2.0, ("y", "T"): 0.5, ("z", "T"): 0.5, ("y", "U"): 3.0, ("z", "U"): 3.0}
    assert edges["prior_weight"].dtype == np.float64


def test_weights_are_missing_where_the_prior_has_none():
    sets = pd.DataFrame({"source": ["small", "big", "big"], "target": ["A", "B", "C"], "weight": [1.0, 2.0, 3.0]})
    hierarchy = pd.DataFrame({"parent": ["big", "top"], "child": ["small", "big"]})
    edges = connect(Prior("w", sets, hierarchy), pd.Series(list("ABC"), index=list("ABC")), Choice(2)).edges
    weight = edges.set_index(["source", "target"])["prior_weight"]
    assert np.isnan(weight["A", "big"]), "lifted: the table has no weight for this pair"
    assert np.isnan(weight["big", "top"])
    assert weight["B", "big"] == 2.0


def test_no_column_of_weights_without_weights(prior, measured):
    assert list(connect(prior({"T": ["A"]}), measured("A"), Choice(1)).edges) == ["source", "target", "prior"]


def test_rows_do_not_depend_on_the_order_of_the_prior(prior, measured):
    sets = {"T": ["A", "B"], "U": ["B", "C"], "V": ["A"]}
    one = connect(prior(sets, {"W": ["T", "U"]}), measured("A", "B", "C"), Choice(2))
    backwards = {node: genes[::-1] for node, genes in reversed(sets.items())}
    two = connect(prior(backwards, {"W": ["U", "T"]}), measured("C", "B", "A"), Choice(2))
    pd.testing.assert_frame_equal(one.edges, two.edges)


def test_collectri_of_real_cells(shared):
    """Sizes as published beside the file: PBMC3k, genes seen in three cells, five genes per regulator."""
    import h5py
    import scipy.sparse as sp

    net = pd.read_csv(shared / "collectri" / "collectri_decoupleR_2025-09.csv")
    assert set(net["source"]) & set(net["target"]), "regulators are regulated"
    with h5py.File(shared / "pbmc3k" / "pbmc3k_raw_labelled.h5ad") as file:
        x = file["X"]
        matrix = sp.csr_array((x["data"][:], x["indices"][:], x["indptr"][:]), shape=tuple(x.attrs["shape"]))
        genes = file["var"][file["var"].attrs["_index"]].asstr()[:]
    seen = genes[np.bincount(matrix.indices[matrix.data > 0], minlength=matrix.shape[1]) >= 3]
    report = connect(Prior("collectri", net), pd.Series(seen, index=seen), Choice(5)).summary
    assert (report["inputs"], report["nodes"], report["edges"], report["layers"]) == (4125, 608, 24339, 2)
