"""One prior of whatever a user names."""

from __future__ import annotations

import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.prior import SHIPPED, load_shipped
from edge2torch.prior.load import load_prior

TABLE = pd.DataFrame({"source": ["T", "T", "U"], "target": ["A", "B", "C"]})
PARTS = pd.DataFrame({"parent": ["V", "V"], "child": ["T", "U"]})


def rows(table: pd.DataFrame) -> list[list[str]]:
    return sorted(table.to_numpy().tolist())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_priors_go_by_their_names(name, tmp_path, monkeypatch):
    """Whatever lies in the working directory."""
    (tmp_path / name).write_text("not a prior")
    monkeypatch.chdir(tmp_path)
    assert load_prior(name) is load_shipped(name)
    assert load_prior(name, net_kwargs={}) is load_shipped(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("halmark", ["net='halmark' is unknown", "did you mean 'hallmark'?", "'reactome'", "'collectri'", ".gmt"]),
        ("Hallmark", ["did you mean 'hallmark'?"]),
        ("colectri", ["did you mean 'collectri'?"]),
        ("kegg", ["net='kegg' is unknown", "There are 'go_bp'", "a DataFrame"]),
        ("omnipat", ["net='omnipat' is unknown", "did you mean 'omnipath'?", "'omnipath:<resource>'"]),
        ("decoupler:collectry", ["decoupler:collectri"]),
        ("sets.gmt", ["sets.gmt"]),
        ("folder/sets", ["sets"]),
        ("sets.xlsx", ["sets.xlsx"]),
        ("", []),
        (" ", ["' '"]),
    ],
    ids=str,
)
def test_unknown_names(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Edge2TorchError) as caught:
        load_prior(name)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_a_hierarchy_from_a_file_or_a_table(suffix, tmp_path):
    file = tmp_path / f"parts{suffix}"
    if suffix == ".parquet":
        PARTS.to_parquet(file)
    else:
        PARTS.to_csv(file, index=False, sep="\t" if suffix == ".tsv" else ",")
    for hierarchy in (file, str(file), PARTS, PARTS.astype("string"), PARTS.astype("category")):
        prior = load_prior(TABLE, hierarchy=hierarchy)
        assert rows(prior.hierarchy) == [["V", "T"], ["V", "U"]]
        assert rows(prior.sets) == rows(TABLE)
        assert prior.contains


@pytest.mark.parametrize("hierarchy", [7, ["V", "T"], {"V": ["T"]}, PARTS["parent"]], ids=lambda h: type(h).__name__)
def test_what_is_no_hierarchy(hierarchy):
    with pytest.raises(Edge2TorchError, match=r"^hierarchy must be a file or a DataFrame \(parent, child\), not "):
        load_prior(TABLE, hierarchy=hierarchy)


@pytest.mark.parametrize(
    ("hierarchy", "message"),
    [
        (PARTS.rename(columns={"parent": "from"}), "lacks the columns 'parent'"),
        (PARTS.iloc[:0], "has no rows"),
        (PARTS.assign(child=["T", "V"]), "their own parents: 'V'"),
        (pd.DataFrame({"parent": ["T", "U"], "child": ["U", "T"]}), "has a cycle"),
        (PARTS.replace({"T": "X", "U": "Y"}), "none of the 2 sets"),
        (PARTS.replace({"T": None}), "missing"),
        ("nowhere.obo", "nowhere.obo"),
    ],
    ids=range(7),
)
def test_hierarchies_that_cannot_be_used(hierarchy, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Edge2TorchError, match=message):
        load_prior(TABLE, hierarchy=hierarchy)


def test_a_second_hierarchy():
    with pytest.raises(Edge2TorchError, match=r"has a hierarchy of .* edges already"):
        load_prior("reactome", hierarchy=PARTS)


def test_only_leaves_are_genes():
    table = pd.DataFrame({"source": ["R", "K", "T", "T"], "target": ["K", "T", "A", "B"], "weight": [1, -1, 2, -2]})
    prior = load_prior(table, genes="leaves")
    assert rows(prior.sets) == [["T", "A", 2], ["T", "B", -2]]
    assert rows(prior.hierarchy) == [["K", "T", -1], ["R", "K", 1]]
    assert not prior.contains
    assert rows(load_prior(table).sets) == rows(table)


@pytest.mark.parametrize("genes", ["leafs", "", None, True, ["leaves"]], ids=repr)
def test_unknown_genes(genes):
    with pytest.raises(Edge2TorchError, match=r"^genes=.* is unknown; the choices are 'targets', 'leaves'"):
        load_prior(TABLE, genes=genes)


@pytest.mark.parametrize("net", ["hallmark", TABLE, {"T": ["A"]}, "sets.gmt"], ids=lambda net: type(net).__name__)
def test_arguments_of_remote_networks(net):
    with pytest.raises(Edge2TorchError, match=r"^net_kwargs are for networks of decoupler and OmniPath \('collectri'"):
        load_prior(net, net_kwargs={"levels": ["A"]})


@pytest.mark.parametrize("name", ["name", "organism"])
def test_arguments_that_have_a_place_of_their_own(name):
    with pytest.raises(Edge2TorchError, match=f"net_kwargs may not hold '{name}': pass net= and organism= themselves"):
        load_prior("dorothea", net_kwargs={name: "mouse"})


@pytest.mark.parametrize("net_kwargs", ["levels", ["levels"], 7], ids=repr)
@pytest.mark.parametrize("net", ["dorothea", "hallmark"])
def test_arguments_must_be_named(net, net_kwargs):
    with pytest.raises(Edge2TorchError, match=r"^net_kwargs"):
        load_prior(net, net_kwargs=net_kwargs)


@pytest.mark.parametrize("organism", ["mice", "", None, 9606, ["mouse"]], ids=repr)
@pytest.mark.parametrize("net", ["hallmark", "collectri", TABLE], ids=["shipped", "remote", "table"])
def test_unknown_organism(net, organism):
    with pytest.raises(Edge2TorchError, match="organism"):
        load_prior(net, organism=organism)
