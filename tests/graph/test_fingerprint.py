"""The fingerprint: its definition in plain Python, what it depends on and what not."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch.graph import Graph

random_graphs = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

CONSTRAINTS = ["unconstrained", "positive", "negative", "fixed"]
SIGN = {"positive": 1.0, "negative": -1.0}
sizes = st.floats(0, 100, width=32)


@st.composite
def _model_edges(draw: st.DrawFn, acyclic_edges: st.SearchStrategy[pd.DataFrame]) -> pd.DataFrame:
    """Draw an edge list with weights and constraints that go together."""
    edges = draw(acyclic_edges)
    constraint = draw(st.lists(st.sampled_from(CONSTRAINTS), min_size=len(edges), max_size=len(edges)))
    return edges.assign(constraint=constraint, initial_weight=[SIGN.get(c, 1.0) * draw(sizes) for c in constraint])


@pytest.fixture(scope="module")
def model_edges(acyclic_edges: st.SearchStrategy[pd.DataFrame]) -> st.SearchStrategy[pd.DataFrame]:
    return _model_edges(acyclic_edges)


def definition(edges: pd.DataFrame) -> str:
    names = sorted({*edges["source"], *edges["target"]})
    rows = sorted(
        (names.index(source), names.index(target), CONSTRAINTS.index(constraint), weight)
        for source, target, constraint, weight in zip(
            edges["source"], edges["target"], edges["constraint"], edges["initial_weight"], strict=True
        )
    )
    whole = json.dumps([names, len(edges)]).encode()
    whole += b"".join(struct.pack("<qq", source, target) for source, target, _, _ in rows)
    whole += bytes(code for _, _, code, _ in rows)
    whole += b"".join(struct.pack("<f", weight) for _, _, code, weight in rows if CONSTRAINTS[code] == "fixed")
    return hashlib.sha256(whole).hexdigest()


def fingerprint(edges: pd.DataFrame) -> str:
    return Graph.from_edgelist(edges).fingerprint


@random_graphs
@given(data=st.data())
def test_definition(data, model_edges):
    edges = data.draw(model_edges)
    assert fingerprint(edges) == definition(edges)


@random_graphs
@given(data=st.data())
def test_order_of_rows_does_not_matter(data, model_edges):
    edges = data.draw(model_edges)
    order = data.draw(st.permutations(range(len(edges))))
    assert fingerprint(edges.iloc[order]) == fingerprint(edges)


@random_graphs
@given(data=st.data())
def test_weights_matter_where_they_are_fixed(data, model_edges):
    edges = data.draw(model_edges)
    row = data.draw(st.integers(0, len(edges) - 1))
    constraint, before = edges.loc[row, ["constraint", "initial_weight"]]
    other = edges.copy()
    other.loc[row, "initial_weight"] = SIGN.get(constraint, 1.0) * data.draw(sizes.filter(lambda w: w != abs(before)))
    assert (fingerprint(other) != fingerprint(edges)) == (constraint == "fixed")


@random_graphs
@given(data=st.data())
def test_names_edges_and_constraints_matter(data, model_edges):
    edges = data.draw(model_edges).assign(initial_weight=0.0)  # which goes with every constraint
    row = data.draw(st.integers(0, len(edges) - 1))
    renamed, moved, constrained = edges.copy(), edges.copy(), edges.copy()
    node = edges.loc[row, data.draw(st.sampled_from(["source", "target"]))]
    renamed[["source", "target"]] = edges[["source", "target"]].replace(node, "renamed")
    moved.loc[row, data.draw(st.sampled_from(["source", "target"]))] = "new"
    others = [constraint for constraint in CONSTRAINTS if constraint != edges.loc[row, "constraint"]]
    constrained.loc[row, "constraint"] = data.draw(st.sampled_from(others))
    variants = [edges, renamed, moved, constrained]
    variants += [edges.drop(index=row)] if len(edges) > 1 else []
    assert len({fingerprint(variant) for variant in variants}) == len(variants)


CHAIN = pd.DataFrame({"source": ["a", "h"], "target": ["h", "out"]})


@pytest.mark.parametrize(
    "same",
    [
        CHAIN.assign(initial_weight=[0.5, 2.0]),
        CHAIN.assign(constraint=None),
        CHAIN.assign(constraint=["unconstrained", np.nan]),
        CHAIN.assign(constraint=pd.Categorical([None, "unconstrained"], categories=["fixed", "unconstrained"])),
        CHAIN.assign(evidence=[1, 2]),
        CHAIN.astype("category"),
        CHAIN.astype("string"),
        CHAIN.set_index(pd.Index([5, 3])),
    ],
    ids=["weights", "no constraints", "free", "free category", "other column", "categories", "strings", "index"],
)
def test_form_of_the_table_does_not_matter(same):
    assert fingerprint(same) == fingerprint(CHAIN)


@pytest.mark.parametrize(
    "weights", [[1, 2], ["1", "2.0"], pd.array([1, 2], dtype="Int64"), np.float32([1, 2]), [1 + 1e-9, 2]]
)
def test_fixed_weights_count_as_32_bit_floats(weights):
    fixed = CHAIN.assign(constraint="fixed")
    assert fingerprint(fixed.assign(initial_weight=weights)) == fingerprint(fixed.assign(initial_weight=[1.0, 2.0]))


def test_minus_zero_is_zero():
    fixed = CHAIN.assign(constraint="fixed")
    assert fingerprint(fixed.assign(initial_weight=-0.0)) == fingerprint(fixed.assign(initial_weight=0.0))


def test_direction_matters():
    turned = CHAIN.rename(columns={"source": "target", "target": "source"})
    assert fingerprint(turned) != fingerprint(CHAIN)


def test_weight_belongs_to_its_edge():
    one, other = (CHAIN.assign(constraint="fixed", initial_weight=weights) for weights in ([1.0, 2.0], [2.0, 1.0]))
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("separator", ["\x1f", "\x1e", "|", ",", " -> ", "\\", '"', '", "', "\x00"])
def test_names_may_hold_separators(separator):
    one = pd.DataFrame({"source": [f"a{separator}b"], "target": ["c"]})
    other = pd.DataFrame({"source": ["a"], "target": [f"b{separator}c"]})
    assert fingerprint(one) != fingerprint(other)
