"""Null graphs keep what they say they keep, and are drawn evenly from all that do."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import chain, combinations, pairwise, product

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from edge2torch import Edge2TorchError
from edge2torch.graph import Graph
from edge2torch.graph.rewire import rewire

random_graphs = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
KINDS = ("degree", "targets", "layers")
each_kind = pytest.mark.parametrize("kind", KINDS)
seeds = st.integers(0, 2**32 - 1)


def edges(text: str) -> pd.DataFrame:
    return pd.DataFrame([pair.split(">") for pair in text.split()], columns=["source", "target"])


def pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["source"], table["target"], strict=True))


def inputs(table: pd.DataFrame) -> set[str]:
    return set(table["source"]) - set(table["target"])


def layers(table: pd.DataFrame) -> dict[str, int]:
    """By definition: longest paths without cycles, else breadth first, and after all others what is not reached."""
    graph = nx.DiGraph(pairs(table))
    layer: dict[str, int] = {}
    if nx.is_directed_acyclic_graph(graph):
        for node in nx.topological_sort(graph):
            layer[node] = max((layer[above] + 1 for above in graph.predecessors(node)), default=0)
        return layer
    layer = {node: k for k, nodes in enumerate(nx.bfs_layers(graph, inputs(table))) for node in nodes}
    return layer | dict.fromkeys(set(graph) - set(layer), max(layer.values()) + 1)


def reads(table: pd.DataFrame, of: set[str]) -> Counter[tuple[str, bool]]:
    """How many inputs, and how many nodes, each node reads; ``of`` are the inputs."""
    return Counter((target, source in of) for source, target in pairs(table))


@st.composite
def any_edges(draw: st.DrawFn, acyclic: st.SearchStrategy[pd.DataFrame], directed: st.SearchStrategy[pd.DataFrame]):
    """Graphs with and without cycles, that have inputs, with other columns, and an index that says nothing."""
    drawn = draw(st.one_of(acyclic, directed.filter(lambda table: bool(inputs(table)))))
    n = len(drawn)
    words = st.lists(st.sampled_from(["unconstrained", "positive"]), min_size=n, max_size=n)
    drawn = drawn.assign(row=np.arange(n), constraint=draw(words), prior="p")
    return drawn.set_axis(np.arange(n) * 3 + 7)


def draw_both(data, acyclic_edges, directed_edges, kind):
    """Draw a graph and rewire it; nothing, if inputs cannot be made to reach all nodes."""
    drawn, seed = data.draw(any_edges(acyclic_edges, directed_edges)), data.draw(seeds)
    if kind == "layers" or nx.is_directed_acyclic_graph(nx.DiGraph(pairs(drawn))):
        return drawn, rewire(drawn, kind, seed)
    with suppress(Edge2TorchError):
        return drawn, rewire(drawn, kind, seed)
    return drawn, drawn


@each_kind
@random_graphs
@given(data=st.data())
def test_what_all_kinds_keep(data, acyclic_edges, directed_edges, kind):
    before, after = draw_both(data, acyclic_edges, directed_edges, kind)
    assert len(set(pairs(after))) == len(pairs(after)) == len(before)
    assert list(after.columns) == list(before.columns)
    for column in before.columns.drop(["source", "target"]):
        assert after[column].tolist() == before[column].tolist()
    loops = [pair for pair in pairs(before) if pair[0] == pair[1]]
    assert [pair for pair in pairs(after) if pair[0] == pair[1]] == loops
    assert inputs(after) <= inputs(before)
    hidden = set(before["target"])
    assert set(after["target"]) == hidden
    assert [s in hidden for s in after["source"]] == [s in hidden for s in before["source"]]
    assert set(after["source"]) - hidden == inputs(after)
    layer = layers(before)
    if nx.is_directed_acyclic_graph(nx.DiGraph(pairs(before))):
        assert all(layer[source] < layer[target] for source, target in pairs(after))
        Graph.from_edgelist(after)
    else:  # what was reached is reached
        lost = set(nx.bfs_tree(join(before), "*")) - set(nx.bfs_tree(join(after), "*"))
        assert lost <= inputs(before)


def join(table: pd.DataFrame) -> nx.DiGraph:
    """With one node that feeds all inputs."""
    return nx.DiGraph([*pairs(table), *(("*", node) for node in inputs(table))])


@pytest.mark.parametrize("kind", ["degree", "targets"])
@random_graphs
@given(data=st.data())
def test_nodes_read_as_many_as_before(data, acyclic_edges, directed_edges, kind):
    before, after = draw_both(data, acyclic_edges, directed_edges, kind)
    assert after["target"].tolist() == before["target"].tolist()
    assert reads(after, inputs(before)) == reads(before, inputs(before))


@random_graphs
@given(data=st.data())
def test_degree_keeps_how_often_nodes_are_read(data, acyclic_edges, directed_edges):
    before, after = draw_both(data, acyclic_edges, directed_edges, "degree")
    assert Counter(after["source"]) == Counter(before["source"])
    one, two = nx.DiGraph(pairs(before)), nx.DiGraph(pairs(after))
    assert dict(one.in_degree) == dict(two.in_degree)
    assert dict(one.out_degree) == dict(two.out_degree)


@random_graphs
@given(data=st.data())
def test_layers_keeps_layers(data, acyclic_edges, directed_edges):
    before, after = draw_both(data, acyclic_edges, directed_edges, "layers")
    layer = layers(before)
    assert [(layer[s], layer[t]) for s, t in pairs(after)] == [(layer[s], layer[t]) for s, t in pairs(before)]
    # every node is there, where it was; but a graph with cycles may have lost them all
    if nx.is_directed_acyclic_graph(nx.DiGraph(pairs(before))):
        assert layers(after) == layer
    else:
        graph = join(after)
        distance = nx.single_source_shortest_path_length(graph, "*")
        apart = set(layer) - set(nx.bfs_tree(join(before), "*"))
        assert set(graph) - {"*"} == set(layer)
        assert {node: distance[node] - 1 for node in distance if node != "*"} == {
            node: k for node, k in layer.items() if node not in apart
        }


@each_kind
@random_graphs
@given(data=st.data(), seed=seeds)
def test_the_same_seed_gives_the_same(data, acyclic_edges, kind, seed):
    drawn = data.draw(acyclic_edges)
    given_before, state = drawn.copy(), np.random.get_state()  # noqa: NPY002 - what must stay
    one, two = rewire(drawn, kind, seed), rewire(drawn, kind, np.uint32(seed))
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(drawn, given_before)
    after = np.random.get_state()  # noqa: NPY002
    assert after[2:] == state[2:]
    np.testing.assert_array_equal(after[1], state[1])


def regulons(n_genes: int = 300, n_nodes: int = 40, seed: int = 0, readers: int = 20) -> pd.DataFrame:
    """Genes, nodes of 10 to 60 genes, and nodes above them."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"g{gene}", f"n{node}")
        for node in range(n_nodes)
        for gene in rng.choice(n_genes, rng.integers(10, 60), replace=False)
    ]
    rows += [(f"n{node}", f"t{top}") for top in range(readers) for node in rng.choice(n_nodes, 5, replace=False)]
    return pd.DataFrame(rows, columns=["source", "target"])


@each_kind
def test_another_seed_gives_another(kind):
    table = regulons()
    assert pairs(rewire(table, kind, 0)) != pairs(rewire(table, kind, 1))


def same(one: pd.DataFrame, two: pd.DataFrame) -> int:
    return len(set(pairs(one)) & set(pairs(two)))


def test_targets_are_drawn_from_all_sources_alike():
    """Of k inputs that a node reads out of n, k * k / n are expected to be the same."""
    table = regulons()
    genes = table[table["source"].str.startswith("g")]
    k = genes["target"].value_counts().to_numpy()
    n = genes["source"].nunique()
    found = [same(genes, rewire(table, "targets", seed)) for seed in range(40)]
    share = k / n
    variance = (k * share * (1 - share) * (n - k) / (n - 1)).sum()  # hypergeometric
    assert abs(np.mean(found) - (k * share).sum()) < 4 * np.sqrt(variance / len(found))


def test_degree_forgets_the_graph():
    """Of the edges, as many are the same as between two independent draws."""
    table = regulons()
    drawn = [rewire(table, "degree", seed) for seed in range(30)]
    from_start = np.array([same(table, one) for one in drawn])
    between = np.array([same(one, two) for one, two in pairwise(drawn)])
    error = np.sqrt(from_start.var() / from_start.size + between.var() / between.size)
    assert abs(from_start.mean() - between.mean()) < 4 * error
    assert from_start.mean() < 0.2 * len(table)


def all_graphs(table: pd.DataFrame, kind: str) -> set[frozenset[tuple[str, str]]]:
    """Every graph that ``rewire`` may return, found by trying all sources for every node."""
    layer, of, graph = layers(table), inputs(table), nx.DiGraph(pairs(table))
    acyclic, hidden = nx.is_directed_acyclic_graph(graph), set(table["target"])
    reached = set(nx.bfs_tree(join(table), "*")) & hidden
    choices = []
    for node in sorted(hidden):
        below = sorted(other for other in hidden - {node} if layer[other] < layer[node] or not acyclic)
        own = set(graph.predecessors(node)) - {node}
        loop = [node] if graph.has_edge(node, node) else []
        of_inputs, of_nodes = combinations(sorted(of), len(own & of)), combinations(below, len(own - of))
        choices.append([[(other, node) for other in (*one, *two, *loop)] for one, two in product(of_inputs, of_nodes)])
    found = set()
    for chosen in product(*choices):
        made = list(chain(*chosen))
        if kind == "degree" and Counter(source for source, _ in made) != Counter(table["source"]):
            continue
        if reached <= set(nx.bfs_tree(nx.DiGraph([*made, *(("*", node) for node in of)]), "*")):
            found.add(frozenset(made))
    return found


SMALL = {
    "one layer": "a>T b>T a>U c>V",
    "a hub": "a>T b>T c>T d>T a>U a>V b>W",
    "skipping layers": "a>T b>U T>V U>W T>W V>X U>X",
    "a chain of layers": "a>T a>U a>V T>W U>W W>X V>X W>Y T>Y",
    "a cycle of three": "g>a a>b b>c c>a",
    "cycles": "g>a h>b a>b b>c c>a c>d d>b",
    "a self loop": "g>a a>b b>a b>c c>d d>a a>c c>c",
}


@pytest.mark.parametrize("kind", ["degree", "targets"])
@pytest.mark.parametrize("name", SMALL)
def test_all_graphs_are_equally_frequent(name, kind):
    table = edges(SMALL[name])
    possible = all_graphs(table, kind)
    assert len(possible) > 1
    n = max(200, 8 * len(possible))
    counts = Counter(frozenset(pairs(rewire(table, kind, seed))) for seed in range(n))
    assert set(counts) <= possible
    assert chisquare([counts[graph] for graph in possible]).pvalue > 1e-4


@pytest.mark.parametrize("text", ["a>T", "a>T b>T a>U b>U", "a>T T>U", "a>a g>a"])
@each_kind
def test_a_graph_of_one_form_comes_back(text, kind):
    table = edges(text)
    for seed in range(5):
        assert set(pairs(rewire(table, kind, seed))) == set(pairs(table))


def test_layers_gives_other_degrees_and_keeps_all_nodes():
    table = regulons()
    drawn = rewire(table, "layers", 0)
    assert set(drawn["source"]) | set(drawn["target"]) == set(table["source"]) | set(table["target"])
    before, after = (x["target"].value_counts().reindex(table["target"].unique()) for x in (table, drawn))
    assert (before != after).any()
    genes = drawn["source"].str.startswith("g")
    # about Poisson, as edges are drawn evenly, where the regulons differ in size a lot
    assert after.filter(like="n").var() < 0.5 * before.filter(like="n").var()
    assert genes.sum() == table["source"].str.startswith("g").sum()


def test_layers_covers_all_inputs_with_no_edge_to_spare():
    """As many edges as inputs, into two layers: each input has one edge, and each node of the first layer reads one."""
    table = edges("a>T b>U c>U d>V T>V U>V")
    for seed in range(50):
        drawn = rewire(table, "layers", seed)
        assert set(drawn["source"]) == set("abcdTU")
        assert layers(drawn) == layers(table)


@pytest.mark.parametrize("dtype", ["category", "string", object])
def test_types_of_names(dtype):
    table = edges("a>T b>T a>U c>V").astype(dtype)
    assert set(rewire(table)["source"]) == set("abc")


WRONG = {
    "kind": ({"kind": "degrees"}, ["kind='degrees'", "'targets'"]),
    "no kind": ({"kind": None}, ["kind=None"]),
    "seed": ({"random_state": -1}, ["random_state=-1"]),
    "no seed": ({"random_state": None}, ["random_state=None"]),
    "no edges": ({"edges": edges("a>b").iloc[:0]}, ["no rows"]),
    "repeated": ({"edges": edges("a>b a>b")}, ["repeated", "a -> b"]),
    "no inputs": ({"edges": edges("a>b b>a")}, ["no inputs"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors(case):
    wrong, words = WRONG[case]
    with pytest.raises(Edge2TorchError) as error:
        rewire(**{"edges": edges("a>b"), **wrong})
    for word in words:
        assert word in str(error.value)
