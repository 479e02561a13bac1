"""``pl.coverage`` draws what ``get.coverage`` says."""

from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scanpy as sc
from matplotlib.text import Annotation

import edge2torch as e2t


@pytest.fixture(scope="module", params=["reactome", "go_bp", "hallmark", "one node"])
def built(request):
    adata = sc.datasets.pbmc68k_reduced()[:50].copy()
    adata.layers["counts"] = np.abs(adata.X)
    net = (
        {"a set with $math$_in_its name": list(adata.var_names[:20])} if request.param == "one node" else request.param
    )
    e2t.pp.build_graph(adata, net, merge=request.param == "go_bp")
    return adata


def bars(ax):
    """Length of each bar by the name beside it."""
    names = [label.get_text() for label in ax.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in ax.patches], strict=True))


def names_in(ax):
    return [text for text in ax.texts if isinstance(text, Annotation)]


def test_bars_are_the_shares_and_counts(built):
    genes, nodes, _ = e2t.pl.coverage(built).axes
    whole, table = e2t.get.coverage(built, per="graph"), e2t.get.coverage(built)
    assert bars(genes) == {
        "measured genes in the prior": whole["genes_in_prior"] / whole["genes"],
        "measured genes in the graph": whole["inputs"] / whole["genes"],
        "prior genes measured": whole["prior_genes_measured"] / whole["prior_genes"],
        "counts in the graph": whole["share_of_counts"],
    }
    assert bars(nodes) == table["status"].value_counts().to_dict()


def test_unknown_share_of_counts_has_no_bar(built):
    scaled = built.copy()
    scaled.uns["e2t"]["summary"].loc[lambda table: table["quantity"] == "share_of_counts", "value"] = np.nan
    assert "counts in the graph" not in bars(e2t.pl.coverage(scaled).axes[0])


def test_every_node_is_a_dot(built):
    each = e2t.pl.coverage(built).axes[2]
    table = e2t.get.coverage(built)
    drawn = np.vstack([dots.get_offsets() for dots in each.collections])
    expected = np.column_stack([table["n_genes"].clip(lower=1), table["share"]])
    np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
    counts = {
        label.get_text().split(" (")[0]: label.get_text().split(" (")[1] for label in each.figure.legends[0].texts
    }
    kept = table["status"] == "kept"
    assert counts.get("hub", "0)") == f"{int(table['hub'].sum()):,})"
    assert counts["in the graph"] == f"{int((kept & ~table['hub']).sum()):,})"


@pytest.mark.parametrize("size", [7, 10, 14])
def test_labels_can_be_read(built, size):
    """No text overlaps another, and none is cut off."""
    with plt.rc_context({"font.size": size}):
        figure = e2t.pl.coverage(built)
    figure.canvas.draw()
    texts = list(figure.legends[0].texts)
    for ax in figure.axes:
        texts += [*ax.texts, ax.xaxis.label, ax.yaxis.label, ax._left_title]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            at = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
            texts += [label for place, label in at if low <= place <= high]  # others exist, but are not drawn
    limits = [figure.bbox.x0 - 1, figure.bbox.y0 - 1, figure.bbox.x1 + 1, figure.bbox.y1 + 1]
    boxes = {text: text.get_window_extent() for text in texts if text.get_text()}
    for one, other in combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[other]), (one.get_text(), other.get_text())
    for text, box in boxes.items():
        assert box.x0 >= limits[0], text.get_text()
        assert box.x1 <= limits[2], text.get_text()
        assert box.y0 >= limits[1], text.get_text()
        assert box.y1 <= limits[3], text.get_text()


@pytest.mark.parametrize("n_labels", [0, 1, 5])
def test_names_of_nodes(built, n_labels):
    each = e2t.pl.coverage(built, n_labels=n_labels).axes[2]
    kept = e2t.get.coverage(built).query("status == 'kept'")
    assert len(names_in(each)) <= n_labels
    assert bool(names_in(each)) == bool(n_labels)
    for text in names_in(each):
        n_genes, share = text.xy
        assert not text.get_parse_math()
        assert ((kept["n_genes"] == n_genes) & (kept["share"] == share)).any()


def test_number_of_names_must_be_one(built):
    with pytest.raises(e2t.Edge2TorchError, match="n_labels=-1"):
        e2t.pl.coverage(built, n_labels=-1)
