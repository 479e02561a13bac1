from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import edge2torch as e2t
from edge2torch import Edge2TorchError


def means(adata, groupby):
    """Mean scores straight from the matrix, groups x nodes."""
    scores = e2t.get.nodes(adata)
    groups = adata.obs[groupby].astype("category").cat.categories
    rows = [scores.X[(adata.obs[groupby] == group).to_numpy()].mean(axis=0) for group in groups]
    return pd.DataFrame(rows, index=groups.astype(str), columns=scores.var_names)


def drawn(ax):
    """The matrix in the picture, with the labels on its sides."""
    mesh = ax.collections[0]
    rows = [label.get_text() for label in ax.get_yticklabels()]
    columns = [label.get_text() for label in ax.get_xticklabels()]
    return pd.DataFrame(np.asarray(mesh.get_array()).reshape(len(rows), len(columns)), index=rows, columns=columns)


def dots(ax):
    """Row and column of the cells with a dot."""
    return {(int(y), int(x)) for x, y in ax.collections[1].get_offsets()}


@pytest.mark.parametrize("groupby", [None, "bulk_labels", "louvain"])
def test_draws_the_means(hallmark, groupby):
    expected = means(hallmark, groupby or "louvain")
    matrix = drawn(e2t.pl.nodes(hallmark, groupby=groupby, n_nodes=100))
    assert matrix.columns.tolist() == expected.index.tolist()
    assert sorted(matrix.index) == sorted(expected.columns)
    np.testing.assert_allclose(matrix, expected.T.loc[matrix.index], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_nodes", [1, 3])
@pytest.mark.parametrize("groups", [None, ["9", "2", "10"], "4"])
def test_shows_and_marks_the_best_nodes_of_each_group(hallmark, groups, n_nodes):
    expected = means(hallmark, "louvain")
    expected = expected if groups is None else expected.loc[np.atleast_1d(groups)]
    ax = e2t.pl.nodes(hallmark, groups=groups, n_nodes=n_nodes)
    matrix = drawn(ax)
    best = {group: set(row.nlargest(n_nodes).index) for group, row in expected.iterrows()}
    assert matrix.columns.tolist() == list(best)
    assert sorted(matrix.index) == sorted(set.union(*best.values()))  # once each
    assert dots(ax) == {(matrix.index.get_loc(node), k) for k, nodes in enumerate(best.values()) for node in nodes}


def test_rows_stand_with_the_group_in_which_they_score_highest(hallmark):
    ax = e2t.pl.nodes(hallmark, n_nodes=4)
    matrix = drawn(ax).to_numpy()
    chosen = np.zeros(matrix.shape, dtype=bool)
    chosen[tuple(np.array(list(dots(ax))).T)] = True
    own = np.where(chosen, matrix, -np.inf)
    order = list(zip(own.argmax(axis=1), -own.max(axis=1), strict=True))
    assert order == sorted(order)


def test_given_nodes_in_given_order(hallmark):
    names = ["HALLMARK_P53_PATHWAY", "HALLMARK_APOPTOSIS", "HALLMARK_HYPOXIA"]
    ax = e2t.pl.nodes(hallmark, nodes=names)
    assert drawn(ax).index.tolist() == names
    assert len(ax.collections) == 1  # no dots
    assert drawn(e2t.pl.nodes(hallmark, nodes=names[0])).index.tolist() == names[:1]


def test_groups_from_scores_of_other_groups(hallmark):
    """With groupby in tl.interpret, its groups are the default."""
    adata = hallmark.copy()
    e2t.tl.interpret(adata, n_steps=3, groupby="phase")
    ax = e2t.pl.nodes(adata)
    assert drawn(ax).columns.tolist() == ["G1", "G2M", "S"]
    assert ax.get_xlabel() == "phase"


def test_cells_without_a_group_are_left_out(hallmark):
    adata = hallmark.copy()
    adata.obs["some"] = adata.obs["louvain"].cat.remove_categories(["0", "1"])
    expected = means(adata, "some")
    matrix = drawn(e2t.pl.nodes(adata, groupby="some"))
    np.testing.assert_allclose(matrix, expected.T.loc[matrix.index, matrix.columns], rtol=1e-4, atol=1e-6)
    adata.obs["none"] = np.nan
    with pytest.raises(Edge2TorchError, match="is missing in all cells"):
        e2t.pl.nodes(adata, groupby="none")


def test_colours_are_centred(hallmark):
    norm = e2t.pl.nodes(hallmark).collections[0].norm
    assert norm.vmin == -norm.vmax
    assert norm.vmax == pytest.approx(means(hallmark, "louvain").abs().to_numpy().max(), rel=0.5)
    assert e2t.pl.nodes(hallmark, vmax=2).collections[0].norm.vmax == 2


def test_colour_bar(hallmark):
    ax = e2t.pl.nodes(hallmark, n_nodes=2)
    (bar,) = ax.child_axes
    assert bar.get_ylabel() == "mean score (logit)"
    assert [text.get_text() for text in bar.texts] == ["• top 2 by score"]


def test_names_are_no_formulas(hallmark):
    adata = hallmark.copy()
    table = adata.uns["e2t"]["nodes"].copy()
    hidden = table.index[table["kind"] == "hidden"]
    awkward = [r"p$K_a$/β\alpha", r"$\frac{1}{$", "α_β^γ", "100% $", "#1 & {x}"]
    table.loc[hidden[: len(awkward)], "label"] = awkward
    adata.uns["e2t"]["nodes"] = table
    ax = e2t.pl.nodes(adata, nodes=table["node"][hidden[: len(awkward)]].tolist())
    assert drawn(ax).index.tolist() == awkward
    ax.figure.canvas.draw()  # would raise for a formula that cannot be parsed
    assert not any(label.get_parse_math() for label in [*ax.get_yticklabels(), *ax.get_xticklabels()])


def labels_of(ax):
    ax.figure.canvas.draw()
    (bar,) = ax.child_axes
    low, high = bar.get_ylim()
    texts = [
        *ax.get_xticklabels(),
        *ax.get_yticklabels(),
        ax.xaxis.label,
        *[
            label
            for label in bar.get_yticklabels()
            if low <= label.get_position()[1] <= high  # others exist, but are not drawn
        ],
        bar.yaxis.label,
        *bar.texts,
    ]
    return {text: text.get_window_extent() for text in texts if text.get_text()}


def overlapping(boxes):
    return [
        (one.get_text(), other.get_text())
        for (one, a), (other, b) in combinations(boxes.items(), 2)
        if a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1
    ]


@pytest.mark.parametrize("size", [7, 10, 14])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"n_nodes": 10},
        {"groups": "Dendritic", "n_nodes": 1},
        {"groups": ["CD34+", "CD19+ B"], "n_nodes": 2},
        {"groupby": "louvain", "n_nodes": 3},
    ],
    ids=str,
)
def test_labels_can_be_read(reactome, arguments, size):
    """No label overlaps another, the matrix or the colour bar, and none is cut off."""
    with plt.rc_context({"font.size": size}):
        ax = e2t.pl.nodes(reactome, **arguments)
    boxes = labels_of(ax)
    assert not overlapping(boxes)
    inside = ax.figure.bbox
    assert all(
        inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
        for box in boxes.values()
    )
    matrix, (bar,) = ax.get_window_extent(), ax.child_axes
    assert not any(box.overlaps(matrix) or box.overlaps(bar.get_window_extent()) for box in boxes.values())
    assert not matrix.overlaps(bar.get_window_extent())
    assert min(text.get_fontsize() for text in boxes) >= 0.8 * size


def test_long_names(reactome):
    table = reactome.uns["e2t"]["nodes"].query("kind == 'hidden'")
    longest = table.loc[table["label"].str.len().nlargest(8).index, "node"].tolist()
    ax = e2t.pl.nodes(reactome, nodes=longest)
    shown = drawn(ax).index
    assert shown.str.len().max() <= 76
    assert shown.is_unique
    for name, label in zip(longest, shown, strict=True):
        start, end = label.split(" … ")
        assert name.startswith(start)
        assert name.endswith(end)
    assert not overlapping(labels_of(ax))


def test_size_follows_the_number_of_rows(reactome):
    few, many = (e2t.pl.nodes(reactome, n_nodes=n) for n in (2, 8))
    row = [ax.get_window_extent().height / len(ax.get_yticks()) for ax in (few, many)]
    assert row[0] == pytest.approx(row[1])


@pytest.mark.parametrize("layout", ["constrained", "none"])
def test_colour_bar_stays_beside_the_matrix(reactome, layout):
    figure = Figure(figsize=(16, 9), layout=layout)
    axes = figure.subfigures(1, 2)[1].subplots(2, 1)
    for ax in axes:
        e2t.pl.nodes(reactome, n_nodes=2, ax=ax)
    figure.draw_without_rendering()
    for ax in axes:
        matrix, bar = ax.get_window_extent(), ax.child_axes[0].get_window_extent()
        assert bar.y1 == pytest.approx(matrix.y1, abs=1)
        assert bar.x0 - matrix.x1 == pytest.approx(0.12 * figure.dpi, abs=1)
        assert bar.height == pytest.approx(1.25 * figure.dpi, abs=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groupby": "cell type"}, "groupby='cell type' is not a column of adata.obs; it has 'bulk_labels'"),
        ({"groups": ["1", "T"]}, "1 of 2 groups do not exist: 'T'; there are '0', '1'"),
        ({"groups": 77}, "1 of 1 groups do not exist: '77'"),
        ({"groups": []}, "groups is empty"),
        ({"nodes": "CD4"}, "1 of 1 nodes do not exist: 'CD4'; there are 'HALLMARK_"),
        ({"nodes": []}, "nodes is empty"),
        ({"n_nodes": 0}, "n_nodes=0 must be a whole number of at least 1"),
        ({"n_nodes": 2.5}, "n_nodes=2.5 must be"),
        ({"n_nodes": True}, "n_nodes=True must be"),
        ({"vmax": 0}, "vmax=0 must be a number that is positive"),
    ],
)
def test_bad_input(hallmark, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.pl.nodes(hallmark, **arguments)
    assert not plt.get_fignums()


def hatched(ax):
    """Rows and columns of cells that are hatched."""
    return {tuple(map(int, patch.get_xy())) for patch in ax.patches if patch.get_hatch()}


def test_the_rarer_sign_is_hatched(hallmark):
    """Also in print without colours, signs can be told apart: by the colour bar, whose half is hatched, too."""
    ax = e2t.pl.nodes(hallmark, n_nodes=8)
    mesh = ax.collections[0]
    values = np.ma.asarray(mesh.get_array()).reshape(len(ax.get_yticks()), len(ax.get_xticks()))
    pale = 0.03 * np.abs(values).max()
    assert (values > pale).sum() > (values < -pale).sum() > 0
    assert hatched(ax) == {(column, row) for row, column in zip(*np.nonzero(values < -pale), strict=True)}
    (bar,) = ax.child_axes
    (half,) = [patch for patch in bar.patches if patch.get_hatch()]
    assert (half.get_y(), half.get_height()) == (0, mesh.get_clim()[0])
