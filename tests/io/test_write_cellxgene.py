"""Files for cellxgene, read back with anndata and csv; what it shows of them is looked at in tests/viewers."""

from __future__ import annotations

import csv
import random
import re
from contextlib import nullcontext

import anndata
import matplotlib.colors
import mudata
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import torch
from anndata import AnnData

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.io import write_cellxgene
from edge2torch.io._viewer_genes import HEADER, set_names


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells.h5ad"


@pytest.fixture
def written(path):
    """``written(adata, ...)``: the file, without a map of nodes unless asked for, and the rows of its gene sets."""

    def write(adata, embedding=None, **options):
        write_cellxgene(adata, path, embedding=embedding, **options)
        return anndata.read_h5ad(path), rows(path.with_name("cells_gene_sets.csv"))

    return write


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def best(adata, groupby, n):
    """Best nodes of each group by the mean score, each once."""
    nodes = e2t.get.nodes(adata)
    means = nodes.to_df().groupby(adata.obs[groupby], observed=True).mean()
    return list(dict.fromkeys(name for _, row in means.iterrows() for name in row.nlargest(n).index))


def shown(cells, what="score"):
    return [name.removesuffix(f" ({what})") for name in cells.obs if name.endswith(f" ({what})")]


def test_scores_and_activations_of_the_best_nodes(adata, written, unchanged):
    with unchanged(adata):
        cells, _ = written(adata, n_nodes=2)
    chosen = best(adata, "bulk_labels", 2)
    label = e2t.get.nodes(adata).var["label"].str.replace("/", "|")
    assert shown(cells) == shown(cells, "activation") == label[chosen].tolist()
    for what, of in (("score", "scores"), ("activation", "activations")):
        nodes = e2t.get.nodes(adata, of=of)
        for node in chosen:
            column = cells.obs[f"{label[node]} ({what})"]
            assert column.dtype == np.float32
            np.testing.assert_array_equal(column, nodes[:, node].X.ravel())


def test_groups_and_nodes_as_asked(adata, written):
    label = e2t.get.nodes(adata).var["label"].str.replace("/", "|")
    cells, _ = written(adata, groupby="louvain", n_nodes=1)
    assert shown(cells) == label[best(adata, "louvain", 1)].tolist()
    names = e2t.get.nodes(adata).var_names[[3, 1]].tolist()
    cells, _ = written(adata, nodes=names, overwrite=True)
    assert shown(cells) == label[names].tolist()


def test_all_else_that_the_file_holds(adata, written):
    cells, _ = written(adata)
    assert set(cells.obs) > {"e2t_confidence", "e2t_pred", "e2t_split", "bulk_labels", "score|100"}
    np.testing.assert_array_equal(cells.obs["e2t_confidence"], adata.obsm["e2t_proba"].max(axis=1))
    assert cells.obs["e2t_pred"].tolist() == adata.obs["e2t_pred"].tolist()
    assert cells.obs_names.tolist() == adata.obs_names.tolist()
    assert cells.var_names.tolist() == adata.var_names.tolist()
    assert not len(cells.var.columns)
    assert not {*cells.layers, *cells.varm, *cells.obsp, *cells.varp} - {None}  # X, since anndata 0.13
    assert cells.raw is None
    assert set(cells.obsm) == {"X_umap", "X_pca"}
    for name in cells.obsm:
        assert cells.obsm[name].dtype == np.float32
        np.testing.assert_array_equal(cells.obsm[name], adata.obsm[name][:, :2].astype(np.float32))
    np.testing.assert_array_equal(cells.X, adata.X)
    assert cells.X.dtype == np.float32


def test_text_is_stored_as_every_reader_knows_it(adata, written, path):
    import h5py

    written(adata)
    with h5py.File(path) as file:
        found = {file[name].attrs["encoding-type"] for name in ("obs/_index", "var/_index", "obs/louvain/categories")}
    assert found == {"string-array"}


def test_what_most_values_are_decides_how_the_matrix_is_stored(adata, written):
    adata.X = sp.random_array(adata.shape, density=0.3, rng=np.random.default_rng(0), format="csr")
    cells, _ = written(adata)
    assert cells.X.format == "csc"
    np.testing.assert_array_equal(cells.X.toarray(), adata.X.toarray().astype(np.float32))
    adata.X = adata.X.toarray()
    assert written(adata, overwrite=True)[0].X.format == "csc"


def test_layers(adata, written):
    adata.layers["twice"] = 2 * adata.X
    assert np.array_equal(written(adata, layer="twice")[0].X, 2 * adata.X)
    adata.uns["e2t"]["params"]["fit"]["layer"] = "twice"  # what the model was trained on
    assert np.array_equal(written(adata, overwrite=True)[0].X, 2 * adata.X)
    assert np.array_equal(written(adata, layer="X", overwrite=True)[0].X, adata.X)


def states():
    generator = np.random.get_state()[1].tolist()  # noqa: NPY002 - others draw from it
    return generator, random.getstate(), torch.get_rng_state().tolist(), torch.get_num_threads()


@pytest.mark.parametrize("embedding", ["umap", "pca"])
def test_a_map_by_scores(adata, written, embedding):
    """Of groups that differ in their scores only, near cells are of the same group; twice the same."""
    scores = adata.obsm["e2t_nodes"]
    group = np.arange(adata.n_obs) % 3
    scores[:] = np.random.default_rng(0).normal(size=scores.shape) + 9 * group[:, None] * np.eye(1, scores.shape[1])
    scores[:5] = np.nan  # of cells that were not explained
    before = states()
    places = written(adata, embedding)[0].obsm["X_e2t_nodes"]
    assert states() == before
    assert places.shape == (700, 2)
    assert np.isnan(places).all(axis=1).tolist() == [True] * 5 + [False] * 695
    distance = np.linalg.norm(places[5:, None] - places[None, 5:], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (group[5:][distance.argmin(axis=1)] == group[5:]).mean() > 0.95
    np.testing.assert_array_equal(written(adata, embedding, overwrite=True)[0].obsm["X_e2t_nodes"], places)


def test_maps_that_cellxgene_shows(adata, written, capsys):
    adata.obsm["X_frame"] = pd.DataFrame({"a": 1, "b": range(700)}, index=adata.obs_names)
    adata.obsm["X_latent"] = np.ones((700, 9))
    adata.obsm["X_spoilt"] = np.full((700, 2), np.inf)
    adata.obsm["counts"] = np.ones((700, 2))
    cells, _ = written(adata)
    assert set(cells.obsm) == {"X_umap", "X_pca", "X_frame"}
    assert "left out of obsm" in (told := capsys.readouterr().out)
    assert "'X_latent' (9 columns, not 2); 'X_spoilt' (values that are not finite)" in told


def test_genes_that_lead_to_a_node_by_what_arrives_from_them(adata, written):
    """After interpret(edges=True), where genes lead to a node directly."""
    cells, (header, *found) = written(adata, n_genes=4)
    assert header == list(HEADER)
    nodes, edges = e2t.get.nodes(adata), e2t.get.edges(adata)
    means = nodes.to_df().groupby(adata.obs["bulk_labels"], observed=True).mean()
    by_set = {name: [row for row in found if row[0] == name] for name in dict.fromkeys(row[0] for row in found)}
    seen = 0
    for node, label in zip(best(adata, "bulk_labels", 3), shown(cells), strict=True):
        (name,) = set_names([label])
        group = max((g for g in means.index if node in means.loc[g].nlargest(3)), key=lambda g: means.loc[g, node])
        into = edges[(edges["group"] == group) & (edges["target"] == node) & edges["source"].isin(adata.var_names)]
        if len(into):
            seen += 1
            top = into[into["score"] != 0].nlargest(4, "score")
            assert [row[2] for row in by_set[name]] == top["source"].tolist()
            assert [row[3] for row in by_set[name]] == [f"score {score:.3g}" for score in top["score"]]
            assert f"in {group} that arrives" in by_set[name][0][1]
    assert seen > 5
    assert set(by_set) == set(set_names(shown(cells)))


def test_genes_below_a_node_by_their_own_score(adata, written):
    """Without scores of edges."""
    del adata.uns["e2t"]["edge_scores"]
    names = best(adata, "bulk_labels", 1)
    _, (_, *found) = written(adata, nodes=names, n_genes=1000)
    graph, scores = e2t.get.graph(adata), e2t.get.features(adata)
    means = e2t.get.nodes(adata).to_df().groupby(adata.obs["bulk_labels"], observed=True).mean()
    labels = e2t.get.nodes(adata).var["label"].str.replace("/", "|")
    for node, name in zip(names, set_names(labels[names]), strict=True):
        group = means[node].idxmax()
        below = [gene for gene in nx.ancestors(graph, node) if gene in adata.var_names]
        ranked = scores.loc[below, group].sort_values(ascending=False)
        genes = [row[2] for row in found if row[0] == name]
        assert set(genes) == set(ranked[ranked != 0].index)
        np.testing.assert_array_equal(ranked[genes], ranked[ranked != 0])


def test_colours(adata, written, capsys):
    n = adata.obs["louvain"].cat.categories.size
    adata.uns["bulk_labels_colors"] = ["tab:blue", "#12345678", *adata.uns["bulk_labels_colors"][2:]]
    adata.uns["louvain_colors"] = np.random.default_rng(0).random((n, 3))
    adata.uns["phase_colors"] = ["red"]  # one for three
    adata.uns["n_genes_colors"] = ["red"]  # no categories
    uns = written(adata)[0].uns
    assert set(uns) == {"bulk_labels_colors", "e2t_pred_colors", "louvain_colors"}
    for colours in uns.values():
        assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in colours)
    assert list(uns["bulk_labels_colors"][:2]) == [matplotlib.colors.to_hex("tab:blue"), "#123456"]
    assert list(uns["e2t_pred_colors"]) == list(uns["bulk_labels_colors"])
    assert "left out of uns, as cellxgene cannot show it: phase_colors" in capsys.readouterr().out


def test_nodes_of_one_label_are_told_apart(adata, written):
    table = adata.uns["e2t"]["nodes"]
    hidden = table.index[table["kind"] == "hidden"][:3]
    table.loc[hidden, "label"] = "PI3K/AKT, α"
    names = table.loc[hidden, "node"].tolist()
    cells, (_, *found) = written(adata, nodes=names)
    assert shown(cells) == [name.replace("/", "|") for name in names]
    cells, (_, *found) = written(adata, nodes=names[:1], overwrite=True)
    assert shown(cells) == ["PI3K|AKT, α"]
    assert {row[0] for row in found} == {"PI3K|AKT, alpha"}


def test_several_numbers(written):
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "hallmark")
    e2t.tl.fit(adata, ["S_score", "percent_mito"], max_epochs=1, n_replicates=2, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=2, target="S_score")
    cells, (_, *found) = written(adata)
    table = adata.uns["e2t"]["nodes"]
    outputs = table.loc[table["kind"] == "output", "label"].tolist()
    for i, name in enumerate(outputs):
        np.testing.assert_array_equal(cells.obs[f"{name} (predicted)"], adata.obsm["e2t_values"][:, i].astype("f4"))
    assert {row[1].split(": ")[1] for row in found} == {"mean score of each for S_score, through all nodes"}


def test_a_file_that_is_open(adata, written, tmp_path):
    del adata.obs["score/100"]
    from_memory, sets = written(adata)
    for matrix in ("dense", "csr_matrix", "csc_matrix"):
        if matrix != "dense":
            adata.X = getattr(sp, matrix)(adata.X)
        adata.write_h5ad(tmp_path / "all.h5ad")
        backed = anndata.read_h5ad(tmp_path / "all.h5ad", backed="r")
        found, found_sets = written(backed, overwrite=True)
        backed.file.close()
        assert found_sets == sets
        pd.testing.assert_frame_equal(found.obs, from_memory.obs)
        dense = found.X.toarray() if sp.issparse(found.X) else found.X
        np.testing.assert_array_equal(dense, from_memory.X)


@pytest.mark.filterwarnings("ignore:Cannot join columns", "ignore:.*var_names are not unique")
def test_a_mudata_shows_what_the_model_reads(written):
    both = sc.datasets.pbmc68k_reduced()
    part = {
        name: AnnData(both[:, at].X, obs=both.obs[[]], var=both.var.iloc[at][[]])
        for name, at in {"a": slice(0, 400), "b": slice(400, 765)}.items()
    }
    with mudata.set_options(pull_on_update=False) if hasattr(mudata, "set_options") else nullcontext():
        mdata = mudata.MuData(part)
    mdata.obs["kind"] = both.obs["bulk_labels"]
    mdata.obsm["X_umap"] = both.obsm["X_umap"]
    genes = [f"a:{name}" for name in part["a"].var_names[:30]] + [f"b:{name}" for name in part["b"].var_names[:30]]
    net = {"odd": genes[::2], "even": genes[1::2]}
    priors = {
        name: pd.DataFrame(
            [(node, gene[2:]) for node in net for gene in net[node] if gene.startswith(name)],
            columns=["source", "target"],
        )
        for name in part
    }
    e2t.pp.build_graph(mdata, priors)
    e2t.tl.fit(mdata, "kind", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(mdata, n_steps=2)
    cells, (_, *found) = written(mdata)
    assert sorted(cells.var_names) == sorted(genes)
    for name in genes[::20]:
        modality, gene = name.split(":")
        column = cells[:, name].X
        np.testing.assert_array_equal(
            np.ravel(column.toarray() if sp.issparse(column) else column), part[modality][:, gene].X.ravel()
        )
    assert {row[2] for row in found} <= set(genes)
    assert shown(cells) == ["odd", "even"] or shown(cells) == ["even", "odd"]


def test_replacing(adata, path, monkeypatch):
    sets = path.with_name("cells_gene_sets.csv")
    sets.write_text("mine")
    with pytest.raises(Edge2TorchError, match=r"cells_gene_sets\.csv exists: pass overwrite=True"):
        write_cellxgene(adata, path, embedding=None)
    assert [file.name for file in path.parent.iterdir()] == [sets.name]
    assert sets.read_text() == "mine"
    write_cellxgene(adata, path, embedding=None, overwrite=True)
    assert sorted(file.name for file in path.parent.iterdir()) == ["cells.h5ad", sets.name]
    before = path.read_bytes(), sets.read_bytes()

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("edge2torch.io._write_cellxgene.write_gene_sets", full)
    with pytest.raises(Edge2TorchError, match=r"cannot be written: No space left"):
        write_cellxgene(adata, path, embedding=None, n_nodes=1, overwrite=True)
    assert (path.read_bytes(), sets.read_bytes()) == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["cells.h5ad", sets.name]


def test_the_note_is_a_command_that_a_shell_reads(adata, tmp_path, capsys):
    import shlex

    (tmp_path / "my cells").mkdir()
    write_cellxgene(adata, tmp_path / "my cells" / "a.h5ad", embedding=None)
    words = shlex.split(capsys.readouterr().out.split("to look at it: ")[1])
    assert words[:3] == ["cellxgene", "--no-upgrade-check", "launch"]
    assert words[-1] == str(tmp_path / "my cells" / "a.h5ad")
    assert words[-2] == str(tmp_path / "my cells" / "a_gene_sets.csv")


def test_a_view_is_written_as_its_cells(adata, written):
    cells, _ = written(adata[100:300])
    assert cells.n_obs == 200
    assert cells.obs_names.tolist() == adata.obs_names[100:300].tolist()
