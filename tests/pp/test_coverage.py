"""What ``get.coverage`` says after ``pp.build_graph``: what was kept, what was lost, and why."""

from __future__ import annotations

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData

import edge2torch as e2t
from edge2torch.prior import load_shipped
from edge2torch.prior.identifiers import canonical_symbols
from edge2torch.prior.shipped import read_shipped

MEASURED = [f"g{i}" for i in range(12)]
SETS = {
    "kept": ["g0", "g1", "g2", "x0"],
    "merged away": ["g3", "g4", "x0"],
    "merged to": ["g3", "g4"],
    "with a deep part": ["g5"],
    "deep": ["g6", "g7"],
    "outside": ["g0", "g8"],
    "left out": ["g0", "g1"],
    "excluded": ["g1", "g2"],
    "unknown": ["x1", "x2"],
    "one gene": ["g9", "x1"],
    "many": ["g0", "g1", "g2", "g3", "g4", "g5"],
    "few of many": ["g8", "g9", "x0", "x1", "x2"],
}
PARTS = {"root": ["empty", *(name for name in SETS if name not in ("outside", "deep"))], "with a deep part": ["deep"]}
WANTED = {
    "roots": "root",
    "depth": 2,
    "include": [name for name in [*SETS, "root", "empty"] if name != "left out"],
    "exclude": "excluded",
    "min_genes": 2,
    "max_genes": 5,
    "min_coverage": 0.5,
    "merge": True,
}
#: by hand
STATUS = {
    "kept": "kept",
    "merged to": "kept",
    "with a deep part": "kept",
    "merged away": "merged",
    "outside": "not below roots",
    "deep": "too deep",
    "left out": "not included",
    "excluded": "excluded",
    "empty": "without genes",
    "unknown": "not measured",
    "one gene": "too few genes",
    "many": "too many genes",
    "root": "too many genes",
    "few of many": "low coverage",
}


def pairs(groups, first, second):
    return pd.DataFrame([(name, item) for name, items in groups.items() for item in items], columns=[first, second])


def cells(names, x=None):
    x = np.ones((3, len(names)), dtype=np.float32) if x is None else x
    return AnnData(x, var=pd.DataFrame(index=list(names)))


@pytest.fixture
def built():
    """With a node for each thing that can become of one."""
    adata = cells(MEASURED)
    e2t.pp.build_graph(adata, pairs(SETS, "source", "target"), hierarchy=pairs(PARTS, "parent", "child"), **WANTED)
    return adata


def genes_of(node):
    """Genes of a node and of all below it."""
    return set(SETS.get(node, ())).union(*[genes_of(part) for part in PARTS.get(node, ())])


def test_every_status(built):
    table = e2t.get.coverage(built)
    assert dict(zip(table["node"], table["status"], strict=True)) == STATUS
    assert table["status"].head(3).tolist() == ["kept"] * 3, "those in the graph come first"
    assert len(set(STATUS.values())) == 11


def test_numbers_of_nodes(built):
    table = e2t.get.coverage(built).set_index("node")
    for node, row in table.iterrows():
        genes = genes_of(node)
        assert row["n_genes"] == len(genes), node
        assert row["n_measured"] == len(genes & set(MEASURED)), node
        assert row["share"] == row["n_measured"] / max(row["n_genes"], 1)
    assert table.loc["merged away", "merged_into"] == "merged to"
    assert (table["merged_into"].drop("merged away") == "").all()
    edges = built.uns["e2t"]["graph"]
    ends = pd.concat([edges["source"], edges["target"]]).value_counts()
    kept = table["status"] == "kept"
    assert table["degree"][kept].to_dict() == ends[table.index[kept]].to_dict()
    assert (table["degree"][~kept] == 0).all()
    assert (table["prior"] == "table").all()
    assert (table["id"] == table.index).all()


def test_edges_are_those_of_what_was_kept(built):
    """The genes of what was too deep are read in its place."""
    edges = built.uns["e2t"]["graph"]
    expected = {
        *(("g0", "kept"), ("g1", "kept"), ("g2", "kept"), ("g3", "merged to"), ("g4", "merged to")),
        *((gene, "with a deep part") for gene in ("g5", "g6", "g7")),
    }
    assert set(zip(edges["source"], edges["target"], strict=True)) == expected


def test_numbers_of_the_graph(built):
    whole = e2t.get.coverage(built, per="graph")
    in_prior = {gene for genes in SETS.values() for gene in genes}
    assert whole.drop(["hubs", "redundant"]).to_dict() == {
        "genes": 12,
        "genes_in_prior": len(in_prior & set(MEASURED)),
        "prior_genes": len(in_prior),
        "prior_genes_measured": len(in_prior & set(MEASURED)),
        "inputs": 8,
        "nodes_in_prior": 14,
        "nodes": 3,
        "edges": 8,
        "layers": 2,
        "cyclic": 0,
        "edges_cut": 0,
        "unreachable": 2,
        "share_of_counts": pytest.approx(8 / 12),
    }
    assert whole.name == "e2t"


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_round_trip(built, tmp_path, suffix):
    path = tmp_path / f"cells.{suffix}"
    if suffix == "h5ad":
        built.write_h5ad(path)
        read = anndata.read_h5ad(path)
    else:
        with warnings.catch_warnings():  # of zarr and anndata, on what will be, or has become, the default
            warnings.filterwarnings(
                "ignore", "(zarr v3 autosharding|Consolidated metadata|This setting will be removed)"
            )
            with anndata.settings.override(zarr_write_format=3):
                built.write_zarr(path)
            read = anndata.read_zarr(path)
    for per in ("node", "graph"):
        here, there = e2t.get.coverage(built, per=per), e2t.get.coverage(read, per=per)
        if per == "node":
            pd.testing.assert_frame_equal(there.astype(here.dtypes.to_dict()), here)
            assert there["hub"].dtype == bool
        else:
            pd.testing.assert_series_equal(there, here, check_index_type=False)


@pytest.mark.parametrize("per", ["node", "graph"])
def test_a_table_is_a_copy(built, unchanged, per):
    with unchanged(built):
        table = e2t.get.coverage(built, per=per)
        if per == "graph":
            table[:] = -1
            table["genes"] = 99
        else:
            table.loc[:, "n_genes"] = -1
            table.loc[0, "status"] = "changed"
            table.drop(columns="hub", inplace=True)  # noqa: PD002


@pytest.mark.parametrize("ask", [e2t.get.coverage, e2t.get.graph])
def test_getting_changes_nothing(built, unchanged, ask):
    with unchanged(built):
        ask(built)


@pytest.mark.parametrize("per", ["node", "graph"])
def test_what_is_missing_is_said_with_who_makes_it(built, per):
    with pytest.raises(e2t.Edge2TorchError, match=r"no '(coverage|summary)'; run e2t\.pp\.build_graph first"):
        e2t.get.coverage(cells(MEASURED), per=per)
    with pytest.raises(e2t.Edge2TorchError, match=r"uns\['other'\].*there is one under 'e2t': pass key="):
        e2t.get.coverage(built, per=per, key="other")


@pytest.mark.parametrize("per", ["nodes", None, 1])
def test_per(built, per):
    with pytest.raises(e2t.Edge2TorchError, match=r"per=.*'node', 'graph'"):
        e2t.get.coverage(built, per=per)


NET = pd.DataFrame({"source": ["P", "P", "Q"], "target": ["a", "b", "c"]})
VALUES = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 5.0, 0.0, 6.0]])
SHARE = (VALUES[:, :3].sum()) / VALUES.sum()


def share(adata):
    e2t.pp.build_graph(adata, NET, min_genes=1)
    return e2t.get.coverage(adata, per="graph")["share_of_counts"]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_array, lambda x: sp.csr_array(x.astype(np.int32))])
def test_share_of_counts(kind):
    assert share(cells("abcd", kind(VALUES))) == pytest.approx(SHARE)
    scaled = cells("abcd", VALUES - VALUES.mean(axis=0))
    scaled.layers["counts"] = kind(VALUES)
    assert share(scaled) == pytest.approx(SHARE), "of layers['counts'], where there is one"
    assert share(scaled[:1]) == pytest.approx(6 / 10), "of a view: its cells"


NO_COUNTS = {
    "scaled": VALUES - VALUES.mean(axis=0),
    "one negative value": VALUES * np.array([[-1, 1, 1, 1], [1, 1, 1, 1]]) + 0.0,
    "a negative value whose gene has a positive sum": VALUES * np.array([[1, -1, 1, 1], [1, 1, 1, 1]]),
    "NaN": np.where(VALUES == 6, np.nan, VALUES),
    "all zero": VALUES * 0,
}


@pytest.mark.parametrize("case", NO_COUNTS)
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_share_of_what_are_no_counts_is_nan(case, kind):
    assert np.isnan(share(cells("abcd", kind(NO_COUNTS[case]))))


def test_share_without_x():
    assert np.isnan(share(AnnData(obs=pd.DataFrame(index=["1", "2"]), var=pd.DataFrame(index=list("abcd")))))


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_backed_file(tmp_path, kind, mode):
    """Its ``uns`` is in memory: the file stays as it is until it is written."""
    path = tmp_path / "cells.h5ad"
    cells("abcd", kind(VALUES)).write_h5ad(path)
    backed = sc.read_h5ad(path, backed=mode)
    assert share(backed) == pytest.approx(SHARE)
    assert backed.isbacked
    assert "e2t" not in sc.read_h5ad(path).uns
    if mode == "r+":
        backed.write()
    else:
        backed.write_h5ad(tmp_path / "other.h5ad")
    backed.file.close()
    read = sc.read_h5ad(path if mode == "r+" else tmp_path / "other.h5ad")
    assert e2t.get.coverage(read, per="graph")["share_of_counts"] == pytest.approx(SHARE)


def test_a_backed_file_cannot_be_copied(tmp_path):
    path = tmp_path / "cells.h5ad"
    cells("abcd", VALUES).write_h5ad(path)
    backed = sc.read_h5ad(path, backed="r")
    with pytest.raises(ValueError, match="to_memory"):
        e2t.pp.build_graph(backed, NET, min_genes=1, copy=True)
    view = backed[:1]
    with pytest.raises(ValueError, match="to_memory"):
        e2t.pp.build_graph(view, NET, min_genes=1)
    assert "e2t" not in backed.uns
    assert "e2t" not in view.uns
    backed.file.close()


@pytest.fixture(scope="module")
def ensembl():
    """30 genes of Hallmark: symbol by Ensembl id."""
    known = set(load_shipped("hallmark").sets["target"])
    table = read_shipped("gene_ensembl.csv.gz")
    asked = canonical_symbols(table[table.columns[0]].drop_duplicates().iloc[::50].tolist())
    once = asked[asked["symbol"].isin(known) & (asked["found"] == "ensembl")].drop_duplicates("symbol").head(30)
    return dict(zip(once["name"], once["symbol"], strict=True))


@pytest.mark.parametrize("version", ["", ".7"])
def test_ensembl_ids(ensembl, unchanged, version):
    adata = cells([name + version for name in ensembl])
    assert adata.n_vars == 30
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.pp.build_graph(adata, "hallmark", min_genes=1)
    for words in (
        "0 of 30 genes in `var_names`",
        "look like Ensembl ids",
        adata.var_names[0],
        "resolve=True",
        "gene_symbols=",
    ):
        assert words in str(error.value)
    e2t.pp.build_graph(adata, "hallmark", min_genes=1, resolve=True)
    nodes = adata.uns["e2t"]["nodes"]
    inputs = nodes[nodes["kind"] == "input"]
    assert dict(zip(inputs["node"], inputs["label"], strict=True)) == {
        name + version: symbol for name, symbol in ensembl.items()
    }
    adata.var["symbol"] = list(ensembl.values())
    by_column = e2t.pp.build_graph(adata, "hallmark", min_genes=1, gene_symbols="symbol", copy=True)
    pd.testing.assert_frame_equal(by_column.uns["e2t"]["graph"], adata.uns["e2t"]["graph"])
    pd.testing.assert_frame_equal(e2t.get.coverage(by_column), e2t.get.coverage(adata))


def test_aliases():
    """Names that genes had once."""
    known = set(load_shipped("hallmark").sets["target"])
    aliases = read_shipped("gene_aliases.csv.gz")
    old = canonical_symbols(aliases[aliases.columns[0]].drop_duplicates().iloc[::500].tolist())
    old = old[(old["found"] == "alias") & old["symbol"].isin(known) & ~old["name"].isin(known)].drop_duplicates(
        "symbol"
    )
    adata = cells(old["name"])
    with pytest.raises(e2t.Edge2TorchError, match=r"other names of human genes.*resolve=True"):
        e2t.pp.build_graph(adata, "hallmark", min_genes=1)
    e2t.pp.build_graph(adata, "hallmark", min_genes=1, resolve=True)
    nodes = adata.uns["e2t"]["nodes"].set_index("node")["label"]
    assert nodes[old["name"]].tolist() == old["symbol"].tolist()


OTHER_NAMES = {
    "lower case": (str.lower, ["differ in case", "str.upper()"]),
    "mouse": (str.title, ["mouse symbols", "ortholog"]),
    "version": (lambda name: f"{name}.1", ["suffix", "remove"]),
    "made unique": (lambda name: f"{name}-1", ["suffix", "remove"]),
    "Entrez": (lambda name: str(sum(map(ord, name)) * 1000 + len(name)), ["numeric ids", "gene_symbols="]),
    "mouse Ensembl": (lambda name: f"ENSMUSG{sum(map(ord, name)):011d}", ["another species", "gene_symbols="]),
}


@pytest.mark.parametrize("case", OTHER_NAMES)
@pytest.mark.parametrize("column", [None, "symbol"])
def test_errors_help(case, column, unchanged):
    rename, words = OTHER_NAMES[case]
    symbols = ["CD3E", "CD2", "LCK", "IL2RA", "MYC", "VEGFA", "LDHA"]
    names = [rename(name) for name in symbols]
    adata = cells(names if column is None else [f"row {i}" for i in range(7)])
    adata.var["symbol"] = names
    where = "`var_names`" if column is None else "`adata.var['symbol']`"
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.pp.build_graph(adata, "hallmark", min_genes=1, gene_symbols=column)
    for word in (f"0 of 7 genes in {where} are in the prior 'hallmark'", names[0], *words):
        assert word in str(error.value)
