"""What the weights of a prior become, compared with a naive loop, and whether a model takes them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError, compile_graph, get_edge_weights
from edge2torch.prior import Choice, Prior, connect
from edge2torch.prior.weights import WEIGHTS, apply_weights

many = settings(deadline=None, max_examples=60)
numbers = st.floats(-100, 100, allow_subnormal=False) | st.sampled_from([0.0, -0.0, 1.0, -1.0])


@st.composite
def weighted(draw):
    """Edges of a few nodes, some of them without a weight."""
    ends = [(f"g{i}", f"P{j}") for i in range(6) for j in range(3)]
    pairs = draw(st.lists(st.sampled_from(ends), min_size=1, unique=True))
    weights = draw(st.lists(numbers | st.just(math.nan), min_size=len(pairs), max_size=len(pairs)))
    return pd.DataFrame(pairs, columns=["source", "target"]).assign(prior="w", prior_weight=weights)


def norms(edges: pd.DataFrame) -> dict[str, float]:
    """Root of the sum of the squares of what is known, per node."""
    total: dict[str, float] = {}
    for target, weight in zip(edges["target"], edges["prior_weight"], strict=True):
        total.setdefault(target, 0.0)
        if not math.isnan(weight):
            total[target] = math.hypot(total[target], weight)
    return total


@many
@given(weighted())
def test_signs(edges):
    made = apply_weights(edges, "sign")
    words = {True: "positive", False: "negative"}
    expected = [words[w > 0] if w and not math.isnan(w) else "unconstrained" for w in edges["prior_weight"]]
    assert made["constraint"].tolist() == expected
    assert "initial_weight" not in made


@many
@given(weighted(), st.sampled_from(["initial", "fixed"]))
def test_values_keep_their_ratios_and_squares_add_up_to_one(edges, weights):
    made = apply_weights(edges, weights)
    norm = norms(edges)
    expected = [
        math.nan if math.isnan(w) else w / norm[t] if norm[t] else 0.0
        for w, t in zip(edges["prior_weight"], edges["target"], strict=True)
    ]
    np.testing.assert_allclose(made["initial_weight"], expected, rtol=1e-9)
    squares = (made["initial_weight"] ** 2).groupby(made["target"]).sum()
    assert all(squares[node] == pytest.approx(1.0 if norm[node] else 0.0) for node in norm)
    if weights == "initial":
        assert "constraint" not in made
    else:
        free = edges["prior_weight"].isna()
        assert made["constraint"].tolist() == ["unconstrained" if f else "fixed" for f in free]


@many
@given(weighted(), st.sampled_from([None, *WEIGHTS]))
def test_a_model_takes_them(edges, weights):
    made = apply_weights(edges, weights)
    out = pd.DataFrame({"source": edges["target"].unique(), "target": "out"})
    model, artifact = compile_graph(pd.concat([made, out], ignore_index=True), quiet=True)
    learned = get_edge_weights(model, artifact)
    learned = learned[learned["target"] != "out"].reset_index(drop=True)
    pd.testing.assert_frame_equal(learned[["source", "target"]], made[["source", "target"]])
    weight = learned["weight"].to_numpy()
    assert np.isfinite(weight).all()
    if weights == "sign":
        sign = made["constraint"].map({"positive": 1, "negative": -1, "unconstrained": 0}).to_numpy()
        assert (weight * sign >= 0).all()
    elif weights is not None:
        known = made["initial_weight"].notna().to_numpy()
        np.testing.assert_allclose(weight[known], made["initial_weight"][known], rtol=1e-5, atol=1e-30)
    assert torch.isfinite(model(torch.ones(2, len(artifact.feature_names)))).all()


@many
@given(weighted(), st.sampled_from([None, *WEIGHTS]))
def test_edges_are_not_changed(edges, weights):
    before = edges.copy()
    made = apply_weights(edges, weights)
    pd.testing.assert_frame_equal(edges, before)
    pd.testing.assert_frame_equal(made[list(before)], before)


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1.0, 1e30, 1e200])
@pytest.mark.parametrize("weights", ["initial", "fixed"])
def test_the_unit_of_weights_does_not_matter(size, weights):
    edges = pd.DataFrame({"source": ["a", "b"], "target": "T", "prior_weight": [3 * size, -4 * size]})
    assert apply_weights(edges, weights)["initial_weight"].tolist() == pytest.approx([0.6, -0.8])


def test_integers_are_weights(measured):
    sets = pd.DataFrame({"source": ["T", "T"], "target": ["A", "B"], "weight": [3, -4]})
    edges = connect(Prior("w", sets), measured("A", "B"), Choice(1), weights="fixed").edges
    assert edges["initial_weight"].tolist() == pytest.approx([0.6, -0.8])
    assert edges["prior_weight"].tolist() == [3.0, -4.0]


def test_weights_are_scaled_by_what_was_measured(measured):
    """Also where a gene is measured twice: both inputs have its weight."""
    sets = pd.DataFrame({"source": ["T"] * 3, "target": ["A", "B", "C"], "weight": [1.0, 1.0, 50.0]})
    symbols = pd.Series(["A", "A", "B"], index=["x", "y", "z"])
    edges = connect(Prior("w", sets), symbols, Choice(1), weights="initial").edges
    assert edges["initial_weight"].tolist() == pytest.approx([3**-0.5] * 3)


def test_the_unannotated_node_is_free(measured):
    sets = pd.DataFrame({"source": ["T", "T"], "target": ["A", "B"], "weight": [1.0, -1.0]})
    symbols = measured("A", "B", "Z")
    edges = connect(Prior("w", sets), symbols, Choice(1, unannotated=True), weights="fixed").edges
    assert edges.loc[edges["target"] == "unannotated", "constraint"].tolist() == ["unconstrained"]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_prior_without_weights(weights, prior, measured):
    with pytest.raises(Edge2TorchError, match=f"weights='{weights}', but the prior has no weights: pass weights=None"):
        connect(prior({"T": ["A"]}), measured("A"), Choice(1), weights=weights)


@pytest.mark.parametrize("weights", ["signs", "", 1, True, ["sign"]], ids=repr)
def test_unknown_use_of_weights(weights, prior, measured):
    with pytest.raises(Edge2TorchError, match=r"weights=.* is unknown; the choices are 'sign', 'initial', 'fixed'"):
        connect(prior({"T": ["A"]}), measured("A"), Choice(1), weights=weights)
