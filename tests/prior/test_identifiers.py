"""Other names of human genes, compared with a naive search in the shipped tables."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.prior.identifiers import canonical_symbols, symbols_of_uniprot

ROOT = Path(__file__).resolve().parents[2]


def table(file: str) -> dict[str, list[str]]:
    """Symbols of each identifier, read without the code that is tested."""
    rows = pd.read_csv(ROOT / "data" / f"gene_{file}.csv.gz", keep_default_na=False, dtype=str)
    found = defaultdict(list)
    for identifier, symbol in zip(rows.iloc[:, 0], rows["symbol"], strict=True):
        found[identifier].append(symbol)
    return dict(found)


ALIASES, ENSEMBL, UNIPROT = table("aliases"), table("ensembl"), table("uniprot")
CURRENT = set(table("symbols"))


def naive(name: str) -> tuple[str, str]:
    """Symbol of a name, and what it is."""
    if name in CURRENT:
        return name, "symbol"
    plain = name.removesuffix("_PAR_Y").partition(".")[0] if name.startswith("ENSG") else name
    for found, known in (("alias", ALIASES.get(name, [])), ("ensembl", ENSEMBL.get(plain, []))):
        if known:
            return (known[0], found) if len(known) == 1 else (name, "ambiguous")
    return name, "unknown"


def sampled(names: dict[str, list[str]] | set[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(names)[::97])


AMBIGUOUS = {name for known in (ALIASES, ENSEMBL) for name, symbols in known.items() if len(symbols) > 1}
VERSIONED = st.builds("{}{}".format, sampled(ENSEMBL), st.sampled_from(["", ".1", ".17", ".3_PAR_Y"]))
NAMES = st.one_of(
    sampled(CURRENT), sampled(ALIASES), st.sampled_from(sorted(AMBIGUOUS)), VERSIONED, st.text(max_size=8)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(NAMES, max_size=12))
def test_equals_a_naive_search(names):
    answer = canonical_symbols(names)
    assert list(answer) == ["name", "symbol", "found"]
    assert answer["name"].tolist() == names
    assert list(zip(answer["symbol"], answer["found"], strict=True)) == [naive(name) for name in names]
    assert answer.index.tolist() == list(range(len(names)))


@settings(max_examples=100, deadline=None)
@given(st.lists(NAMES, max_size=12))
def test_a_second_time_changes_nothing(names):
    once = canonical_symbols(names)
    twice = canonical_symbols(once["symbol"])
    assert twice["symbol"].tolist() == once["symbol"].tolist()
    changed = once["name"] != once["symbol"]
    assert set(once["found"][changed]) <= {"alias", "ensembl"}
    assert set(twice["found"][once["found"].isin(["alias", "ensembl"])]) <= {"symbol"}


@pytest.mark.parametrize(
    ("name", "symbol", "found"),
    [
        ("CD3E", "CD3E", "symbol"),
        ("CTGF", "CCN2", "alias"),
        ("H1F0", "H1-0", "alias"),
        ("MLL2", "MLL2", "ambiguous"),
        ("SEPT2", "SEPT2", "ambiguous"),
        ("ENSG00000198851", "CD3E", "ensembl"),
        ("ENSG00000198851.7", "CD3E", "ensembl"),
        ("ENSG00000100197", "CYP2D6", "ensembl"),
        ("ENSG00000108379.14", "WNT3", "ensembl"),
        ("ENSG00000273772.2", "ENSG00000273772.2", "ambiguous"),
        ("ENSG99999999999.1", "ENSG99999999999.1", "unknown"),
        ("ENSG00000198851.", "ENSG00000198851.", "unknown"),
        ("ENSMUSG00000032093", "ENSMUSG00000032093", "unknown"),
        ("MT-ND1", "MT-ND1", "symbol"),
        ("MT-CO2", "MT-CO2", "symbol"),  # and an alias of the pseudogene MTCO2P12
        ("MT-RNR2", "MT-RNR2", "symbol"),
        ("MT-TF", "MT-TF", "symbol"),
        ("ENSG00000198712.1", "MT-CO2", "ensembl"),
        ("CYTB", "MT-CYB", "alias"),
        ("ND4L", "MT-ND4L", "alias"),
        ("TRNF", "MT-TF", "alias"),
        ("MTATP6", "MT-ATP6", "alias"),
        ("COX1", "COX1", "ambiguous"),  # PTGS1, too
        ("COX2", "COX2", "ambiguous"),  # PTGS2, too
        ("ND1", "ND1", "ambiguous"),  # IVNS1ABP, too
        ("RNR1", "RNR1", "symbol"),  # a cluster of ribosomal genes on chromosome 13
        ("mt-Nd1", "mt-Nd1", "unknown"),
        ("cd3e", "cd3e", "unknown"),
        ("ensg00000198851", "ensg00000198851", "unknown"),
        (" CD3E", " CD3E", "unknown"),
        ("CD3E-1", "CD3E-1", "unknown"),
        ("", "", "unknown"),
        ("NA", "NA", "unknown"),
        ("NaN", "NaN", "unknown"),
        ("2E4", "2E4", "unknown"),
        ("14.1", "14.1", "unknown"),
        ("916", "916", "unknown"),
        ("007", "007", "unknown"),
    ],
)
def test_names_as_they_come(name, symbol, found):
    assert canonical_symbols([name]).loc[0].tolist() == [name, symbol, found]


def test_mitochondrial_genes_of_real_cells(shared):
    """Cell Ranger gives each gene its Ensembl id and the symbol of HGNC."""
    with h5py.File(shared / "pbmc3k" / "pbmc3k_raw_labelled.h5ad") as file:
        genes = pd.DataFrame({column: file["var"][column].asstr()[:] for column in ("gene_ids", "symbol")})
    genes = genes[genes["symbol"].str.startswith("MT-")]
    assert len(genes) == 13
    assert set(canonical_symbols(genes["symbol"])["found"]) == {"symbol"}
    assert canonical_symbols(genes["gene_ids"])["symbol"].tolist() == genes["symbol"].tolist()


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Index, pd.Series, pd.array, pd.Categorical, iter])
def test_any_list_of_texts_will_do(kind):
    answer = canonical_symbols(kind(["CTGF", "CTGF", "x"]))
    assert answer["symbol"].tolist() == ["CCN2", "CCN2", "x"]


def test_the_index_of_a_series_does_not_matter():
    assert canonical_symbols(pd.Series(["CTGF", "x"], index=[7, 7]))["symbol"].tolist() == ["CCN2", "x"]


def test_nothing_in_nothing_out():
    assert canonical_symbols([]).to_dict("list") == {"name": [], "symbol": [], "found": []}
    assert symbols_of_uniprot([]).to_dict("list") == {"accession": [], "symbol": []}


def test_answers_may_be_changed():
    answer = canonical_symbols(["CTGF"])
    answer["symbol"] = "changed"
    assert canonical_symbols(["CTGF"])["symbol"].tolist() == ["CCN2"]


@pytest.mark.parametrize("ask", [canonical_symbols, symbols_of_uniprot])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("CD3E", r"'CD3E' must be a list of texts: pass \['CD3E'\]"),
        (5, "5 must be a list of texts"),
        (["CD3E", None, 916], "2 of 3 values that are not text \\(None, 916\\): leave out missing values"),
        ([float("nan")], "1 of 1 values that are not text \\(nan\\)"),
    ],
)
def test_what_is_no_text(ask, names, message):
    with pytest.raises(Edge2TorchError, match=message):
        ask(names)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.builds("{}{}".format, sampled(UNIPROT), st.sampled_from(["", "-2", "-13"])), st.text())))
def test_proteins_equal_a_naive_search(accessions):
    expected = [
        (accession, symbol)
        for accession in dict.fromkeys(accessions)
        for symbol in sorted(UNIPROT.get(accession.partition("-")[0], []))
    ]
    answer = symbols_of_uniprot(accessions)
    assert list(zip(answer["accession"], answer["symbol"], strict=True)) == expected


def test_tables_are_not_read_at_import():
    code = (
        "import edge2torch.prior.identifiers as names, edge2torch.prior.shipped as shipped\n"
        "assert names._table.cache_info().currsize == names._genes.cache_info().currsize == 0\n"
        "assert shipped.load_shipped.cache_info().currsize == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env=os.environ)
