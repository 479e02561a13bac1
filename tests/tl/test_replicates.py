"""Replicates: the same split, other initial weights; the mean is predicted, and how they disagree."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest

import edge2torch as e2t
from edge2torch import Edge2TorchError

LEARN = {"max_epochs": 8, "batch_size": 8, "lr": 0.02, "progress_bar": False}


@pytest.fixture(scope="module")
def three(make_cells):
    adata = make_cells()
    e2t.tl.fit(adata, "kind", n_replicates=3, **LEARN)
    return adata


def proba_of_each(adata):
    each = []
    for k in range(3):
        model, artifact = e2t.get.model(adata, replicate=k)
        x = e2t.align_features_to_input_nodes(adata, artifact)
        each.append(model(x).softmax(dim=1).detach().numpy())
    return np.array(each)


def test_the_first_is_what_is_trained_alone(make_cells, three):
    alone = make_cells()
    e2t.tl.fit(alone, "kind", **LEARN)
    for name, values in alone.uns["e2t"]["model"]["state"].items():
        np.testing.assert_array_equal(three.uns["e2t"]["model"]["state"][name][:1], values)
    np.testing.assert_array_equal(three.uns["e2t"]["graph"]["weight"], alone.uns["e2t"]["graph"]["weight"])
    assert (three.obs["e2t_split"] == alone.obs["e2t_split"]).all()


def test_they_differ(three):
    each = proba_of_each(three)
    assert (np.abs(each[0] - each[1]).max(), np.abs(each[1] - each[2]).max()) > (0.01, 0.01)


def test_what_is_predicted(three):
    each = proba_of_each(three)
    np.testing.assert_allclose(three.obsm["e2t_proba"], each.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(three.obsm["e2t_std"], each.std(axis=0), atol=1e-6)
    chosen = each.mean(axis=0).argmax(axis=1)
    nodes = three.uns["e2t"]["nodes"]
    outputs = nodes.loc[nodes["kind"] == "output", "label"].to_numpy()
    assert three.obs["e2t_pred"].tolist() == outputs[chosen].tolist()
    np.testing.assert_allclose(three.obs["e2t_agreement"], (each.argmax(axis=2) == chosen).mean(axis=0))


def test_history_and_metrics(three):
    history = three.uns["e2t"]["history"]
    assert history.groupby("replicate")["epoch"].apply(list).tolist() == [list(range(8))] * 3
    models = ["network", "replicate 0", "replicate 1", "replicate 2"]
    assert e2t.get.metrics(three)["model"].unique().tolist() == models


@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_files(three, tmp_path, ending):
    path = tmp_path / f"three.{ending}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Writing zarr v2|.*zarr")
        getattr(three, f"write_{ending}")(path)
    again = getattr(ad, f"read_{ending}")(path)
    e2t.tl.predict(again)
    for slot in ("e2t_proba", "e2t_std"):
        np.testing.assert_array_equal(again.obsm[slot], three.obsm[slot])


def test_a_query_has_all_replicates(three, make_cells):
    query = make_cells()
    del query.uns["e2t"]
    e2t.tl.predict(query, three)
    np.testing.assert_array_equal(query.obsm["e2t_std"], three.obsm["e2t_std"])
    assert query.obs["e2t_agreement"].equals(three.obs["e2t_agreement"])


def test_scores_are_means_over_replicates(three, make_cells):
    adata = three.copy()
    e2t.tl.interpret(adata, n_steps=10)
    each = []
    for k in range(3):
        one = adata.copy()
        state = one.uns["e2t"]["model"]["state"]
        one.uns["e2t"]["model"]["state"] = {name: values[k : k + 1] for name, values in state.items()}
        e2t.tl.interpret(one, n_steps=10)
        each.append(one.obsm["e2t_nodes"])
    np.testing.assert_allclose(adata.obsm["e2t_nodes"], np.mean(each, axis=0), atol=1e-5)


@pytest.mark.parametrize("wrong", [3, -1, "first", True])
def test_a_replicate_that_there_is_not(three, wrong):
    with pytest.raises(Edge2TorchError, match="replicate="):
        e2t.get.model(three, replicate=wrong)


def test_a_line_each_in_the_plot(three):
    ax = e2t.pl.history(three)
    assert len(ax.lines) == 7, "two for each, and the points"
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["training", "validation"]
