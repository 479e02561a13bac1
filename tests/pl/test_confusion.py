"""``pl.confusion`` draws a cross table of classes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from matplotlib.colors import to_hex

import edge2torch as e2t
from edge2torch import Edge2TorchError


def expected(adata, split):
    cells = adata.obs if split == "all" else adata.obs[adata.obs["e2t_split"] == split]
    names = adata.obs["louvain"].cat.categories
    table = pd.crosstab(cells["louvain"].astype(str), cells["e2t_pred"].astype(str))
    return table.reindex(index=names, columns=names, fill_value=0).to_numpy()


@pytest.mark.parametrize("split", ["train", "validation", "test", "all"])
@pytest.mark.parametrize("normalize", [True, False])
def test_draws_the_cross_table(hallmark, split, normalize):
    counts = expected(hallmark, split)
    ax = e2t.pl.confusion(hallmark, split=split, normalize=normalize)
    drawn = np.ma.filled(np.ma.asarray(ax.collections[0].get_array()).astype(float), np.nan).reshape(counts.shape)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)
    np.testing.assert_allclose(drawn, shares if normalize else counts)
    written = {(int(y), int(x)): text.get_text() for text in ax.texts for x, y in [text.get_position()]}
    assert written == {(r, c): str(counts[r, c]) for r, c in zip(*np.nonzero(counts), strict=True)}
    names = hallmark.obs["louvain"].cat.categories
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        f"{name} ({total[0]:,})" for name, total in zip(names, totals, strict=True)
    ]
    assert [label.get_text() for label in ax.get_xticklabels()] == names.tolist()
    assert ax.yaxis_inverted()


def test_patches_have_the_colours_of_the_groups(hallmark):
    ax = e2t.pl.confusion(hallmark)
    colours = [to_hex(patch.get_facecolor()) for patch in ax.patches]
    assert colours == [to_hex(colour) for colour in hallmark.uns["louvain_colors"] for _ in range(2)]


def test_labels_do_not_overlap_and_none_is_cut_off(everything):
    adata = everything.copy()
    ax = e2t.pl.confusion(adata)
    ax.figure.canvas.draw()
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.padded(-1).overlaps(b.padded(-1)) for k, a in enumerate(boxes) for b in boxes[:k])
    assert all(ax.figure.bbox.padded(1).contains(*corner) for box in boxes for corner in (box.min, box.max))
    patches = [patch.get_window_extent() for patch in ax.patches]
    assert not any(a.padded(-1).overlaps(b.padded(-1)) for a in boxes for b in patches)


def test_numbers_are_left_out_where_they_do_not_fit(hallmark):
    assert e2t.pl.confusion(hallmark, figsize=(7, 5)).texts
    assert not e2t.pl.confusion(hallmark, figsize=(3, 1.6)).texts


def test_many_cells_are_written_short(hallmark):
    obs = hallmark.obs.iloc[np.repeat(np.arange(hallmark.n_obs), 100)].reset_index(drop=True)
    times = AnnData(np.zeros((len(obs), 1)), obs=obs.set_axis(obs.index.astype(str)), uns={"e2t": hallmark.uns["e2t"]})
    texts = [text.get_text() for text in e2t.pl.confusion(times, split="all").texts]
    assert any(text.endswith("k") for text in texts)
    assert max(map(len, texts)) <= 4


def test_cells_of_classes_that_the_model_does_not_know(hallmark):
    other = hallmark.copy()
    other.obs["louvain"] = other.obs["louvain"].astype(str).replace("0", "new")
    other.obs.loc[other.obs_names[:9], "louvain"] = np.nan
    ax = e2t.pl.confusion(other, split="all")
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows[0] == "0 (0)"
    assert rows[-1].startswith("new (")
    assert sum(int(row.split("(")[1][:-1].replace(",", "")) for row in rows) == other.n_obs - 9
    del other.obs["e2t_split"]
    with pytest.raises(Edge2TorchError, match=r"has no 'e2t_split'.*pass split='all'"):
        e2t.pl.confusion(other)


def test_bad_input(hallmark):
    with pytest.raises(Edge2TorchError, match="split='holdout' is unknown"):
        e2t.pl.confusion(hallmark, split="holdout")
    train = hallmark[hallmark.obs["e2t_split"] == "train"]
    with pytest.raises(Edge2TorchError, match="split='test': no cell of it has a class"):
        e2t.pl.confusion(train)
    none = hallmark.copy()
    del none.obs["louvain"]
    with pytest.raises(Edge2TorchError, match=r"adata\.obs has no 'louvain'"):
        e2t.pl.confusion(none)
    assert not plt.get_fignums()


@pytest.mark.parametrize(("target", "task"), [("S_score", "numbers"), (["phase G1", "phase S"], "labels")])
def test_only_classes_are_mistaken_for_others(target, task):
    adata = sc.datasets.pbmc68k_reduced()[::4].copy()
    for phase in ("G1", "S"):
        adata.obs[f"phase {phase}"] = (adata.obs["phase"] == phase).to_numpy()
    e2t.pp.build_graph(adata, "hallmark")
    e2t.tl.fit(adata, target, task=task, max_epochs=1, progress_bar=False)
    with pytest.raises(Edge2TorchError, match=f"the model predicts {task}, of which none is taken for another"):
        e2t.pl.confusion(adata)
