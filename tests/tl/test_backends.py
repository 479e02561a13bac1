"""The verbs on an AnnData with every backend, and with edge lists that say more than who reads whom."""

from __future__ import annotations

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t

QUICK = {"max_epochs": 4, "batch_size": 8, "lr": 0.05, "input_dropout": 0.0, "progress_bar": False}
BACKENDS = {
    "feedforward": {"backend": "feedforward", "width": 2},
    "recurrent": {"backend": "recurrent", "width": 2, "steps": 3},
    "alias": {"backend": "state_update", "steps": 4, "activation": "relu"},
    "graphnn": {"backend": "graphnn", "width": 2, "steps": 3, "dropout": 0.1},
    "linear": {"backend": "recurrent", "activation": None},
}
#: edges from pathways to others, around in a circle
CIRCLE = pd.DataFrame({"source": ["P", "Q/R", "π"], "target": ["Q/R", "π", "P"], "prior": "mine"})


def outputs_by_hand(adata, model, artifact):
    """Probabilities from the bare model."""
    x = torch.tensor(adata[:, artifact.feature_names].X)
    with torch.no_grad():
        return torch.softmax(model(x), dim=1).numpy()


@pytest.fixture(params=BACKENDS)
def options(request):
    return BACKENDS[request.param]


def test_from_fit_to_file(options, adata, tmp_path):
    """Fit, interpret, plot, write, read, predict: the same numbers all the way."""
    e2t.tl.fit(adata, "kind", **options, **QUICK)
    model, artifact = e2t.get.model(adata)
    assert artifact.backend == {"state_update": "recurrent"}.get(options["backend"], options["backend"])
    assert {name: artifact.settings[name] for name in options if name != "backend"} == {
        name: value for name, value in options.items() if name != "backend"
    }
    np.testing.assert_allclose(adata.obsm["e2t_proba"], outputs_by_hand(adata, model, artifact), rtol=1e-5)

    e2t.tl.interpret(adata, n_steps=60)
    pathways = e2t.get.nodes(adata)
    assert pathways.var_names.tolist() == artifact.hidden_nodes == adata.uns["e2t"]["nodes"]["node"][12:15].tolist()
    output = [artifact.output_nodes.index(name) for name in adata.obs["kind"]]
    expected = e2t.interpret_model(
        model, artifact, adata, "nodes", output=output, n_steps=60, as_table=True, quiet=True
    )
    np.testing.assert_allclose(pathways.X, expected[pathways.var_names], rtol=1e-4, atol=1e-6)
    e2t.pl.nodes(adata, show=False)
    plt.close("all")

    adata.write_h5ad(tmp_path / "cells.h5ad")
    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    proba = read.obsm["e2t_proba"].copy()
    read.obsm["e2t_proba"][:] = 0
    e2t.tl.predict(read)
    np.testing.assert_array_equal(read.obsm["e2t_proba"], proba)
    np.testing.assert_array_equal(proba, adata.obsm["e2t_proba"])
    again, same = e2t.get.model(read)
    assert same.settings == artifact.settings
    for name, part in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], part)
    e2t.tl.interpret(read, n_steps=60)
    np.testing.assert_array_equal(read.obsm["e2t_nodes"], adata.obsm["e2t_nodes"])


def test_learns(adata):
    """Also step by step: the classes are far apart."""
    for backend in ("recurrent", "graphnn"):
        e2t.tl.fit(adata, "kind", backend=backend, width=2, **{**QUICK, "max_epochs": 20, "weight_decay": 0.0})
        assert (adata.obs["e2t_pred"] == adata.obs["kind"]).mean() > 0.7


def test_reproducible(options, adata):
    probabilities = []
    for _ in range(2):
        e2t.tl.fit(adata, "kind", random_state=3, **options, **QUICK)
        probabilities.append(adata.obsm["e2t_proba"].copy())
    np.testing.assert_array_equal(*probabilities)


@pytest.mark.parametrize("backend", ["recurrent", "graphnn"])
def test_cycles(backend, adata, unchanged):
    """Pathways that feed each other in a circle: fine with steps, an error without."""
    adata.uns["e2t"]["graph"] = pd.concat([adata.uns["e2t"]["graph"], CIRCLE], ignore_index=True)
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match=r"the graph has a cycle"):
        e2t.tl.fit(adata, "kind", **QUICK)
    e2t.tl.fit(adata, "kind", backend=backend, steps=4, **QUICK)
    model, artifact = e2t.get.model(adata)
    np.testing.assert_allclose(adata.obsm["e2t_proba"], outputs_by_hand(adata, model, artifact), rtol=1e-5)
    weights = adata.uns["e2t"]["graph"].set_index(["source", "target"])["weight"]
    found = e2t.get_edge_weights(model, artifact).set_index(["source", "target"])["weight"]
    pd.testing.assert_series_equal(weights, found, check_dtype=False)
    e2t.tl.interpret(adata, n_steps=3)
    assert e2t.get.nodes(adata).var_names.tolist() == ["P", "Q/R", "π"]


BAD = [
    ({"backend": "gnn"}, "backend='gnn' is unknown"),
    ({"width": 0}, "width=0 must be a whole number"),
    ({"width": 1.5}, "width=1.5 must be a whole number"),
    ({"backend": "recurrent", "steps": 0}, "steps=0 must be a whole number"),
    ({"backend": "recurrent", "steps": 1}, r"steps=1 is too few: no input reaches 3 of 3 outputs .* at least 2"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_errors_change_nothing(bad, message, adata, unchanged):
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match=message):
        e2t.tl.fit(adata, "kind", **bad, **QUICK)


@pytest.mark.parametrize("backend", ["recurrent", "graphnn"])
def test_no_lrp(backend, adata, unchanged):
    e2t.tl.fit(adata, "kind", backend=backend, activation="relu", **QUICK)
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match="LRP is not defined"):
        e2t.tl.interpret(adata, method="LRP")


def priors(adata):
    """Signs, a fixed and a given weight from the literature, for some of the edges."""
    graph = adata.uns["e2t"]["graph"]
    constraint = np.full(len(graph), "unconstrained", dtype=object)
    weight = np.full(len(graph), np.nan)
    constraint[:4] = ["positive", "negative", "fixed", "unconstrained"]
    weight[[2, 3]] = [-0.75, 2.0]
    return graph.assign(constraint=constraint, initial_weight=weight)


def check_priors(cells, before):
    graph = cells.uns["e2t"]["graph"]
    pd.testing.assert_frame_equal(
        graph[["source", "target"]][: len(before)], before[["source", "target"]], check_dtype=False
    )
    model, artifact = e2t.get.model(cells)
    edges = artifact.graph.edges
    assert edges["constraint"][:4].tolist() == ["positive", "negative", "fixed", "unconstrained"]
    assert set(edges["constraint"][4:]) == {"unconstrained"}
    np.testing.assert_array_equal(edges["initial_weight"][: len(before)], before["initial_weight"])
    assert edges["initial_weight"][len(before) :].isna().all()
    weight = e2t.get_edge_weights(model, artifact)["weight"]
    assert weight[0] >= 0 >= weight[1]
    assert weight[2] == -0.75
    assert weight[3] != 2.0, "an initial weight is trained"
    np.testing.assert_array_equal(graph["weight"], weight)
    np.testing.assert_allclose(cells.obsm["e2t_proba"], outputs_by_hand(cells, model, artifact), rtol=1e-5)
    expected = cells.obsm["e2t_proba"].copy()
    e2t.tl.predict(cells)
    np.testing.assert_array_equal(cells.obsm["e2t_proba"], expected)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
def test_constraints_and_initial_weights(backend, adata):
    """They hold in training, and are there afterwards."""
    adata.uns["e2t"]["graph"] = priors(adata)
    before = adata.uns["e2t"]["graph"].copy()
    e2t.tl.fit(adata, "kind", backend=backend, **QUICK)
    check_priors(adata, before)


@pytest.mark.parametrize("readout", ["all", "top"])
@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
def test_constraints_and_initial_weights_in_a_file(backend, readout, adata, tmp_path):
    adata.uns["e2t"]["graph"] = priors(adata)
    before = adata.uns["e2t"]["graph"].copy()
    adata.write_h5ad(tmp_path / "before.h5ad")
    e2t.tl.fit(adata, "kind", backend=backend, readout=readout, **QUICK)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    check_priors(anndata.read_h5ad(tmp_path / "cells.h5ad"), before)


def test_constraints_in_a_file(adata, tmp_path):
    """Without initial weights; a second fit, on what was read, replaces the edges into outputs."""
    constraint = np.full(len(adata.uns["e2t"]["graph"]), "unconstrained", dtype=object)
    constraint[:2] = ["positive", "negative"]
    adata.uns["e2t"]["graph"]["constraint"] = constraint
    for backend in ("feedforward", "recurrent"):
        e2t.tl.fit(adata, "kind", backend=backend, **QUICK)
        adata.write_h5ad(tmp_path / "cells.h5ad")
        adata = anndata.read_h5ad(tmp_path / "cells.h5ad")
        graph = adata.uns["e2t"]["graph"]
        assert graph["constraint"].tolist() == [*constraint, *["unconstrained"] * 9]
        assert graph["prior"].tolist()[len(constraint) :] == ["readout"] * 9
        assert graph["weight"][0] >= 0 >= graph["weight"][1]
        e2t.tl.interpret(adata, n_steps=2)


def test_missing_constraints_in_a_file(adata, tmp_path):
    """Edges without a constraint may have none in the table; they are unconstrained in the model."""
    graph = adata.uns["e2t"]["graph"]
    graph["constraint"] = pd.Series(["positive", *[None] * (len(graph) - 1)], dtype=object)
    e2t.tl.fit(adata, "kind", **QUICK)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    read = anndata.read_h5ad(tmp_path / "cells.h5ad").uns["e2t"]["graph"]["constraint"]
    assert read.tolist() == ["positive", *["unconstrained"] * (len(read) - 1)]


def test_rows_of_the_graph_in_another_order(adata):
    """The order of rows says nothing: whoever sorts the table by weight still has the same model."""
    adata.uns["e2t"]["graph"] = priors(adata)
    e2t.tl.fit(adata, "kind", width=2, **QUICK)
    graph = adata.uns["e2t"]["graph"].sort_values("weight")
    adata.uns["e2t"]["graph"] = graph
    expected = adata.obsm["e2t_proba"].copy()
    e2t.tl.predict(adata)
    np.testing.assert_allclose(adata.obsm["e2t_proba"], expected, rtol=1e-5)
    weights = e2t.get_edge_weights(*e2t.get.model(adata))
    np.testing.assert_allclose(weights["weight"], graph["weight"], rtol=1e-6)
    assert weights["source"].tolist() == graph["source"].tolist()


def test_initial_weights_are_where_training_begins(adata):
    """With a learning rate of nearly 0, they are what comes out."""
    adata.uns["e2t"]["graph"] = priors(adata)
    e2t.tl.fit(adata, "kind", **{**QUICK, "lr": 1e-12})
    graph = adata.uns["e2t"]["graph"]
    np.testing.assert_allclose(graph["weight"][[2, 3]], [-0.75, 2.0], rtol=1e-6)


def test_fit_again_with_another_backend(adata):
    """Outputs and weights of the earlier model do not stay."""
    e2t.tl.fit(adata, "kind", backend="graphnn", **QUICK)
    e2t.tl.interpret(adata, n_steps=2)
    e2t.tl.fit(adata, "kind", **QUICK)
    fresh = adata.copy()
    graph = fresh.uns["e2t"]["graph"]
    fresh.uns["e2t"]["graph"] = graph[graph["prior"] != "readout"].drop(columns="weight")
    e2t.tl.fit(fresh, "kind", **QUICK)
    np.testing.assert_array_equal(fresh.obsm["e2t_proba"], adata.obsm["e2t_proba"])
    assert "e2t_nodes" not in adata.obsm
