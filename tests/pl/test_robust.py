"""What users do to cells, settings and arguments between a result and its picture."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from matplotlib.colors import to_rgb

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.get._choose import best_nodes, criterion, mean_scores
from edge2torch.pl._figure import colours_of


def test_clusters_with_the_names_of_others_are_not_taken_for_these(everything):
    adata = everything.copy()
    names = adata.obs["louvain"].cat.categories
    adata.obs["other"] = pd.Categorical(np.resize(names.to_numpy(), adata.n_obs), categories=names)
    means = mean_scores(adata, "other", "e2t")
    assert criterion(adata, mean_scores(adata, None, "e2t"), "e2t")[0] == "z"
    assert criterion(adata, means, "e2t")[0] == "score"
    assert best_nodes(adata, means, 1, "e2t") == {group: [row.idxmax()] for group, row in means.iterrows()}
    with pytest.raises(Edge2TorchError, match="these groups were not compared with controls"):
        e2t.pl.nodes(adata, groupby="other", values="z")


def test_scores_of_edges_in_groups_of_the_same_names(everything):
    adata = everything.copy()
    adata.obs["other"] = adata.obs["louvain"]
    e2t.tl.rank_nodes(adata, "other", n_steps=2, n_cells=5)
    with pytest.raises(Edge2TorchError, match="edges have scores in groups of 'louvain', nodes in those of 'other'"):
        e2t.pl.flow(adata)


def test_genes_taken_out_later(everything):
    adata = everything[:, 100:].copy()
    known = set(adata.var_names)
    genes = {label.get_text() for ax in e2t.pl.features(adata).axes for label in ax.get_yticklabels()}
    assert genes <= known
    scored = {node for node, data in e2t.get.graph(adata, scores=True).nodes.items() if "score_0" in data}
    assert scored & known
    assert not scored & (set(everything.var_names) - known)


@pytest.mark.parametrize("colours", [None, "red", ["red"], {"0": "red"}], ids=repr)
def test_colours_that_cannot_be_used(everything, colours):
    adata = everything.copy()
    del adata.uns["louvain_colors"]
    groups = adata.obs["louvain"].cat.categories.tolist()
    expected = colours_of(adata, "louvain", groups)
    adata.uns["louvain_colors"] = colours
    assert colours_of(adata, "louvain", groups) == expected


def test_a_column_of_rgba(everything):
    adata = everything.copy()
    groups = adata.obs["louvain"].cat.categories.tolist()
    expected = np.random.default_rng(0).uniform(size=(len(groups), 3))
    adata.uns["louvain_colors"] = np.column_stack([expected, np.ones(len(groups))])
    found = [to_rgb(colour) for colour in colours_of(adata, "louvain", groups).values()]
    np.testing.assert_allclose(found, expected, atol=1 / 255)


def texts_of(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_visible()]


@pytest.mark.parametrize("plot", ["confusion", "nodes", "perturb", "rank_nodes", "stability", "features"])
def test_a_name_has_no_line_of_its_own(plot, everything):
    """Names with line breaks would lie over those below."""
    adata = everything.copy()
    table = adata.uns["e2t"]["nodes"].copy()
    table["label"] = [
        f"a\n{label}" if kind != "output" else label for label, kind in table[["label", "kind"]].to_numpy()
    ]
    adata.uns["e2t"] = {**adata.uns["e2t"], "nodes": table}
    drawn = getattr(e2t.pl, plot)(adata)
    assert not [text for text in texts_of(getattr(drawn, "figure", drawn)) if text.startswith("a\n")]


def test_long_groups_are_beside_how_much_replicates_agree(everything):
    adata = everything.copy()
    name = "a cluster that somebody described in as many words as came to mind"
    ranked = adata.uns["e2t"]["rank_nodes"].astype({"group": str}).replace({"group": {"0": name}})
    said = {**adata.uns["e2t"]["rank_nodes_models"]}
    said["group"] = np.array([name if group == "0" else group for group in said["group"]], dtype=object)
    adata.uns["e2t"] = {**adata.uns["e2t"], "rank_nodes": ranked, "rank_nodes_models": said}
    ax = e2t.pl.stability(adata, groups=name)
    ax.figure.canvas.draw()
    group, beside = ax.texts[:2]
    assert group.get_text().startswith("a cluster")
    assert group.get_window_extent().x1 < beside.get_window_extent().x0


@pytest.mark.parametrize("plot", [e2t.pl.volcano, e2t.pl.controls, e2t.pl.coverage])
def test_names_beside_dots_in_dark_styles(plot, everything):
    with plt.style.context("dark_background"):
        ranked = everything.uns["e2t"]["rank_nodes"].assign(padj=0.01)
        adata = everything.copy()
        adata.uns["e2t"] = {**adata.uns["e2t"], "rank_nodes": ranked}
        drawn = plot(adata)
        figure = getattr(drawn, "figure", drawn)
        halos = [text for ax in figure.axes for text in ax.texts if text.get_path_effects()]
        assert halos
        for text in halos:
            (effect,) = text.get_path_effects()
            assert to_rgb(effect._gc["foreground"]) == to_rgb(text.axes.get_facecolor())
            assert to_rgb(text.get_color()) != to_rgb(text.axes.get_facecolor())


@pytest.mark.parametrize("plot", [e2t.pl.graph, e2t.pl.flow])
def test_headings_and_notes_in_dark_styles(plot, everything):
    with plt.style.context("dark_background"):
        headings = [text for text in plot(everything).texts if text.get_text() in ("genes", "layer 1", "class")]
        assert len(headings) == 3
        assert {text.get_color() for text in headings} == {("#ffffff", 0.6)}
    assert mpl.rcParams["text.color"] == "black"


@pytest.fixture(scope="module")
def numbers():
    adata = sc.datasets.pbmc68k_reduced()[::4].copy()
    adata.obs["age"] = np.random.default_rng(0).normal(size=adata.n_obs)
    e2t.pp.build_graph(adata, "hallmark")
    e2t.tl.fit(adata, "age", max_epochs=1, progress_bar=False)
    e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    e2t.tl.interpret(adata, groupby="louvain", n_steps=2, edges=True)
    e2t.tl.rank_nodes(adata, "louvain", n_steps=2, n_cells=10)
    return adata


@pytest.mark.parametrize(
    "draw",
    [
        e2t.pl.nodes,
        e2t.pl.controls,
        e2t.pl.features,
        e2t.pl.flow,
        lambda adata: e2t.pl.graph(adata, edges="score"),
    ],
)
def test_numbers_are_no_logits(numbers, draw):
    """The only output needs no ``target``, either."""
    drawn = draw(numbers)
    texts = texts_of(getattr(drawn, "figure", drawn))
    assert any(text.startswith("mean score") for text in texts)
    assert not [text for text in texts if "logit" in text or text == "class"]


def test_a_page_of_numbers(numbers):
    page = e2t.pl.graph(numbers, edges="score", interactive=True)
    assert '"name": "mean score of edge"' in page.html
    assert '["", "number"]' in page.html


def test_dots_where_means_are_missing(everything):
    """No warning, and no dot."""
    adata = everything.copy()
    ranked = adata.uns["e2t"]["rank_nodes"].copy()
    ranked.loc[::3, ["score", "z", "padj"]] = np.nan
    adata.uns["e2t"] = {**adata.uns["e2t"], "rank_nodes": ranked}
    ax = e2t.pl.nodes(adata, kind="dot", n_nodes=100)
    ax.figure.canvas.draw()
    assert len(ax.collections[0].get_offsets()) == ranked["score"].notna().sum()


def test_share_of_the_cells_that_have_a_score(hallmark):
    adata = hallmark.copy()
    scores = adata.obsm["e2t_nodes"].copy()
    scores[1::2] = np.nan  # as of cells without a label
    adata.obsm["e2t_nodes"] = scores
    dots = e2t.pl.nodes(adata, groupby="phase", kind="dot", n_nodes=100).collections[0]
    expected = e2t.pl.nodes(adata[::2].copy(), groupby="phase", kind="dot", n_nodes=100).collections[0]
    np.testing.assert_allclose(np.sort(dots.get_sizes()), np.sort(expected.get_sizes()))


@pytest.mark.parametrize(
    ("plot", "arguments", "message"),
    [
        ("graph", {"target": ["1"]}, r"target=\['1'\] must be one name; there are '0', '1'"),
        ("flow", {"group": ["1"]}, r"group=\['1'\] must be one name"),
        ("volcano", {"group": ["1"]}, r"group=\['1'\] must be one name"),
        ("graph", {"path": ["1"]}, "path: '1' is where paths end"),
        ("nodes", {"groupby": ["louvain"]}, r"groupby=\['louvain'\] is not a column"),
        ("nodes", {"vmax": "1"}, "vmax='1' must be a number that is positive and finite"),
        ("perturb", {"vmax": np.inf}, "vmax=inf must be a number that is positive and finite"),
    ],
)
def test_bad_input(everything, plot, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        getattr(e2t.pl, plot)(everything, **arguments)
    assert not plt.get_fignums()


def test_names_that_are_numbers(everything):
    """Clusters are often numbers; the target says which group, then."""
    for plot in (e2t.pl.graph, e2t.pl.flow):
        assert [text.get_text() for text in plot(everything, target=3).texts] == [
            text.get_text() for text in plot(everything, target="3").texts
        ]


@pytest.mark.parametrize("kind", [pd.Index, pd.Series, tuple, np.array])
def test_lists_of_any_kind(everything, kind):
    nodes = everything.uns["e2t"]["nodes"].query("kind == 'hidden'")["node"].astype(str).tolist()[:3]
    for plot in (e2t.pl.perturb, e2t.pl.nodes):
        labels = plot(everything, nodes=kind(nodes)).get_yticklabels()
        assert [label.get_text() for label in labels] == nodes


def boxes(ax):
    """Letters in boxes, on one line each."""
    for text in ax.texts:
        text.set_text(text.get_text().removeprefix("\N{BLACK DOWN-POINTING TRIANGLE} ").replace("\n", ""))
    return ax.texts


def with_ranking(adata, **columns):
    """A copy in which columns of the ranking of the first group are others."""
    made = adata.copy()
    ranked = made.uns["e2t"]["rank_nodes"].copy()
    first = ranked["group"].astype(str) == str(ranked["group"].iloc[0])
    for column, value in columns.items():
        ranked.loc[first, column] = value
    made.uns["e2t"] = {**made.uns["e2t"], "rank_nodes": ranked}
    return made


def test_a_group_that_was_not_compared(everything):
    """It has no best nodes by z; what there is of its network is chosen by the score."""
    adata = with_ranking(everything, z=np.nan, padj=np.nan)
    first, second = e2t.pl.rank_nodes(adata, groups=["0", "1"]).axes
    assert [text.get_text() for text in first.texts][:1] == ["nothing to rank"]
    assert not first.get_yticklabels()
    assert len(second.get_yticklabels()) == 20
    with pytest.raises(Edge2TorchError, match="no group has a node to show"):
        e2t.pl.nodes(adata, groups="0")
    scores = mean_scores(adata, None, "e2t").loc["0"]
    assert set(scores.nlargest(3).index) <= {text.get_text() for text in boxes(e2t.pl.graph(adata, n_nodes=3))}


def test_a_result_without_a_step(everything):
    """The other result is not the one that the user asked for."""
    adata = everything.copy()
    adata.uns["new"] = {part: adata.uns["e2t"][part] for part in ("graph", "nodes", "params")}
    with pytest.raises(Edge2TorchError, match=r"run e2t\.tl\.rank_nodes first, or pass key= for the one under 'e2t'"):
        e2t.pl.controls(adata, key="new")


@pytest.fixture(scope="module")
def cycles():
    adata = sc.datasets.pbmc68k_reduced()[::4].copy()
    pairs = [(f"tf{k % 3}", gene) for k, gene in enumerate(adata.var_names[:30])]
    pairs += [("tf1", "tf0"), ("tf0", "tf1"), ("far", "tf0"), ("tf2", "far")]
    e2t.pp.build_graph(adata, pd.DataFrame(pairs, columns=["source", "target"]), genes="leaves", min_genes=1)
    e2t.tl.fit(adata, "bulk_labels", backend="recurrent", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=2, edges=True)
    return adata


@pytest.mark.parametrize("plot", [e2t.pl.graph, e2t.pl.flow])
def test_the_class_stands_alone_on_the_right(cycles, plot):
    """Also where nodes are as far from the genes as it."""
    ax = plot(cycles, n_nodes=10, group="CD19+ B")
    assert {"far", "tf0", "tf1", "tf2"} <= {
        text.get_text().removeprefix("\N{BLACK DOWN-POINTING TRIANGLE} ") for text in ax.texts
    }
    places = {
        text.get_text().removeprefix("\N{BLACK DOWN-POINTING TRIANGLE} "): text.get_position()[0] for text in ax.texts
    }
    right = max(places[name] for name in places if name in ("far", "tf0", "tf1", "tf2"))
    assert places["class"] == pytest.approx(places["CD19+ B"])
    assert places["CD19+ B"] > right
