"""``tl.interpret``: what is explained, against what, and what is kept."""

from __future__ import annotations

import warnings

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t


def outputs(adata):
    nodes = adata.uns["e2t"]["nodes"]
    return nodes.loc[nodes["kind"] == "output", "label"].tolist()


def inputs_of(adata):
    """Model, and its inputs as a tensor."""
    model, artifact = e2t.get.model(adata)
    return model, torch.from_numpy(np.ascontiguousarray(adata[:, artifact.feature_names].X, dtype=np.float32))


def by_output(adata, **arguments):
    """Results for each output alone."""
    return {name: e2t.tl.interpret(adata, target=name, copy=True, **arguments) for name in outputs(adata)}


@pytest.mark.parametrize("method", [None, "DeepLift", "InputXGradient"])
@pytest.mark.parametrize("groupby", [None, "letters"])
def test_all_outputs_at_once_are_each_of_them_in_turn(fitted, method, groupby):
    fitted.obs["letters"] = pd.Categorical(np.where(np.arange(42) % 3, "x", None))
    each = by_output(fitted, method=method, groupby=groupby, n_steps=6)
    e2t.tl.interpret(fitted, target="all", method=method, groupby=groupby, n_steps=6)
    assert "e2t_nodes" not in fitted.obsm
    ranked = fitted.uns["e2t"]["rank_nodes"]
    assert ranked.columns.tolist() == ["group", "output", "node", "layer", "score"]
    assert len(ranked) == (3 if groupby is None else 1) * 3 * 3
    for name, alone in each.items():
        np.testing.assert_allclose(e2t.get.features(fitted)[name], e2t.get.features(alone)[name], atol=1e-5)
        np.testing.assert_allclose(fitted.obsm["e2t_activations"], alone.obsm["e2t_activations"], atol=1e-6)
        here = ranked[ranked["output"] == name].drop(columns="output").set_index(["group", "node"])
        expected = alone.uns["e2t"]["rank_nodes"].set_index(["group", "node"])
        pd.testing.assert_frame_equal(here.loc[expected.index], expected, atol=1e-5, check_names=False)
        assert here.groupby("group", sort=False)["score"].apply(lambda s: s.is_monotonic_decreasing).all()
    complete = pd.concat([alone.uns["e2t"]["completeness"] for alone in each.values()], ignore_index=True)
    pd.testing.assert_frame_equal(
        fitted.uns["e2t"]["completeness"].drop(columns=["error", "relative_error"]),
        complete.drop(columns=["error", "relative_error"]),
        rtol=1e-4,
    )


def test_all_outputs_without_labels_are_their_own_groups(fitted):
    del fitted.obs["kind"]
    e2t.tl.interpret(fitted, target="all", n_steps=3)
    ranked = fitted.uns["e2t"]["rank_nodes"]
    assert (ranked["group"] == ranked["output"]).all()
    assert ranked["group"].unique().tolist() == outputs(fitted)
    one = e2t.tl.interpret(fitted, target="B", n_steps=3, copy=True).uns["e2t"]["rank_nodes"]
    expected = one.set_index("node")["score"]
    np.testing.assert_allclose(ranked[ranked["group"] == "B"].set_index("node")["score"][expected.index], expected)


@pytest.mark.parametrize("task", ["proteins", "marks"])
def test_all_numbers_and_labels(task_cells, task):
    e2t.tl.fit(task_cells, task, task="labels" if task == "marks" else "numbers", max_epochs=3, progress_bar=False)
    names = outputs(task_cells)
    each = by_output(task_cells, n_steps=10)
    e2t.tl.interpret(task_cells, target="all", n_steps=10)
    assert not e2t.get.features(task_cells).isna().any(axis=None)
    for name in names:
        expected = e2t.get.features(each[name])[name]
        np.testing.assert_allclose(e2t.get.features(task_cells)[name], expected, rtol=1e-4, atol=1e-5)


def test_scores_of_single_cells_are_not_there_for_all_outputs(fitted, unchanged):
    e2t.tl.interpret(fitted, n_steps=3, cell_features=True)
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match=r"cell_features=True .* target='all'"):
        e2t.tl.interpret(fitted, target="all", cell_features=True)
    e2t.tl.interpret(fitted, target="all", n_steps=3)
    assert not {"e2t_nodes", "e2t_features"} & set(fitted.obsm), "they belong to the scores before"
    with pytest.raises(e2t.Edge2TorchError, match=r"target='all', a cell has scores for every output"):
        e2t.get.nodes(fitted)
    assert e2t.get.nodes(fitted, of="activations").shape == (42, 3)


def test_plots_of_all_outputs(fitted):
    import matplotlib.pyplot as plt

    alone = e2t.tl.interpret(fitted, n_steps=3, copy=True)
    e2t.tl.interpret(fitted, target="all", n_steps=3)
    for function in (e2t.pl.nodes, e2t.pl.graph):
        function(fitted)
    shown, expected = (e2t.pl.nodes(one, nodes=["P", "π"]).collections[0].get_array() for one in (fitted, alone))
    np.testing.assert_allclose(shown, expected, atol=1e-5)
    fitted.obs["letters"] = np.array(["x", "B"])[np.arange(42) % 2]
    e2t.tl.interpret(fitted, target="all", n_steps=3, groupby="letters")
    with pytest.raises(e2t.Edge2TorchError, match=r"1 groups are no outputs of the model: 'x'"):
        e2t.pl.nodes(fitted)
    ax = e2t.pl.graph(fitted, group="x", target="NK")
    assert ax.texts[-1].get_text() == "NK"
    with pytest.raises(e2t.Edge2TorchError, match=r"'T' *;.*'NK'"):
        e2t.pl.graph(fitted, group="x", target="T")
    plt.close("all")


def test_classes_with_the_names_of_targets(make_cells):
    """A name in a list is a name."""
    import matplotlib.pyplot as plt

    adata = make_cells(classes=("label", "all", "other"))
    e2t.tl.fit(adata, "kind", max_epochs=3, progress_bar=False)
    e2t.tl.interpret(adata, target=["label"], n_steps=3)
    assert e2t.get.features(adata).notna().all().tolist() == [name == "label" for name in outputs(adata)]
    assert e2t.pl.graph(adata, group="other").texts[-1].get_text() == "label"
    plt.close("all")
    e2t.tl.interpret(adata, n_steps=3)
    assert e2t.get.features(adata).notna().all(axis=None)
    assert e2t.pl.graph(adata, group="other").texts[-1].get_text() == "other"
    plt.close("all")


# --- baselines --------------------------------------------------------------------------------------------------------


def test_a_group_is_a_baseline(fitted):
    fitted.obs["site"] = np.array(["a/b", "c"])[np.arange(42) % 2]
    _, x = inputs_of(fitted)
    mean = x.numpy()[::2].astype(float).mean(axis=0)
    expected = e2t.tl.interpret(fitted, baseline=mean, groupby="site", copy=True)
    e2t.tl.interpret(fitted, baseline="a/b", groupby="site")
    np.testing.assert_allclose(fitted.obsm["e2t_nodes"], expected.obsm["e2t_nodes"], atol=1e-5)
    assert fitted.uns["e2t"]["params"]["interpret"]["baseline"] == "a/b"
    by_class = e2t.tl.interpret(fitted, baseline="B", copy=True)
    here = (fitted.obs["kind"] == "B").to_numpy()
    e2t.tl.interpret(fitted, baseline=x.numpy()[here].astype(float).mean(axis=0))
    np.testing.assert_allclose(by_class.obsm["e2t_nodes"], fitted.obsm["e2t_nodes"], atol=1e-5)


def test_a_table_by_gene_is_a_baseline(fitted):
    names = e2t.get.model(fitted)[1].feature_names
    values = pd.Series(np.linspace(-1, 1, 12), index=names)
    expected = e2t.tl.interpret(fitted, baseline=values.to_numpy(), copy=True).obsm["e2t_nodes"]
    more = pd.concat([values[::-1], pd.Series({"other": np.nan})])
    for given in (values, more, more.to_frame().T):
        e2t.tl.interpret(fitted, baseline=given)
        np.testing.assert_array_equal(fitted.obsm["e2t_nodes"], expected)
    with pytest.raises(e2t.Edge2TorchError, match=r"1 of 12 features .* missing in baseline"):
        e2t.tl.interpret(fitted, baseline=values.iloc[1:])


# --- completeness -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("method", ["IntegratedGradients", "DeepLift", "InputXGradient"])
def test_completeness(fitted, method, baseline):
    if method == "InputXGradient":
        baseline = "zero"
    e2t.tl.interpret(fitted, method=method, baseline=baseline, n_steps=30, cell_features=True)
    model, x = inputs_of(fitted)
    reference = x.mean(dim=0, keepdim=True) if baseline == "mean" else torch.zeros_like(x[:1])
    labels = np.array([outputs(fitted).index(kind) for kind in fitted.obs["kind"]])
    with torch.no_grad():
        difference = (model(x) - model(reference)).numpy()[np.arange(42), labels]
    error = fitted.obsm["e2t_features"].sum(axis=1) - difference
    table = fitted.uns["e2t"]["completeness"]
    assert table.columns.tolist() == ["output", "n_cells", "difference", "error", "relative_error"]
    assert table["output"].tolist() == outputs(fitted)
    for k in range(3):
        here = labels == k
        assert table["n_cells"][k] == here.sum()
        np.testing.assert_allclose(table["difference"][k], np.abs(difference[here]).mean(), rtol=1e-4)
        np.testing.assert_allclose(table["error"][k], np.abs(error[here]).mean(), rtol=1e-2, atol=2e-6)
    np.testing.assert_allclose(table["relative_error"], table["error"] / table["difference"])
    if method == "IntegratedGradients":
        assert (table["relative_error"] < 0.01).all()


def test_only_what_was_explained_is_in_the_table(fitted):
    e2t.tl.interpret(fitted, target="NK", n_steps=5)
    table = fitted.uns["e2t"]["completeness"]
    assert (table["output"].tolist(), table["n_cells"].tolist()) == (["NK"], [42])


def test_too_few_steps_are_warned_of(fitted, unchanged):
    """Of methods along a path only: others need not add up."""
    with unchanged(fitted), pytest.warns(UserWarning, match=r"miss what they explain .* larger n_steps, .* 4"):
        e2t.tl.interpret(fitted, baseline=np.full(12, -20.0), n_steps=1, copy=True)
    e2t.tl.interpret(fitted, method="InputXGradient")
    assert fitted.uns["e2t"]["completeness"]["relative_error"].max() > 0.05


def cut(adata, output):
    """Make the logits of an output constant."""
    table = adata.uns["e2t"]["graph"]
    into = (table["target"] == output).to_numpy()
    model, _ = e2t.get.model(adata)
    model.set_edge_weights(torch.from_numpy(np.where(into, 0.0, np.nan)).float())
    state = {name: value.numpy()[None] for name, value in model.state_dict().items()}
    adata.uns["e2t"]["model"]["state"] = state


def test_a_constant_output(fitted, unchanged):
    cut(fitted, "B")
    for method in ("IntegratedGradients", "DeepLift"):
        with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match=r"for 'B' is the same in every cell"):
            e2t.tl.interpret(fitted, method=method, target="B")
    with pytest.warns(UserWarning, match="for 'B' is the same in every cell"):
        e2t.tl.interpret(fitted)
    assert (e2t.get.features(fitted)["B"] == 0).all()
    same_cells = fitted[fitted.obs["kind"] == "NK"].copy()
    same_cells.X = np.repeat(same_cells.X[:1], len(same_cells), axis=0)
    with pytest.raises(e2t.Edge2TorchError, match="whether cells differ from baseline"):
        e2t.tl.interpret(same_cells, baseline=inputs_of(same_cells)[1][:1].numpy())


# --- activations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["IntegratedGradients", "DeepLift", "FeaturePermutation"])
def test_activations_are_states(fitted, method):
    model, x = inputs_of(fitted)
    e2t.tl.interpret(fitted, method=method)
    expected = captum.attr.LayerActivation(model, model.blocks[0]).attribute(x).detach()
    nodes = e2t.get.nodes(fitted, of="activations")
    np.testing.assert_allclose(nodes.X, expected, atol=1e-5)
    assert nodes.var_names.tolist() == ["P", "Q/R", "π"]
    assert not set(nodes.obsm) & {"e2t_nodes", "e2t_activations"}
    with pytest.raises(e2t.Edge2TorchError, match="of='states' is unknown"):
        e2t.get.nodes(fitted, of="states")


@pytest.mark.parametrize(
    "options",
    [{"width": 3}, {"backend": "recurrent", "steps": 3}, {"backend": "graphnn", "width": 2, "steps": 2}],
    ids=lambda options: options.get("backend", "feedforward"),
)
def test_activations_of_other_models(adata, options):
    """Units added up; of steps, the last."""
    e2t.tl.fit(adata, "kind", max_epochs=2, progress_bar=False, **options)
    model, x = inputs_of(adata)
    taken = []
    for block in model.blocks:
        block.register_forward_hook(lambda module, given, state: taken.append(state.detach()))
    with torch.no_grad():
        model(x)
    block = 0 if model.site == "layer" else len(taken) - 1
    state = taken[block] if taken[block].ndim == 2 else taken[block].flatten(0, 1).T
    expected = model.sum_units(state, block)[:, :3]
    for method in (None, "InputXGradient"):
        e2t.tl.interpret(adata, method=method, n_steps=40)
        np.testing.assert_allclose(adata.obsm["e2t_activations"], expected, atol=1e-5)


@pytest.fixture
def mirrored(adata):
    """Three replicates: the second is the first with two of its nodes mirrored, which changes no output."""
    e2t.tl.fit(adata, "kind", max_epochs=5, progress_bar=False)
    state = adata.uns["e2t"]["model"]["state"]
    table = adata.uns["e2t"]["graph"]
    model, artifact = e2t.get.model(adata)
    nodes = ["P", "π"]
    weights = np.where(table["target"].isin(nodes) | table["source"].isin(nodes), -table["weight"], table["weight"])
    model.set_edge_weights(torch.from_numpy(weights).float())
    other = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    other["blocks.0.linear.bias"] *= [-1 if name in nodes else 1 for name in artifact.hidden_nodes]
    adata.uns["e2t"]["model"]["state"] = {name: np.stack([value[0], other[name]]) for name, value in state.items()}
    return adata


@pytest.mark.parametrize("method", [None, "DeepLift"])
def test_mirrored_nodes_do_not_cancel(mirrored, method):
    models = [e2t.get.model(mirrored, replicate=k)[0] for k in range(2)]
    _, x = inputs_of(mirrored)
    with torch.no_grad():
        torch.testing.assert_close(models[0](x), models[1](x), atol=1e-5, rtol=1e-4)
        states = [model.blocks[0](x).numpy() for model in models]
    assert np.abs(states[0] + states[1])[:, [0, 2]].max() < 1e-5, "the states are mirrored"
    e2t.tl.interpret(mirrored, method=method)
    np.testing.assert_allclose(mirrored.obsm["e2t_activations"], states[0], atol=1e-5)


# --- means only -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["label", "all"])
@pytest.mark.parametrize("method", [None, "DeepLift"])
def test_means_are_the_same_without_scores_of_cells(fitted, method, target, monkeypatch):
    from edge2torch.tl import _scores

    expected = e2t.tl.interpret(fitted, method=method, target=target, n_steps=5, copy=True)
    e2t.tl.interpret(fitted, n_steps=5, cell_features=True)
    monkeypatch.setattr(_scores, "CELLS_AT_ONCE", 12)
    e2t.tl.interpret(fitted, method=method, target=target, n_steps=5, per_cell=False)
    assert set(fitted.obsm) == {"e2t_proba"}, "nothing per cell, also not of the scores before"
    np.testing.assert_allclose(fitted.varm["e2t_features"], expected.varm["e2t_features"], atol=1e-5)
    ends = ["group", "node", "output"] if target == "all" else ["group", "node"]
    ranked, known = (adata.uns["e2t"]["rank_nodes"].set_index(ends) for adata in (fitted, expected))
    pd.testing.assert_frame_equal(ranked.loc[known.index], known, atol=1e-5)
    pd.testing.assert_frame_equal(
        fitted.uns["e2t"]["completeness"].iloc[:, :3], expected.uns["e2t"]["completeness"].iloc[:, :3], rtol=1e-4
    )
    with pytest.raises(e2t.Edge2TorchError, match="called with per_cell=False"):
        e2t.get.nodes(fitted)
    with pytest.raises(e2t.Edge2TorchError, match=r"cell_features=True .* per_cell=False"):
        e2t.tl.interpret(fitted, per_cell=False, cell_features=True)


# --- edges ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["label", "all"])
@pytest.mark.parametrize("n_replicates", [1, 2])
def test_edges_add_up_to_the_nodes(adata, target, n_replicates):
    e2t.tl.fit(adata, "kind", max_epochs=5, n_replicates=n_replicates, progress_bar=False)
    adata.obs["some"] = pd.Categorical(np.array(["x", None, "a/b"])[np.arange(42) % 3])
    e2t.tl.interpret(adata, edges=True, target=target, groupby="some", n_steps=8)
    edges = e2t.get.edges(adata)
    by = ["group", "output"] if target == "all" else ["group"]
    assert edges.columns.tolist() == ["source", "target", "weight", *by, "score"]
    graph = adata.uns["e2t"]["graph"]
    assert len(edges) == len(graph) * 2 * (3 if target == "all" else 1)
    assert edges["source"].tolist()[: len(graph)] == graph["source"].tolist()
    arriving = edges.groupby([*by, "target"])["score"].sum()
    ranked = adata.uns["e2t"]["rank_nodes"].set_index([*by, "node"])["score"]
    np.testing.assert_allclose(arriving[ranked.index], ranked, rtol=1e-4, atol=1e-6)
    assert ranked.abs().max() > 0.01


def test_edges_come_and_go(fitted, unchanged):
    with pytest.raises(e2t.Edge2TorchError, match=r"run e2t\.tl\.interpret with edges=True first"):
        e2t.get.edges(fitted)
    e2t.tl.interpret(fitted, edges=True, n_steps=3)
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match="edges=True is for IntegratedGradients"):
        e2t.tl.interpret(fitted, edges=True, method="DeepLift")
    fitted.uns["e2t"]["edge_scores"]["score"] = fitted.uns["e2t"]["edge_scores"]["score"][:, 1:]
    with pytest.raises(e2t.Edge2TorchError, match=r"20 columns, .* 21 edges: run e2t\.tl\.interpret again"):
        e2t.get.edges(fitted)
    e2t.tl.interpret(fitted, n_steps=3)
    assert "edge_scores" not in fitted.uns["e2t"]


# --- bad input --------------------------------------------------------------------------------------------------------

NEAR = {
    "class": ({"target": "nk"}, "'nk' must be .* Did you mean 'NK'"),
    "word": ({"target": "predict"}, "Did you mean 'predicted'"),
    "class in a list": ({"target": ["b"]}, r"target=\['b'\] must be .* Did you mean 'B'"),
    "two classes": ({"target": ["B", "NK"]}, "target="),
    "column": ({"groupby": "kinds"}, "'kinds' is not a column .* Did you mean 'kind'"),
    "group": ({"baseline": "nk"}, "baseline='nk' must be .* Did you mean 'NK'"),
    "baseline": ({"baseline": "means"}, "Did you mean 'mean'"),
}


@pytest.mark.parametrize("case", NEAR)
def test_the_nearest_names(fitted, unchanged, case):
    wrong, message = NEAR[case]
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match=message):
        e2t.tl.interpret(fitted, n_steps=2, **wrong)


EDITED = {
    "renamed": lambda nodes: nodes.assign(node=nodes["node"].replace("P", "p53")),
    "shorter": lambda nodes: nodes.iloc[:-1],
    "another order": lambda nodes: nodes.iloc[::-1].reset_index(drop=True),
    "another kind": lambda nodes: nodes.assign(kind=nodes["kind"].where(nodes["node"] != "P", "output")),
}


@pytest.mark.parametrize("case", EDITED)
def test_a_table_of_nodes_that_was_edited(fitted, unchanged, case):
    fitted.uns["e2t"]["nodes"] = EDITED[case](fitted.uns["e2t"]["nodes"])
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match=r"'nodes'\] does not fit the trained model"):
        e2t.tl.interpret(fitted)


def test_methods_that_cannot_work_on_a_graph(fitted, unchanged):
    for method, why in {"LayerGradCam": "'LayerGradCam' .* image", "NoiseTunnel": "'NoiseTunnel' .* wraps"}.items():
        with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match=why):
            e2t.tl.interpret(fitted, method=method)


def test_nothing_is_written_after_a_failure_in_the_middle(fitted, unchanged, monkeypatch):
    from edge2torch.tl import _scores

    monkeypatch.setattr(_scores, "CELLS_AT_ONCE", 10)
    once, calls = _scores.path_scores, []

    def fails(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise MemoryError
        return once(*args, **kwargs)

    monkeypatch.setattr(_scores, "path_scores", fails)
    with unchanged(fitted), pytest.raises(MemoryError):
        e2t.tl.interpret(fitted)
    assert len(calls) == 3


def test_warnings_that_are_errors_write_nothing(fitted, unchanged):
    with unchanged(fitted), warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="n_steps"):
            e2t.tl.interpret(fitted, baseline=np.full(12, -20.0), n_steps=1)
