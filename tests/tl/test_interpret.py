"""``tl.interpret``: completeness, means, and Captum by hand."""

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


def logits(model, x):
    with torch.no_grad():
        return model(x).numpy()


def positions(adata, labels):
    return torch.tensor([outputs(adata).index(str(label)) for label in labels])


def changes(adata, target, baseline):
    """Logit of the explained class minus that at the baseline."""
    model, x = inputs_of(adata)
    rows = np.arange(len(x))
    return logits(model, x)[rows, target] - logits(model, baseline)[0, target]


def test_slots(fitted):
    before = {name: set(getattr(fitted, name)) for name in ("obs", "var", "obsm", "varm", "layers", "obsp", "uns")}
    assert e2t.tl.interpret(fitted) is None
    added = {name: set(getattr(fitted, name)) - before[name] for name in before}
    assert added == {
        **{name: set() for name in before},
        "obsm": {"e2t_nodes", "e2t_activations"},
        "varm": {"e2t_features"},
    }
    parts = {"graph", "nodes", "params", "coverage", "summary", "model", "history", "metrics", "metrics_of_outputs"}
    assert set(fitted.uns["e2t"]) == parts | {"rank_nodes", "completeness"}
    per_cell = [(fitted.obsm[name], (42, 3)) for name in ("e2t_nodes", "e2t_activations")]
    for array, shape in (*per_cell, (fitted.varm["e2t_features"], (12, 3))):
        assert type(array) is np.ndarray
        assert array.dtype == np.float32
        assert array.shape == shape
        assert array.flags.c_contiguous


def test_scores_for_each_cell_come_and_go(fitted):
    e2t.tl.interpret(fitted, cell_features=True, n_steps=2)
    scores = fitted.obsm["e2t_features"]
    assert (type(scores), scores.dtype, scores.shape) == (np.ndarray, np.float32, (42, 12))
    e2t.tl.interpret(fitted, n_steps=3)
    assert "e2t_features" not in fitted.obsm, "they belong to the scores before"


def test_params(fitted):
    e2t.tl.interpret(fitted, method="DeepLift", target="predicted", groupby="e2t_split", random_state=4)
    params = fitted.uns["e2t"]["params"]["interpret"]
    expected = {"method": "DeepLift", "method_nodes": "LayerDeepLift", "target": "predicted", "groupby": "e2t_split"}
    expected |= {"n_steps": 20, "cell_features": False, "random_state": 4, "edge2torch_version": e2t.__version__}
    assert expected.items() <= params.items()


@pytest.mark.parametrize("baseline", ["zero", "mean", "array"])
def test_features_and_nodes_add_up_to_the_change_of_the_logit(fitted, baseline):
    _, x = inputs_of(fitted)
    reference = {
        "zero": torch.zeros_like(x[:1]),
        "mean": torch.from_numpy(x.numpy().astype(float).mean(axis=0, keepdims=True).astype(np.float32)),
        "array": torch.linspace(-1, 1, 12)[None],
    }[baseline]
    given = reference[0].tolist() if baseline == "array" else baseline
    e2t.tl.interpret(fitted, baseline=given, n_steps=100, cell_features=True)
    change = changes(fitted, positions(fitted, fitted.obs["kind"]), reference)
    assert np.abs(change).max() > 1
    np.testing.assert_allclose(fitted.obsm["e2t_features"].sum(axis=1), change, atol=5e-3, rtol=1e-3)
    np.testing.assert_allclose(fitted.obsm["e2t_nodes"].sum(axis=1), change, atol=5e-3, rtol=1e-3)


TARGETS = ["label", "predicted", "B", "α/β T"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_class_that_is_explained(fitted, target):
    fitted.obs["kind"] = fitted.obs["kind"].to_numpy()[::-1]  # so that label and prediction differ
    labels = {"label": fitted.obs["kind"], "predicted": fitted.obs["e2t_pred"]}.get(target, [target] * 42)
    e2t.tl.interpret(fitted, target=target, n_steps=7, cell_features=True)
    model, x = inputs_of(fitted)
    by_hand = captum.attr.IntegratedGradients(model).attribute(x, target=positions(fitted, labels), n_steps=8)
    np.testing.assert_allclose(fitted.obsm["e2t_features"], by_hand, atol=1e-5)
    means = e2t.get.features(fitted)
    for name in outputs(fitted):
        here = np.array([str(label) == name for label in labels])
        if here.any():
            by_gene = pd.Series(by_hand.numpy()[here].mean(axis=0), index=e2t.get.model(fitted)[1].feature_names)
            np.testing.assert_allclose(means[name], by_gene[means.index], atol=1e-5)
        else:
            assert means[name].isna().all(), "this class was not explained"


def test_labels_may_be_missing_if_they_are_not_asked_for(fitted):
    fitted.obs["kind"] = fitted.obs["kind"].where(np.arange(42) > 5)
    e2t.tl.interpret(fitted, target="B", n_steps=2)
    with pytest.raises(e2t.Edge2TorchError, match="6 cells have labels"):
        e2t.tl.interpret(fitted, n_steps=2)
    del fitted.obs["kind"]
    e2t.tl.interpret(fitted, target="predicted", groupby="e2t_pred", n_steps=2)


def test_cells_without_labels_can_be_explained_for_what_was_predicted(fitted):
    """As after ``predict`` on other cells; there is no column of labels then to group by."""
    del fitted.obs["kind"]
    e2t.tl.interpret(fitted, target="predicted", n_steps=2)
    assert set(fitted.uns["e2t"]["rank_nodes"]["group"]) == set(fitted.obs["e2t_pred"])


def test_genes_that_the_graph_does_not_use_score_zero(make_cells):
    adata = make_cells(net=pd.DataFrame({"source": ["P", "P", "Q"], "target": ["g3", "g0", "g7"]}))
    e2t.tl.fit(adata, "kind", max_epochs=2, progress_bar=False)
    e2t.tl.interpret(adata, target="B", n_steps=2)
    means = e2t.get.features(adata)
    unused = means.index.difference(["g0", "g3", "g7"])
    assert (means.loc[unused, "B"] == 0).all()
    assert (means.loc[["g0", "g3", "g7"], "B"] != 0).all()
    assert means["NK"].isna().all()


@pytest.mark.parametrize("groupby", [None, "kind", "letters", "some"])
def test_ranks_are_means_over_groups(fitted, groupby):
    letters = np.array(["a/b", "c"])[np.arange(42) % 2]
    fitted.obs["letters"] = letters
    fitted.obs["some"] = pd.Categorical(np.where(np.arange(42) % 3, letters, None), categories=["c", "unused", "a/b"])
    e2t.tl.interpret(fitted, groupby=groupby, n_steps=5)
    ranked = fitted.uns["e2t"]["rank_nodes"]
    assert ranked.columns.tolist() == ["group", "node", "layer", "score"]
    nodes = e2t.get.nodes(fitted)
    scores = pd.DataFrame(nodes.X, columns=nodes.var_names, index=nodes.obs_names)
    expected = scores.groupby(fitted.obs[groupby or "kind"], observed=True).mean()
    assert ranked["group"].drop_duplicates().tolist() == [str(name) for name in expected.index]
    for group, table in ranked.groupby("group"):
        assert table["score"].is_monotonic_decreasing
        by_node = table.set_index("node")["score"]
        np.testing.assert_allclose(by_node, expected.loc[group, by_node.index], rtol=1e-5)
        assert set(by_node.index) == {"P", "Q/R", "π"}
    assert (ranked["layer"] == ranked["node"].map(nodes.var["layer"])).all()


PAIRS = {
    # conductance looks at one point more than it takes steps
    "IntegratedGradients": ("LayerConductance", {"n_steps": 10}, {"n_steps": 9}),
    "DeepLift": ("LayerDeepLift", {}, {}),
    "InputXGradient": ("LayerGradientXActivation", {}, {}),
    "FeatureAblation": ("LayerFeatureAblation", {}, {}),
}


@pytest.mark.parametrize("by_node", [False, True], ids=["named by features", "named by nodes"])
@pytest.mark.parametrize("method", PAIRS)
def test_methods_equal_captum_by_hand(fitted, method, by_node):
    counterpart, of_features, of_nodes = PAIRS[method]
    e2t.tl.interpret(fitted, method=counterpart if by_node else method, cell_features=True, **of_nodes)
    model, x = inputs_of(fitted)
    target = positions(fitted, fitted.obs["kind"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum's own, on hooks and gradients
        features = getattr(captum.attr, method)(model).attribute(x, target=target, **of_features)
        nodes = getattr(captum.attr, counterpart)(model, model.blocks[0]).attribute(x, target=target, **of_nodes)
    np.testing.assert_allclose(fitted.obsm["e2t_features"], features.detach(), atol=1e-5)
    np.testing.assert_allclose(fitted.obsm["e2t_nodes"], nodes.detach(), atol=1e-5)


@pytest.mark.parametrize("method", ["GradientShap", "DeepLiftShap", "FeaturePermutation", "LRP"])
def test_other_pairs_run_and_repeat(fitted, method, same):
    arguments = {"method": method, "cell_features": True}
    if method.endswith("Shap"):
        arguments["baseline"] = np.random.default_rng(0).normal(size=(5, 12))
    made = [e2t.tl.interpret(fitted, copy=True, **arguments) for _ in range(2)]
    same(*made)
    assert np.isfinite(made[0].obsm["e2t_nodes"]).all()
    assert made[0].obsm["e2t_features"].std() > 0


def test_deep_lift_adds_up(fitted):
    e2t.tl.interpret(fitted, method="DeepLift", baseline="mean", cell_features=True)
    _, x = inputs_of(fitted)
    change = changes(fitted, positions(fitted, fitted.obs["kind"]), x.mean(dim=0, keepdim=True))
    np.testing.assert_allclose(fitted.obsm["e2t_features"].sum(axis=1), change, atol=1e-4)
    np.testing.assert_allclose(fitted.obsm["e2t_nodes"].sum(axis=1), change, atol=1e-4)


def test_seeds_matter_for_methods_that_sample(fitted):
    arguments = {"method": "GradientShap", "cell_features": True, "copy": True}
    made = [e2t.tl.interpret(fitted, random_state=seed, **arguments).obsm["e2t_features"] for seed in (0, 1)]
    assert not np.allclose(*made)


@pytest.mark.parametrize("batch_size", [1, 5, 42, 1000])
def test_the_size_of_batches_makes_no_difference(fitted, batch_size):
    expected = e2t.tl.interpret(fitted, cell_features=True, n_steps=4, copy=True)
    e2t.tl.interpret(fitted, cell_features=True, n_steps=4, batch_size=batch_size)
    for name in ("e2t_nodes", "e2t_features"):
        np.testing.assert_allclose(fitted.obsm[name], expected.obsm[name], atol=1e-5)


def test_more_cells_than_are_read_at_once(fitted, monkeypatch):
    from edge2torch.tl import _scores

    expected = e2t.tl.interpret(fitted, n_steps=4, copy=True)
    monkeypatch.setattr(_scores, "CELLS_AT_ONCE", 5)
    e2t.tl.interpret(fitted, n_steps=4)
    np.testing.assert_allclose(fitted.obsm["e2t_nodes"], expected.obsm["e2t_nodes"], atol=1e-5)
    np.testing.assert_allclose(fitted.varm["e2t_features"], expected.varm["e2t_features"], atol=1e-5)


def test_layer_and_raw_are_those_of_the_fit(adata):
    adata.layers["z"] = adata.X * 2
    adata.raw = adata.copy()
    for where in ({"layer": "z"}, {"use_raw": True}):
        e2t.tl.fit(adata, "kind", max_epochs=2, progress_bar=False, **where)
        expected = e2t.tl.interpret(adata, n_steps=2, baseline="mean", copy=True)
        adata.X = np.zeros_like(adata.X)
        e2t.tl.interpret(adata, n_steps=2, baseline="mean")
        np.testing.assert_array_equal(adata.obsm["e2t_nodes"], expected.obsm["e2t_nodes"])
        adata.X = adata.raw.X.copy()


def test_genes_may_be_in_another_order(fitted):
    expected = e2t.tl.interpret(fitted, n_steps=4, copy=True)
    other = fitted[:, np.random.default_rng(0).permutation(12)].copy()
    e2t.tl.interpret(other, n_steps=4)
    np.testing.assert_array_equal(other.obsm["e2t_nodes"], expected.obsm["e2t_nodes"])
    pd.testing.assert_frame_equal(e2t.get.features(other).loc[fitted.var_names], e2t.get.features(expected))


def test_no_cells(fitted, unchanged):
    none = fitted[:0].copy()
    with unchanged(none), pytest.raises(e2t.Edge2TorchError, match="cells"):
        e2t.tl.interpret(none)


WRONG = {
    "method": ({"method": "Magic"}, ["'Magic'", "'DeepLift'"]),
    "method without pair": ({"method": "Saliency"}, ["'Saliency'", "'DeepLift'"]),
    "target": ({"target": "T"}, ["'T'", "'label'", "'NK'"]),
    "target None": ({"target": None}, ["target=None"]),
    "groupby": ({"groupby": "nope"}, ["'nope'", "'kind'"]),
    "groupby without values": ({"groupby": "empty"}, ["'empty'"]),
    "baseline": ({"baseline": "median"}, ["'median'", "'mean'"]),
    "baseline None": ({"baseline": None}, ["baseline", "12"]),
    "baseline of text": ({"baseline": ["a"] * 12}, ["baseline"]),
    "baseline too short": ({"baseline": np.zeros(11)}, ["baseline", "12", "11"]),
    "baseline NaN": ({"baseline": np.full(12, np.nan)}, ["baseline", "finite"]),
    "two baselines": ({"baseline": np.zeros((2, 12))}, ["one baseline", "2 rows"]),
    "baseline not used": ({"method": "InputXGradient", "baseline": "mean"}, ["InputXGradient", "no baseline"]),
    "a distribution": ({"method": "DeepLiftShap"}, ["DeepLiftShap", "at least two rows"]),
    "no steps": ({"n_steps": 0}, ["n_steps=0"]),
    "negative steps": ({"n_steps": -2}, ["n_steps=-2"]),
    "half a step": ({"n_steps": 2.5}, ["n_steps=2.5"]),
    "steps of text": ({"n_steps": "many"}, ["n_steps='many'"]),
    "batch_size": ({"batch_size": -1}, ["batch_size=-1"]),
    "batch_size 0": ({"batch_size": 0}, ["batch_size=0"]),
    "random_state": ({"random_state": -1}, ["random_state=-1"]),
    "key": ({"key": "nope"}, ["'nope'", "'e2t'"]),
    "key with slash": ({"key": "a/b"}, ["'a/b'"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(fitted, unchanged, case):
    wrong, words = WRONG[case]
    e2t.tl.interpret(fitted, n_steps=2, cell_features=True)
    fitted.obs["empty"] = pd.Categorical([None] * 42)
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.interpret(fitted, **wrong)
    for word in words:
        assert word in str(error.value)


def test_a_method_that_is_not_defined_for_the_activation(adata, unchanged):
    e2t.tl.fit(adata, "kind", activation="gelu", max_epochs=1, progress_bar=False)
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match=r"DeepLift is not defined for 'GELU'"):
        e2t.tl.interpret(adata, method="DeepLift")


def test_cells_that_do_not_fit(fitted, adata, unchanged):
    small = fitted[:, 2:].copy()
    with unchanged(small), pytest.raises(e2t.Edge2TorchError, match="2 of 12 features"):
        e2t.tl.interpret(small)
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match=r"run e2t\.tl\.fit first"):
        e2t.tl.interpret(adata)
    fitted.X[0, 0] = np.inf
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match="1 values are NaN or infinite"):
        e2t.tl.interpret(fitted)
