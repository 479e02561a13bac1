"""``pl.rank_nodes`` and ``pl.features`` draw what ``get.rank_nodes`` and ``get.features`` say."""

from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.pl._text import wrap_all


def rows(ax):
    """Name and place of each dot, from top to bottom, and whether it is filled."""
    (dots,) = [one for one in ax.collections if isinstance(one, PathCollection)]
    names = [label.get_text() for label in ax.get_yticklabels()]
    x, y = np.asarray(dots.get_offsets()).T
    assert y.tolist() == list(range(len(names)))
    assert ax.yaxis_inverted()
    filled = [to_hex(colour) != "#ffffff" for colour in np.broadcast_to(dots.get_facecolors(), (len(names), 4))]
    return names, x, filled


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def counts(ax):
    return [text.get_text() for text in ax.texts][1:]


@pytest.fixture
def changed(everything):
    """A ranking of which the values are known, so that some nodes are far from chance and some unknown."""
    adata = everything.copy()
    table = adata.uns["e2t"]["rank_nodes"].copy()
    rng = np.random.default_rng(0)
    table["z"] = rng.normal(size=len(table))
    table["padj"] = rng.random(len(table)) ** 4
    table.loc[rng.choice(len(table), 40), "z"] = np.nan
    adata.uns["e2t"]["rank_nodes"] = table
    return adata


@pytest.mark.parametrize("n_nodes", [1, 7, 100000])
def test_order_and_fill_after_rank_nodes(changed, n_nodes):
    table = e2t.get.rank_nodes(changed)
    figure = e2t.pl.rank_nodes(changed, n_nodes=n_nodes)
    assert titles(figure) == list(table["group"].astype(str).unique())
    genes = changed.uns["e2t"]["nodes"].set_index("node")["n_inputs"]
    for ax, group in zip(figure.axes, titles(figure), strict=True):
        own = table[(table["group"] == group) & table["z"].notna()].sort_values("z", ascending=False).head(n_nodes)
        names, x, filled = rows(ax)
        assert names == wrap_all(own["label"].tolist(), 40, 1)
        np.testing.assert_allclose(x, own["z"])
        assert filled == (own["padj"] < 0.05).tolist()
        assert counts(ax) == [f"{genes[node]:,}" for node in own["node"]]


def test_scores_after_interpret_only(reactome):
    figure = e2t.pl.rank_nodes(reactome, groups=["Dendritic", "CD19+ B"], n_nodes=5)
    assert titles(figure) == ["Dendritic", "CD19+ B"]
    for ax in figure.axes:
        own = e2t.get.rank_nodes(reactome, ax.get_title(loc="left")).head(5)
        _, x, filled = rows(ax)
        np.testing.assert_allclose(x, own["score"])
        assert all(filled)
    assert "mean score (logit)" in {ax.get_xlabel() for ax in figure.axes}


def test_own_output_where_all_were_explained(hallmark):
    adata = hallmark.copy()
    e2t.tl.interpret(adata, n_steps=3, target="all")
    table = adata.uns["e2t"]["rank_nodes"].astype({"group": str, "output": str})
    own = table[(table["group"] == "3") & (table["output"] == "3")].sort_values("score", ascending=False)
    names, x, _ = rows(e2t.pl.rank_nodes(adata, groups="3", n_nodes=4).axes[0])
    assert names == own["node"].tolist()[:4]
    np.testing.assert_allclose(x, own["score"][:4])


def test_a_group_without_values_says_so(everything):
    adata = everything.copy()
    table = adata.uns["e2t"]["rank_nodes"].copy()
    table.loc[table["group"].astype(str) == "2", "z"] = np.nan
    adata.uns["e2t"]["rank_nodes"] = table
    figure = e2t.pl.rank_nodes(adata, groups=["1", "2"])
    assert [text.get_text() for text in figure.axes[1].texts][:1] == ["nothing to rank"]
    table["z"] = np.nan
    plt.close("all")
    with pytest.raises(Edge2TorchError, match="are NaN"):
        e2t.pl.rank_nodes(adata)
    assert not plt.get_fignums()


@pytest.mark.parametrize("n_features", [1, 6, 100000])
def test_genes(everything, n_features):
    scores = e2t.get.features(everything)
    inputs = everything.uns["e2t"]["nodes"].query("kind == 'input'")["node"].astype(str).tolist()
    figure = e2t.pl.features(everything, target=["3", "1"], n_features=n_features)
    assert titles(figure) == ["3", "1"]
    for ax in figure.axes:
        own = scores.loc[inputs, ax.get_title(loc="left")].sort_values(ascending=False, kind="stable").head(n_features)
        names, x, _ = rows(ax)
        assert names == own.index.tolist()
        np.testing.assert_allclose(x, own)


def test_genes_are_called_by_their_symbols(everything):
    adata = everything.copy()
    table = adata.uns["e2t"]["nodes"]
    adata.uns["e2t"]["nodes"] = table.assign(
        label=np.where(table["kind"] == "input", "gene $" + table["label"], table["label"])
    )
    ax = e2t.pl.features(adata, target="1", n_features=3).axes[0]
    best = rows(e2t.pl.features(everything, target="1", n_features=3).axes[0])[0]
    assert rows(ax)[0] == [f"gene ${name}" for name in best]
    assert not any(label.get_parse_math() for label in ax.get_yticklabels())


def test_outputs_that_were_not_explained(everything):
    adata = everything.copy()
    e2t.tl.interpret(adata, n_steps=2, target="1")
    assert titles(e2t.pl.features(adata)) == ["1"]
    plt.close("all")
    with pytest.raises(Edge2TorchError, match="1 of 2 outputs were not explained: '2'"):
        e2t.pl.features(adata, target=["1", "2"])
    assert not plt.get_fignums()


@pytest.mark.parametrize("plot", ["rank_nodes", "features"])
def test_limits(everything, plot):
    shared, free = (getattr(e2t.pl, plot)(everything, sharex=sharex) for sharex in (True, False))
    assert len({ax.get_xlim() for ax in shared.axes}) == 1
    assert len({ax.get_xlim() for ax in free.axes}) > 1
    for figure in (shared, free):
        for ax in figure.axes:
            low, high = ax.get_xlim()
            assert low <= min(*rows(ax)[1], 0)
            assert high >= max(*rows(ax)[1], 0)


def renamed(adata, n):
    """The same ranking for n groups with names of all lengths."""
    many = adata.copy()
    table = adata.uns["e2t"]["rank_nodes"].astype({"group": str})
    first = table["group"].iloc[0]
    own = table[table["group"] == first]
    names = [f"{'CD4+/CD45RO+ Memory ' * (k % 4)}{k}" for k in range(n)]
    many.uns["e2t"]["rank_nodes"] = pd.concat([own.assign(group=name) for name in names], ignore_index=True)
    return many


@pytest.mark.parametrize("size", [7, 10, 14])
@pytest.mark.parametrize(("groups", "n_nodes"), [(2, 3), (20, 4), (3, 60)])
def test_labels_can_be_read(reactome, groups, n_nodes, size):
    """No text overlaps another, or a dot's panel, and none is cut off."""
    with plt.rc_context({"font.size": size}):
        figure = e2t.pl.rank_nodes(renamed(reactome, groups), n_nodes=n_nodes)
    figure.canvas.draw()
    texts = list(figure.texts)
    for ax in figure.axes:
        low, high = ax.get_xlim()
        ticks = [tick for tick in ax.get_xticklabels() if low <= tick.get_position()[0] <= high]
        texts += [*ax.texts, *ax.get_yticklabels(), *ticks, ax._left_title, ax.xaxis.label]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not (a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1), (one, other)
    inside = figure.bbox
    for name, box in boxes:
        assert inside.x0 <= box.x0, name
        assert box.x1 <= inside.x1, name
        assert inside.y0 <= box.y0, name
        assert box.y1 <= inside.y1, name


def test_rows_have_one_size(reactome):
    few, many = (e2t.pl.rank_nodes(reactome, groups="Dendritic", n_nodes=n).axes[0] for n in (4, 80))
    assert few.get_window_extent().height / 4 == pytest.approx(many.get_window_extent().height / 80)


@pytest.mark.parametrize(
    ("plot", "arguments", "message"),
    [
        ("rank_nodes", {"groups": ["1", "T"]}, "1 of 2 groups do not exist: 'T'"),
        ("rank_nodes", {"groups": []}, "groups is empty"),
        ("rank_nodes", {"n_nodes": 0}, "n_nodes=0 must be"),
        ("features", {"target": "T"}, "1 of 1 target do not exist: 'T'"),
        ("features", {"target": []}, "target is empty"),
        ("features", {"n_features": 1.5}, r"n_features=1\.5 must be"),
    ],
)
def test_bad_input(everything, plot, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        getattr(e2t.pl, plot)(everything, **arguments)
    assert not plt.get_fignums()
