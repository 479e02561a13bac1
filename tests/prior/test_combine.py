"""Several priors as one: nothing is lost, and nothing is mixed up."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.prior import Choice, Prior, connect
from edge2torch.prior.combine import beside, layers, modalities

many = settings(deadline=None, max_examples=60)

#: also what a node is called whose name two priors have
NODES = ["h", "h (one)", "h (two)", "h (one) (node)", "p", "q", "A"]
GENES = ["A", "B", "C", "D"]


@st.composite
def priors(draw, name=None, nodes=NODES):
    """Sets, a hierarchy that contains, weights or none, identifiers or none."""
    name = name or draw(st.sampled_from(["one", "two", "table"]))
    pairs = [(node, gene) for node in nodes for gene in GENES]
    sets = pd.DataFrame(
        draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=10, unique=True)), columns=["source", "target"]
    )
    down = [(nodes[i], nodes[j]) for i in range(len(nodes)) for j in range(i + 1, len(nodes))]
    parts = draw(st.lists(st.sampled_from(down), max_size=5, unique=True))
    if draw(st.booleans()):
        sets["weight"] = [float(i) - 2.5 for i in range(len(sets))]
    used = {node for pair in parts for node in pair} | set(sets["source"])
    ids = {node: f"{name}:{node}" for node in draw(st.sets(st.sampled_from(sorted(used))))}
    return Prior(name, sets, pd.DataFrame(parts, columns=["parent", "child"]), draw(st.booleans()), ids)


def copies(given_priors):
    return [(prior.sets.copy(), prior.hierarchy.copy(), dict(prior.ids)) for prior in given_priors]


def assert_unchanged(given_priors, before):
    for prior, (sets, hierarchy, ids) in zip(given_priors, before, strict=True):
        pd.testing.assert_frame_equal(prior.sets, sets)
        pd.testing.assert_frame_equal(prior.hierarchy, hierarchy)
        assert prior.ids == ids


def nodes_of(prior: Prior) -> set[str]:
    return set(pd.concat([prior.sets["source"], prior.hierarchy["parent"], prior.hierarchy["child"]]))


def described(prior: Prior) -> nx.MultiDiGraph:
    """A prior without the names of its nodes, apart from where they are from, and with what is known of each edge."""
    graph = nx.MultiDiGraph()
    sets = prior.sets if "prior" in prior.sets else prior.sets.assign(prior=prior.name)
    for row in sets.to_dict("records"):
        weight = row.get("weight", math.nan)
        known = (row["prior"], None if math.isnan(weight) else weight)
        graph.add_edge(("node", row["source"]), ("gene", row["target"]), known=known)
    hierarchy = prior.hierarchy if "prior" in prior.hierarchy else prior.hierarchy.assign(prior=prior.name)
    hierarchy = hierarchy if "contains" in hierarchy else hierarchy.assign(contains=prior.contains)
    for row in hierarchy.to_dict("records"):
        graph.add_edge(("node", row["parent"]), ("node", row["child"]), known=(row["prior"], bool(row["contains"])))
    for node in graph:
        gene = node[1] if node[0] == "gene" else ""
        graph.nodes[node]["known"] = (node[0], gene)
    return graph


def same(one: nx.MultiDiGraph, two: nx.MultiDiGraph) -> bool:
    def edges(a, b):
        return Counter(e["known"] for e in a.values()) == Counter(e["known"] for e in b.values())

    return nx.is_isomorphic(one, two, node_match=lambda a, b: a["known"] == b["known"], edge_match=edges)


@many
@given(st.lists(priors(), min_size=1, max_size=3))
def test_beside_is_the_disjoint_union(several):
    before = copies(several)
    joined = beside(several)
    assert_unchanged(several, before)
    seen: Counter[str] = Counter()
    apart = nx.MultiDiGraph()
    for i, prior in enumerate(several):
        seen[prior.name] += 1
        name = prior.name if seen[prior.name] == 1 else f"{prior.name} {seen[prior.name]}"
        part = described(replace(prior, name=name))
        part = nx.relabel_nodes(part, {node: ("node", i, node[1]) for node in part if node[0] == "node"})
        apart = nx.compose(apart, part)
    assert same(described(joined), apart)
    assert not joined.sets.duplicated(["source", "target"]).any()
    assert not joined.hierarchy.duplicated(["parent", "child"]).any()
    assert joined.hierarchy["contains"].dtype == bool
    used = Counter(node for prior in several for node in nodes_of(prior))
    kept = {node for node, n in used.items() if n == 1}
    assert kept <= nodes_of(joined), "what only one prior has keeps its name"
    assert not {node for node, n in used.items() if n > 1} & (nodes_of(joined) - kept - set(NODES[1:4]))
    ids = Counter(joined.ids[node] for node in nodes_of(joined) if node in joined.ids)
    assert ids == Counter(prior.ids[node] for prior in several for node in nodes_of(prior) if node in prior.ids)


@many
@given(priors("one"), priors("two"), priors("three"))
def test_order_of_what_is_beside_does_not_matter(one, two, three):
    symbols = pd.Series(GENES, index=GENES)
    expected = connect(beside([one, two, three]), symbols, Choice(1)).edges
    edges = connect(beside([three, one, two]), symbols, Choice(1)).edges
    pd.testing.assert_frame_equal(edges, expected, check_like=True)


@many
@given(priors("one", NODES[:1] + NODES[4:6]), priors("two", NODES[:1] + NODES[4:6]))
def test_what_is_beside_is_connected_as_it_would_be_alone(one, two):
    symbols = pd.Series(GENES[:3], index=GENES[:3])
    parts = []
    for prior in (one, two):
        try:
            alone = connect(prior, symbols, Choice(2)).edges
        except Edge2TorchError:
            continue
        both = nodes_of(one) & nodes_of(two)
        new = {node: f"{node} ({prior.name})" for node in both}
        parts.append(alone.assign(source=alone["source"].replace(new), target=alone["target"].replace(new)))
    if not parts:
        return
    expected = pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
    edges = connect(beside([one, two]), symbols, Choice(2)).edges
    columns = ["source", "target", "prior"]
    pd.testing.assert_frame_equal(
        edges[columns], expected.sort_values(["target", "source"], ignore_index=True)[columns]
    )


def test_three_of_one_name_where_the_second_has_the_name_of_the_third(prior):
    one, two, three = prior({"h": ["A"]}), prior({"h": ["B"]}), prior({"h": ["C"]})
    joined = beside([replace(one, name="t"), replace(two, name="t 2"), replace(three, name="t")])
    assert joined.sets["source"].nunique() == 3
    assert joined.sets["prior"].nunique() == 3


def test_weights_beside_none(prior, measured):
    weighted = Prior("w", pd.DataFrame({"source": ["T"], "target": ["A"], "weight": [-2]}))
    edges = connect(beside([weighted, prior({"P": ["A", "B"]})]), measured("A", "B"), Choice(1), weights="sign").edges
    assert edges[["target", "constraint"]].to_numpy().tolist() == [
        ["P", "unconstrained"],
        ["P", "unconstrained"],
        ["T", "negative"],
    ]


# --- layers ---


@st.composite
def stacks(draw):
    """Regulons, and one or two priors above them; of some targets there is no node."""
    weights = st.booleans()

    def table(pairs, size):
        rows = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=size, unique=True))
        sets = pd.DataFrame(rows, columns=["source", "target"])
        return sets.assign(weight=[float(i) - 1.5 for i in range(len(sets))]) if draw(weights) else sets

    tfs, kinases, receptors = ["T1", "T2", "T3"], ["K1", "K2", "T1"], ["R1", "R2"]
    levels = [
        table([(t, g) for t in tfs for g in [*GENES, "T1"]], 8),
        table([(k, t) for k in kinases for t in [*tfs, *kinases, "A", "other"] if k != t], 8),
        table([(r, k) for r in receptors for k in [*kinases, *tfs, "other"]], 6),
    ]
    n = draw(st.integers(1, 3))
    return [Prior(name, sets) for name, sets in zip(["tf", "kinase", "receptor"][:n], levels[:n], strict=True)]


@many
@given(stacks())
def test_targets_are_nodes_below(stack):
    before = copies(stack)
    hierarchy, left_out = {}, 0
    below = set(stack[0].sets["source"])
    for prior in stack[1:]:
        rows = prior.sets.to_dict("records")
        if not any(row["target"] in below for row in rows):
            with pytest.raises(Edge2TorchError, match=r"^stack='layers': no target of .* from the genes upwards"):
                layers(stack)
            return
        below |= {row["source"] for row in rows}
        for row in rows:
            if row["target"] in below:
                hierarchy.setdefault((row["source"], row["target"]), (prior.name, row.get("weight", math.nan)))
            else:
                left_out += 1
    joined = layers(stack)
    assert_unchanged(stack, before)
    assert joined.left_out == left_out
    columns = list(stack[0].sets)
    pd.testing.assert_frame_equal(joined.sets[columns], stack[0].sets)
    table = joined.hierarchy
    found = {
        (p, c): (name, w)
        for p, c, name, w in zip(
            table["parent"], table["child"], table["prior"], table.get("weight", [math.nan] * len(table)), strict=True
        )
    }
    assert len(found) == len(table)
    assert found.keys() == hierarchy.keys()
    for pair, (name, weight) in hierarchy.items():
        assert found[pair][0] == name
        np.testing.assert_equal(found[pair][1], weight)
    assert not table["contains"].any()


@many
@given(stacks(), st.integers(1, 2))
def test_layers_are_connected(stack, min_genes):
    """Every node that stays is reached by enough genes, whatever was taken out below it."""
    try:
        joined = layers(stack)
        network = connect(joined, pd.Series(GENES, index=GENES), Choice(min_genes))
    except Edge2TorchError:
        return
    graph = nx.DiGraph(list(zip(network.edges["source"], network.edges["target"], strict=True)))
    assert {node for node in graph if not graph.in_degree(node)} <= set(GENES)
    for node in network.coverage.query("status == 'kept'")["node"]:
        assert len(nx.ancestors(graph, node) & set(GENES)) >= min_genes
    assert not any(graph.has_edge(node, node) for node in graph)


def test_layers_upside_down(prior):
    regulons, kinases = prior({"STAT1": ["IRF7"]}), prior({"JAK1": ["STAT1"]})
    with pytest.raises(Edge2TorchError, match=r"no target of 'test 2' \('IRF7'\) is a node of.*'JAK1'.*upwards"):
        layers([kinases, regulons])


def test_a_part_that_regulates_its_whole_is_taken_out(prior, measured):
    """The whole does not come to regulate itself."""
    pathways, above = prior({"whole": ["A"], "part": ["B"]}, {"whole": ["part"]}), prior({"part": ["whole"]})
    network = connect(layers([pathways, above]), measured("A", "B"), Choice(1, exclude="part"))
    assert network.edges[["source", "target"]].to_numpy().tolist() == [["A", "whole"], ["B", "whole"]]
    assert not network.summary["cyclic"]


def test_a_hierarchy_above_stays_one(prior, measured):
    """Pathways that contain each other, above regulons: what is taken out of them goes to the wholes."""
    regulons = prior({"T1": ["A", "B"], "T2": ["C", "D"]})
    pathways = prior({"part": ["T1"], "whole": ["T2"]}, {"whole": ["part"]})
    network = connect(layers([regulons, pathways]), measured(*GENES), Choice(2, exclude="part"))
    pairs = network.edges[["source", "target"]].to_numpy().tolist()
    assert [pair for pair in pairs if pair[0] not in GENES] == [["T1", "whole"], ["T2", "whole"]]


# --- modalities ---


@many
@given(priors("one"), priors("two"))
def test_modalities_share_nodes_not_genes(one, two):
    before = copies([one, two])
    contained = [prior.hierarchy if prior.contains else prior.hierarchy.iloc[:0] for prior in (one, two)]
    assert nx.is_directed_acyclic_graph(nx.DiGraph([tuple(row) for part in contained for row in part.to_numpy()]))
    joined = modalities({"rna": one, "prot:x": two})
    assert_unchanged([one, two], before)
    expected = {(s, f"rna:{t}") for s, t in one.sets[["source", "target"]].to_numpy()}
    expected |= {(s, f"prot:x:{t}") for s, t in two.sets[["source", "target"]].to_numpy()}
    pairs = [tuple(row) for row in joined.sets[["source", "target"]].to_numpy()]
    assert len(pairs) == len(expected)
    assert set(pairs) == expected
    assert nodes_of(joined) == nodes_of(one) | nodes_of(two)
    assert set(joined.ids) == set(one.ids) | set(two.ids)


def test_modalities_that_contradict_each_other(prior):
    one, two = prior({"P": ["A"]}, {"P": ["Q"]}), prior({"Q": ["A"]}, {"Q": ["P"]})
    with pytest.raises(Edge2TorchError, match="has a cycle: "):
        modalities({"rna": one, "prot": two})


def test_a_protein_and_a_gene_feed_one_node(prior):
    joined = modalities({"rna": prior({"T cell": ["CD3E"]}), "prot": prior({"T cell": ["CD3"]})})
    symbols = pd.Series(["rna:CD3E", "prot:CD3"], index=["rna:ENSG1", "prot:CD3"])
    assert connect(joined, symbols, Choice(2)).edges["source"].tolist() == ["prot:CD3", "rna:ENSG1"]
