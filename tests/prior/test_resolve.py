"""Genes by other names, with the shipped tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.prior import Choice, Prior, Reading, assemble, connect
from edge2torch.prior.identifiers import canonical_symbols
from edge2torch.prior.resolve import resolve

many = settings(deadline=None, max_examples=60)

#: current symbols, aliases, Ensembl ids with and without version, an alias of several genes, unknown ones
NAMES = [
    "CCN2",
    "CTGF",
    "CD3E",
    "ENSG00000198851",
    "ENSG00000198851.7",
    "KMT2D",
    "KMT2B",
    "MLL2",
    "cd3e",
    "peak 1",
    "ENSG00000999999.1",
]
names = st.sampled_from(NAMES)


@st.composite
def problems(draw):
    pairs = draw(st.lists(st.tuples(st.sampled_from(["P", "Q", "CTGF"]), names), min_size=1, unique=True))
    symbols = draw(st.lists(names | st.sampled_from([None, np.nan]), min_size=1, max_size=12))
    prior = Prior("p", pd.DataFrame(pairs, columns=["source", "target"]))
    return prior, pd.Series(symbols, index=[f"v{i}" for i in range(len(symbols))], dtype=object)


def current(name: str) -> str:
    return canonical_symbols([name])["symbol"].item()


def is_alias(name: str) -> bool:
    return canonical_symbols([name])["found"].item() == "alias"


@many
@given(problems())
def test_names_become_current(problem):
    prior, symbols = problem
    before = prior.sets.copy(), symbols.copy()
    now, answer = resolve(prior, symbols)
    pd.testing.assert_frame_equal(prior.sets, before[0])
    pd.testing.assert_series_equal(symbols, before[1])
    pairs = {(source, current(target)) for source, target in prior.sets.to_numpy()}
    assert sorted(map(tuple, now.sets.to_numpy())) == sorted(pairs), "each pair once"
    assert answer.index.tolist() == symbols.index.tolist()
    measured = {current(name) for name in symbols.dropna() if not is_alias(name)}
    for old, new in zip(symbols, answer, strict=True):
        if pd.isna(old):
            assert pd.isna(new)
        elif is_alias(old) and current(old) in measured:
            assert new == old, "the gene is measured itself"
        else:
            assert new == current(old)


@many
@given(problems())
def test_no_gene_of_a_prior_is_lost(problem):
    """What matched before matches after, maybe another input that measures the same gene."""
    prior, symbols = problem
    now, answer = resolve(prior, symbols)
    before = set(prior.sets["target"]) & set(symbols.dropna())
    after = set(now.sets["target"]) & set(answer.dropna())
    assert {current(gene) for gene in before} <= after


@many
@given(problems())
def test_once_is_enough(problem):
    prior, symbols = resolve(*problem)
    again, same = resolve(prior, symbols)
    pd.testing.assert_frame_equal(again.sets, prior.sets)
    pd.testing.assert_series_equal(same, symbols)


def test_an_alias_is_not_used_beside_the_symbol(prior, measured):
    made, symbols = resolve(prior({"P": ["CCN2", "CD3E"]}), measured("CTGF", "CCN2", "CD3E"))
    assert symbols.tolist() == ["CTGF", "CCN2", "CD3E"]
    assert connect(made, symbols, Choice(2)).edges["source"].tolist() == ["CCN2", "CD3E"]


def test_an_alias_is_not_used_beside_the_ensembl_id(prior, measured):
    ensembl = "ENSG00000118523.6"
    assert current(ensembl) == "CCN2"
    _, symbols = resolve(prior({"P": ["CCN2"]}), measured("CTGF", ensembl))
    assert symbols.tolist() == ["CTGF", "CCN2"]


def test_nodes_keep_their_names(prior, measured):
    made, _ = resolve(prior({"CTGF": ["CD3E"]}, {"MLL": ["CTGF"]}), measured("CD3E"))
    assert made.sets["source"].tolist() == ["CTGF"]
    assert made.hierarchy.to_numpy().tolist() == [["MLL", "CTGF"]]


@pytest.mark.parametrize("kind", ["string", "category", object], ids=str)
def test_symbols_of_any_kind_of_text(kind, prior):
    symbols = pd.Series(["CTGF", None, "ENSG00000198851.7"], index=list("xyz"), dtype=kind)
    made, answer = resolve(prior({"P": ["CCN2", "CD3E"]}), symbols)
    assert connect(made, answer, Choice(2)).edges["source"].tolist() == ["x", "z"]


@pytest.mark.parametrize("stack", ["beside", "layers"])
def test_every_prior_of_a_list_is_resolved(stack, prior, measured):
    nets = [prior({"TF one": ["CTGF"]}), prior({"K": ["TF one", "CD3E"]})]
    symbols = measured("CCN2", "ENSG00000198851.7")
    joined, answer = assemble(nets, symbols, Reading(stack=stack, resolve=True), "`var_names`")
    assert answer.tolist() == ["CCN2", "CD3E"]
    inputs = connect(joined, answer, Choice(1)).graph.inputs
    assert inputs == (["CCN2", "ENSG00000198851.7"] if stack == "beside" else ["CCN2"])


def test_layers_meet_under_outdated_names(prior, measured):
    """MKL1 is called MRTFA today; here it is a node, of which both priors speak as MKL1."""
    nets = [prior({"MKL1": ["CTGF"]}), prior({"ROCK1": ["MKL1"]})]
    joined, answer = assemble(nets, measured("CCN2"), Reading(stack="layers", resolve=True), "`var_names`")
    edges = connect(joined, answer, Choice(1)).edges[["source", "target"]].to_numpy().tolist()
    assert edges == [["CCN2", "MKL1"], ["MKL1", "ROCK1"]]


def test_without_resolve_nothing_is_looked_up(prior, measured):
    with pytest.raises(Edge2TorchError, match="Ensembl"):
        assemble(prior({"P": ["CD3E"]}), measured("ENSG00000198851.7"), Reading(), "`var_names`")


@pytest.mark.parametrize("organism", ["mouse", "rat"])
def test_only_human_genes_can_be_looked_up(organism):
    with pytest.raises(Edge2TorchError, match=f"resolve=True looks up human genes, but organism='{organism}': pass"):
        Reading(organism=organism, resolve=True)
