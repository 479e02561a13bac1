"""A file that cannot be used is refused with words that help."""

from __future__ import annotations

import gzip
import sys

import networkx as nx
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.prior.files import read_hierarchy, read_prior

HTML = b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>"
PACKED = gzip.compress(b"A\tna\tg1\tg2\n" * 1000)
GAF = b"UniProtKB\tP1\tCD3E\tinvolved_in\tGO:1\tx\tIDA\t\tF\t\t\tprotein\ttaxon:9606\t20240101\tx\t\t\n"
TERM = b"[Term]\nid: GO:1\nname: root\nnamespace: biological_process\n"
MEMBER = b"P1\tR-MMU-1\tx\tRepair\tTAS\tMus musculus\n"

PRIORS = {
    "suffix": ("sets.docx", b"x", ["unknown format", "'.gmt'", "'.parquet'", "convert"]),
    "no suffix": ("sets", b"x", ["unknown format", "'.gmt'"]),
    "hierarchy": ("go.obo", TERM, ["not their genes", ".gaf"]),
    "names only": ("ReactomePathways.txt", b"R-HSA-1\tx\tHomo sapiens", ["not their genes"]),
    "relation": ("ReactomePathwaysRelation.txt", b"R-HSA-1\tR-HSA-2", ["not their genes"]),
    **{
        f"empty {suffix}": (f"a{suffix}", b"", ["is empty"])
        for suffix in (".gmt", ".gmt.gz", ".gaf", ".sif", ".csv", ".txt", ".graphml")
    },
    "empty inside": ("a.gmt.gz", gzip.compress(b""), ["empty once unpacked"]),
    **{
        f"page {suffix}": (f"a{suffix}", HTML, ["web page", "browser"])
        for suffix in (".gmt", ".gaf", ".sif", ".csv", ".tsv", ".graphml")
    },
    "packed page": ("a.gmt.gz", gzip.compress(b"\n<html lang='en'>"), ["web page"]),
    "XHTML": ("a.xml", b"<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE html PUBLIC>\n<html/>", ["web page"]),
    "page as parquet": ("a.parquet", HTML, ["not a parquet table"]),
    "truncated": ("a.gmt.gz", PACKED[:-20], ["ends too early", "load it again"]),
    "truncated early": ("a.csv.gz", PACKED[:5], ["ends too early"]),
    "truncated graph": ("a.graphml.gz", gzip.compress(b"<graphml></graphml>")[:-3], ["ends too early"]),
    "checksum": ("a.gmt.gz", PACKED[:-8] + bytes(4) + PACKED[-4:], ["not intact gzip"]),
    "damaged": ("a.gmt.gz", PACKED[:10] + b"\xff\xff\xff\xff" + PACKED[14:], ["not intact gzip"]),
    "not packed": ("a.gmt.gz", b"A\tna\tg1\n", ["not intact gzip", "rename"]),
    "packed without saying": ("a.gmt", PACKED, ["compressed by gzip", "rename", ".gz"]),
    "spreadsheet": ("a.csv", b"PK\x03\x04rest", ["spreadsheet", "CSV"]),
    "binary": ("a.csv", b"\x89HDF\r\n\x1a\n\0\0", ["is binary"]),
    "UTF-16": ("a.gmt", "A\tna\tg1".encode("utf-16"), ["UTF-16", "UTF-8"]),
    "latin-1": ("a.gmt", b"A\tna\tg1\nM\xfcller\tna\tg1\n", ["not UTF-8", "0xfc", "save it as UTF-8"]),
    "latin-1 in a table": ("a.csv", b"source,target\nM\xfcller,g1\n", ["not UTF-8", "0xfc"]),
    "GMT blank": ("a.gmt", b"\n\n", ["no gene sets"]),
    "GMT of commas": ("a.gmt", b"A\tna\tg1\nB,na,g1\n", ["line 2", "'B,na,g1'", "no tabs"]),
    "GMT nameless": ("a.gmt", b"\tna\tg1\n", ["line 1", "no name"]),
    "GMT empty sets": ("a.gmt", b"A\tna\tg1\nB\tna\nC\tna\t\t\n", ["2 sets without genes", "'B', 'C'", "remove"]),
    "GMT twins": ("a.gmt", b"A\tna\tg1\nB\tna\tg1\nA\tna\tg2\n", ["1 names", "'A'", "rename"]),
    "GMT twins with one id": ("a.gmt", b"A\tGO:1\tg1\nA\tGO:1\tg2\n", ["1 names", "'A'"]),
    "GAF columns": ("a.gaf", b"!gaf\n" + GAF + b"UniProtKB\tP1\tCD3E\n", ["line 3", "3 columns", "17"]),
    "GAF of one aspect": ("a.gaf", GAF, ["aspect 'P'", "biological process", "'F'"]),
    "GAF of comments": ("a.gaf", b"!gaf-version: 2.2\n", ["no annotations at all"]),
    "GAF without symbol": ("a.gaf", GAF.replace(b"CD3E", b""), ["line 1", "symbol is empty"]),
    "GAF without term": ("a.gaf", GAF.replace(b"GO:1", b" "), ["line 1", "GO id is empty"]),
    "SIF of two": ("a.sif", b"A pp B\nA pp\n", ["line 2", "'A pp'", "blanks"]),
    "SIF of two, tabs": ("a.sif", b"A\tpp\tB\nA\tpp\t\n", ["line 2", "tabs"]),
    "SIF with a gap": ("a.sif", b"A\tpp\t \tB\n", ["line 1"]),
    "SIF of nodes": ("a.sif", b"A\nB\n", ["no edges"]),
    "SIF of both signs": ("a.sif", b"A up B\nA down B\n", ["a.sif", "1 pairs", "conflicting", "A, B (1.0, -1.0)"]),
    "table without columns": ("a.csv", b"tf,gene\nA,B\n", ["'a.csv' lacks", "'source', 'target'", "'tf', 'gene'"]),
    "table blank": ("a.csv", b"\n\n", ["empty lines only"]),
    "table without rows": ("a.csv", b"source,target\n", ["no rows"]),
    "table wide": ("a.csv", b"source,target\nA,B\nA,B,C\n", ["line 3", "3 columns", "header has 2"]),
    "table narrow": ("a.tsv", b"source\ttarget\n\nA\n", ["line 3", "1 columns", "header has 2"]),
    "table with quotes": ("a.csv", b'source,target\n"A,B\n', ["quote"]),
    "table with a quote inside": ("a.csv", b'source,target\n"A"B,C\n', ["line 2", "quote"]),
    "table weight": ("a.csv", b"source,target,weight\nA,B,much\n", ["'weight'", "not numeric", "'much'"]),
    "table weight missing": ("a.csv", b"source,target,weight\nA,B,1\nA,C,\n", ["'weight'", "NaN", "1 rows"]),
    "table name missing": ("a.csv", b"source,target\nA,\n", ["'target'", "missing or empty in 1 rows"]),
    "parquet damaged": ("a.parquet", b"PAR1 and so on", ["not an intact parquet"]),
    "parquet packed": ("a.parquet.gz", b"x", ["compressed already"]),
    "GraphML broken": ("a.graphml", b"<graphml><graph>", ["'a.graphml' is not a GraphML graph"]),
    "GraphML of nothing": ("a.xml", b"<?xml version='1.0'?><data/>", ["is not a GraphML graph"]),
    "GraphML of text": ("a.graphml", b"source,target", ["is not a GraphML graph"]),
    "UniProt of nobody": ("UniProt2Reactome.txt", MEMBER, ["no rows of Homo sapiens", "'Mus musculus'"]),
    "PE file": (
        "UniProt2Reactome_PE_Pathway.txt",
        b"P1\tR-1\tx" + MEMBER[2:],
        ["line 1", "8 columns", "6", "physical"],
    ),
    "Ensembl of proteins": (
        "Ensembl2Reactome.txt",
        b"ENSP00000000001\tR-HSA-1\tx\tR\tTAS\tHomo sapiens\n",
        ["a gene of Ensembl"],
    ),
}


def check(read, folder, case):
    name, data, words = case
    (folder / name).write_bytes(data)
    with pytest.raises(Edge2TorchError) as error:
        read(folder / name)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("case", PRIORS)
def test_no_prior(case, tmp_path):
    check(read_prior, tmp_path, PRIORS[case])


OTHER = TERM.replace(b"biological_process", b"molecular_function")
HIERARCHIES = {
    "suffix": ("sets.gmt", b"A\tna\tg1", ["unknown format", "'.obo'"]),
    "page": ("go.obo", HTML, ["web page"]),
    "empty": ("go.obo", b"", ["is empty"]),
    "OBO without terms": ("go.obo", b"format-version: 1.2\n[Typedef]\nid: part_of\n", ["has no terms"]),
    "OBO without ids": ("go.obo", b"[Term]\nname: x\n", ["no id"]),
    "OBO of one term in another namespace": ("go.obo", OTHER, ["1 terms", "no relations"]),
    "OBO without relations": ("go.obo", TERM, ["1 terms", "no relations"]),
    "relation of mice": ("ReactomePathwaysRelation.txt", b"R-MMU-1\tR-MMU-2\n", ["'human'", "R-HSA-", "'R-MMU-'"]),
    "relation of one": (
        "ReactomePathwaysRelation.txt",
        b"R-HSA-1\tR-HSA-2\nR-HSA-1\n",
        ["line 2", "1 columns", "parent"],
    ),
    "table": ("a.csv", b"source,target\nA,B\n", ["'a.csv' lacks", "'parent', 'child'", "'source'"]),
    "table with gaps": ("a.csv", b"parent,child\nA,\n", ["'child'", "1 rows"]),
}


@pytest.mark.parametrize("case", HIERARCHIES)
def test_no_hierarchy(case, tmp_path):
    check(read_hierarchy, tmp_path, HIERARCHIES[case])


@pytest.mark.parametrize("read", [read_prior, read_hierarchy])
def test_paths_that_lead_nowhere(read, tmp_path):
    (tmp_path / "hallmark.gmt").write_text("A\tna\tg1\n")
    with pytest.raises(Edge2TorchError, match=r"no file .*; did you mean 'hallmark.gmt'\?"):
        read(tmp_path / "hallmrk.gmt")
    with pytest.raises(Edge2TorchError, match=r"the folder holds 'hallmark.gmt'\?"):
        read(tmp_path / "zzz")
    with pytest.raises(Edge2TorchError, match=r"is a folder.*'hallmark.gmt'"):
        read(str(tmp_path))
    with pytest.raises(Edge2TorchError, match="no folder"):
        read(tmp_path / "no" / "hallmark.gmt")
    with pytest.raises(Edge2TorchError, match="not int"):
        read(3)


def test_an_encoding_error_far_into_a_file(tmp_path):
    (tmp_path / "a.gmt").write_bytes(b"A%d\tna\tg1\n" * 10_000 + b"\xfc\tna\tg1\n")
    with pytest.raises(Edge2TorchError, match="not UTF-8"):
        read_prior(tmp_path / "a.gmt")


@pytest.mark.parametrize("choice", [{"aspect": "BP"}, {"aspect": None}])
def test_unknown_aspects(choice, tmp_path):
    (tmp_path / "a.gaf").write_bytes(GAF)
    with pytest.raises(Edge2TorchError, match=r"aspect=.*'P', 'F', 'C'"):
        read_prior(tmp_path / "a.gaf", **choice)


def test_unknown_organisms(tmp_path):
    for name, read in (("NCBI2Reactome.txt", read_prior), ("ReactomePathwaysRelation.txt", read_hierarchy)):
        (tmp_path / name).write_bytes(MEMBER)
        with pytest.raises(Edge2TorchError, match=r"organism='yeast'.*'human', 'mouse', 'rat'"):
            read(tmp_path / name, "yeast")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"source": ["A"], "target": ["B"]}).to_parquet(tmp_path / "a.parquet")
    for module in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Edge2TorchError, match="pip install pyarrow"):
        read_prior(tmp_path / "a.parquet")


def test_graphs_without_a_direction_or_with_parallel_edges(tmp_path):
    nx.write_graphml(nx.Graph([("A", "B")]), tmp_path / "a.graphml")
    with pytest.raises(Edge2TorchError, match=r"'a.graphml' is an undirected graph"):
        read_prior(tmp_path / "a.graphml")
    nx.write_graphml(nx.MultiDiGraph([("A", "B"), ("A", "B")]), tmp_path / "a.graphml")
    with pytest.raises(Edge2TorchError, match="1 repeated pairs"):
        read_prior(tmp_path / "a.graphml")
    nx.write_graphml(nx.DiGraph(), tmp_path / "a.graphml")
    with pytest.raises(Edge2TorchError, match="without edges"):
        read_prior(tmp_path / "a.graphml")
