"""Scores under the names of the graph. That they are right is tested in ``tests/attribution``."""

from __future__ import annotations

from contextlib import nullcontext

import anndata as ad
import captum.attr
import mudata as md
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from edge2torch import align_features_to_input_nodes, compile_graph, customize_model, interpret_model

LAYERS = {"layer_1": ["g", "h"], "layer_2": ["early", "k"], "layer_3": ["late"]}


def to_adata(frame: pd.DataFrame) -> ad.AnnData:
    return ad.AnnData(
        sp.csr_matrix(frame.to_numpy()), obs=pd.DataFrame(index=frame.index), var=pd.DataFrame(index=frame.columns)
    )


def without_pulling():
    """Keep mudata 0.3 from copying columns of the modalities, of which it warns; later versions never do."""
    return md.set_options(pull_on_update=False) if hasattr(md, "set_options") else nullcontext()


def to_mdata(frame: pd.DataFrame) -> md.MuData:
    with without_pulling():
        return md.MuData({"one": to_adata(frame[["a", "c"]]), "two": to_adata(frame[["b"]])})


def test_features(model, artifact, frame):
    scores = interpret_model(model, artifact, frame, output="late", quiet=True)
    assert scores.columns.tolist() == ["a", "b", "c"]
    pd.testing.assert_index_equal(scores.index, frame.index)
    x = align_features_to_input_nodes(frame, artifact)
    by_hand = captum.attr.IntegratedGradients(model).attribute(x, target=1)
    np.testing.assert_allclose(scores, by_hand.numpy(), atol=1e-6, rtol=1e-6)


def test_nodes(model, artifact, frame):
    scores = interpret_model(model, artifact, frame, "nodes", output="late", quiet=True)
    assert {layer: table.columns.tolist() for layer, table in scores.items()} == LAYERS
    x = align_features_to_input_nodes(frame, artifact)
    for block, table in zip(model.blocks, scores.values(), strict=True):
        pd.testing.assert_index_equal(table.index, frame.index)
        by_hand = captum.attr.LayerConductance(model, block).attribute(x, target=1)
        np.testing.assert_allclose(table, by_hand.detach().numpy(), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("to", [to_adata, to_mdata], ids=["adata", "mdata"])
def test_form_of_the_data(to, model, artifact, frame):
    """Names of cells come back; for a MuData they may be in another order."""
    expected = interpret_model(model, artifact, frame, output=1, quiet=True)
    scores = interpret_model(model, artifact, to(frame), output=1, quiet=True)
    pd.testing.assert_frame_equal(scores.loc[frame.index], expected, check_names=False)


def test_tensor_has_no_names_of_cells(model, artifact, frame):
    x = align_features_to_input_nodes(frame, artifact)
    scores = interpret_model(model, artifact, x, output=1, quiet=True)
    expected = interpret_model(model, artifact, frame, output=1, quiet=True)
    pd.testing.assert_frame_equal(scores, expected.reset_index(drop=True))


@pytest.mark.parametrize(
    "index",
    [pd.Index([3, 3, 1, 0, -1, 7]), pd.MultiIndex.from_product([["s1", "s2"], [1, 2, 3]]), pd.Index(list("uvwxyz"))],
    ids=["repeated numbers", "two levels", "letters"],
)
def test_index_of_a_frame(index, model, artifact, frame):
    frame = frame.set_axis(index)
    for target in ("features", "nodes"):
        scores = interpret_model(model, artifact, frame, target, output=0, quiet=True)
        for table in [scores] if target == "features" else scores.values():
            pd.testing.assert_index_equal(table.index, index)


@pytest.mark.parametrize("method", ["InputXGradient", "ShapleyValues", "LRP"])
def test_output_by_name_position_and_cell(method, model, artifact, frame):
    def scores(output):
        return interpret_model(model, artifact, frame, method=method, output=output, quiet=True)

    early, late = scores("early"), scores("late")
    assert not np.allclose(early, late)
    assert (early[["a", "b"]].abs() < 1e-6).all(axis=None), "no path leads from them to this output"
    for zero in (0, np.int64(0), torch.tensor(0), [0] * 6):
        pd.testing.assert_frame_equal(scores(zero), early)
    chosen = np.array([0, 1, 1, 0, 1, 0])
    expected = early.where(pd.Series(chosen == 0, index=frame.index), late, axis=0)
    for output in (chosen, torch.tensor(chosen), chosen.astype(np.int32), pd.Series(chosen), chosen.tolist()):
        pd.testing.assert_frame_equal(scores(output), expected)
        pd.testing.assert_frame_equal(
            interpret_model(model, artifact, frame, method=method, output=output, batch_size=4, quiet=True), expected
        )


@pytest.mark.parametrize("method", ["LayerConductance", "LayerLRP", "LayerFeatureAblation"])
def test_output_per_cell_for_nodes(method, model, artifact, frame):
    def scores(output):
        return interpret_model(model, artifact, frame, "nodes", method, output=output, quiet=True)

    chosen = np.array([0, 1, 1, 0, 1, 0])
    early, late, mixed = scores(0), scores(1), scores(chosen)
    for layer, table in mixed.items():
        pd.testing.assert_frame_equal(table[chosen == 0], early[layer][chosen == 0])
        pd.testing.assert_frame_equal(table[chosen == 1], late[layer][chosen == 1])


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("target", ["features", "nodes"])
def test_head(n_outputs, target, model, artifact, frame):
    """Outputs of a head have positions, no names; with just one there is no choice."""
    customized = customize_model(model, head=nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, n_outputs)))
    output = None if n_outputs == 1 else 1
    scores = interpret_model(customized, artifact, frame, target, output=output, quiet=True)
    pd.testing.assert_frame_equal(
        interpret_model(customized, artifact, frame, output=n_outputs - 1, quiet=True),
        interpret_model(customized, artifact, frame, output=output, quiet=True),
    )
    assert (list(scores) == ["a", "b", "c"]) if target == "features" else (list(scores) == list(LAYERS))


@pytest.mark.parametrize("output", [None, 0])
@pytest.mark.parametrize(("target", "method"), [("features", "Saliency"), ("nodes", "LayerFeaturePermutation")])
def test_one_number_per_cell(target, method, output, model, artifact, frame):
    """A head may return shape (cells,); its one output may be named by its position all the same."""
    column = customize_model(model, head=nn.Linear(2, 1))
    flat = nn.Sequential(column, nn.Flatten(0))
    expected = interpret_model(column, artifact, frame, target, method, quiet=True)
    scores = interpret_model(flat, artifact, frame, target, method, output=output, quiet=True)
    if target == "features":
        scores, expected = {"": scores}, {"": expected}
    for layer, table in scores.items():
        pd.testing.assert_frame_equal(table, expected[layer])


def test_model_inside_a_model(model, artifact, frame):
    outer = nn.Sequential(nn.Identity(), customize_model(model), nn.Softplus())
    scores = interpret_model(outer, artifact, frame, "nodes", "LayerActivation", output=0, quiet=True)
    plain = interpret_model(model, artifact, frame, "nodes", "LayerActivation", output=0, quiet=True)
    for layer, table in scores.items():
        pd.testing.assert_frame_equal(table, plain[layer])


def test_activations_belong_to_no_output(model, artifact, frame):
    scores = interpret_model(model, artifact, frame, "nodes", "LayerActivation", quiet=True)
    x = align_features_to_input_nodes(frame, artifact)
    outputs = pd.concat([scores["layer_2"]["early"], scores["layer_3"]["late"]], axis=1)
    np.testing.assert_allclose(outputs, model(x).detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("target", ["features", "nodes"])
def test_baseline(target, model, artifact, frame):
    def scores(baseline):
        result = interpret_model(model, artifact, frame, target, output=1, baseline=baseline, quiet=True)
        return result if target == "features" else pd.concat(result, axis=1)

    zeros = pd.DataFrame([[0.0, 0.0, 0.0]], columns=["c", "a", "b"])
    pd.testing.assert_frame_equal(scores("zero"), scores(zeros))
    mean = frame.mean().to_frame().T
    pd.testing.assert_frame_equal(scores("mean"), scores(mean), rtol=1e-4)
    assert not np.allclose(scores("mean"), scores("zero"))
    one = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["c", "a", "b"], index=["reference"])
    expected = scores(one)
    for form in (to_adata(one), to_mdata(one), torch.tensor([[2.0, 3.0, 1.0]]), one.assign(other="text")):
        pd.testing.assert_frame_equal(scores(form), expected)
    x = align_features_to_input_nodes(frame, artifact)
    if target == "features":
        by_hand = captum.attr.IntegratedGradients(model).attribute(x, torch.tensor([[2.0, 3.0, 1.0]]), target=1)
        np.testing.assert_allclose(expected, by_hand.numpy(), atol=1e-6, rtol=1e-6)


def test_baseline_of_many_cells(model, artifact, frame):
    """The distribution is that of the cells given, in any form; every row counts."""
    kwargs = {"method": "DeepLiftShap", "output": 1, "quiet": True}
    scores = interpret_model(model, artifact, frame, baseline=to_adata(frame), **kwargs)
    singly = [
        interpret_model(model, artifact, frame, method="DeepLift", output=1, baseline=frame.iloc[[i]], quiet=True)
        for i in range(len(frame))
    ]
    np.testing.assert_allclose(scores, np.mean(singly, axis=0), atol=1e-5)


def test_options_reach_captum(model, artifact, frame):
    signed = interpret_model(model, artifact, frame, method="Saliency", output=1, abs=False, quiet=True)
    absolute = interpret_model(model, artifact, frame, method="Saliency", output=1, quiet=True)
    assert (signed < 0).any(axis=None)
    pd.testing.assert_frame_equal(signed.abs(), absolute)


def test_n_steps(edges, frame):
    model, artifact = compile_graph(edges, activation="tanh", quiet=True)
    x = align_features_to_input_nodes(frame, artifact)
    scores = [interpret_model(model, artifact, frame, output=1, n_steps=n, quiet=True) for n in (2, 3, 50)]
    for n, table in zip((2, 3, 50), scores, strict=True):
        by_hand = captum.attr.IntegratedGradients(model).attribute(x, target=1, n_steps=n)
        np.testing.assert_allclose(table, by_hand.numpy(), atol=1e-6)
    assert not np.allclose(scores[0], scores[1])


def test_double(model, artifact, frame):
    """Data become what the model is; scores come back as precise as it is."""
    single = interpret_model(model, artifact, frame, output=1, quiet=True)
    double = interpret_model(model.double(), artifact, frame, output=1, quiet=True)
    assert set(double.dtypes) == {np.dtype("float64")}
    np.testing.assert_allclose(double, single, atol=1e-5)
