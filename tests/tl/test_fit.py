"""``tl.fit`` sets what its docstring says."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import edge2torch as e2t

QUICK = {"max_epochs": 3, "progress_bar": False}
CLASSES = ["α/β T", "B", "NK"]


def outputs(adata, key="e2t"):
    nodes = adata.uns[key]["nodes"]
    return nodes.loc[nodes["kind"] == "output", "label"].tolist()


def test_slots(adata):
    before = {name: set(getattr(adata, name)) for name in ("obs", "var", "obsm", "varm", "layers", "obsp", "uns")}
    assert e2t.tl.fit(adata, "kind", **QUICK) is None
    added = {name: set(getattr(adata, name)) - before[name] for name in before}
    assert added == {
        **{name: set() for name in before},
        "obs": {"e2t_pred", "e2t_split"},
        "obsm": {"e2t_proba"},
    }
    made = {"graph", "nodes", "params", "coverage", "summary", "model", "history", "metrics"}
    assert set(adata.uns["e2t"]) == made | {"metrics_of_outputs"}


def test_predictions(fitted):
    pred, split, proba = fitted.obs["e2t_pred"], fitted.obs["e2t_split"], fitted.obsm["e2t_proba"]
    assert pred.cat.categories.tolist() == CLASSES, "in the order of the target's categories"
    assert split.cat.categories.tolist() == ["train", "validation", "test"]
    assert type(proba) is np.ndarray
    assert proba.dtype == np.float32
    assert proba.shape == (42, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert sorted(outputs(fitted)) == sorted(CLASSES)
    assert pred.tolist() == [outputs(fitted)[i] for i in proba.argmax(axis=1)]
    assert (pred == fitted.obs["kind"]).mean() > 0.7, "columns are not mixed up: the classes are far apart"


def test_split_has_the_shares(adata):
    e2t.tl.fit(adata, "kind", split=(0.5, 0.2, 0.3), **QUICK)
    shares = pd.crosstab(adata.obs["kind"], adata.obs["e2t_split"])
    assert shares[["train", "validation", "test"]].to_numpy().tolist() == [[7, 3, 4]] * 3, "of 14 cells each"


def test_metrics_and_history(fitted):
    history, metrics = fitted.uns["e2t"]["history"], fitted.uns["e2t"]["metrics"].set_index("split")
    assert metrics["model"].tolist() == ["network"] * 3
    assert history.columns.tolist() == ["replicate", "epoch", "train_loss", "val_loss"]
    assert history["epoch"].tolist() == list(range(20))
    right = fitted.obs["e2t_pred"].astype(str) == fitted.obs["kind"].astype(str)
    for name, here in right.groupby(fitted.obs["e2t_split"], observed=True):
        assert metrics.loc[name, "accuracy"] == here.mean()
        assert metrics.loc[name, "n_cells"] == len(here)


def test_graph_and_nodes_have_outputs(adata):
    built, nodes = adata.uns["e2t"]["graph"].copy(), adata.uns["e2t"]["nodes"].copy()
    e2t.tl.fit(adata, "kind", **QUICK)
    graph = adata.uns["e2t"]["graph"]
    readout = graph[graph["prior"] == "readout"]
    pd.testing.assert_frame_equal(graph.drop(columns="weight").iloc[: len(built)], built)
    hidden = nodes.loc[nodes["kind"] == "hidden", "node"]
    assert set(zip(readout["source"], readout["target"], strict=True)) == {(h, c) for h in hidden for c in CLASSES}
    assert len(graph) == len(built) + len(readout)
    table = adata.uns["e2t"]["nodes"].set_index("node")
    assert set(table.index) == set(nodes["node"]) | set(CLASSES)
    assert table["in_degree"][CLASSES].tolist() == [3, 3, 3]
    assert table["out_degree"][CLASSES].tolist() == [0, 0, 0]
    assert table["n_inputs"][CLASSES].tolist() == [12, 12, 12]
    assert (table["layer"][CLASSES] == 2).all()
    assert table["kind"].value_counts().to_dict() == {"input": 12, "hidden": 3, "output": 3}


def test_the_weights_of_the_graph_are_those_of_the_model(fitted):
    """Probabilities from the table of edges and the biases, node by node."""
    model, artifact = e2t.get.model(fitted)
    bias = {
        name: value
        for layer, block in enumerate(model.blocks, start=1)
        for name, value in zip(artifact.node_names_by_layer[f"layer_{layer}"], block.linear.bias.tolist(), strict=True)
    }
    state = {gene: fitted[:, gene].X.ravel().astype(float) for gene in artifact.feature_names}
    graph, nodes = fitted.uns["e2t"]["graph"], fitted.uns["e2t"]["nodes"]
    for row in nodes[nodes["kind"] != "input"].itertuples():
        into = graph[graph["target"] == row.node]
        total = bias[row.node] + sum(w * state[s] for s, w in zip(into["source"], into["weight"], strict=True))
        state[row.node] = np.tanh(total) if row.kind == "hidden" else total
    logits = np.column_stack([state[name] for name in outputs(fitted)])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.obsm["e2t_proba"], expected, atol=1e-5)


def test_readout_of_the_top(make_cells):
    net = pd.DataFrame({"source": ["P", "P", "Q", "Q"], "target": ["g0", "g1", "g1", "g2"]})
    adata = make_cells(net=net)
    part = pd.DataFrame({"source": ["P"], "target": ["Q"], "prior": ["by hand"]})
    adata.uns["e2t"]["graph"] = pd.concat([adata.uns["e2t"]["graph"], part], ignore_index=True)
    readers = {}
    for readout in ("all", "top"):
        e2t.tl.fit(adata, "kind", readout=readout, **QUICK)
        graph = adata.uns["e2t"]["graph"]
        readers[readout] = set(graph.loc[graph["prior"] == "readout", "source"])
    assert readers == {"all": {"P", "Q"}, "top": {"Q"}}


def test_refitting_replaces_the_readout(fitted):
    built = fitted.uns["e2t"]["graph"].query("prior != 'readout'").drop(columns="weight")
    e2t.tl.interpret(fitted, n_steps=2, cell_features=True)
    fitted.obs["half"] = np.where(np.arange(42) % 2, "odd", "even")
    e2t.tl.fit(fitted, "half", **QUICK)
    assert outputs(fitted) == ["even", "odd"]
    graph = fitted.uns["e2t"]["graph"]
    pd.testing.assert_frame_equal(graph.query("prior != 'readout'").drop(columns="weight"), built)
    assert set(graph.query("prior == 'readout'")["target"]) == {"even", "odd"}
    assert fitted.obsm["e2t_proba"].shape == (42, 2)
    assert fitted.obs["e2t_pred"].cat.categories.tolist() == ["even", "odd"]
    assert "rank_nodes" not in fitted.uns["e2t"], "scores of the former model are removed"
    assert not {"e2t_nodes", "e2t_features"} & {*fitted.obsm, *fitted.varm}


def test_refitting_forgets_how_the_former_model_was_interpreted(fitted):
    e2t.tl.interpret(fitted, n_steps=2)
    e2t.tl.fit(fitted, "kind", **QUICK)
    assert set(fitted.uns["e2t"]["params"]) == {"build_graph", "fit"}


def test_refitting_equals_fitting_anew(fitted, make_cells, same):
    fitted.obs["half"] = np.where(np.arange(42) % 2, "odd", "even")
    e2t.tl.fit(fitted, "half", **QUICK)
    e2t.tl.fit(fitted, "kind", **QUICK)
    del fitted.obs["half"]
    fresh = make_cells()
    e2t.tl.fit(fresh, "kind", **QUICK)
    same(fitted, fresh)


def test_params_hold_the_arguments(adata):
    adata.layers["z"] = adata.X.copy()
    weights = dict(zip(CLASSES, (1.0, 2.0, 0.5), strict=True))
    given = {"layer": "z", "activation": "relu", "readout": "top", "dropout": 0.1, "input_dropout": 0.2, "lr": 0.01}
    given |= {"patience": 2, "batch_size": 9, "weight_decay": 0.0, "random_state": 3, "accelerator": "cpu"}
    e2t.tl.fit(adata, "kind", **given, class_weight=weights, split=(0.6, 0.2, 0.2), **QUICK)
    params = adata.uns["e2t"]["params"]["fit"]
    assert {name: params[name] for name in given} == given
    assert json.loads(params["class_weight"]) == weights
    assert params["split"].tolist() == [0.6, 0.2, 0.2]
    assert (params["target"], params["max_epochs"]) == ("kind", 3)
    assert params["outputs"].tolist() == CLASSES
    assert params["task"] == "classes"
    assert params["edge2torch_version"] == e2t.__version__
    assert not {"copy", "progress_bar", "trainer_kwargs", "key"} & set(params)


def test_a_given_split_is_used(adata):
    adata.obs["mine"] = np.array(["test", "train", "validation", "train"])[np.arange(42) % 4]
    for kind in (str, "category"):
        adata.obs["mine"] = adata.obs["mine"].astype(kind)
        e2t.tl.fit(adata, "kind", split="mine", **QUICK)
        assert adata.obs["e2t_split"].astype(str).tolist() == adata.obs["mine"].astype(str).tolist()
        assert adata.uns["e2t"]["params"]["fit"]["split"] == "mine"


def test_the_split_of_a_fit_can_be_used_again(adata):
    once = e2t.tl.fit(adata, "kind", copy=True, **QUICK)
    again = e2t.tl.fit(once, "kind", split="e2t_split", copy=True, **QUICK)
    pd.testing.assert_series_equal(again.obs["e2t_split"], once.obs["e2t_split"])
    np.testing.assert_array_equal(again.obsm["e2t_proba"], once.obsm["e2t_proba"])


def test_a_split_without_test_cells(adata):
    e2t.tl.fit(adata, "kind", split=(0.8, 0.2, 0), **QUICK)
    assert adata.uns["e2t"]["metrics"]["split"].tolist() == ["train", "validation"]


def losses(adata, **arguments):
    """History of a fit without randomness but that of the seed."""
    return e2t.tl.fit(adata, "kind", copy=True, **QUICK, **arguments).uns["e2t"]["history"]


def test_balanced_class_weights_are_those_of_scikit_learn(adata):
    from sklearn.utils.class_weight import compute_class_weight

    adata = adata[(adata.obs["kind"] != "B") | (np.arange(42) % 2 == 0)].copy()
    done = e2t.tl.fit(adata, "kind", copy=True, **QUICK)
    training = adata.obs["kind"][done.obs["e2t_split"] == "train"].astype(str)
    weight = compute_class_weight("balanced", classes=np.array(CLASSES), y=training)
    assert len(set(weight)) > 1
    explicit = losses(adata, class_weight=dict(zip(CLASSES, weight.tolist(), strict=True)))
    pd.testing.assert_frame_equal(done.uns["e2t"]["history"], explicit, rtol=1e-5)


def test_no_class_weights_are_equal_ones(adata):
    one = losses(adata, class_weight=None)
    pd.testing.assert_frame_equal(one, losses(adata, class_weight=dict.fromkeys(CLASSES, 1.0)))
    heavy = losses(adata, class_weight={**dict.fromkeys(CLASSES, 1.0), "NK": 50.0})
    assert not np.allclose(one["train_loss"], heavy["train_loss"])


def test_class_weights_go_with_their_class_whatever_the_order(adata):
    adata.obs["mine"] = np.array(["train", "test", "validation"])[np.arange(42) % 3]
    weights = {"NK": 0.3, "α/β T": 5.0, "B": 1.0}
    histories = []
    for order in (["α/β T", "B", "NK"], ["NK", "α/β T", "B"], ["B", "NK", "α/β T"]):
        adata.obs["kind"] = adata.obs["kind"].cat.reorder_categories(order)
        histories.append(losses(adata, split="mine", class_weight=weights))
    for other in histories[1:]:
        pd.testing.assert_frame_equal(other, histories[0])


@pytest.mark.parametrize("number", [np.int64, np.float32, int])
def test_class_weights_may_be_any_numbers(adata, number):
    weights = {name: number(k + 1) for k, name in enumerate(CLASSES)}
    plain = {name: float(k + 1) for k, name in enumerate(CLASSES)}
    pd.testing.assert_frame_equal(losses(adata, class_weight=weights), losses(adata, class_weight=plain))


@pytest.mark.parametrize("number", [np.int64, np.int32])
def test_whole_numbers_may_be_those_of_numpy(adata, number):
    done = e2t.tl.fit(adata, "kind", max_epochs=number(2), batch_size=number(9), progress_bar=False, copy=True)
    assert len(done.uns["e2t"]["history"]) == 2


@pytest.mark.parametrize("kind", ["csr", "csc", "float64", "layer", "raw"])
def test_the_kind_of_matrix_makes_no_difference(adata, kind):
    expected = losses(adata)
    arguments, x = {}, adata.X
    if kind in ("csr", "csc"):
        adata.X = sp.csr_array(x) if kind == "csr" else sp.csc_matrix(x)
    elif kind == "float64":
        adata.X = x.astype(float)
    elif kind == "layer":
        adata.layers["log"], adata.X, arguments = x.copy(), np.full_like(x, np.nan), {"layer": "log"}
    else:
        adata.raw, arguments = adata.copy(), {"use_raw": True}
        adata.X = np.full_like(x, np.nan)
    pd.testing.assert_frame_equal(losses(adata, **arguments), expected)


def test_counts_are_warned_of(adata):
    adata.X = np.random.default_rng(0).poisson(9, adata.shape).astype(np.float32)
    adata.X[0, 0] = 40
    with pytest.warns(UserWarning, match=r"adata.X looks like raw counts.*normalize_total") as caught:
        e2t.tl.fit(adata, "kind", **QUICK)
    assert caught[0].filename == __file__, "the warning points at the caller"


@pytest.mark.parametrize("call", [e2t.tl.predict, e2t.tl.interpret, e2t.tl.rank_nodes, e2t.tl.perturb])
def test_counts_for_a_model_of_log_values_are_warned_of(adata, call):
    counts = np.random.default_rng(0).poisson(9, adata.shape).astype(np.float32)
    counts[0, 0] = 40
    arguments = {"nodes": "all"} if call is e2t.tl.perturb else {}
    e2t.tl.fit(adata, "kind", **QUICK)
    if call is e2t.tl.rank_nodes:
        e2t.tl.control(adata, n=2, progress_bar=False)
        arguments = {"progress_bar": False}
    query = adata.copy()
    query.X = counts
    with pytest.warns(UserWarning, match="look like raw counts, and those that the model was trained on did not"):
        call(query, **arguments)
    with pytest.warns(UserWarning, match="looks like raw counts"):
        e2t.tl.fit(query, "kind", **QUICK)
    assert query.uns["e2t"]["params"]["fit"]["counts"]
    e2t.tl.predict(query)  # no warning
    query.X = np.log1p(counts)
    with pytest.warns(UserWarning, match="these cells are none: call e2t.tl.fit again"):
        e2t.tl.interpret(query)


def test_counts_are_seen_beside_genes_that_are_filled(adata):
    e2t.tl.fit(adata, "kind", **QUICK)
    query = adata[:, adata.var_names != e2t.get.model(adata)[1].feature_names[0]].copy()
    query.X = np.full(query.shape, 40.0, dtype=np.float32)
    with pytest.warns(UserWarning, match="look like raw counts") as caught:
        e2t.tl.predict(query, adata, min_coverage=0.5)
    assert caught[0].filename == __file__


def test_settings_reach_the_model_and_the_trainer(adata):
    from lightning.pytorch.callbacks import Callback
    from torch import nn

    class Count(Callback):
        epochs = 0

        def on_train_epoch_end(self, trainer, pl_module):
            Count.epochs += 1

    e2t.tl.fit(adata, "kind", activation="relu", dropout=0.25, trainer_kwargs={"callbacks": [Count()]}, **QUICK)
    assert Count.epochs == 3
    model, _ = e2t.get.model(adata)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.25]
    assert any(isinstance(m, nn.ReLU) for m in model.modules())
