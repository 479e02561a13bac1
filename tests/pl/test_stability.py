"""``pl.stability`` draws the ranks of nodes in each replicate."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

import edge2torch as e2t
from edge2torch import Edge2TorchError


def z_of(adata, group):
    """By hand: nodes x replicates."""
    said, table = adata.uns["e2t"]["rank_nodes_models"], adata.uns["e2t"]["nodes"]
    z = said["z"][said["kind"] == "replicate", list(said["group"]).index(group)].T
    return z, table.loc[table["kind"] == "hidden", "node"].tolist()


def replicates_in(ax):
    return next(part for part in ax.collections if len(part.get_facecolor()) and part.get_zorder() == 3).get_offsets()


@pytest.mark.parametrize("group", ["0", "5"])
def test_dots_are_the_ranks_in_each_replicate(everything, group):
    ax = e2t.pl.stability(everything, groups=group, n_nodes=6)
    z, nodes = z_of(everything, group)
    best = e2t.get.rank_nodes(everything, group).head(6)
    ranks = rankdata(-z, method="ordinal", axis=0)[[nodes.index(node) for node in best["node"]]]
    drawn = replicates_in(ax)
    np.testing.assert_array_equal(drawn[:, 0].reshape(ranks.shape), ranks)
    np.testing.assert_array_equal(np.round(drawn[:, 1]).reshape(ranks.shape)[:, 0], np.arange(1, 7))
    rho = spearmanr(z[:, 0], z[:, 1]).statistic
    texts = [text.get_text() for text in ax.texts]
    assert texts[:2] == [group, f"agreement ρ = {rho:.2f}"]
    assert texts[2:] == [f"{2 * share:.0f} of 2 in best 5%" for share in best["stability"]]
    assert [label.get_text() for label in ax.get_yticklabels()] == best["label"].tolist()


def test_groups_in_given_order(everything):
    ax = e2t.pl.stability(everything, groups=["3", "1"], n_nodes=2)
    assert [text.get_text() for text in ax.texts if text.get_weight() == "bold"] == ["3", "1"]
    expected = [label for g in "31" for label in e2t.get.rank_nodes(everything, g)["label"].head(2)]
    assert [label.get_text() for label in ax.get_yticklabels()] == expected


def test_rows_have_one_size_and_none_is_cut_off(everything):
    rows = []
    for n_nodes in (2, 12):
        ax = e2t.pl.stability(everything, n_nodes=n_nodes)
        ax.figure.canvas.draw()
        rows.append(np.ptp(ax.transData.transform([(1, 0), (1, 1)])[:, 1]))
        texts = [*ax.texts, *ax.get_yticklabels(), *ax.get_legend().get_texts()]
        boxes = [text.get_window_extent() for text in texts]
        assert all(ax.figure.bbox.padded(2).contains(*corner) for box in boxes for corner in (box.min, box.max))
    assert rows[0] == pytest.approx(rows[1], rel=0.15)


def test_all_nodes_there_are(everything):
    hidden = (everything.uns["e2t"]["nodes"]["kind"] == "hidden").sum()
    ax = e2t.pl.stability(everything, groups="0", n_nodes=100_000)
    assert len(ax.get_yticks()) == hidden


def test_one_replicate_says_nothing(hallmark):
    with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.rank_nodes first"):
        e2t.pl.stability(hallmark)
    adata = hallmark.copy()
    e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    e2t.tl.rank_nodes(adata, n_steps=2, n_cells=10)
    with pytest.raises(Edge2TorchError, match=r"single replicate.*n_replicates=5"):
        e2t.pl.stability(adata)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": ["0", "T"]}, "1 of 2 groups do not exist: 'T'"),
        ({"groups": []}, "groups is empty"),
        ({"n_nodes": 0}, "n_nodes=0 must be a whole number"),
    ],
)
def test_bad_input(everything, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.pl.stability(everything, **arguments)
    assert not plt.get_fignums()


def test_groups_that_were_not_compared_are_left_out(everything):
    adata = everything.copy()
    table = adata.uns["e2t"]["rank_nodes"]
    adata.uns["e2t"]["rank_nodes"] = table.assign(z=table["z"].where(table["group"] != "0"))
    assert "0" not in [text.get_text() for text in e2t.pl.stability(adata).texts if text.get_weight() == "bold"]
    plt.close("all")
    with pytest.raises(Edge2TorchError, match="no node of these groups was compared"):
        e2t.pl.stability(adata, groups="0")
