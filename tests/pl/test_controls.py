"""``pl.controls`` draws what the ranking says."""

from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Annotation
from scipy.stats import spearmanr

import edge2torch as e2t
from edge2torch import Edge2TorchError


def table_of(adata, group=None):
    return e2t.get.rank_nodes(adata, group)


def dots(ax, *labels):
    """Where the dots with some labels are, sorted."""
    xy = np.vstack([part.get_offsets() for part in ax.collections if str(part.get_label()).startswith(labels)])
    return xy[np.lexsort(xy.T)]


@pytest.mark.parametrize("group", [None, "0"])
def test_every_node_is_a_dot_before_and_after(everything, group):
    table = table_of(everything, group)
    panels = e2t.pl.controls(everything, group=group).axes
    for ax, column in zip(panels[:2], ("score", "z"), strict=True):
        expected = table[["n_inputs", column]].to_numpy(dtype=float)
        np.testing.assert_allclose(dots(ax, "observed", "padj"), expected[np.lexsort(expected.T)])
        rho = spearmanr(table["n_inputs"], table[column]).statistic
        assert ax.get_title(loc="right") == f"Spearman ρ = {rho:.2f}"
    expected = table[["n_inputs", "control"]].to_numpy(dtype=float)
    np.testing.assert_allclose(dots(panels[0], "expected (rewired controls)"), expected[np.lexsort(expected.T)])
    found = (table["padj"] < 0.05).sum()
    assert f"padj < 0.05 ({found})" in panels[0].get_legend_handles_labels()[1]


def test_rows_are_the_best_nodes_with_every_model(everything):
    best = e2t.pl.controls(everything, group="0", n_nodes=4).axes[2]
    table = table_of(everything, "0").head(4)
    assert [label.get_text().replace("\n", "") for label in best.get_yticklabels()] == table["label"].tolist()
    each = e2t.get.rank_nodes(everything, "0", per="model").astype({"node": str})
    drawn = {part.get_label(): part.get_offsets() for part in best.collections}
    np.testing.assert_allclose(drawn["model"][:, 0], table["z"])
    for kind, label in (
        ("replicate", "replicates"),
        ("rewired", "rewired controls"),
        ("shuffled", "shuffled controls"),
    ):
        expected = each[each["kind"] == kind].set_index("node")["z"]
        for row, node in enumerate(table["node"]):
            own = drawn[label][np.round(drawn[label][:, 1]) == row, 0]
            np.testing.assert_allclose(np.sort(own), np.sort(expected[node]), rtol=1e-6)
    written = [text.get_text() for text in best.texts]
    assert written[1:5] == [f"{n:,}" for n in table["n_inputs"]]


def test_of_all_groups_each_has_its_best_node_in_turn(everything):
    table = table_of(everything)
    n = table["group"].nunique()
    best = e2t.pl.controls(everything, n_nodes=n).axes[2]
    own = table.loc[table.groupby("node")["z"].idxmax()]
    groups = [text.get_text() for text in best.texts][-n:]
    assert set(groups) == set(own["group"])
    assert len(best.get_yticks()) == n


def test_given_nodes_in_given_order_and_all_there_are(everything):
    names = ["HALLMARK_P53_PATHWAY", "HALLMARK_APOPTOSIS", "HALLMARK_HYPOXIA"]
    label = everything.uns["e2t"]["nodes"].set_index("node")["label"]
    best = e2t.pl.controls(everything, nodes=names).axes[2]
    assert [text.get_text().replace("\n", "") for text in best.get_yticklabels()] == label[names].tolist()
    hidden = (everything.uns["e2t"]["nodes"]["kind"] == "hidden").sum()
    assert len(e2t.pl.controls(everything, n_nodes=100_000).axes[2].get_yticks()) == hidden


@pytest.mark.parametrize("n_nodes", [1, 12, 40])
@pytest.mark.parametrize("size", [8, 14])
def test_labels_can_be_read(everything, n_nodes, size):
    with plt.rc_context({"font.size": size}):
        figure = e2t.pl.controls(everything, n_nodes=n_nodes)
        figure.canvas.draw()
    names = [text for ax in figure.axes[:2] for text in ax.texts if isinstance(text, Annotation)]
    rows = [*figure.axes[2].get_yticklabels(), *figure.axes[2].texts]
    titles = [ax._left_title for ax in figure.axes] + [ax._right_title for ax in figure.axes]
    legends = [text for legend in figure.legends for text in legend.get_texts()]
    axis = [label for ax in figure.axes for label in (ax.xaxis.label, ax.yaxis.label)]
    boxes = {text: text.get_window_extent() for text in [*names, *rows, *titles, *legends, *axis] if text.get_text()}
    over = [
        (a.get_text(), b.get_text())
        for a, b in combinations(boxes, 2)
        if boxes[a].padded(-1).overlaps(boxes[b].padded(-1))
    ]
    assert not over
    assert not [text.get_text() for text, box in boxes.items() if not figure.bbox.padded(2).contains(*box.min)]
    assert not [text.get_text() for text, box in boxes.items() if not figure.bbox.padded(2).contains(*box.max)]


def test_kind_that_decides_is_named(everything):
    adata = everything.copy()
    e2t.tl.rank_nodes(adata, by="shuffled", n_steps=2, n_cells=10)
    score, _, best = e2t.pl.controls(adata).axes
    assert "expected (shuffled controls)" in score.get_legend_handles_labels()[1]
    assert best.get_legend_handles_labels()[1][:2] == ["shuffled controls", "rewired controls"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": "T"}, "group='T' is not among the groups, '0', '1'"),
        ({"nodes": "CD4"}, "1 of 1 nodes do not exist: 'CD4'"),
        ({"nodes": []}, "nodes is empty"),
        ({"n_nodes": 0}, "n_nodes=0 must be a whole number"),
    ],
)
def test_bad_input(everything, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.pl.controls(everything, **arguments)
    assert not plt.get_fignums()


def test_only_interpreted_or_never_compared(hallmark, everything):
    with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.rank_nodes first"):
        e2t.pl.controls(hallmark)
    adata = everything.copy()
    table = adata.uns["e2t"]["rank_nodes"]
    adata.uns["e2t"]["rank_nodes"] = table.assign(z=table["z"].where(table["group"] != "0"))
    with pytest.raises(Edge2TorchError, match="no node of '0' was compared with controls"):
        e2t.pl.controls(adata, group="0")
    e2t.pl.controls(adata)
