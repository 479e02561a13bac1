"""What is special about each format, by small files that the test writes."""

from __future__ import annotations

import networkx as nx
import pandas as pd
import pytest

from edge2torch.prior import identifiers
from edge2torch.prior.files import read_hierarchy, read_prior


def pairs(prior) -> list[tuple[str, str]]:
    return list(prior.sets[["source", "target"]].itertuples(index=False, name=None))


@pytest.fixture
def write(tmp_path):
    def make(name: str, *lines: str):
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8", newline="")
        return tmp_path / name

    return make


@pytest.mark.parametrize("name", ["h.all.v7.gmt", "h.all.v7.GMT"])
def test_a_prior_is_called_like_its_file(write, name):
    assert read_prior(str(write(name, "A\t\tg1"))).name == "h.all.v7"


def test_gmt_genes_count_once_and_a_set_may_be_called_like_its_gene(write):
    prior = read_prior(write("a.gmt", "MYC\tna\tMYC\tMAX\tMYC\t", "", "B\t\tMYC"))
    assert pairs(prior) == [("MYC", "MYC"), ("MYC", "MAX"), ("B", "MYC")]
    assert prior.ids == {}


def test_gmt_identifiers_tell_sets_apart(write):
    prior = read_prior(write("a.gmt", "Signalling\tR-HSA-1\tA", "Signalling\tR-HSA-2\tB", "Repair\tR-HSA-3\tC"))
    assert pairs(prior) == [("Signalling (R-HSA-1)", "A"), ("Signalling (R-HSA-2)", "B"), ("Repair", "C")]
    assert prior.ids == {"Signalling (R-HSA-1)": "R-HSA-1", "Signalling (R-HSA-2)": "R-HSA-2", "Repair": "R-HSA-3"}


@pytest.mark.parametrize(
    "about",
    [
        ("http://x.org/1", "http://x.org/2"),
        ("na", "na"),
        ("R-1", ""),
        ("R-1", "R-1"),
        ("genes up 1", "genes up 2"),
        ("up", "down"),
    ],
)
def test_gmt_descriptions_that_are_no_identifiers(write, about):
    assert read_prior(write("a.gmt", f"A\t{about[0]}\tg1", f"B\t{about[1]}\tg1")).ids == {}


def test_gmt_whose_names_are_the_identifiers(write):
    prior = read_prior(write("a.gmt", "GO:1\tGO:1\tA", "GO:2\tGO:2\tB"))
    assert pairs(prior) == [("GO:1", "A"), ("GO:2", "B")]
    assert prior.ids == {}


def test_gmt_with_a_mark_of_byte_order_and_old_line_ends(tmp_path):
    (tmp_path / "a.gmt").write_bytes(b"\xef\xbb\xbfA\tna\tg1\rB\tna\tg2\r\n")
    assert pairs(read_prior(tmp_path / "a.gmt")) == [("A", "g1"), ("B", "g2")]


def gaf(symbol="CD3E", qualifier="involved_in", term="GO:1", evidence="IDA", aspect="P", columns=17):
    line = [
        "UniProtKB",
        "P1",
        symbol,
        qualifier,
        term,
        "x",
        evidence,
        "",
        aspect,
        "",
        "",
        "protein",
        "taxon:9606",
        "2024",
        "x",
        "",
        "",
    ]
    return "\t".join(line[:columns])


def test_gaf_leaves_out_what_is_denied_or_unknown(write):
    lines = [
        "!gaf-version: 2.2",
        gaf("A"),
        gaf("B", qualifier="NOT|involved_in"),
        gaf("C", qualifier="NOT"),
        gaf("D", evidence="ND"),
        gaf("E", aspect="F", term="GO:2"),
        gaf("A", evidence="IEA"),
        gaf("NOT", qualifier="NOTABLE", columns=15),
        gaf("F", aspect="C", term="GO:3", columns=16),
    ]
    file = write("a.gaf", *lines)
    assert pairs(read_prior(file)) == [("GO:1", "A"), ("GO:1", "NOT")]
    assert pairs(read_prior(file, aspect="F")) == [("GO:2", "E")]
    assert pairs(read_prior(file, aspect="C")) == [("GO:3", "F")]


OBO = """format-version: 1.2
default-namespace: external
! a comment

[Term]
id: GO:1
name: process ! the root
namespace: biological_process

[Term]
id: GO:2
name: signalling {of=cells} \\{kept\\}
namespace: biological_process
is_a: GO:1 ! process
is_a: GO:1 ! said twice
relationship: regulates GO:3 ! repair
relationship: has_part GO:4 ! not upwards
relationship: part_of GO:9 ! not in this file
intersection_of: GO:4 ! no relation by itself

[Term]
id: GO:3
name: repair
namespace: biological_process
relationship: part_of GO:1 {gci_relation="part_of"} ! process
relationship: part_of GO:5 ! another namespace
alt_id: GO:33

[Term]
id: GO:4
name: gone
namespace: biological_process
is_a: GO:1
is_obsolete: true

[Term]
id: GO:5
name: binding
namespace: molecular_function
is_a: GO:6

[Term]
id: GO:6
name: function
namespace: molecular_function

[Term]
id: X:1
is_a: GO:1

[Typedef]
id: part_of
name: part of
is_a: GO:1
"""


def test_obo(write):
    hierarchy = read_hierarchy(write("go.obo", OBO))
    assert hierarchy.edges.to_numpy().tolist() == [["GO:1", "GO:2"], ["GO:1", "GO:3"]]
    assert hierarchy.names == {"GO:1": "process", "GO:2": "signalling {of=cells} {kept}", "GO:3": "repair"}


def test_obo_of_another_namespace_or_ontology(write):
    file = write("go.obo", OBO)
    assert read_hierarchy(file, namespace="molecular_function").edges.to_numpy().tolist() == [["GO:6", "GO:5"]]
    every = read_hierarchy(write("cl.obo", OBO.replace("biological_process", "cell").replace("molecular_function", "")))
    assert {("GO:5", "GO:3"), ("GO:1", "X:1")} < set(every.edges.itertuples(index=False, name=None))
    assert every.names["X:1"] == "X:1"
    assert "GO:4" not in every.names


@pytest.mark.parametrize(
    ("words", "weights"),
    [(["Activates", "INHIBITS"], [1, -1]), (["+", "-"], [1, -1]), (["1", "-1"], [1, -1]), (["up", "binds"], None)],
)
def test_sif_signs(write, words, weights):
    prior = read_prior(write("a.sif", f"A {words[0]} B  C", "D", f"B {words[1]} C"))
    assert pairs(prior) == [("A", "B"), ("A", "C"), ("B", "C")]
    assert prior.sets.get("weight", pd.Series()).tolist() == ([] if weights is None else [weights[0], *weights])


def test_sif_with_any_tab_has_blanks_in_names(write):
    prior = read_prior(write("a.sif", "T cell\tup\tB cell", "lonely node", "T cell\tup\tB cell\t"))
    assert pairs(prior) == [("T cell", "B cell")]


def test_sif_merges_kinds_of_interaction_that_have_no_sign(write):
    prior = read_prior(write("a.sif", "A binds B", "A modifies B"))
    assert pairs(prior) == [("A", "B")]
    assert list(prior.sets) == ["source", "target"]


def test_tables_keep_text_and_know_other_column_names(write):
    prior = read_prior(write("a.csv", "mor,note,geneset,genesymbol", "0.1,x,NA,007", "", '-2e-3,,"a, b",nan'))
    assert pairs(prior) == [("NA", "007"), ("a, b", "nan")]
    assert prior.sets["weight"].tolist() == [0.1, -2e-3]
    assert list(prior.sets) == ["source", "target", "weight"]


def test_tables_with_interactions(write):
    signed = read_prior(write("a.tsv", "source\tinteraction\ttarget", "A\t1\tB", "B\t-1\tC"))
    assert signed.sets["weight"].tolist() == [1, -1]
    assert "weight" not in read_prior(write("b.tsv", "source\tinteraction\ttarget", "A\tbinds\tB")).sets


def test_graphml_names_must_be_of_one_node_each(tmp_path):
    graph = nx.DiGraph([("n0", "n1"), ("n1", "n2")])
    nx.set_node_attributes(graph, {"n0": "A", "n1": "A", "n2": "B"}, "name")
    nx.write_graphml(graph, tmp_path / "a.graphml")
    assert pairs(read_prior(tmp_path / "a.graphml")) == [("n0", "n1"), ("n1", "n2")]
    nx.set_node_attributes(graph, {"n0": "A", "n1": "B"}, "label")
    nx.write_graphml(graph, tmp_path / "a.graphml")
    assert pairs(read_prior(tmp_path / "a.graphml")) == [("n0", "n1"), ("n1", "n2")], "n2 has no label"
    nx.set_node_attributes(graph, {"n2": "C"}, "label")
    nx.write_graphml(graph, tmp_path / "a.graphml")
    assert pairs(read_prior(tmp_path / "a.graphml")) == [("A", "B"), ("B", "C")]


def member(gene, pathway, name, species="Homo sapiens"):
    return f"{gene}\t{pathway}\thttps://reactome.org/{pathway}\t{name}\tTAS\t{species}"


def test_reactome_is_filtered_by_organism(write):
    lines = [
        member("1", "R-HSA-1", "Repair"),
        member("2", "R-MMU-1", "Repair", "Mus musculus"),
        member("1", "R-HSA-2", "Repair"),
        member("1", "R-HSA-1", "Repair"),
        member("3", "R-RNO-1", "Death", "Rattus norvegicus"),
    ]
    file = write("NCBI2Reactome_All_Levels.txt", *lines)
    human = read_prior(file)
    assert pairs(human) == [("Repair (R-HSA-1)", "1"), ("Repair (R-HSA-2)", "1")]
    assert human.ids == {"Repair (R-HSA-1)": "R-HSA-1", "Repair (R-HSA-2)": "R-HSA-2"}
    assert pairs(read_prior(file, "mouse")) == [("Repair", "2")]
    assert pairs(read_prior(file, "rat")) == [("Death", "3")]


def test_reactome_of_ensembl_keeps_genes_without_version(write):
    genes = ["ENSG00000198851.7", "ENSG00000198851", "ENSP00000000001", "ENST00000000001", "ENSG00000000003"]
    prior = read_prior(write("Ensembl2Reactome.txt", *(member(gene, "R-HSA-1", "Repair") for gene in genes)))
    assert pairs(prior) == [("Repair", "ENSG00000198851"), ("Repair", "ENSG00000000003")]


def test_reactome_of_uniprot_has_symbols(write, monkeypatch):
    known = pd.DataFrame({"accession": ["P1", "P1", "P2", "P2-3"], "symbol": ["A", "B", "A", "A"]})
    monkeypatch.setattr(identifiers, "symbols_of_uniprot", lambda ids: known[known["accession"].isin(ids)])
    lines = [member("P1", "R-HSA-1", "Repair"), member("P2", "R-HSA-1", "Repair"), member("P3", "R-HSA-2", "Death")]
    prior = read_prior(write("UniProt2Reactome.txt", *lines, member("P2-3", "R-HSA-3", "Life")))
    assert pairs(prior) == [("Repair", "A"), ("Repair", "B"), ("Life", "A")]


def test_reactome_of_uniprot_with_the_shipped_accessions(write):
    prior = read_prior(
        write("UniProt2Reactome.txt", member("P07766", "R-HSA-1", "Repair"), member("Q", "R-HSA-1", "Repair"))
    )
    assert pairs(prior) == [("Repair", "CD3E")]
    assert prior.left_out == 1, "the accession without a symbol"


def test_reactome_relation_takes_names_from_the_file_beside_it(write):
    relation = write("ReactomePathwaysRelation.txt", "R-HSA-1\tR-HSA-2", "R-MMU-1\tR-MMU-2", "R-HSA-1\tR-HSA-2")
    alone = read_hierarchy(relation)
    assert alone.edges.to_numpy().tolist() == [["R-HSA-1", "R-HSA-2"]]
    assert alone.names == {}
    write("ReactomePathways.txt", "R-HSA-1\tRepair\tHomo sapiens", "R-MMU-1\tRepair\tMus musculus")
    assert read_hierarchy(relation).names == {"R-HSA-1": "Repair"}
    mouse = read_hierarchy(relation, "mouse")
    assert mouse.edges.to_numpy().tolist() == [["R-MMU-1", "R-MMU-2"]]
    assert mouse.names == {"R-MMU-1": "Repair"}
