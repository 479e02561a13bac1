from __future__ import annotations

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch, PathPatch

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.pl._picture import arrange
from edge2torch.pl._streams import FROM, TO, streams
from edge2torch.pl._subnetwork import Wanted


def part_of(adata, **arguments):
    return streams(adata, Wanted(**arguments), "e2t")


@pytest.fixture(scope="module")
def layers(reactome):
    """Reactome with scores of edges."""
    adata = reactome.copy()
    e2t.tl.interpret(adata, n_steps=20, edges=True)
    return adata


@pytest.mark.parametrize("group", ["CD19+ B", "Dendritic"])
def test_as_much_flows_into_a_node_as_out_of_it(layers, group):
    """Both are the score of the node, which comes from another function."""
    part = part_of(layers, group=group, n_nodes=6, n_genes=2)
    ranked = layers.uns["e2t"]["rank_nodes"]
    score = ranked[ranked["group"].astype(str) == group].set_index("node")["score"]
    for node in part.graph:
        if part.kind(node) != "hidden":
            continue
        into = sum(part.value[edge] for edge in part.graph.in_edges(node))
        out_of = sum(part.value[edge] for edge in part.graph.out_edges(node))
        assert into == pytest.approx(score[node], rel=2e-2, abs=2e-3)
        assert out_of == pytest.approx(score[node], rel=2e-2, abs=2e-3)


def test_shows_the_best_nodes_and_the_genes_that_give_them_most(everything):
    part = part_of(everything, group="4", n_nodes=3, n_genes=2)
    best = e2t.get.rank_nodes(everything, "4")["node"].head(3).tolist()
    table = e2t.get.edges(everything)
    table = table[table["group"] == "4"]
    genes = set()
    for node in best:
        into = table[table["target"] == node].set_index("source")["score"].abs()
        genes |= set(into.nlargest(2).index)
    assert set(part.graph) - {FROM, TO} == {*best, *genes, "4"}
    others = table[table["target"].isin(best) & ~table["source"].isin(genes)]
    assert part.label(FROM) == f"{others['source'].nunique()} other genes"
    for node in best:
        expected = others.loc[others["target"] == node, "score"].sum()
        assert part.value[FROM, node] == pytest.approx(expected, abs=1e-6)


def test_heights_of_ribbons_are_scores(everything):
    part = part_of(everything, group="4")
    ax = e2t.pl.flow(everything, group="4")
    ribbons = [patch for patch in ax.patches if isinstance(patch, PathPatch) and not isinstance(patch, FancyBboxPatch)]
    start = [np.ptp(ribbon.get_path().vertices[[0, -2], 1]) for ribbon in ribbons]
    value = sorted(part.value.values(), key=lambda value: -abs(value))
    np.testing.assert_allclose(np.array(start) / start[0], np.abs(value) / abs(value[0]), rtol=1e-6)
    assert [ribbon.get_hatch() is not None for ribbon in ribbons] == [one < 0 for one in value]


def test_ribbons_share_the_side_of_a_box(layers):
    """Side by side, and none beyond the box."""
    part = part_of(layers, group="Dendritic", n_nodes=8)
    thickness = {edge: abs(value) for edge, value in part.value.items()}
    picture = arrange(part, thickness)
    for node, box in picture.boxes.items():
        for edges, end in ((part.graph.in_edges(node), -1), (part.graph.out_edges(node), 0)):
            spans = sorted((picture.lines[edge][end][1], thickness[edge] / 2) for edge in edges)
            for (y0, half0), (y1, half1) in pairwise(spans):
                assert y1 - y0 == pytest.approx(half0 + half1)
            for y, half in spans:
                assert abs(y - box.y) + half <= box.height / 2 + 1e-9


def test_everything_is_within_the_picture(layers):
    for size in (7, 14):
        with plt.rc_context({"font.size": size}):
            ax = e2t.pl.flow(layers, group="CD4+/CD45RA+/CD25- Naive T", n_nodes=8)
            ax.figure.canvas.draw()
            inside = ax.get_window_extent()
            for one in [*ax.texts, *ax.patches]:
                box = one.get_window_extent()
                assert inside.x0 - 1 <= box.x0
                assert box.x1 <= inside.x1 + 1
                assert inside.y0 - 1 <= box.y0
                assert box.y1 <= inside.y1 + 1


def test_without_scores_of_edges(hallmark):
    with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.interpret with edges=True first"):
        e2t.pl.flow(hallmark)


def test_groups_without_scores_of_edges(everything):
    adata = everything.copy()
    e2t.tl.rank_nodes(adata, "phase", n_steps=2, n_cells=10)
    with pytest.raises(Edge2TorchError, match="edges have scores in groups of 'louvain', nodes in those of 'phase'"):
        e2t.pl.flow(adata, group="G1", target="3")


def test_scores_of_edges_that_are_missing(everything):
    adata = everything.copy()
    adata.uns["e2t"]["edge_scores"] = {**adata.uns["e2t"]["edge_scores"]}
    adata.uns["e2t"]["edge_scores"]["score"] = np.full_like(adata.uns["e2t"]["edge_scores"]["score"], np.nan)
    with pytest.raises(Edge2TorchError, match="some edges have NaN for a score"):
        e2t.pl.flow(adata)
