"""``pl.nodes(kind="dot")``: colours are values, sizes say how sure they are."""

from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

import edge2torch as e2t
from edge2torch import Edge2TorchError


def drawn(ax):
    """Rows, columns, colour values, sizes and rims of the dots."""
    dots = ax.collections[0]  # then the signs of negative ones
    shape = len(ax.get_yticks()), len(ax.get_xticks())
    rims = np.array([to_hex(colour) == "#000000" for colour in dots.get_edgecolor()]).reshape(shape)
    return np.asarray(dots.get_array()).reshape(shape), dots.get_sizes().reshape(shape), rims


def rows(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def columns_of(adata, value):
    table = e2t.get.rank_nodes(adata).pivot_table(index="label", columns="group", values=value)
    return table.loc[:, adata.obs["louvain"].cat.categories]


@pytest.mark.parametrize("values", ["score", "z"])
def test_after_the_ranking_sizes_are_p_values_and_the_best_are_those_of_z(everything, values):
    ax = e2t.pl.nodes(everything, kind="dot", values=values, n_nodes=3)
    colours, sizes, rims = drawn(ax)
    np.testing.assert_allclose(colours, columns_of(everything, values).loc[rows(ax)], rtol=1e-6)
    padj = columns_of(everything, "padj").loc[rows(ax)].to_numpy()
    order = np.argsort(padj.ravel())
    assert (np.diff(sizes.ravel()[order]) <= 1e-9).all()
    z = columns_of(everything, "z")
    best = z.rank(ascending=False, method="min").loc[rows(ax)].to_numpy() <= 3
    assert (rims <= best).all()  # some may be equally good
    assert (rims.sum(axis=0) == 3).all()
    (bar,) = ax.child_axes
    assert bar.get_ylabel() == {"score": "mean score (logit)", "z": "z"}[values]
    assert [text.get_text() for text in bar.texts] == ["○ top 3 by z"]
    assert ax.get_legend().get_title().get_text() == "padj"


def test_without_controls_sizes_are_shares_of_cells(hallmark):
    ax = e2t.pl.nodes(hallmark, kind="dot", groupby="bulk_labels", n_nodes=2)
    colours, sizes, _ = drawn(ax)
    scores = e2t.get.nodes(hallmark).to_df()[rows(ax)]
    groups = hallmark.obs["bulk_labels"]
    np.testing.assert_allclose(colours, scores.groupby(groups, observed=True).mean().T, rtol=1e-4, atol=1e-6)
    share = (scores > 0).groupby(groups, observed=True).mean().T.to_numpy()
    handles = ax.get_legend().legend_handles
    whole = handles[-1].get_markersize() ** 2
    large = share > 0.1
    np.testing.assert_allclose(sizes[large], (share * whole)[large], rtol=1e-6)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["25%", "50%", "75%", "100%"]
    assert handles[0].get_markersize() ** 2 == pytest.approx(whole / 4)


def test_without_scores_of_cells_sizes_are_scores(hallmark):
    adata = hallmark.copy()
    e2t.tl.interpret(adata, n_steps=2, per_cell=False)
    ax = e2t.pl.nodes(adata, kind="dot", n_nodes=2)
    colours, sizes, _ = drawn(ax)
    order = np.argsort(np.abs(colours).ravel())
    assert (np.diff(sizes.ravel()[order]) >= -1e-9).all()
    assert ax.get_legend().get_title().get_text() == "|mean score|"


def test_the_matrix_shows_the_best_by_z_too(everything):
    one, two = (e2t.pl.nodes(everything, kind=kind, n_nodes=3) for kind in ("matrix", "dot"))
    assert rows(one) == rows(two)
    assert [text.get_text() for text in one.child_axes[0].texts] == ["• top 3 by z"]
    e2t.pl.nodes(everything, values="z")


@pytest.mark.parametrize("size", [7, 14])
@pytest.mark.parametrize("arguments", [{"n_nodes": 1, "groups": "Dendritic"}, {"n_nodes": 4}, {"n_nodes": 60}], ids=str)
def test_labels_can_be_read(reactome, arguments, size):
    with plt.rc_context({"font.size": size}):
        ax = e2t.pl.nodes(reactome, kind="dot", **arguments)
        ax.figure.canvas.draw()
    legend, (bar,) = ax.get_legend(), ax.child_axes
    low, high = bar.get_ylim()
    ticks = [label for label in bar.get_yticklabels() if low <= label.get_position()[1] <= high]
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, bar.yaxis.label, *bar.texts, *ticks]
    boxes = [text.get_window_extent() for text in [*texts, *legend.get_texts(), legend.get_title()] if text.get_text()]
    assert not any(one.padded(-0.5).overlaps(other.padded(-0.5)) for one, other in combinations(boxes, 2))
    frame, matrix = ax.figure.bbox.padded(1), ax.get_window_extent()
    assert all(frame.contains(*corner) for box in boxes for corner in (box.min, box.max))
    assert not any(box.padded(-1).overlaps(matrix) for box in boxes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "violin"}, "kind='violin' is unknown; the choices are 'matrix', 'dot'"),
        ({"values": "padj"}, "values='padj' is unknown; the choices are 'score', 'z'"),
        ({"values": "z"}, r"values='z': these groups were not compared with controls; run e2t\.tl\.rank_nodes"),
    ],
)
def test_bad_input(hallmark, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.pl.nodes(hallmark, kind=arguments.pop("kind", "dot"), **arguments)
    assert not plt.get_fignums()


def test_groups_that_were_not_compared_have_no_best_by_z(everything):
    adata = everything.copy()
    adata.uns["e2t"]["rank_nodes"] = adata.uns["e2t"]["rank_nodes"].assign(z=np.nan)
    with pytest.raises(Edge2TorchError, match="no group has a node to show"):
        e2t.pl.nodes(adata)
