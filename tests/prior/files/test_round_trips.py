"""What is written in a format by others is read back as it was: names are labels."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch.prior.files import read_hierarchy, read_prior

ODD = [
    " leading",
    "trailing ",
    "a/b",
    "a, b",
    'said "so"',
    '"quoted"',
    "# no comment",
    "! no comment",
    "x {a=b}",
    "back\\slash",
    "<&>",
    "NA",
    "nan",
    "1.0",
    "007",
    "CD4+/CD25 T Reg",
    "β-catenin",
    "no\xa0break",
    "\xa0ends oddly\u3000",
    "line\u2028separator",
    "it's",
    "HLA-A:B",
    "NOT",
]
# no control characters (C), no halves of characters, nothing that is no character; no mark of byte order
TEXT = st.characters(exclude_categories=("Cc", "Cs", "Cn"), exclude_characters="\ufeff")
NAMES = st.one_of(st.sampled_from(ODD), st.text(TEXT, min_size=1, max_size=8)).filter(str.strip)
SETS = st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=4, unique=True), min_size=1, max_size=5)
SIGNED = st.dictionaries(st.tuples(NAMES, NAMES), st.sampled_from([1.0, -1.0]), min_size=1, max_size=8)
WEIGHTED = st.dictionaries(
    st.tuples(NAMES, NAMES), st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8
)
#: quotes can hold these, too
IN_QUOTES = st.text(st.one_of(TEXT, st.sampled_from("\t\n,;\"'")), min_size=1, max_size=6).filter(str.strip)
QUOTED = st.dictionaries(
    st.tuples(IN_QUOTES, IN_QUOTES), st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8
)
PACKED = st.sampled_from(["", ".gz"])
many = settings(deadline=None, max_examples=80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("round trips")


def write(file: Path, text: str) -> Path:
    data = text.encode()
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


def members(prior) -> dict[str, list[str]]:
    return prior.sets.groupby("source", sort=False)["target"].agg(list).to_dict()


def edges(prior) -> dict[tuple[str, str], float]:
    assert list(prior.sets) == ["source", "target", "weight"]
    return {(s, t): w for s, t, w in prior.sets.itertuples(index=False)}


def table(weights: dict[tuple[str, str], float]) -> pd.DataFrame:
    return pd.DataFrame([(s, t, w) for (s, t), w in weights.items()], columns=["source", "target", "weight"])


@many
@given(
    sets=SETS, about=st.one_of(st.just(""), NAMES), packed=PACKED, end=st.sampled_from(["\n", "\r\n", "\t\n", "\n\n"])
)
def test_gmt(folder, sets, about, packed, end):
    text = "".join("\t".join([name, about, *genes]) + end for name, genes in sets.items())
    assert members(read_prior(write(folder / f"a.gmt{packed}", text))) == sets


@many
@given(signs=SIGNED, packed=PACKED)
def test_sif(folder, signs, packed):
    word = {1.0: "activates", -1.0: "inhibits"}
    text = "".join(f"{s}\t{word[sign]}\t{t}\n" for (s, t), sign in signs.items())
    assert edges(read_prior(write(folder / f"a.sif{packed}", text))) == signs


@many
@given(sets=SETS, packed=PACKED)
def test_sif_with_many_targets_in_a_line(folder, sets, packed):
    text = "\n".join("\t".join([name, "pp", *genes]) for name, genes in sets.items())
    prior = read_prior(write(folder / f"many.sif{packed}", text))
    assert members(prior) == sets
    assert "weight" not in prior.sets


@many
@given(weights=QUOTED, suffix=st.sampled_from([".csv", ".csv.gz", ".tsv", ".txt", ".txt.gz"]))
def test_tables_of_text(folder, weights, suffix):
    file = folder / f"a{suffix}"
    table(weights).to_csv(file, index=False, sep="," if "csv" in suffix else "\t")
    assert edges(read_prior(file)) == weights


@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz"])
def test_line_ends_within_quotes(folder, suffix):
    weights = {("a\rb", "c\r\n"): 1.0, ("a\nb", "x\n\ry"): 2.0, ("x", '"\r"'): -1.0}
    # unless told so, pandas leaves a lone \r without quotes, which is a line end for all who read it
    table(weights).to_csv(
        folder / f"r{suffix}", index=False, sep="," if suffix == ".csv" else "\t", quoting=csv.QUOTE_ALL
    )
    assert edges(read_prior(folder / f"r{suffix}")) == weights


@many
@given(weights=QUOTED)
def test_parquet(folder, weights):
    pytest.importorskip("pyarrow")
    table(weights).to_parquet(folder / "a.parquet")
    assert edges(read_prior(folder / "a.parquet")) == weights


@many
@given(
    weights=WEIGHTED,
    suffix=st.sampled_from([".graphml", ".xml", ".graphml.gz"]),
    attribute=st.sampled_from(["name", "label", ""]),
)
def test_graphml(folder, weights, suffix, attribute):
    graph = nx.from_pandas_edgelist(table(weights), edge_attr="weight", create_using=nx.DiGraph)
    if attribute:
        nx.set_node_attributes(graph, {node: node for node in graph}, attribute)
        graph = nx.convert_node_labels_to_integers(graph)
    nx.write_graphml(graph, folder / f"a{suffix}")
    assert edges(read_prior(folder / f"a{suffix}")) == weights


def gaf_line(term: str, symbol: str, qualifier: str = "involved_in", evidence: str = "IDA", aspect: str = "P") -> str:
    before = ["UniProtKB", "P1", symbol, qualifier, term, "PMID:1", evidence, "", aspect]
    return "\t".join([*before, "", "", "protein", "taxon:9606", "20240101", "UniProt", "", ""])


@many
@given(sets=SETS, packed=PACKED)
def test_gaf(folder, sets, packed):
    lines = [gaf_line(name, gene) for name, genes in sets.items() for gene in genes]
    text = "\n".join(["!gaf-version: 2.2", *lines, "! the end"])
    assert members(read_prior(write(folder / f"a.gaf{packed}", text))) == sets


def escape(value: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ("!", "\\!"), ("{", "\\{"), ("}", "\\}")):
        value = value.replace(plain, escaped)
    inner = value.strip(" ")
    before = len(value) - len(value.lstrip(" "))
    return "\\W" * before + inner + "\\W" * (len(value) - len(inner) - before)


@many
@given(
    names=st.lists(NAMES, min_size=2, max_size=6),
    pairs=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8),
    packed=PACKED,
)
def test_obo(folder, names, pairs, packed):
    ids = [f"GO:{k:07d}" for k in range(len(names))]
    expected = {(ids[parent % len(ids)], ids[child % len(ids)]) for parent, child in pairs}
    lines = ["format-version: 1.2", "! written by a test", ""]
    for node, name in zip(ids, names, strict=True):
        lines += ["[Term]", f"id: {node}", f"name: {escape(name)}", "namespace: biological_process"]
        lines += ['def: "A thing! {x=y}" [GO:ref]']
        for k, parent in enumerate(sorted(parent for parent, child in expected if child == node)):
            comment = f"! {escape(names[ids.index(parent)])}"
            lines += [
                f"is_a: {parent} {comment}" if k % 2 else f'relationship: part_of {parent} {{source="x"}} {comment}'
            ]
        lines += [""]
    hierarchy = read_hierarchy(write(folder / f"a.obo{packed}", "\n".join(lines)))
    assert set(hierarchy.edges.itertuples(index=False, name=None)) == expected
    assert dict(hierarchy.names) == dict(zip(ids, names, strict=True))


@many
@given(
    pairs=st.sets(st.tuples(IN_QUOTES, IN_QUOTES), min_size=1), suffix=st.sampled_from([".csv", ".tsv.gz", ".parquet"])
)
def test_tables_of_parents(folder, pairs, suffix):
    file, frame = folder / f"b{suffix}", pd.DataFrame(sorted(pairs), columns=["parent", "child"])
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(file)
    else:
        frame.to_csv(file, index=False, sep="," if suffix == ".csv" else "\t")
    assert set(read_hierarchy(file).edges.itertuples(index=False, name=None)) == pairs


@many
@given(sets=SETS, packed=PACKED)
def test_reactome_members(folder, sets, packed):
    rows = [(gene, f"R-HSA-{k}", name) for k, (name, genes) in enumerate(sets.items()) for gene in genes]
    text = "".join(f"{gene}\t{node}\thttps://x\t{name}\tTAS\tHomo sapiens\n" for gene, node, name in rows)
    prior = read_prior(write(folder / f"NCBI2Reactome.txt{packed}", text))
    assert members(prior) == sets
    assert dict(prior.ids) == {name: f"R-HSA-{k}" for k, name in enumerate(sets)}
