"""What is negative carries a mark that is no colour, so that prints without colours can be read."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import PathPatch

import edge2torch as e2t

TRIANGLE = "\N{BLACK DOWN-POINTING TRIANGLE}"


def test_lines_of_the_graph_are_dashed(hallmark):
    ax = e2t.pl.graph(hallmark, group="5", n_nodes=4)
    lines = [patch for patch in ax.patches if isinstance(patch, PathPatch) and patch.get_facecolor()[3] == 0]
    cmap = plt.get_cmap("RdBu_r")
    blue = [line.get_edgecolor()[2] > line.get_edgecolor()[0] for line in lines]
    assert cmap(0.0)[2] > cmap(0.0)[0]
    assert 0 < sum(blue) < len(lines)
    assert [line.get_linestyle() != "solid" for line in lines] == blue


def test_names_of_the_graph_have_a_triangle(hallmark):
    ax = e2t.pl.graph(
        hallmark, group="5", nodes=hallmark.uns["e2t"]["nodes"].query("kind == 'hidden'")["node"].tolist()[:8]
    )
    ranked = hallmark.uns["e2t"]["rank_nodes"].query("group == '5'").set_index("node")["score"]
    texts = [text.get_text().replace("\n", "") for text in ax.texts]
    scores = {name: ranked[name.removeprefix(TRIANGLE).strip()] for name in texts if "HALLMARK" in name}
    marked = {name for name in scores if name.startswith(TRIANGLE)}
    assert 0 < len(marked) < len(scores)
    assert marked == {name for name, score in scores.items() if score < 0}


def test_dots_have_a_minus(hallmark):
    ax = e2t.pl.nodes(hallmark, kind="dot", n_nodes=3)
    dots, minus = ax.collections[:2]
    values = np.ma.asarray(dots.get_array())
    places = {tuple(place) for place in minus.get_offsets()}
    low = values < -0.03 * dots.get_clim()[1]
    assert 0 < low.sum() < low.size
    assert places == {tuple(place) for place in dots.get_offsets()[low]}


def test_matrix_of_perturbations_is_hatched(everything):
    ax = e2t.pl.perturb(everything)
    shape = len(ax.get_yticks()), len(ax.get_xticks())
    values = np.ma.filled(np.ma.asarray(ax.collections[0].get_array(), dtype=float), 0).reshape(shape)
    pale = 0.03 * np.abs(ax.collections[0].get_clim()).max()
    rarer = min((values > pale, values < -pale), key=np.sum)
    hatched = {tuple(map(int, patch.get_xy())) for patch in ax.patches if patch.get_hatch()}
    assert hatched == {(column, row) for row, column in zip(*np.nonzero(rarer), strict=True)}
