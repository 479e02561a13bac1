from __future__ import annotations

from itertools import combinations, pairwise
from math import prod

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.pl._selection import along, strongest
from edge2torch.pl._subnetwork import Wanted, subnetwork


def part_of(adata, **arguments):
    return subnetwork(adata, Wanted(**arguments), "e2t")


def random_graph(seed, names="abcdefg"):
    rng = np.random.default_rng(seed)
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    for u, v in combinations(names, 2):
        if rng.random() < 0.6:
            graph.add_edge(u, v, weight=float(rng.normal()))
    return graph


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_paths_are_the_strongest(seed, n_paths):
    """Against all paths, one by one."""
    graph = random_graph(seed)
    ways = list(nx.all_simple_paths(graph, "a", "g"))
    if not ways:
        with pytest.raises(Edge2TorchError, match="no path leads from 'a' to 'g'"):
            along(graph, ["a", "g"], n_paths)
        return
    largest = max(abs(weight) for *_, weight in graph.edges(data="weight"))
    ways.sort(key=lambda way: -prod(abs(graph.edges[edge]["weight"]) / largest for edge in pairwise(way)))
    expected = {edge for way in ways[:n_paths] for edge in pairwise(way)}
    assert along(graph, ["a", "g"], n_paths).edges == expected


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_thinning(seed, n_edges):
    """The strongest edges are kept, and the strongest into and out of each node; no more than that."""
    graph = random_graph(seed)
    value = {edge: graph.edges[edge]["weight"] for edge in graph.edges}
    kept = strongest(value, n_edges)
    needed = set()
    for node in graph:
        for side in (list(graph.in_edges(node)), list(graph.out_edges(node))):
            if side:
                needed.add(max(side, key=lambda edge: abs(value[edge])))
    assert needed <= kept <= set(value)
    assert len(kept) == min(len(value), max(n_edges, len(needed)))
    left_out = [abs(value[edge]) for edge in set(value) - kept]
    optional = [abs(value[edge]) for edge in kept - needed]
    if left_out and optional:
        assert max(left_out) <= min(optional)


def scores(adata, group):
    ranked = adata.uns["e2t"]["rank_nodes"]
    return ranked[ranked["group"].astype(str) == group].set_index("node")["score"]


def test_around_a_node(reactome):
    edges = reactome.uns["e2t"]["graph"]
    group = "Dendritic"
    hidden, genes = scores(reactome, group), e2t.get.features(reactome)[group]
    among = edges[edges["source"].isin(hidden.index) & edges["target"].isin(hidden.index)]
    node = among["target"].value_counts().index[0]
    part = part_of(reactome, group=group, around=node, n_nodes=2, n_genes=3)
    sources = edges["source"][edges["target"] == node]
    targets = edges["target"][edges["source"] == node]
    expected = {node, group}
    expected |= set(genes[sources[sources.isin(genes.index)]].sort_index().nlargest(3).index)
    for side in (sources, targets):
        expected |= set(hidden[side[side.isin(hidden.index)]].sort_index().nlargest(2).index)
    assert set(part.graph) - part.links == expected
    assert nx.has_path(part.graph, node, group)


def test_around_a_gene(reactome):
    edges = reactome.uns["e2t"]["graph"]
    gene = edges["source"].value_counts().filter(items=reactome.var_names).index[0]
    part = part_of(reactome, group="Dendritic", around=gene, n_nodes=4)
    targets = edges["target"][edges["source"] == gene]
    best = scores(reactome, "Dendritic")[targets].nlargest(4).index
    assert set(best) <= set(part.graph)
    assert all(nx.has_path(part.graph, node, "Dendritic") for node in best)


def test_path_leads_on_to_the_class(reactome):
    edges = reactome.uns["e2t"]["graph"]
    gene = edges["source"].value_counts().filter(items=reactome.var_names).index[0]
    node = edges["target"][edges["source"] == gene].iloc[0]
    short, full = (
        part_of(reactome, group="Dendritic", path=path) for path in ([gene, node], [gene, node, "Dendritic"])
    )
    assert list(short.graph.edges) == list(full.graph.edges)
    assert short.output == "Dendritic"
    on_the_way = nx.descendants(short.graph, gene) | {gene}
    assert on_the_way == set(short.graph)


def test_path_says_which_class(reactome):
    gene = reactome.uns["e2t"]["graph"]["source"].value_counts().filter(items=reactome.var_names).index[0]
    part = part_of(reactome, path=[gene, "CD19+ B"], n_paths=1)
    assert part.output == "CD19+ B"
    assert nx.is_path(part.graph, list(nx.topological_sort(part.graph)))


def test_edge_scores(everything):
    part = part_of(everything, group="3", edges="score")
    table = e2t.get.edges(everything)
    table = table[table["group"] == "3"].set_index(["source", "target"])["score"]
    assert part.value == pytest.approx(table[list(part.value)].to_dict())
    caption = e2t.pl.graph(everything, group="3", edges="score").child_axes[1].get_xlabel()
    assert caption == "mean score of edge (logit)"


def test_sizes(everything):
    reach = part_of(everything, group="3", size="reach").size
    table = everything.uns["e2t"]["nodes"].set_index("node")["n_inputs"]
    assert reach.of == table[list(reach.of)].to_dict()
    assert f"largest: {max(reach.of.values()):.0f}" in reach.caption
    activation = part_of(everything, group="3", size="activation").size
    states = e2t.get.nodes(everything, of="activations").to_df()
    here = everything.obs["louvain"] == "3"
    shift = ((states[here.to_numpy()].mean() - states.mean()) / states.std(ddof=0)).abs()
    genes = everything.to_df()
    shift_of_genes = ((genes[here.to_numpy()].mean() - genes.mean()) / genes.std(ddof=0)).abs()
    for node, size in activation.of.items():
        assert size == pytest.approx({**shift, **shift_of_genes}[node], rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"around": "TCF"}, "around: there is no node 'TCF'"),
        ({"around": "Dendritic", "group": "Dendritic"}, "is the output that is shown anyway"),
        ({"path": ["nonsense", "Dendritic"]}, "path: there is no node 'nonsense'"),
        ({"path": "CD79A"}, r"path must be a list of names, such as \[gene, node, class\]"),
        ({"path": []}, "path must be a list of names"),
        ({"path": ["Dendritic", "Signal Transduction"]}, "no path leads from 'Dendritic' to 'Signal Transduction'"),
        ({"path": ["CD79A"], "around": "CD79A"}, "around and path each say which nodes are shown: pass one of them"),
        ({"edges": "weights"}, "edges"),
        ({"edges": "score"}, "run e2t.tl.interpret with edges=True first"),
        ({"size": "degree"}, "size"),
        ({"n_edges": 0}, "n_edges"),
        ({"n_paths": 0.5}, "n_paths"),
    ],
    ids=str,
)
def test_bad_input(reactome, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.pl.graph(reactome, **arguments)


def test_activations_need_groups_of_cells(everything):
    adata = everything.copy()
    del adata.obs["louvain"]
    with pytest.raises(Edge2TorchError, match=r"adata\.obs has no column 'louvain'"):
        e2t.pl.graph(adata, size="activation")


def test_all_nodes_of_a_large_choice(hallmark):
    part = part_of(hallmark, n_nodes=100_000, n_genes=100_000)
    assert sum(part.kind(node) == "hidden" for node in part.graph) == 39
    assert len(part.value) < part.n_edges
    notes = [text.get_text() for text in e2t.pl.graph(hallmark, n_nodes=39, n_genes=50).texts]
    assert any(note.endswith("edges: the strongest, and the strongest into and out of each node") for note in notes)
