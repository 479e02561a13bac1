"""What the user named, as one prior for the genes of some data."""

from __future__ import annotations

import gzip

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.prior import SHIPPED, Choice, Prior, Reading, assemble, assemble_modalities, connect, load_shipped

WHERE = "`var_names`"
TABLE = pd.DataFrame({"source": ["T", "T", "U"], "target": ["A", "B", "C"]})


def pairs(prior: Prior) -> set[tuple[str, str]]:
    return set(prior.sets[["source", "target"]].itertuples(index=False, name=None))


def read(net, measured, **reading) -> Prior:
    return assemble(net, measured("A", "B", "C"), Reading(**reading), WHERE)[0]


@pytest.fixture
def kinds(tmp_path):
    """The same gene sets, as everything they can be."""
    gmt = tmp_path / "sets.gmt"
    gmt.write_text("T\t-\tA\tB\nU\t-\tC\n")
    packed = tmp_path / "packed.gmt.gz"
    packed.write_bytes(gzip.compress(gmt.read_bytes()))
    csv = tmp_path / "table.csv"
    TABLE.to_csv(csv, index=False)
    sif = tmp_path / "net.sif"
    sif.write_text("T\tregulates\tA\nT\tregulates\tB\nU\tregulates\tC\n")
    ends = list(TABLE.itertuples(index=False, name=None))
    return {
        "gmt": gmt,
        "text": str(gmt),
        "gzip": packed,
        "csv": csv,
        "sif": sif,
        "table": TABLE,
        "string": TABLE.astype("string"),
        "category": TABLE.astype("category"),
        "dict": {"T": ["A", "B"], "U": {"C"}},
        "graph": nx.DiGraph(ends),
        "series": pd.Series({"T": ["A", "B"], "U": ["C"]}),
        "prior": Prior("prior", TABLE),
    }


NAMES = ("gmt", "text", "gzip", "csv", "sif", "table", "string", "category", "dict", "graph", "series", "prior")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrap", [lambda net: net, lambda net: [net], lambda net: (net,)], ids=["one", "list", "tuple"])
def test_every_kind_of_net(name, wrap, kinds, measured):
    prior = read(wrap(kinds[name]), measured)
    assert pairs(prior) == set(TABLE.itertuples(index=False, name=None))
    edges = connect(prior, measured("A", "B", "C"), Choice(1)).edges
    assert edges[["source", "target"]].to_numpy().tolist() == [["A", "T"], ["B", "T"], ["C", "U"]]
    assert edges["prior"].eq(prior.name).all()


@pytest.mark.parametrize("one", NAMES)
def test_any_two_kinds_beside_each_other(one, kinds, measured):
    other = pd.DataFrame({"source": ["V", "T"], "target": ["A", "A"], "mor": [1, -1]})
    joined = read([kinds[one], other], measured)
    assert joined.sets["source"].nunique() == 4
    assert len(joined.sets) == 5
    assert joined.sets["weight"].notna().sum() == 2


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_priors_stay_as_they_are(name):
    before = load_shipped(name).sets.copy(), load_shipped(name).hierarchy.copy(), dict(load_shipped(name).ids)
    genes = load_shipped(name).sets["target"].unique()[:300]
    symbols = pd.Series(genes, index=genes, dtype=object)
    same = symbols.copy()
    prior, now = assemble([name, {"mine": list(genes[:9])}, name], symbols, Reading(resolve=True), WHERE)
    connect(prior, now, Choice(3, merge=True, unannotated=True), acyclic="distance")
    again = load_shipped(name)
    pd.testing.assert_frame_equal(again.sets, before[0])
    pd.testing.assert_frame_equal(again.hierarchy, before[1])
    assert again.ids == before[2]
    pd.testing.assert_series_equal(symbols, same)


def test_what_the_user_has_stays_as_it_is(kinds, measured):
    table, graph, sets = TABLE.copy(), kinds["graph"].copy(), {"T": ["A", "B"], "U": {"C"}}
    hierarchy = pd.DataFrame({"parent": ["V"], "child": ["T"]})
    for net in (table, graph, sets):
        read([net, {"other": ["A"]}], measured, resolve=True)
        read(net, measured, hierarchy=hierarchy)
        read(net, measured, genes="leaves")
    pd.testing.assert_frame_equal(table, TABLE)
    assert list(graph.edges(data=True)) == list(kinds["graph"].edges(data=True))
    assert sets == {"T": ["A", "B"], "U": {"C"}}
    assert hierarchy.to_numpy().tolist() == [["V", "T"]]


def test_order_of_a_list_is_that_of_the_layers(measured):
    kinases = pd.DataFrame({"source": ["K"], "target": ["T"]})
    prior = read([TABLE, kinases], measured, stack="layers")
    assert prior.hierarchy[["parent", "child"]].to_numpy().tolist() == [["K", "T"]]
    with pytest.raises(Edge2TorchError, match=r"^0 of 3 genes in `var_names` are in the prior"):
        read([kinases, TABLE], measured, stack="layers")


def test_a_prior_of_a_list_without_a_measured_gene(measured):
    with pytest.raises(Edge2TorchError, match=r"^0 of 3 genes in `var_names` are in the prior 'sets'"):
        read([TABLE, {"V": ["Q"]}], measured)


@pytest.mark.parametrize("net", [[], ()], ids=repr)
def test_an_empty_list(net, measured):
    with pytest.raises(Edge2TorchError, match="net is an empty list: name at least one prior"):
        read(net, measured)


@pytest.mark.parametrize("net", [None, 7, {"T"}, [None], [["hallmark"]], iter(["hallmark"]), b"hallmark"], ids=range(7))
def test_what_is_no_prior(net, measured):
    with pytest.raises(Edge2TorchError, match=r"^net is of type .*, which is no prior; give "):
        read(net, measured)


@pytest.mark.parametrize("stack", ["besides", "", None, True, ["beside"]], ids=repr)
def test_unknown_stack(stack):
    with pytest.raises(Edge2TorchError, match=r"^stack=.* is unknown; the choices are 'beside', 'layers'"):
        Reading(stack=stack)


@pytest.mark.parametrize(
    "reading",
    [{"hierarchy": pd.DataFrame({"parent": ["V"], "child": ["T"]})}, {"net_kwargs": {"levels": ["A"]}}],
    ids=str,
)
def test_what_belongs_to_one_prior(reading, measured):
    with pytest.raises(Edge2TorchError, match="hierarchy= and net_kwargs= belong to one prior, but net names 2"):
        read([TABLE, TABLE], measured, **reading)


def test_a_list_of_one_may_have_a_hierarchy(measured):
    hierarchy = pd.DataFrame({"parent": ["V", "V"], "child": ["T", "U"]})
    prior = read([TABLE], measured, hierarchy=hierarchy)
    assert prior.hierarchy.to_numpy().tolist() == hierarchy.to_numpy().tolist()


# --- modalities ---


def features(**modalities):
    return lambda name: pd.Series(
        modalities[name], index=[f"{name}{i}" for i in range(len(modalities[name]))], dtype=object
    )


def test_modalities_are_joined_at_nodes():
    nets = {"rna": {"T cell": ["CD3E", "CD2"], "B cell": ["MS4A1"]}, "prot": {"T cell": ["CD3"]}}
    symbols_of = features(rna=["CD3E", None, "MS4A1", "CD2"], prot=["CD3", np.nan])
    prior, symbols = assemble_modalities(nets, symbols_of, ["rna", "prot", "atac"], Reading())
    network = connect(prior, symbols, Choice(1, unannotated=True))
    read_by = network.edges.groupby("target")["source"].agg(set).to_dict()
    assert read_by == {
        "T cell": {"rna:rna0", "rna:rna3", "prot:prot0"},
        "B cell": {"rna:rna2"},
        "unannotated": {"rna:rna1", "prot:prot1"},
    }
    assert network.labels["rna:rna0"] == "rna:CD3E"
    assert connect(prior, symbols, Choice(3)).coverage.set_index("label")["n_genes"].to_dict() == {
        "T cell": 3,
        "B cell": 1,
    }


def test_genes_of_one_name_are_apart():
    nets = {"rna": {"P": ["CD4"]}, "prot": {"P": ["CD4"], "Q": ["CD4"]}}
    prior, symbols = assemble_modalities(nets, features(rna=["CD4"], prot=["CD4"]), ["rna", "prot"], Reading())
    edges = connect(prior, symbols, Choice(1)).edges[["source", "target"]].to_numpy().tolist()
    assert edges == [["prot:prot0", "P"], ["rna:rna0", "P"], ["prot:prot0", "Q"]]


def test_a_list_for_a_modality():
    nets = {"rna": [{"P": ["A"]}, {"P": ["B"]}], "prot": {"P": ["C"]}}
    prior, symbols = assemble_modalities(nets, features(rna=["A", "B"], prot=["C"]), ["rna", "prot"], Reading())
    edges = connect(prior, symbols, Choice(1)).edges
    assert edges["target"].nunique() == 3, "side by side, the two P of rna are different; that of prot is a third one"


@pytest.mark.parametrize(
    ("nets", "message"),
    [
        ("hallmark", "for a MuData, net must be a dict with a prior for each modality to use ('rna'), not str"),
        ({}, "for a MuData, net must be a dict"),
        ({"RNA": "hallmark"}, "net names modalities that mdata does not have: 'RNA'; it has 'rna'"),
        ({"rna": {"P": ["Q"]}}, "0 of 1 genes in mdata['rna'] are in the prior 'sets'"),
    ],
    ids=str,
)
def test_modalities_that_cannot_be_used(nets, message):
    with pytest.raises(Edge2TorchError) as caught:
        assemble_modalities(nets, features(rna=["A"]), ["rna"], Reading())
    assert message in str(caught.value)
