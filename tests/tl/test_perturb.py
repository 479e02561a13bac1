"""``tl.perturb``: beside the bare model on other inputs, and beside models compiled without the removed node."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import edge2torch as e2t

QUICK = {"max_epochs": 4, "batch_size": 8, "lr": 0.05, "input_dropout": 0.0, "progress_bar": False}


def bare(adata, replicate=0):
    model, artifact = e2t.get.model(adata, replicate=replicate)
    return model, artifact, np.array(adata[:, artifact.feature_names].X, dtype=np.float32)


def said(model, x):
    with torch.no_grad():
        return model(torch.from_numpy(x)).numpy()


def softmax(logits):
    return torch.from_numpy(logits).softmax(dim=1).numpy()


def states(model, x):
    with torch.no_grad():
        return np.hstack([state.numpy() for state in model.forward_with_states(torch.from_numpy(x))[1]])


@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        ({"genes": {"g0": 0.5, "g4": -1.0}}, lambda x: (np.full_like(x, 0.5), np.full_like(x, -1.0))),
        ({"genes": ["g0", "g4"], "value": 2}, lambda x: (np.full_like(x, 2), np.full_like(x, 2))),
        ({"genes": ["g0", "g4"], "mode": "remove"}, lambda x: (0 * x, 0 * x)),
        ({"genes": {"g0": 0.5, "g4": 3}, "mode": "scale"}, lambda x: (0.5 * x, 3 * x)),
        ({"genes": ["g0", "g4"]}, lambda x: (np.full_like(x, x[:, 0].mean()), np.full_like(x, x[:, 4].mean()))),
    ],
)
def test_genes_equal_the_model_on_other_values(fitted, arguments, change):
    assert e2t.tl.perturb(fitted, **arguments) is None
    model, artifact, x = bare(fitted)
    first, second = (artifact.feature_names.index(name) for name in ("g0", "g4"))
    other = x.copy()
    by_name = pd.DataFrame(x, columns=artifact.feature_names)[[f"g{k}" for k in range(12)]].to_numpy()
    for column, values in zip((first, second), change(by_name), strict=True):
        other[:, column] = values[:, 0 if column == first else 4]
    np.testing.assert_allclose(fitted.obsm["e2t_perturbed"], said(model, other) - said(model, x), atol=2e-6)


def without(adata, node):
    """Change of the logits between the model and one that is compiled without a node, with the same parameters."""
    model, artifact, x = bare(adata)
    edges = adata.uns["e2t"]["graph"].assign(initial_weight=lambda table: table["weight"])
    kept = edges.loc[(edges["source"] != node) & (edges["target"] != node), ["source", "target", "initial_weight"]]
    smaller, its = e2t.compile_graph(kept, activation=artifact.settings["activation"], quiet=True)
    assert its.output_nodes == artifact.output_nodes
    for k, (block, original) in enumerate(zip(smaller.blocks, model.blocks, strict=True), start=1):
        names = artifact.node_names_by_layer[f"layer_{k}"]
        rows = [names.index(name) for name in its.node_names_by_layer[f"layer_{k}"]]
        block.linear.bias.data.copy_(original.linear.bias.data[rows])
    columns = [artifact.feature_names.index(name) for name in its.feature_names]
    return said(smaller, np.ascontiguousarray(x[:, columns])) - said(model, x)


def test_to_remove_a_node_is_a_model_without_it(fitted):
    e2t.tl.perturb(fitted, "all", mode="remove")
    screen = e2t.get.perturb(fitted, per="screen")
    for node in ("P", "Q/R", "π"):
        expected = without(fitted, node)
        assert np.abs(expected).max() > 0.1
        e2t.tl.perturb(fitted, node, mode="remove")
        np.testing.assert_allclose(fitted.obsm["e2t_perturbed"], expected, atol=2e-6)
        of_screen = screen[screen["node"] == node].drop(columns=["node", "kind"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(of_screen, e2t.get.perturb(fitted), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["clamp", "scale"])
def test_states_of_nodes_are_set_or_multiplied(fitted, mode):
    """The outputs read the nodes, so their change is that of the states times the weights."""
    e2t.tl.perturb(fitted, {"P": 0.5, "π": 0.25}, mode=mode)
    model, artifact, x = bare(fitted)
    before = pd.DataFrame(states(model, x)[:, :3], columns=artifact.hidden_nodes)
    after = before.assign(P=0.5, π=0.25) if mode == "clamp" else before.assign(P=before["P"] / 2, π=before["π"] / 4)
    graph = fitted.uns["e2t"]["graph"].set_index(["source", "target"])["weight"]
    weights = [[graph[node, output] for output in artifact.output_nodes] for node in artifact.hidden_nodes]
    np.testing.assert_allclose(fitted.obsm["e2t_perturbed"], (after - before).to_numpy() @ weights, atol=2e-6)


@pytest.mark.parametrize("width", [1, 3])
def test_names_alone_are_set_to_their_mean(adata, width):
    e2t.tl.fit(adata, "kind", n_replicates=2, width=width, **QUICK)
    e2t.tl.perturb(adata, ["P"], batch_size=10)
    change, changes = adata.obsm["e2t_perturbed"], []
    for k in (0, 1):
        model, _, x = bare(adata, k)
        own = states(model, x)[:, :width]
        weights = model.blocks[1].linear.weight.detach().numpy().reshape(3, -1)[:, :width]
        changes.append((own.mean(axis=0) - own) @ weights.T)
    np.testing.assert_allclose(change, np.mean(changes, axis=0), atol=2e-6)
    np.testing.assert_allclose(change.mean(axis=0), 0, atol=1e-6)


def test_a_value_is_shared_out_among_units(adata):
    e2t.tl.fit(adata, "kind", width=2, **QUICK)
    model, _, x = bare(adata)
    own = states(model, x)[:, :2]
    e2t.tl.perturb(adata, {"P": 0.6})
    weights = model.blocks[1].linear.weight.detach().numpy().reshape(3, -1)[:, :2]
    np.testing.assert_allclose(adata.obsm["e2t_perturbed"], (0.3 - own) @ weights.T, atol=2e-6)


def test_the_table_is_about_groups(adata):
    e2t.tl.fit(adata, "kind", n_replicates=2, **QUICK)
    adata.obs["part"] = pd.Categorical(np.where(np.arange(42) % 4, "x/y", None), categories=["unused", "x/y"])
    for groupby in (None, "part"):
        e2t.tl.perturb(adata, {"π": -1.0}, genes={"g1": 3.0}, groupby=groupby)
        before, after = [], []
        for k in (0, 1):
            model, artifact, x = bare(adata, k)
            other = x.copy()
            other[:, artifact.feature_names.index("g1")] = 3
            linear = model.blocks[1].linear
            state = states(model, other)[:, :3]
            state[:, artifact.hidden_nodes.index("π")] = -1
            weights = linear.weight.detach().numpy().reshape(3, 3)
            before.append(said(model, x))
            after.append(state @ weights.T + linear.bias.detach().numpy())
        was, becomes = (np.mean([softmax(one) for one in some], axis=0) for some in (before, after))
        names = [str(name) for name in e2t.get.perturb(adata, per="cell")]
        expected = pd.concat(
            {
                "change": pd.DataFrame(np.mean(after, axis=0) - np.mean(before, axis=0), columns=names),
                "change_proba": pd.DataFrame(becomes - was, columns=names),
                "switched": pd.DataFrame({name: was.argmax(axis=1) != becomes.argmax(axis=1) for name in names}),
            },
            axis=1,
        )
        by_group = expected.groupby(adata.obs[groupby or "kind"].to_numpy(), observed=True).mean()
        table = e2t.get.perturb(adata)
        assert table.columns.tolist() == ["group", "output", "change", "change_proba", "switched"]
        assert len(table) == len(by_group) * 3
        assert table["switched"].max() > 0
        for row in table.itertuples():
            for column in ("change", "change_proba", "switched"):
                assert by_group.loc[row.group, (column, row.output)] == pytest.approx(getattr(row, column), abs=1e-5)


def test_cells_without_labels_are_grouped_by_what_is_predicted(fitted):
    e2t.tl.perturb(fitted, ["P"], groupby="e2t_pred")
    expected = e2t.get.perturb(fitted).sort_values(["group", "output"], ignore_index=True, key=lambda s: s.astype(str))
    del fitted.obs["kind"]
    e2t.tl.perturb(fitted, ["P"])
    found = e2t.get.perturb(fitted).sort_values(["group", "output"], ignore_index=True, key=lambda s: s.astype(str))
    pd.testing.assert_frame_equal(found, expected, check_categorical=False)


def test_numbers_and_labels(task_cells):
    e2t.tl.fit(task_cells, ["score", "count"], **QUICK)
    x = task_cells.X
    e2t.tl.perturb(task_cells, genes={"g0": 1.0})
    change = e2t.get.perturb(task_cells, per="cell")
    other = task_cells.copy()
    other.X = np.where(task_cells.var_names == "g0", 1, x).astype(np.float32)
    e2t.tl.predict(other)
    np.testing.assert_allclose(change, other.obsm["e2t_values"] - task_cells.obsm["e2t_values"], rtol=1e-3, atol=1e-3)
    table = e2t.get.perturb(task_cells)
    assert table.columns.tolist() == ["group", "output", "change"]
    assert table["group"].tolist() == ["all", "all"]
    np.testing.assert_allclose(table["change"], change.mean(), rtol=1e-4, atol=1e-4)

    e2t.tl.fit(task_cells, "marks", task="labels", **QUICK)
    e2t.tl.perturb(task_cells, genes={"g0": 1.0}, groupby="kind")
    e2t.tl.predict(other, task_cells)
    was, becomes = task_cells.obsm["e2t_proba"], other.obsm["e2t_proba"]
    names = list(e2t.get.perturb(task_cells, per="cell").columns)
    for row in e2t.get.perturb(task_cells).itertuples():
        here, k = (task_cells.obs["kind"] == row.group).to_numpy(), names.index(row.output)
        assert row.change_proba == pytest.approx((becomes - was)[here, k].mean(), abs=1e-5)
        assert row.switched == pytest.approx(((becomes > 0.5) != (was > 0.5))[here, k].mean(), abs=1e-5)


@pytest.mark.parametrize("backend", ["recurrent", "graphnn"])
def test_backends_that_take_steps(adata, backend):
    e2t.tl.fit(adata, "kind", backend=backend, steps=3, **QUICK)
    e2t.tl.perturb(adata, "all", mode="remove", groupby="kind")
    screen = e2t.get.perturb(adata, per="screen").set_index(["node", "group", "output"])["change"]
    model, artifact, x = bare(adata)
    edges = artifact.graph.edges
    before = said(model, x)
    for node in artifact.hidden_nodes:
        cut, _ = e2t.get.model(adata)
        weights = torch.full((len(edges),), torch.nan)
        weights[(edges["source"] == node).to_list()] = 0
        cut.set_edge_weights(weights)
        here = (adata.obs["kind"] == "B").to_numpy()
        change = (said(cut, x) - before)[here].mean(axis=0)
        np.testing.assert_allclose(screen.loc[node, "B"][artifact.output_nodes], change, atol=2e-6)


def test_screens(fitted):
    e2t.tl.perturb(fitted, ["P"])
    e2t.tl.perturb(fitted, "all", genes="all")
    screen = e2t.get.perturb(fitted, per="screen")
    assert screen.columns.tolist() == ["node", "kind", "group", "output", "change", "change_proba", "switched"]
    assert len(screen) == 15 * 3 * 3
    assert screen.groupby("kind")["node"].nunique().to_dict() == {"hidden": 3, "input": 12}
    assert len(e2t.get.perturb(fitted)) == 9, "that of P is still there"
    e2t.tl.perturb(fitted, {"P": 0.0, "π": 1.0}, one_by_one=True, target=["NK"])
    screen = e2t.get.perturb(fitted, per="screen")
    assert screen["node"].unique().tolist() == ["P", "π"]
    assert screen["output"].unique().tolist() == ["NK"]
    for node, value in (("P", 0.0), ("π", 1.0)):
        e2t.tl.perturb(fitted, {node: value}, target="NK")
        alone = screen.loc[screen["node"] == node, "change"].to_numpy()
        np.testing.assert_allclose(e2t.get.perturb(fitted)["change"], alone, rtol=1e-5)


def test_a_screen_of_some_cells(fitted):
    fitted.obs["half"] = pd.Categorical(["a", "b", None] * 14)
    e2t.tl.perturb(fitted, "all", groupby="half", n_cells=14)
    every = e2t.get.perturb(fitted, per="screen")
    e2t.tl.perturb(fitted, "all", groupby="half")
    pd.testing.assert_frame_equal(e2t.get.perturb(fitted, per="screen"), every)
    tables = []
    for seed in (0, 0, 1):
        e2t.tl.perturb(fitted, "all", groupby="half", n_cells=3, random_state=seed)
        tables.append(e2t.get.perturb(fitted, per="screen"))
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not np.allclose(tables[0]["change"], tables[2]["change"])


def test_slots_come_and_go(fitted, through_file):
    e2t.tl.perturb(fitted, {"P": 0.0}, genes=["g0"])
    e2t.tl.perturb(fitted, "all", mode="scale", value=0.5)
    array = fitted.obsm["e2t_perturbed"]
    assert (type(array), array.dtype, array.shape) == (np.ndarray, np.float32, (42, 3))
    params = fitted.uns["e2t"]["params"]
    assert params["perturb_screen"]["nodes"] == "all"
    assert params["perturb"]["nodes"] == '{"P": 0.0}'
    assert params["perturb"]["genes"].tolist() == ["g0"]
    files = [through_file(fitted, suffix) for suffix in (".h5ad", ".zarr")]
    for read in files:
        for per in ("group", "cell", "screen"):
            pd.testing.assert_frame_equal(e2t.get.perturb(read, per=per), e2t.get.perturb(fitted, per=per))
        e2t.tl.perturb(read, {"P": 0.0}, genes=["g0"])
        np.testing.assert_array_equal(read.obsm["e2t_perturbed"], array)
    other = fitted.copy()
    e2t.tl.predict(other, fitted)
    assert "perturb" not in other.uns["e2t"]["params"]
    e2t.tl.fit(fitted, "kind", **QUICK)
    assert "e2t_perturbed" not in fitted.obsm
    assert not {"perturb", "perturb_screen"} & (set(fitted.uns["e2t"]) | set(fitted.uns["e2t"]["params"]))


@pytest.mark.parametrize("form", ["view", "sparse", "backed", "copy"])
def test_forms_of_cells(fitted, form, tmp_path, unchanged):
    e2t.tl.perturb(fitted, {"P": 0.0})
    expected = fitted.obsm.pop("e2t_perturbed")
    if form == "copy":
        with unchanged(fitted):
            made = e2t.tl.perturb(fitted, {"P": 0.0}, copy=True)
        np.testing.assert_array_equal(made.obsm["e2t_perturbed"], expected)
        return
    if form == "sparse":
        fitted.X = sp.csr_matrix(fitted.X)
    if form == "view":
        fitted = fitted[5:30]
        expected = expected[5:30]
    if form == "backed":
        fitted.write_h5ad(tmp_path / "cells.h5ad")
        fitted = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    e2t.tl.perturb(fitted, {"P": 0.0}, batch_size=9)
    np.testing.assert_allclose(fitted.obsm["e2t_perturbed"], expected, atol=1e-6)


ERRORS = {
    "nothing": ({}, "both None"),
    "empty": ({"nodes": []}, "nodes is empty"),
    "unknown": ({"nodes": ["P", "Q / R"]}, "1 of 2 nodes are no hidden nodes: 'Q / R'; did you mean 'Q/R'"),
    "unknown gene": ({"genes": {"g99": 1.0}}, "no inputs of the model: 'g99'; did you mean 'g9'"),
    "gene as node": ({"nodes": "g3"}, "pass it to genes="),
    "node as gene": ({"genes": "P"}, "pass it to nodes="),
    "output": ({"nodes": {"B": 0.0}}, "is an output"),
    "twice": ({"nodes": ["P", "P"]}, "'P' more than once"),
    "no name": ({"nodes": [3]}, "must hold names, not 3"),
    "no names": ({"nodes": 3}, "nodes=3 must be a name"),
    "infinite": ({"nodes": {"P": np.inf}}, r"nodes\['P'\]=inf must be a finite number"),
    "NaN": ({"genes": {"g0": np.nan}}, "finite"),
    "text": ({"nodes": {"P": "high"}}, "'high' must be a finite number"),
    "mode": ({"nodes": "P", "mode": "cut"}, "mode='cut' is unknown"),
    "remove with values": ({"nodes": {"P": 1.0}, "mode": "remove"}, "as a list"),
    "remove with value": ({"nodes": "P", "mode": "remove", "value": 1.0}, "leave value out"),
    "no factor": ({"nodes": "P", "mode": "scale"}, "needs a factor"),
    "value of no use": ({"nodes": {"P": 1.0}, "value": 1.0}, "there are none"),
    "value": ({"nodes": "P", "value": True}, "value=True must be a finite number"),
    "target": ({"nodes": "P", "target": "b"}, "no output; "),
    "groupby": ({"nodes": "P", "groupby": "knd"}, "groupby='knd' is not a column"),
    "n_cells": ({"nodes": "P", "n_cells": 3}, "n_cells is for screens"),
    "few cells": ({"nodes": "all", "n_cells": 0}, "n_cells=0"),
    "batch_size": ({"nodes": "P", "batch_size": 0}, "batch_size=0"),
    "seed": ({"nodes": "P", "random_state": -1}, "random_state=-1"),
    "key": ({"nodes": "P", "key": "other"}, "pass key="),
}


@pytest.mark.parametrize("name", ERRORS)
def test_bad_input(fitted, name, unchanged):
    arguments, message = ERRORS[name]
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match=message):
        e2t.tl.perturb(fitted, **arguments)


def test_what_was_changed_since_the_fit(fitted, adata):
    with pytest.raises(e2t.Edge2TorchError, match=r"run e2t.tl.fit first"):
        e2t.tl.perturb(adata, "P")
    with pytest.raises(e2t.Edge2TorchError, match=r"missing in adata\.var_names"):
        e2t.tl.perturb(fitted[:, 1:].copy(), "P")
    with pytest.raises(e2t.Edge2TorchError, match="no cells"):
        e2t.tl.perturb(fitted[:0].copy(), "P")
    fitted.uns["e2t"]["nodes"] = fitted.uns["e2t"]["nodes"].iloc[::-1]
    with pytest.raises(e2t.Edge2TorchError, match="does not fit the trained model"):
        e2t.tl.perturb(fitted, "P")


def test_get_says_what_there_is(fitted):
    with pytest.raises(e2t.Edge2TorchError, match=r"run e2t.tl.perturb first"):
        e2t.get.perturb(fitted)
    e2t.tl.perturb(fitted, "all")
    with pytest.raises(e2t.Edge2TorchError, match="pass per='screen'"):
        e2t.get.perturb(fitted)
    e2t.tl.perturb(fitted, "P")
    fitted.obsm["e2t_perturbed"] = fitted.obsm["e2t_perturbed"][:, :2]
    with pytest.raises(e2t.Edge2TorchError, match=r"run e2t.tl.perturb again"):
        e2t.get.perturb(fitted, per="cell")


def test_names_and_labels(make_cells):
    """A node that is called as a gene is found by its label; the gene itself is for ``genes``."""
    net = pd.DataFrame({"source": ["g1", "g2", "π"] * 4, "target": [f"g{k}" for k in range(12)]})
    adata = make_cells(net=net)
    e2t.tl.fit(adata, "kind", **QUICK)
    hidden = adata.uns["e2t"]["nodes"].query("kind == 'hidden'")
    assert hidden["label"].tolist() == ["g1", "g2", "π"]
    assert hidden["node"].tolist()[0] == "g1 (node)"
    e2t.tl.perturb(adata, "g1")
    by_label = adata.obsm["e2t_perturbed"]
    e2t.tl.perturb(adata, "g1 (node)")
    np.testing.assert_array_equal(adata.obsm["e2t_perturbed"], by_label)
    e2t.tl.perturb(adata, genes="g1")
    assert not np.allclose(adata.obsm["e2t_perturbed"], by_label)
    with pytest.raises(e2t.Edge2TorchError, match="by node and by label"):
        e2t.tl.perturb(adata, ["g1", "g1 (node)"])
