from __future__ import annotations

from itertools import combinations
from math import inf, prod

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch, PathPatch

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.pl._selection import length_of, way
from edge2torch.pl._subnetwork import Wanted, subnetwork


def part_of(adata, **arguments):
    return subnetwork(adata, Wanted(**arguments), "e2t")


def boxes_of(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


def lines_of(ax):
    return [patch for patch in ax.patches if isinstance(patch, PathPatch)]


def names_of(ax):
    """Text in the boxes, in their order, on one line."""
    texts = ax.texts[-len(boxes_of(ax)) :]
    return [text.get_text().removeprefix("\N{BLACK DOWN-POINTING TRIANGLE} ") for text in texts]


def expected_nodes(adata, group, n_nodes, n_genes):
    """The rule of the documentation, for a graph of genes, one layer of pathways, and outputs."""
    ranked = adata.uns["e2t"]["rank_nodes"]
    main = ranked[ranked["group"] == group].nlargest(n_nodes, "score")["node"].tolist()
    score = e2t.get.features(adata)[group]
    genes = set()
    edges = adata.uns["e2t"]["graph"]
    for node in main:
        sources = edges["source"][edges["target"] == node]
        genes |= set(score[sources].sort_index().nlargest(n_genes).index)
    return main, genes


@pytest.mark.parametrize(("group", "n_nodes", "n_genes"), [("0", 5, 3), ("4", 2, 1), ("10", 39, 40)])
def test_shows_the_best_nodes_their_best_genes_and_the_class(hallmark, group, n_nodes, n_genes):
    main, genes = expected_nodes(hallmark, group, n_nodes, n_genes)
    part = part_of(hallmark, group=group, n_nodes=n_nodes, n_genes=n_genes)
    assert set(part.graph) == {*main, *genes, group}
    assert not part.links
    ax = e2t.pl.graph(hallmark, group=group, n_nodes=n_nodes, n_genes=n_genes)
    assert sorted(name.replace("\n", "") for name in names_of(ax)) == sorted(part.graph)


def test_nodes_of_a_group_with_too_few_controls_are_chosen_by_score(everything):
    adata = everything.copy()
    ranked = adata.uns["e2t"]["rank_nodes"].copy()
    of_group = ranked["group"].astype(str) == "2"
    ranked.loc[of_group, "z"] = np.nan
    adata.uns["e2t"]["rank_nodes"] = ranked
    best = {
        group: own.nlargest(3, by)["node"]
        for by, group, own in (("score", "2", ranked[of_group]), ("z", "1", ranked[ranked["group"].astype(str) == "1"]))
    }
    for group, nodes in best.items():
        assert set(part_of(adata, group=group, n_nodes=3).graph) >= set(nodes)
        assert names_of(e2t.pl.graph(adata, group=group, n_nodes=3)) == names_of(
            e2t.pl.graph(adata, group=group, nodes=nodes.tolist())
        )


def test_first_group_by_default(hallmark):
    assert names_of(e2t.pl.graph(hallmark)) == names_of(e2t.pl.graph(hallmark, group="0"))


def test_given_nodes(hallmark):
    ax = e2t.pl.graph(hallmark, group="3", nodes=["HALLMARK_HYPOXIA", "HALLMARK_APOPTOSIS"], n_genes=1)
    assert {name for name in names_of(ax) if "HALLMARK" in name} == {"HALLMARK_HYPOXIA", "HALLMARK_APOPTOSIS"}
    assert names_of(ax)[-1] == "3"


def test_draws_every_edge_among_the_shown_nodes(reactome):
    part = part_of(reactome)
    edges = reactome.uns["e2t"]["graph"]
    among = edges[edges["source"].isin(list(part.graph)) & edges["target"].isin(list(part.graph))]
    expected = dict(zip(zip(among["source"], among["target"], strict=True), among["weight"], strict=True))
    assert part.value == pytest.approx(expected)
    assert len(lines_of(e2t.pl.graph(reactome))) == len(expected)


def test_colour_and_width_of_lines_are_the_weights(hallmark):
    ax = e2t.pl.graph(hallmark, n_nodes=2)
    weights = np.array(sorted(part_of(hallmark, n_nodes=2).value.values(), key=abs))
    width = np.array([line.get_linewidth() for line in lines_of(ax)])
    np.testing.assert_allclose((width - 0.4) / 2.6, np.abs(weights) / np.abs(weights).max(), rtol=1e-6)
    expected = plt.get_cmap("RdBu_r")((weights / np.abs(weights).max() + 1) / 2)
    assert [to_hex(line.get_edgecolor()) for line in lines_of(ax)] == [to_hex(colour) for colour in expected]


def test_colour_of_boxes_is_the_score(hallmark):
    ax = e2t.pl.graph(hallmark, group="5")
    ranked = hallmark.uns["e2t"]["rank_nodes"].query("group == '5'").set_index("node")["score"]
    score = pd.concat([ranked, e2t.get.features(hallmark)["5"]])
    names = [name.replace("\n", "") for name in names_of(ax)]
    shown = score[names[:-1]]
    expected = plt.get_cmap("RdBu_r")((shown / shown.abs().max() + 1) / 2)
    assert [to_hex(box.get_facecolor()) for box in boxes_of(ax)][:-1] == [to_hex(colour) for colour in expected]
    assert to_hex(boxes_of(ax)[-1].get_facecolor()) == to_hex("0.92")


def test_captions(hallmark):
    scores, weights = e2t.pl.graph(hallmark).child_axes
    assert (scores.get_xlabel(), weights.get_xlabel()) == ("mean score (logit)", "edge weight")
    assert [text.get_text() for text in e2t.pl.graph(hallmark).texts[:3]] == ["genes", "layer 1", "class"]


def without_direct_genes(adata):
    table, edges = adata.uns["e2t"]["nodes"], adata.uns["e2t"]["graph"]
    genes = table["node"][table["kind"] == "input"]
    direct = set(edges["target"][edges["source"].isin(genes)])
    return [node for node in table["node"][table["kind"] == "hidden"] if node not in direct]


def test_no_node_hangs_in_the_air(reactome):
    """A node without genes of its own is reached over linking nodes."""
    nodes = without_direct_genes(reactome)[-4:]
    part = part_of(reactome, nodes=nodes, n_genes=2)
    kind = {node: part.kind(node) for node in part.graph}
    assert part.links
    assert part.links.isdisjoint({*nodes, part.output})
    for node in nodes:
        assert any(kind[below] == "input" for below in nx.ancestors(part.graph, node))
    assert all(part.output in nx.descendants(part.graph, node) for node in part.graph if node != part.output)
    ax = e2t.pl.graph(reactome, nodes=nodes, n_genes=2)
    dashed = [box.get_linestyle() != "solid" for box in boxes_of(ax)]
    assert dashed == [node in part.links for node in part.graph]


def test_readout_of_the_top():
    """Where only the top is read, other nodes are shown with the way to the class."""
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "reactome")
    e2t.tl.fit(adata, "bulk_labels", readout="top", max_epochs=2, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=2)
    part = part_of(adata, group="CD19+ B", nodes=["Signaling by the B Cell Receptor (BCR)"])
    assert set(part.graph.pred["CD19+ B"]) <= part.links
    assert nx.has_path(part.graph, "Signaling by the B Cell Receptor (BCR)", "CD19+ B")


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_strongest_way_is_the_one_with_the_largest_product(seed):
    """Against all ways, one by one."""
    rng = np.random.default_rng(seed)
    graph = nx.DiGraph()
    graph.add_nodes_from("abcdefg")
    for u, v in combinations("abcdefg", 2):
        if rng.random() < 0.5:
            graph.add_edge(u, v, weight=float(rng.normal()))
    sources = [node for node in "ab" if nx.has_path(graph, node, "g")]
    if not sources:
        return
    largest = max(abs(weight) for *_, weight in graph.edges(data="weight"))

    def strength(way):
        return prod(abs(graph.edges[edge]["weight"]) / largest for edge in nx.utils.pairwise(way))

    ways = [way for source in sources for way in nx.all_simple_paths(graph, source, "g")]
    found = way(graph, sources, "g", length_of(graph))
    assert strength(found) == pytest.approx(max(map(strength, ways)))
    assert found in ways


def check_readable(ax):
    """Every text is within its box or free of the others, and all of it is within the picture."""
    ax.figure.canvas.draw()
    n = len(boxes_of(ax))
    boxes = [box.get_window_extent() for box in boxes_of(ax)]
    texts = [text.get_window_extent() for text in ax.texts[-n:]]
    for box, text in zip(boxes, texts, strict=True):
        assert box.x0 <= text.x0
        assert text.x1 <= box.x1
        assert box.y0 <= text.y0
        assert text.y1 <= box.y1
    bars = [label for bar in ax.child_axes for label in [*bar.get_xticklabels(), bar.xaxis.label] if label.get_text()]
    free = [*boxes, *[text.get_window_extent() for text in [*ax.texts[:-n], *bars]]]
    free += [bar.get_window_extent() for bar in ax.child_axes]
    assert not [
        (one, other)
        for one, other in combinations(free, 2)
        if one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1
    ]
    inside = ax.get_window_extent()
    assert all(
        inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1 for box in free
    )


@pytest.mark.parametrize("size", [7, 10, 14])
@pytest.mark.parametrize(
    "arguments",
    [
        *[{"group": name} for name in ("CD4+/CD45RA+/CD25- Naive T", "CD19+ B", "Dendritic")],
        {"n_nodes": 1, "n_genes": 1},
        {"n_nodes": 15, "n_genes": 5},
    ],
    ids=str,
)
def test_labels_can_be_read(reactome, arguments, size):
    with plt.rc_context({"font.size": size}):
        ax = e2t.pl.graph(reactome, **arguments)
        check_readable(ax)
    hidden = [text.get_fontsize() for text in ax.texts]
    assert min(hidden) >= 0.69 * size


def test_longest_names_can_be_read(reactome):
    table = reactome.uns["e2t"]["nodes"].query("kind == 'hidden'")
    longest = table.loc[table["label"].str.len().nlargest(8).index, "node"].tolist()
    check_readable(e2t.pl.graph(reactome, nodes=longest))
    check_readable(e2t.pl.graph(reactome, nodes=without_direct_genes(reactome)[-6:]))


def test_letters_are_fitted_into_given_axes(reactome):
    figure, axes = plt.subplots(2, 2, figsize=(16, 9))
    for ax in axes.flat:
        check_readable(e2t.pl.graph(reactome, ax=ax))
    check_readable(e2t.pl.graph(reactome, figsize=(6, 6)))
    assert figure.axes == list(axes.flat)


def test_a_class_that_is_not_a_group(hallmark):
    adata = hallmark.copy()
    e2t.tl.interpret(adata, n_steps=2, groupby="phase")
    with pytest.raises(Edge2TorchError, match="group 'G1' is not a class of the model: pass target="):
        e2t.pl.graph(adata)
    ax = e2t.pl.graph(adata, group="S", target="3", n_nodes=2)
    check_readable(ax)
    assert names_of(ax)[-1] == "3"
    assert ax.child_axes[0].get_xlabel() == "mean score (logit)\nin S"


def test_one_class_explained_in_all_cells(hallmark):
    adata = hallmark.copy()
    e2t.tl.interpret(adata, n_steps=2, target="7")
    assert names_of(e2t.pl.graph(adata, group="2"))[-1] == "7"
    with pytest.raises(Edge2TorchError, match="no gene has a score for '2': run"):
        e2t.pl.graph(adata, group="2", target="2")


def test_names_are_no_formulas(hallmark):
    adata = hallmark.copy()
    table = adata.uns["e2t"]["nodes"].copy()
    first = table.index[table["kind"] == "hidden"][0]
    table.loc[first, "label"] = r"$\frac{1}{$ α_β"
    adata.uns["e2t"]["nodes"] = table
    ax = e2t.pl.graph(adata, nodes=table.loc[first, "node"])
    assert r"$\frac{1}{$ α_β" in names_of(ax)
    check_readable(ax)


def test_same_picture_each_time(reactome):
    texts = [[(text.get_position(), text.get_text()) for text in e2t.pl.graph(reactome).texts] for _ in range(2)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": "T"}, "1 of 1 group do not exist: 'T'; there are '0', '1'"),
        ({"target": "T"}, "1 of 1 target do not exist: 'T'; there are '0', '1'"),
        ({"nodes": ["HALLMARK_HYPOXIA", "LYZ"]}, "1 of 2 nodes do not exist: 'LYZ'; there are 'HALLMARK_"),
        ({"n_nodes": 0}, "n_nodes=0 must be a whole number of at least 1"),
        ({"n_genes": 0}, "n_genes=0 must be a whole number of at least 1"),
        ({"n_genes": inf}, "n_genes=inf must be"),
    ],
)
def test_bad_input(hallmark, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.pl.graph(hallmark, **arguments)
    assert not plt.get_fignums()
