"""What ``pp.build_graph`` refuses; the AnnData stays as it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t

NET = pd.DataFrame({"source": ["T"] * 3, "target": ["CD3E", "CD2", "LCK"]})
CASES = {
    "unknown prior": ({"net": "kegg"}, ["'kegg'", "'reactome'"]),
    "unknown name in a list": ({"net": [NET, "kegg"]}, ["'kegg'", "'reactome'"]),
    "empty list": ({"net": []}, ["net", "empty list"]),
    "no table": ({"net": 5}, ["int", "DataFrame"]),
    "columns": ({"net": NET.rename(columns={"source": "tf"})}, ["'source'", "'tf'"]),
    "repeated": ({"net": pd.concat([NET, NET])}, ["3 repeated", "T, CD3E"]),
    "none measured": ({"net": NET.assign(target=["X1", "X2", "X3"])}, ["0 of 7 genes in `var_names`", "'table'"]),
    "other case": ({"net": NET.assign(target=["Cd3e", "Cd2", "Lck"])}, ["0 of 7 genes"]),
    "too few": ({"min_genes": 4}, ["min_genes=4", "3", "lower"]),
    "min_genes 0": ({"min_genes": 0}, ["min_genes=0", "at least 1"]),
    "min_genes of text": ({"min_genes": "5"}, ["min_genes='5'"]),
    "min_genes float": ({"min_genes": 2.0}, ["min_genes=2.0"]),
    "min_genes bool": ({"min_genes": True}, ["min_genes=True"]),
    "no column": ({"gene_symbols": "gene"}, ["gene_symbols='gene'", "'symbol'"]),
    "column without symbols": ({"gene_symbols": "ensembl"}, ["0 of 7", "`adata.var['ensembl']`", "Ensembl"]),
    "slash": ({"key_added": "my/net"}, ["'my/net'", "'/'"]),
    "empty key": ({"key_added": ""}, ["key"]),
    "no key": ({"key_added": None}, ["key", "None"]),
    "key of something else": ({"key_added": "text"}, ["text"]),
}


@pytest.fixture
def prepared(adata):
    adata.var["ensembl"] = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    adata.uns["text"] = "somebody else's"
    e2t.pp.build_graph(adata, NET, min_genes=1)
    return adata


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("copy", [False, True])
def test_errors_leave_everything_as_it_was(prepared, unchanged, case, copy):
    wrong, words = CASES[case]
    with unchanged(prepared), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.pp.build_graph(prepared, **{"net": NET, "min_genes": 1, "copy": copy, **wrong})
    for word in words:
        assert word in str(error.value)


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_names_of_genes_must_be_unique(adata, unchanged):
    adata.var_names = ["CD3E", "CD3E", *adata.var_names[2:]]
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match="var_names_make_unique"):
        e2t.pp.build_graph(adata, NET, min_genes=1)


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_names_of_cells_must_be_unique(adata, unchanged):
    adata.obs_names = ["cell"] * adata.n_obs
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match="obs_names_make_unique"):
        e2t.pp.build_graph(adata, NET, min_genes=1)


def test_adata_must_be_one():
    with pytest.raises(e2t.Edge2TorchError, match="must be an AnnData or MuData, not DataFrame"):
        e2t.pp.build_graph(pd.DataFrame(np.ones((2, 2))), NET)


def test_an_error_leaves_a_view_a_view(adata):
    view = adata[:3]
    with pytest.raises(e2t.Edge2TorchError):
        e2t.pp.build_graph(view, NET, min_genes=9)
    assert view.is_view
