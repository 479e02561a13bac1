"""What is said if the genes of the data are not those of the prior."""

from __future__ import annotations

import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.prior import Choice, connect, load_shipped
from edge2torch.prior.load import load_prior
from edge2torch.prior.overlap import explain_mismatch

KNOWN = {"CD3E", "MS4A1", "LYZ", "HLA-DRA", "NKG7"}
CASES = {
    "lower case": (["cd3e", "ms4a1", "lyz"], ["case", "cd3e", "CD3E", "upper"]),
    "mouse": (["Cd3e", "Ms4a1", "Lyz"], ["mouse", "Cd3e", "CD3E", "organism='mouse'", "ortholog"]),
    "Ensembl": (["ENSG00000198851", "ENSG00000156738"], ["Ensembl", "ENSG00000198851", "gene_symbols="]),
    "Ensembl with version": (["ENSG00000198851.9", "ENSG00000156738.3"], ["Ensembl", ".9", "gene_symbols="]),
    "mouse Ensembl": (["ENSMUSG00000032093", "ENSMUSG00000024673"], ["Ensembl", "another species"]),
    "Ensembl and a few spike-ins": (["ENSG00000198851", "ENSG00000156738", "ERCC-00002"], ["Ensembl"]),
    "Ensembl of genes that the prior has": (["ENSG00000198851.9"], ["resolve=True, or gene_symbols="]),
    "aliases": (["TAPA1", "GIG2", "T3E"], ["other names of human genes", "T3E is CD3E", "resolve=True"]),
    "Entrez": (["916", "931", "4069"], ["numeric", "916", "gene_symbols="]),
    "positions": ([str(i) for i in range(50)], ["numeric", "gene_symbols="]),
    "made unique": (["CD3E-1", "MS4A1-1"], ["suffix", "CD3E-1", "remove"]),
    "version": (["CD3E.2", "LYZ.1"], ["suffix", "CD3E.2"]),
    "other": (["peak_1:100", "peak_2:200"], ["peak_1:100", "CD3E", "symbols"]),
}


@pytest.mark.parametrize("case", CASES)
def test_advice(case):
    names, words = CASES[case]
    advice = explain_mismatch(names, KNOWN, "`var_names`")
    for word in words:
        assert word in advice


@pytest.mark.parametrize("case", CASES)
def test_advice_is_part_of_the_error_with_numbers(case):
    names, _ = CASES[case]
    prior = load_shipped("hallmark")
    with pytest.raises(Edge2TorchError) as error:
        connect(prior, pd.Series(names, index=names), Choice(5), where="here")
    assert f"0 of {len(names)} genes in here are in the prior 'hallmark'" in str(error.value)
    assert explain_mismatch(names, set(prior.sets["target"]), "here") in str(error.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["ENSG00000000003", "ENSG00000000005"], ["gene_symbols="]),  # genes that are not in the prior
        (["ENSMUSG00000032093"], ["gene_symbols="]),
        (["916"], ["numeric"]),
        (["cd3e"], ["case"]),
        (["T3E", *[f"peak {i}" for i in range(50)]], ["one species"]),  # one in many is no reason
    ],
)
def test_looking_up_is_advised_only_where_it_helps(names, words):
    advice = explain_mismatch(names, KNOWN, "`var_names`")
    assert "resolve" not in advice
    for word in words:
        assert word in advice


def test_the_prior_may_be_what_is_different():
    for known, words in {
        ("Cd3e", "Ms4a1"): ["human symbols (CD3E)", "mouse ones (Cd3e)"],
        ("cd3e", "ms4a1"): ["differ in case (CD3E, the prior has cd3e)"],
        ("ENSG00000198851", "ENSG00000156738"): ["resolve=True"],
    }.items():
        advice = explain_mismatch(["CD3E", "MS4A1"], set(known), "`var_names`")
        for word in words:
            assert word in advice


def test_all_symbols_missing():
    nothing = pd.Series([None, float("nan")], index=["a", "b"], dtype=object)
    with pytest.raises(Edge2TorchError, match="0 of 2 genes"):
        connect(load_shipped("hallmark"), nothing, Choice(1))


def test_genes_that_fit_raise_nothing_whatever_the_others_look_like():
    names = ["CD3E", "cd2", "ENSG00000198851", "916"]
    network = connect(load_shipped("hallmark"), pd.Series(names, index=names), Choice(1))
    assert set(network.labels.values()) >= {"CD3E"}


def test_a_table_the_wrong_way_round():
    prior = load_prior(pd.DataFrame({"source": ["CD3E", "CD2", "MS4A1"], "target": ["T", "T", "B"]}))
    measured = pd.Series(["CD3E", "MS4A1", "LYZ"], index=["CD3E", "MS4A1", "LYZ"])
    with pytest.raises(Edge2TorchError, match=r"2 of them are its nodes \('CD3E', 'MS4A1'\): .* wrong way round"):
        connect(prior, measured, Choice(1), where="here")
