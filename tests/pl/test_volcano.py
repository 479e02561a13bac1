from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

import edge2torch as e2t
from edge2torch import Edge2TorchError


@pytest.fixture
def compared(everything):
    """A ranking with strong, weak and unknown nodes; the first ones so far from chance that padj is 0."""
    adata = everything.copy()
    table = adata.uns["e2t"]["rank_nodes"].copy()
    own = np.flatnonzero(table["group"].astype(str) == "3")
    rng = np.random.default_rng(1)
    z = rng.normal(size=len(own)) * 2
    table.loc[own, "z"] = z
    table.loc[own, "corrected"] = z / 10 + rng.normal(size=len(own)) / 20
    table.loc[own, "padj"] = 10.0 ** -(z**2)
    table.loc[own[:2], "padj"] = 0.0
    table.loc[own[2:4], "padj"] = np.nan
    adata.uns["e2t"]["rank_nodes"] = table
    return adata


def dots(ax):
    return np.vstack([one.get_offsets() for one in ax.collections if len(one.get_offsets())])


def names(ax):
    return [text for text in ax.texts if isinstance(text, Annotation)]


@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_every_node_is_a_dot(compared, alpha):
    ax = e2t.pl.volcano(compared, group="3", alpha=alpha)
    table = e2t.get.rank_nodes(compared, "3").dropna(subset=["padj"])
    zero = table["padj"] == 0
    known = table[~zero]
    drawn = dots(ax)
    assert len(drawn) == len(table)
    expected = np.column_stack([known["corrected"], -np.log10(known["padj"])])
    for point in expected:
        assert np.isclose(drawn, point, atol=1e-9).all(axis=1).any()
    top = drawn[drawn[:, 1] > expected[:, 1].max() * 1.0001]
    assert sorted(top[:, 0]) == pytest.approx(sorted(table.loc[zero, "corrected"]))
    groups = [len(one.get_offsets()) for one in ax.collections]
    assert groups == [(table["padj"] >= alpha).sum(), ((table["padj"] < alpha) & ~zero).sum(), zero.sum()]
    shapes = {one.get_paths()[0].vertices.shape for one in ax.collections}
    assert len(shapes) == 3  # told apart without colours
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"padj < {alpha:g} ({(table['padj'] < alpha).sum()})" in texts
    assert "padj = 0" in texts


def test_area_grows_with_the_number_of_genes(compared):
    ax = e2t.pl.volcano(compared, group="3")
    table = e2t.get.rank_nodes(compared, "3").dropna(subset=["padj"])
    for point, area in zip(dots(ax), np.concatenate([one.get_sizes() for one in ax.collections]), strict=True):
        n_genes = table.loc[np.isclose(table["corrected"], point[0]), "n_inputs"].iloc[0]
        assert area == pytest.approx(10 + 14 * np.log10(n_genes))


def test_names_are_those_with_the_largest_z(compared):
    table = e2t.get.rank_nodes(compared, "3").query("padj < 0.5")
    best = table.loc[table["z"].abs().sort_values(ascending=False).index, "label"].tolist()
    for n in (0, 1, 3):
        shown = {text.get_text().replace("\n", "") for text in names(e2t.pl.volcano(compared, group="3", n_labels=n))}
        assert len(shown) <= n
        assert shown <= set(best[:n])
        assert bool(shown) == bool(n)


@pytest.mark.parametrize("size", [7, 10, 14])
def test_names_can_be_read(compared, size):
    with plt.rc_context({"font.size": size}):
        ax = e2t.pl.volcano(compared, group="3", n_labels=30)
    ax.figure.canvas.draw()
    frame = ax.get_window_extent()
    boxes = {text.get_text(): text.get_window_extent() for text in names(ax)}
    assert boxes
    for one, other in combinations(boxes.values(), 2):
        assert not one.overlaps(other)
    for text, box in boxes.items():
        assert frame.contains(*box.min), text
        assert frame.contains(*box.max), text
    legend = ax.get_legend().get_window_extent()
    assert not legend.overlaps(frame)
    assert legend.x1 <= ax.figure.bbox.x1
    assert not any(text.get_parse_math() for text in names(ax))


def test_legend_is_inside_given_axes(compared):
    ax = Figure(figsize=(5, 4)).add_subplot()
    e2t.pl.volcano(compared, group="3", n_labels=30, ax=ax)
    ax.figure.draw_without_rendering()
    legend, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert frame.contains(*legend.min)
    assert frame.contains(*legend.max)
    assert names(ax)
    assert not any(legend.overlaps(text.get_window_extent()) for text in names(ax))


def test_first_group_is_the_default(compared):
    assert e2t.pl.volcano(compared).get_title(loc="left") == str(e2t.get.rank_nodes(compared)["group"].iloc[0])


def test_nothing_to_compare_with(hallmark):
    with pytest.raises(Edge2TorchError, match=r"not compared with controls: run e2t\.tl\.rank_nodes first"):
        e2t.pl.volcano(hallmark)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": "T"}, "1 of 1 group do not exist: 'T'"),
        ({"n_labels": -1}, "n_labels=-1 must be"),
        ({"alpha": 0}, "alpha=0 must be"),
        ({"alpha": 1.0}, r"alpha=1\.0 must be"),
    ],
)
def test_bad_input(compared, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.pl.volcano(compared, **arguments)
    assert not plt.get_fignums()


def test_all_unknown(compared):
    compared.uns["e2t"]["rank_nodes"]["padj"] = np.nan
    with pytest.raises(Edge2TorchError, match="are NaN"):
        e2t.pl.volcano(compared, group="3")
