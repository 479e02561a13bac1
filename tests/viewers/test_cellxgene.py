"""What CZ cellxgene shows of files that ``e2t.io.write_cellxgene`` writes."""

from __future__ import annotations

import csv
import io
import runpy
from pathlib import Path
from urllib.parse import quote

import anndata
import numpy as np
import pytest
import scanpy as sc
from matplotlib.image import imread

import edge2torch as e2t

viewer = runpy.run_path(str(Path(__file__).with_name("cellxgene.py")))
serve, column_of = viewer["serve"], viewer["column_of"]


@pytest.fixture(scope="module")
def adata():
    """Real cells with classes such as "CD4+/CD25 T Reg"; some without scores and class; columns of many kinds."""
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "reactome", min_genes=10)
    e2t.tl.fit(adata, "bulk_labels", max_epochs=5, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=5, edges=True)
    adata.obsm["e2t_nodes"][:7] = np.nan
    adata.obs["bulk_labels"] = adata.obs["bulk_labels"].where(np.arange(adata.n_obs) >= 7)
    adata.obs["with/slash"] = np.where(np.arange(adata.n_obs) < 9, np.nan, np.arange(adata.n_obs) / 7)
    adata.obs["nothing"] = np.nan
    adata.obs["whole"] = np.arange(adata.n_obs)
    adata.obs["yes"] = adata.obs["whole"] % 2 == 0
    adata.obs["yes or missing"] = adata.obs["yes"].astype("boolean").where(adata.obs["whole"] > 3)
    return adata


@pytest.fixture(scope="module")
def files(adata, tmp_path_factory):
    path = tmp_path_factory.mktemp("cellxgene") / "cells.h5ad"
    e2t.io.write_cellxgene(adata, path)
    return path, path.with_name("cells_gene_sets.csv")


@pytest.fixture(scope="module")
def server(files):
    with serve(*files, files[0].with_name("log.txt")) as started:
        yield started


@pytest.fixture(scope="module")
def schema(server):
    return server.read("schema")["schema"]


def rows(path):
    return list(csv.reader(io.StringIO(path.read_text())))


def test_columns_are_what_they_were(server, schema, files, adata, tmp_path):
    cells = anndata.read_h5ad(files[0])
    known = {column["name"]: column["type"] for column in schema["annotations"]["obs"]["columns"]}
    assert set(known) == {*cells.obs, "name_0"}
    assert {known[name] for name in cells.obs if name.endswith((" (score)", " (activation)"))} == {"float32"}
    assert known["bulk_labels"] == known["e2t_pred"] == "categorical"
    assert (known["whole"], known["yes"], known["with|slash"]) == ("int32", "boolean", "float32")
    names = list(cells.obs)
    for name, columns in zip(names, server.columns(*map(column_of, names), folder=tmp_path), strict=True):
        given = cells.obs[name].to_numpy()
        if columns[name].dtype.kind == "U":
            given = np.where(cells.obs[name].isna(), columns[name], given.astype(str))
        np.testing.assert_array_equal(columns[name], given, err_msg=name)


def test_scores_and_states_of_nodes_are_those_of_the_result(server, files, adata, tmp_path):
    for what, slot in (("score", "scores"), ("activation", "activations")):
        nodes = e2t.get.nodes(adata, of=slot)
        shown = [name for name in anndata.read_h5ad(files[0]).obs if name.endswith(f" ({what})")]
        labels = [label.replace("/", "|") for label in nodes.var["label"]]
        found = server.columns(*map(column_of, shown), folder=tmp_path)
        assert len(shown) >= 9
        for name, columns in zip(shown, found, strict=True):
            node = labels.index(name.removesuffix(f" ({what})"))
            np.testing.assert_array_equal(columns[name], nodes.X[:, node])


def test_maps(server, schema, files, adata, tmp_path):
    cells = anndata.read_h5ad(files[0])
    names = [layout["name"] for layout in schema["layout"]["obs"]]
    assert set(names) == {"e2t_nodes", "umap", "pca"}
    asked = server.columns(*(f"layout/obs?layout-name={name}" for name in names), folder=tmp_path)
    for name, columns in zip(names, asked, strict=True):
        shown, places = np.column_stack(list(columns.values())), cells.obsm[f"X_{name}"]
        there = ~np.isnan(places).any(axis=1)
        assert there.sum() == (693 if name == "e2t_nodes" else 700)
        np.testing.assert_array_equal(np.isnan(shown).any(axis=1), ~there)
        # the server moves and scales a map, both axes alike
        scale = np.ptp(shown[there], axis=0) / np.ptp(places[there], axis=0)
        np.testing.assert_allclose(scale[0], scale[1], rtol=1e-4)
        moved = (places[there] - places[there].min(axis=0)) * scale
        np.testing.assert_allclose(moved, shown[there] - shown[there].min(axis=0), atol=1e-5)


def test_genes(server, schema, adata, tmp_path):
    assert schema["dataframe"] == {"nObs": 700, "nVar": 765, "type": "float32"}
    genes = ["CD3D", "HLA-DRA", "LYZ"]
    asked = server.columns(*(f"data/var?var:name_0={quote(gene)}" for gene in genes), folder=tmp_path)
    for gene, columns in zip(genes, asked, strict=True):
        np.testing.assert_array_equal(next(iter(columns.values())), adata[:, gene].X.ravel())


def test_gene_sets(server, files):
    found = {one["geneset_name"]: one for one in server.read("genesets")["genesets"]}
    header, *written = rows(files[1])
    assert header == ["gene_set_name", "gene_set_description", "gene_symbol", "gene_description"]
    assert list(found) == list(dict.fromkeys(row[0] for row in written))
    shown = [
        [name, one["geneset_description"], gene["gene_symbol"], gene["gene_description"]]
        for name, one in found.items()
        for gene in one["genes"]
    ]
    assert shown == written


def test_colours(server, adata):
    given = dict(zip(adata.obs["bulk_labels"].cat.categories, adata.uns["bulk_labels_colors"], strict=True))
    shown = server.read("colors")
    assert shown["bulk_labels"] == {name: colour.lower() for name, colour in given.items()}
    assert shown["e2t_pred"].items() <= shown["bulk_labels"].items()


def coloured(page, path):
    """How many pixels of the map are in a colour, not in a shade of grey."""
    page.get_by_test_id("layout-graph").screenshot(path=path)
    pixels = imread(path)[..., :3]
    return int((np.ptp(pixels, axis=2) > 0.2).sum())


def test_the_page_colours_cells_by_a_node_and_opens_its_genes(server, page, files, tmp_path):
    name, _, gene, _ = rows(files[1])[1]
    page.goto(server.url)
    page.get_by_test_id("layout-graph").wait_for()
    page.get_by_test_id(f"histogram-{name} (score)-plot").wait_for()
    before = coloured(page, tmp_path / "before.png")
    page.get_by_test_id(f"colorby-{name} (score)").click()
    page.get_by_test_id("continuous_legend_color_by_label").get_by_text(f"{name} (score)").wait_for()
    page.get_by_test_id(f"{name}:geneset-expand").click()
    page.get_by_test_id(f"{gene}:gene-label").wait_for()
    after = coloured(page, tmp_path / "after.png")
    assert after > before + 1000
