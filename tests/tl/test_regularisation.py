"""Arguments of ``tl.fit`` that keep a network simple reach the network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from torch import nn

import edge2torch as e2t
from edge2torch import Edge2TorchError
from edge2torch.graph import dropout_rates
from edge2torch.nn import NodeDropout, NodeNorm
from edge2torch.training import learner

LEARN = {"max_epochs": 30, "batch_size": 8, "lr": 0.02, "input_dropout": 0.0, "progress_bar": False}


def fit(adata, **arguments):
    e2t.tl.fit(adata, "kind", **{**LEARN, **arguments})
    return e2t.get.model(adata)[0]


def modules(model, kind):
    return [module for module in model.modules() if isinstance(module, kind)]


@pytest.fixture
def deep(make_cells):
    """Cells with a graph of three layers."""
    adata = make_cells(n=30)
    low = pd.DataFrame({"source": [f"t{i % 4}" for i in range(12)], "target": [f"g{i}" for i in range(12)]})
    high = pd.DataFrame({"parent": ["P", "P", "Q", "Q", "R"], "child": ["t0", "t1", "t2", "t3", "t3"]})
    e2t.pp.build_graph(adata, low, hierarchy=high, min_genes=1)
    return adata


def test_norm(adata):
    assert modules(fit(adata), NodeNorm) == []
    model = fit(adata, norm="batch")
    assert modules(model, NodeNorm)
    again = e2t.get.model(adata)[0]
    for name, value in model.state_dict().items():
        assert value.equal(again.state_dict()[name]), name
    before = adata.obsm["e2t_proba"].copy()
    e2t.tl.predict(adata)
    np.testing.assert_array_equal(adata.obsm["e2t_proba"], before)
    e2t.tl.interpret(adata, n_steps=5)
    assert np.isfinite(adata.obsm["e2t_nodes"]).all()


def test_norm_is_for_feedforward_networks(adata):
    with pytest.raises(Edge2TorchError, match="norm"):
        fit(adata, norm="batch", backend="recurrent")
    assert "e2t_pred" not in adata.obs


def test_dropout_by_redundancy(deep):
    trained = fit(deep, dropout=0.5, dropout_rule="redundancy")
    _, artifact = e2t.get.model(deep)
    expected = dropout_rates(artifact.graph, 0.5, rule="redundancy")
    hidden = expected[artifact.graph.kind == "hidden"]
    assert hidden.min() < 0.5, "some are spared"
    found = [p for module in modules(trained, NodeDropout | nn.Dropout) for p in np.ravel(module.p)]
    assert set(np.float32(found)) | {0} == set(np.float32(hidden)) | {0}


def test_penalties_switch_nodes_off(deep):
    fit(deep)
    assert "switched_off" not in deep.uns["e2t"]["nodes"]
    assert (deep.uns["e2t"]["graph"]["weight"] != 0).all()
    fit(deep, group_lasso=10.0, max_epochs=40, patience=40, n_replicates=2)
    off = deep.uns["e2t"]["nodes"].set_index("node")["switched_off"]
    graph = deep.uns["e2t"]["graph"]
    for node, share in off.dropna().items():
        weights = [
            replicate.edge_weights().detach().numpy()[graph["source"] == node]
            for replicate in (e2t.get.model(deep, replicate=k)[0] for k in range(2))
        ]
        assert share == np.mean([not weight.any() for weight in weights])


def test_penalties_wait_for_the_first_steps(deep, monkeypatch):
    """So strong a penalty leaves nothing, once it begins."""
    strong = {"l1": 1e6, "max_epochs": 3, "patience": 3}
    fit(deep, **strong)
    assert (deep.uns["e2t"]["graph"]["weight"] != 0).all()
    monkeypatch.setattr(learner, "PENALTIES_FROM", 1)
    fit(deep, **strong)
    assert (deep.uns["e2t"]["graph"]["weight"] == 0).all()
    assert (deep.uns["e2t"]["nodes"]["switched_off"].dropna() == 1).all()


def test_auxiliary_heads_are_not_part_of_the_model(deep):
    plain = fit(deep, readout="top")
    aided = fit(deep, readout="top", auxiliary=0.5)
    assert plain.state_dict().keys() == aided.state_dict().keys()
    assert not all(plain.state_dict()[name].equal(value) for name, value in aided.state_dict().items())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"l1": -1}, "l1"),
        ({"group_lasso": float("nan")}, "group_lasso"),
        ({"auxiliary": "much"}, "auxiliary"),
        ({"dropout_rule": "random"}, "dropout_rule"),
        ({"norm": "layer"}, "norm"),
        ({"n_replicates": 0}, "n_replicates"),
        ({"n_replicates": 1.5}, "n_replicates"),
    ],
)
def test_wrong_arguments(adata, wrong, named):
    with pytest.raises(Edge2TorchError, match=named):
        fit(adata, **wrong)
    assert "e2t_pred" not in adata.obs
