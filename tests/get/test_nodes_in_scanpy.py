"""What scanpy, decoupler and mudata make of ``get.nodes``: the values of ``obsm``, and nothing of genes."""

from __future__ import annotations

import decoupler as dc
import matplotlib.pyplot as plt
import mudata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import scipy.stats
from anndata import AnnData

import edge2torch as e2t

pytestmark = [
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),  # scanpy's use of matplotlib
    # pandas 3, of what others do
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(scanpy|seaborn|decoupler)"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mudata"),
]

GROUPS = ["a/1", "b cells", "CD4+"]
#: for each group, the node whose genes are high: a name with "/", a long one, and that of a gene
PLANTED = {"a/1": "PI3K/AKT: signalling (α)", "b cells": "long " * 30, "CD4+": "TF1 (node)"}


@pytest.fixture(scope="session")
def planted_once() -> AnnData:
    """Three groups of cells and 60 nodes, more than scanpy takes without components; X_pca and others are of genes."""
    generator = np.random.default_rng(0)
    nodes = [*(name.removesuffix(" (node)") for name in PLANTED.values()), *(f"n/{i}" for i in range(57))]
    net = pd.DataFrame([(name, f"g{5 * i + k}") for i, name in enumerate(nodes) for k in range(5)])
    net.columns = ["source", "target"]
    net.loc[len(net)] = ["n/0", "TF1"]
    genes = net["target"].tolist()
    group = np.repeat(np.arange(3), 40)
    x = generator.normal(size=(120, len(genes))).astype(np.float32)
    x[:, :15] += 3 * np.repeat(group[:, None] == np.arange(3), 5, axis=1)
    obs = pd.DataFrame({"group": pd.Categorical.from_codes(group, GROUPS), "donor": np.tile(["d1", "d2"], 60)})
    adata = AnnData(x, obs=obs.set_index(obs.index.map("cell{}".format)), var=pd.DataFrame(index=genes))
    sc.pp.pca(adata, n_comps=50)
    adata.obsm["X_umap"] = generator.normal(size=(120, 2))
    adata.obsm["X_diffmap"], adata.uns["diffmap_evals"] = generator.normal(size=(120, 3)), np.ones(3)
    neighbours = sp.random(120, 120, 0.1, "csr", random_state=0)
    adata.obsp["distances"] = adata.obsp["connectivities"] = adata.obsp["spatial_connectivities"] = neighbours
    adata.uns["neighbors"] = {"connectivities_key": "connectivities", "distances_key": "distances", "params": {}}
    adata.uns["spatial"] = {"slide": {"scalefactors": {"spot_diameter_fullres": 1.0}}}
    adata.uns["group_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    adata.obsm["spatial"] = generator.normal(size=(120, 2))
    e2t.pp.build_graph(adata, net, min_genes=1)
    e2t.tl.fit(adata, "group", max_epochs=40, batch_size=8, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=5)
    return adata


@pytest.fixture
def planted(planted_once) -> AnnData:
    return planted_once.copy()


@pytest.fixture(params=["scores", "activations"])
def nodes(request, planted) -> AnnData:
    return e2t.get.nodes(planted, of=request.param)


@pytest.fixture
def scores(planted) -> AnnData:
    return e2t.get.nodes(planted)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


NAMES = list(PLANTED.values())
LABELS = [name.removesuffix(" (node)") for name in NAMES]
#: how nodes may be named in plots
NAMING = pytest.mark.parametrize(("names", "symbols"), [(NAMES, None), (LABELS, "label")], ids=["var_names", "label"])


def means(nodes: AnnData) -> pd.DataFrame:
    """Groups x nodes, by NumPy alone."""
    return pd.DataFrame(
        [np.asarray(nodes.X)[(nodes.obs["group"] == group).to_numpy()].mean(axis=0, dtype=float) for group in GROUPS],
        index=GROUPS,
        columns=nodes.var_names,
    )


def test_the_planted_nodes_separate_the_groups(scores):
    assert scores.n_vars == 60 > sc.settings.N_PCS
    assert means(scores)[NAMES].idxmax().tolist() == GROUPS
    assert means(scores).idxmax(axis=1).to_dict() == PLANTED
    assert (scores.X < 0).any(), "scores are signed"


@NAMING
def test_colours_of_an_embedding_are_the_values(nodes, names, symbols):
    axes = sc.pl.umap(nodes, color=[*names, "group"], gene_symbols=symbols, sort_order=False, show=False)
    for ax, name in zip(axes, NAMES, strict=False):
        np.testing.assert_array_equal(ax.collections[0].get_array(), nodes[:, name].X[:, 0])
        np.testing.assert_array_equal(ax.collections[0].get_offsets(), nodes.obsm["X_umap"])
    red = axes[3].collections[0].get_facecolors()[:40]
    assert (red == [1, 0, 0, 1]).all(), "colours of the groups come along"


@NAMING
@pytest.mark.parametrize("plot", ["matrixplot", "dotplot", "stacked_violin"])
def test_plots_of_groups_show_means(nodes, plot, names, symbols):
    shown = getattr(sc.pl, plot)(nodes, names, "group", gene_symbols=symbols, show=False, return_fig=True)
    shown.make_figure()
    if plot == "stacked_violin":
        axes = [ax for ax in shown.fig.axes if ax.collections]
        assert len(axes) > len(GROUPS), "a row of violins per group, and the colours"
        return
    frame = shown.values_df if plot == "matrixplot" else shown.dot_color_df
    np.testing.assert_allclose(frame.loc[GROUPS, names], means(nodes)[NAMES], rtol=1e-4, atol=1e-6)


@NAMING
def test_heatmap_and_tracks_show_every_cell(nodes, names, symbols):
    axes = sc.pl.heatmap(nodes, names, "group", gene_symbols=symbols, show=False)
    by_group = nodes[np.argsort(nodes.obs["group"].cat.codes, kind="stable"), NAMES].X
    np.testing.assert_allclose(axes["heatmap_ax"].images[0].get_array(), by_group, rtol=1e-6)
    tracks = sc.pl.tracksplot(nodes, names, "group", gene_symbols=symbols, show=False)["track_axes"]
    assert len(tracks) == len(names)


def test_violins_show_every_cell(nodes):
    ax = sc.pl.violin(nodes, NAMES[0], "group", jitter=False, show=False)
    drawn = np.concatenate([np.asarray(points.get_offsets())[:, 1] for points in ax.collections[-3:]])
    np.testing.assert_allclose(np.sort(drawn), np.sort(nodes[:, NAMES[0]].X[:, 0]), rtol=1e-6)


def test_dendrogram_is_that_of_nodes(nodes):
    sc.tl.dendrogram(nodes, "group", use_rep="X")
    made = nodes.uns["dendrogram_group"]["correlation_matrix"]
    np.testing.assert_allclose(made, np.corrcoef(means(nodes)), atol=1e-5)
    shown = sc.pl.matrixplot(nodes, NAMES, "group", dendrogram=True, show=False, return_fig=True)
    shown.make_figure()
    assert sc.pl.dendrogram(nodes, "group", show=False)


@pytest.mark.filterwarnings("ignore:You.re trying to run this on 60 dimensions:UserWarning")
def test_what_is_computed_from_nodes_is_not_that_of_genes(nodes):
    """By default scanpy takes ``X_pca``, neighbours and diffusion maps that are there for those of X."""
    with pytest.raises(ValueError, match="neighbors"):
        sc.tl.umap(nodes)
    sc.tl.dendrogram(nodes, "group")  # computes components, and says so
    components = nodes.obsm["X_pca"]
    centred = nodes.X - nodes.X.mean(axis=0)
    np.testing.assert_allclose(components, centred @ nodes.varm["PCs"], atol=1e-4)
    by_group = pd.DataFrame(components).groupby(nodes.obs["group"].to_numpy(), observed=True).mean().loc[GROUPS]
    made = nodes.uns["dendrogram_group"]["correlation_matrix"]
    np.testing.assert_allclose(made, np.corrcoef(by_group), atol=1e-5)
    assert set(nodes.obsp) == {"spatial_connectivities"}
    assert "neighbors" not in nodes.uns


def test_neighbours_umap_and_clusters_of_nodes(scores):
    sc.pp.neighbors(scores, n_neighbors=10, use_rep="X")
    distances = scores.obsp["distances"]
    squared = ((scores.X[0] - scores.X) ** 2).sum(axis=1)
    assert set(distances[0].indices) <= set(np.argsort(squared)[:10])
    before = scores.obsm["X_umap"].copy()
    sc.tl.umap(scores, maxiter=20)
    assert scores.obsm["X_umap"].shape == (120, 2)
    assert not np.array_equal(scores.obsm["X_umap"], before)
    group = scores.obs["group"].cat.codes.to_numpy()
    cell, neighbour = scores.obsp["connectivities"].nonzero()
    assert (group[cell] == group[neighbour]).mean() > 0.9, "neighbours in node space are of one group"
    pytest.importorskip("igraph")  # an extra of scanpy
    sc.tl.leiden(scores, flavor="igraph", n_iterations=2, directed=False, resolution=0.3)
    purity = pd.crosstab(scores.obs["leiden"], scores.obs["group"]).max(axis=1).sum() / 120
    assert purity > 0.9


@pytest.mark.parametrize("method", ["t-test", "wilcoxon"])
def test_differences_between_groups_are_those_of_scipy(nodes, method):
    """The fold change is the one column that signed values have not."""
    with pytest.warns(RuntimeWarning, match="log2"):
        sc.tl.rank_genes_groups(nodes, "group", method=method)
    for group in GROUPS:
        found = sc.get.rank_genes_groups_df(nodes, group).set_index("names").loc[nodes.var_names]
        inside = (nodes.obs["group"] == group).to_numpy()
        one, other = nodes.X[inside].astype(float), nodes.X[~inside].astype(float)
        welch = scipy.stats.ttest_ind(one, other, equal_var=False)
        test = welch if method == "t-test" else scipy.stats.ranksums(one, other)
        np.testing.assert_allclose(found["scores"], test.statistic, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found["pvals"], test.pvalue, rtol=2e-2, atol=1e-12)
        difference, change = means(nodes).loc[group] - other.mean(axis=0), found["logfoldchanges"]
        signs = np.sign(one.mean(axis=0)), np.sign(other.mean(axis=0))
        np.testing.assert_array_equal(change.isna(), signs[0] != signs[1])
        both_negative = (signs[0] < 0) & (signs[1] < 0)
        assert (np.sign(change[both_negative]) == -np.sign(difference[both_negative])).all()


@pytest.mark.filterwarnings("ignore:invalid value encountered in log2:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:set_ticklabels:UserWarning")  # scanpy's violins
@pytest.mark.parametrize(
    "plot", ["", "_dotplot", "_matrixplot", "_heatmap", "_stacked_violin", "_tracksplot", "_violin"]
)
def test_plots_of_differences(scores, plot):
    sc.tl.rank_genes_groups(scores, "group")
    first = sc.get.rank_genes_groups_df(scores, None).groupby("group", observed=True)["names"].first()
    assert first.to_dict() == PLANTED
    sc.tl.dendrogram(scores, "group", use_rep="X")
    getattr(sc.pl, f"rank_genes_groups{plot}")(scores, n_genes=2, show=False)
    assert plt.get_fignums()


@NAMING
def test_values_by_name(nodes, names, symbols):
    table = sc.get.obs_df(nodes, [*names, "group"], gene_symbols=symbols)
    np.testing.assert_array_equal(table[names], nodes[:, NAMES].X)
    np.testing.assert_array_equal(nodes.to_df()[NAMES], nodes[:, NAMES].X)
    assert nodes.to_df().shape == nodes.shape
    average = sc.get.aggregate(nodes, "group", "mean")
    np.testing.assert_allclose(average.layers["mean"], means(nodes).loc[average.obs_names], rtol=1e-4, atol=1e-6)


def test_score_genes(scores):
    sc.tl.score_genes(scores, [PLANTED["b cells"]], ctrl_size=10, n_bins=3, score_name="b")
    assert scores.obs.groupby("group", observed=True)["b"].mean().idxmax() == "b cells"


def test_places_on_a_slide_come_along(nodes, planted):
    np.testing.assert_array_equal(nodes.obsm["spatial"], planted.obsm["spatial"])
    assert nodes.uns["spatial"] == planted.uns["spatial"]
    near = planted.obsp["spatial_connectivities"].toarray()
    found = sc.metrics.morans_i(nodes.obsp["spatial_connectivities"], nodes.X.T)
    z = nodes.X - nodes.X.mean(axis=0, dtype=float)
    expected = len(z) / near.sum() * ((near @ z) * z).sum(axis=0) / (z**2).sum(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("method", ["t-test", "wilcoxon"])
def test_decoupler_ranks_nodes(scores, method):
    ranked = dc.tl.rankby_group(scores, "group", method=method)
    change = ranked.pivot_table(index="group", columns="name", values="meanchange", observed=True)
    for group in GROUPS:
        rest = scores[scores.obs["group"] != group].X.mean(axis=0, dtype=float)
        np.testing.assert_allclose(change.loc[group, scores.var_names], means(scores).loc[group] - rest, atol=1e-5)
    up = ranked[ranked["stat"] > 0].groupby("group", observed=True)["name"].first()
    assert up.to_dict() == PLANTED


def test_decoupler_averages_nodes_over_donors(scores):
    bulk = dc.pp.pseudobulk(scores, "donor", "group", mode="mean", skip_checks=True)
    cells = pd.DataFrame(scores.X, index=pd.MultiIndex.from_frame(scores.obs[["donor", "group"]].astype(str)))
    expected = cells.groupby(level=[0, 1]).mean()
    rows = pd.MultiIndex.from_frame(bulk.obs[["donor", "group"]].astype(str))
    np.testing.assert_allclose(bulk.X, expected.loc[rows], atol=1e-6)


def test_a_modality_of_its_own(planted, scores):
    both = mudata.MuData({"rna": planted, "nodes": scores})
    assert both.n_vars == planted.n_vars + scores.n_vars
    assert both.var_names.is_unique, "the gene TF1 and the node of that name are told apart"
    np.testing.assert_array_equal(both["nodes"].X, planted.obsm["e2t_nodes"])


@pytest.mark.filterwarnings("ignore:invalid value encountered in log2:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:The data type .* does not have a Zarr V3")  # of scanpy's tables of differences
@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_files(nodes, suffix, through_file, same):
    sc.tl.rank_genes_groups(nodes, "group", n_genes=5)
    sc.tl.dendrogram(nodes, "group", use_rep="X")
    back = through_file(nodes, suffix)
    np.testing.assert_array_equal(back.X, nodes.X)
    assert back.var_names.tolist() == nodes.var_names.tolist()
    pd.testing.assert_frame_equal(back.var, nodes.var)
    pd.testing.assert_frame_equal(sc.get.rank_genes_groups_df(back, None), sc.get.rank_genes_groups_df(nodes, None))


def test_a_second_result_does_not_come_along(planted):
    before = set(e2t.get.nodes(planted).obsm)
    net = pd.DataFrame({"source": ["S", "S"], "target": ["g1", "g2"]})
    e2t.pp.build_graph(planted, net, key_added="other", min_genes=1)
    e2t.tl.fit(planted, "group", max_epochs=1, progress_bar=False, key="other")
    e2t.tl.interpret(planted, n_steps=2, key="other")
    assert set(e2t.get.nodes(planted).obsm) == before == {"X_umap", "spatial"}
