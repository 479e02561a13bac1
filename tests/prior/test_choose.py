"""Which nodes stay, and why, compared with networkx: nodes are taken out one by one."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.prior import STATUS, Choice, Prior, connect

GENES = [f"g{i}" for i in range(7)]
#: some nodes are called like genes
NODES = ["P0", "P1", "P2", "P3", "P4", "g0", "g5"]

many = settings(deadline=None, max_examples=60)


@st.composite
def priors(draw, kinds=("contains", "regulates", "both")):
    """What contains is acyclic; what regulates may have cycles."""
    order = draw(st.permutations(NODES))
    pairs = [(node, gene) for node in order for gene in GENES]
    sets = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=25, unique=True))
    down = [(order[i], order[j]) for i in range(len(order)) for j in range(i + 1, len(order))]
    anywhere = [(one, other) for one in order for other in order if one != other]
    kind = draw(st.sampled_from(kinds))
    contained = draw(st.lists(st.sampled_from(down), max_size=10, unique=True)) if kind != "regulates" else []
    regulated = draw(st.lists(st.sampled_from(anywhere), max_size=10, unique=True)) if kind != "contains" else []
    rows = [(*pair, True) for pair in contained] + [(*pair, False) for pair in regulated if pair not in contained]
    return Prior(
        "random",
        pd.DataFrame(sets, columns=["source", "target"]),
        pd.DataFrame(rows, columns=["parent", "child", "contains"]),
        kind == "contains",
        {node: f"ID:{node}" for node in order},
    )


def nodes_of(prior: Prior) -> set[str]:
    return set(pd.concat([prior.sets["source"], prior.hierarchy["parent"], prior.hierarchy["child"]]))


@st.composite
def choices(draw, prior: Prior, merge: bool = False) -> Choice:
    names = st.sampled_from(sorted(nodes_of(prior))).flatmap(lambda name: st.sampled_from([name, f"ID:{name}"]))
    some = st.none() | names | st.lists(names, min_size=1, max_size=4) | st.sets(names, min_size=1, max_size=5)
    least = draw(st.integers(1, 4))
    return Choice(
        min_genes=least,
        max_genes=draw(st.none() | st.integers(least, 7)),
        min_coverage=draw(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])),
        roots=draw(some),
        depth=draw(st.none() | st.integers(1, 3)),
        include=draw(some),
        exclude=draw(some),
        merge=merge,
    )


@st.composite
def problems(draw, merge=False, kinds=("contains", "regulates", "both")):
    prior = draw(priors(kinds))
    measured = draw(st.lists(st.sampled_from([*prior.sets["target"].unique(), "unknown"]), min_size=1, unique=True))
    return prior, pd.Series(measured, index=[f"v{gene}" for gene in measured]), draw(choices(prior, merge))


class Oracle:
    """The same question asked of networkx: genes as ``("gene", name)``, nodes as ``("node", name)``."""

    def __init__(self, prior: Prior, measured: set[str], choice: Choice) -> None:
        self.graph = nx.DiGraph()
        self.graph.add_nodes_from(("node", node) for node in nodes_of(prior))
        self.graph.add_edges_from((("node", s), ("gene", t)) for s, t in prior.sets.to_numpy().tolist())
        for parent, child, contains in prior.hierarchy.to_numpy().tolist():
            self.graph.add_edge(("node", parent), ("node", child), contains=contains)
        nodes = sorted(nodes_of(prior))
        self.all_genes = {node: self.genes(node) for node in nodes}
        self.status = {node: self.by_name(node, choice) for node in nodes}
        self.graph.remove_nodes_from([n for n in self.graph if n[0] == "gene" and n[1] not in measured])
        self.measured = {node: self.genes(node) for node in nodes}
        for node in nodes:
            if self.status[node] != "kept":
                self.take_out(node)
        while out := self.by_size(choice):
            self.status |= out
            for node in out:
                self.take_out(node)
        self.kept = {node for node in nodes if self.status[node] == "kept"}

    def genes(self, node: str) -> set[str]:
        return {name for kind, name in nx.descendants(self.graph, ("node", node)) if kind == "gene"}

    def take_out(self, node: str) -> None:
        """Those that contain it read what it has read."""
        here = ("node", node)
        for parent in list(self.graph.predecessors(here)):
            if self.graph.edges[parent, here]["contains"]:
                for read in self.graph[here]:
                    contains = read[0] == "node" and self.graph.edges[here, read]["contains"]
                    known = self.graph.edges.get((parent, read), {}).get("contains", False)
                    if read != parent:
                        self.graph.add_edge(parent, read, contains=contains or known)
        self.graph.remove_node(here)

    def named(self, given) -> set[str] | None:
        if given is None:
            return None
        return {name.removeprefix("ID:") for name in ([given] if isinstance(given, str) else given)}

    def by_name(self, node: str, choice: Choice) -> str:
        roots, include, exclude = map(self.named, (choice.roots, choice.include, choice.exclude))
        hierarchy = self.graph.subgraph([n for n in self.graph if n[0] == "node"])
        if roots is None and choice.depth is not None:
            roots = {name for kind, name in hierarchy if not hierarchy.in_degree((kind, name))}
            if not roots:
                raise NoTopError
        if roots is not None:
            ways = [
                nx.shortest_path_length(hierarchy, ("node", root), ("node", node)) + 1
                for root in roots
                if nx.has_path(hierarchy, ("node", root), ("node", node))
            ]
            if not ways:
                return "not below roots"
            if choice.depth is not None and min(ways) > choice.depth:
                return "too deep"
        if include is not None and node not in include:
            return "not included"
        return "excluded" if exclude is not None and node in exclude else "kept"

    def by_size(self, choice: Choice) -> dict[str, str]:
        """Nodes that do not stay, given those that are still there."""
        out = {}
        for kind, node in self.graph:
            if kind == "gene":
                continue
            n = len(self.genes(node))
            if not self.all_genes[node]:
                out[node] = "without genes"
            elif not self.measured[node]:
                out[node] = "not measured"
            elif n < choice.min_genes:
                out[node] = "too few genes"
            elif choice.max_genes is not None and n > choice.max_genes:
                out[node] = "too many genes"
            elif len(self.measured[node]) / len(self.all_genes[node]) < choice.min_coverage:
                out[node] = "low coverage"
        return out

    def edges(self, prior: Prior) -> set[tuple[str, str]]:
        genes = set(prior.sets["target"])
        called = {("gene", gene): f"v{gene}" for gene in genes}
        called |= {("node", node): f"{node} (node)" if node in genes else node for node in nodes_of(prior)}
        return {(called[read], called[node]) for node, read in self.graph.edges}


class NoTopError(Exception):
    """There is no node that is below no other."""


def solve(problem) -> Oracle | None:
    """Ask networkx; None, if nothing is left and ``connect`` says so."""
    prior, symbols, choice = problem
    if not set(symbols) & set(prior.sets["target"]):
        with pytest.raises(Edge2TorchError, match=r"^0 of \d+ genes in"):
            connect(prior, symbols, choice)
        return None
    try:
        oracle = Oracle(prior, set(symbols), choice)
    except NoTopError:
        with pytest.raises(Edge2TorchError, match=r"depth needs nodes to count from.*pass roots="):
            connect(prior, symbols, choice)
        return None
    if not oracle.kept:
        with pytest.raises(Edge2TorchError, match=r"^no node of the prior 'random' (is left|has min_genes)"):
            connect(prior, symbols, choice)
        return None
    return oracle


def pairs(edges: pd.DataFrame) -> set[tuple[str, str]]:
    found = list(zip(edges["source"], edges["target"], strict=True))
    assert len(found) == len(set(found))
    return set(found)


@many
@given(problems())
def test_status_and_counts_of_every_node(problem):
    oracle = solve(problem)
    if oracle is None:
        return
    table = connect(*problem).coverage.set_index("label")
    assert table["status"].to_dict() == oracle.status
    assert table["n_genes"].to_dict() == {node: len(genes) for node, genes in oracle.all_genes.items()}
    assert table["n_measured"].to_dict() == {node: len(genes) for node, genes in oracle.measured.items()}
    assert set(table["status"]) <= set(STATUS)


@many
@given(problems())
def test_edges_of_what_stays(problem):
    oracle = solve(problem)
    if oracle is not None:
        assert pairs(connect(*problem).edges) == oracle.edges(problem[0])


@many
@given(problems())
def test_every_kept_node_has_its_genes_in_the_graph(problem):
    """Also where what it regulates was taken out."""
    prior, symbols, choice = problem
    if solve(problem) is None:
        return
    network = connect(*problem)
    graph = nx.from_pandas_edgelist(network.edges, create_using=nx.DiGraph)
    for name in network.coverage.query("status == 'kept'")["node"]:
        reaching = {symbols[v] for v in nx.ancestors(graph, name) if v in symbols.index}
        assert choice.min_genes <= len(reaching) <= (choice.max_genes or len(GENES))
    assert {v for v in graph if not graph.in_degree(v)} <= set(symbols.index), "inputs are genes"
    if prior.contains:
        assert nx.is_directed_acyclic_graph(graph)


@many
@given(problems(merge=True, kinds=["contains"]))
def test_of_nodes_that_contain_the_same_genes_one_stays(problem):
    oracle = solve(problem)
    if oracle is None:
        return
    prior, _, _ = problem
    network = connect(*problem)
    groups: dict[frozenset[str], list[str]] = {}
    for node in sorted(oracle.kept, key=lambda node: (len(oracle.all_genes[node]), node)):
        groups.setdefault(frozenset(oracle.measured[node]), []).append(node)
    head = {node: group[0] for group in groups.values() for node in group}
    table = network.coverage.set_index("label")
    called = table["node"]
    assert set(table.index[table["status"] == "kept"]) == set(head.values())
    merged = {node: called[to] for node, to in head.items() if node != to}
    assert table.loc[table["status"] == "merged", "merged_into"].to_dict() == merged
    # the graph is the one that networkx makes of the same nodes
    quotient = nx.relabel_nodes(oracle.graph, {("node", node): ("node", to) for node, to in head.items()})
    quotient.remove_edges_from(list(nx.selfloop_edges(quotient)))
    oracle.graph = quotient
    assert pairs(network.edges) == oracle.edges(prior)
    assert nx.is_directed_acyclic_graph(nx.DiGraph(list(pairs(network.edges))))


@many
@given(problems(merge=True))
def test_merging_leaves_no_twins_and_is_announced(problem):
    if solve(problem) is None:
        return
    prior, symbols, choice = problem
    merged, apart = connect(prior, symbols, choice), connect(prior, symbols, replace(choice, merge=False))
    table, announced = merged.coverage.set_index("label"), apart.coverage.set_index("label")["same_genes_as"]
    gone = table.loc[table["status"] == "merged", "merged_into"]
    assert announced[announced != ""].to_dict() == gone.to_dict()
    assert set(gone) <= set(merged.edges["target"])
    assert (table["same_genes_as"] == "").all()
    assert apart.summary["redundant"] == len(gone)
    assert merged.summary["redundant"] == 0
    onto = {apart.coverage.set_index("label")["node"][node]: to for node, to in gone.items()}
    expected = {(onto.get(source, source), onto.get(target, target)) for source, target in pairs(apart.edges)}
    assert pairs(merged.edges) == {(source, target) for source, target in expected if source != target}
    reads = merged.edges.groupby("target")["source"].agg(frozenset)
    assert reads.is_unique, "no two nodes read the same"
