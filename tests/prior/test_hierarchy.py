"""Gene sets joined with the hierarchy of their names or identifiers."""

from __future__ import annotations

import networkx as nx
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.prior import Prior
from edge2torch.prior.files import read_hierarchy, read_prior
from edge2torch.prior.hierarchy import (
    Hierarchy,
    check_acyclic,
    hierarchy_from_table,
    label_twins,
    leaves_are_genes,
    with_hierarchy,
)

many = settings(deadline=None, max_examples=100)
#: few letters, so that names meet
WORDS = st.text("ab ()", min_size=1, max_size=4).filter(str.strip)
PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=10, unique=True)


def frame(pairs, *columns) -> pd.DataFrame:
    return pd.DataFrame(list(pairs), columns=list(columns), dtype=object)


def rows(table: pd.DataFrame) -> set[tuple[str, ...]]:
    assert not table.duplicated().any()
    return set(table.itertuples(index=False, name=None))


def sets(**genes: str) -> pd.DataFrame:
    return frame(
        ((name.replace("_", " "), gene) for name, of in genes.items() for gene in of.split()), "source", "target"
    )


TREE = Hierarchy(
    frame([("R1", "R2"), ("R1", "R3"), ("R3", "R4"), ("R3", "R5")], "parent", "child"),
    {"R1": "top", "R2": "death", "R3": "middle", "R4": "repair", "R5": "repair"},
)
LINKS = {("top", "death"), ("top", "middle"), ("middle", "repair (R4)"), ("middle", "repair (R5)")}


def test_sets_called_like_the_nodes():
    prior = with_hierarchy(Prior("p", sets(death="A B", other="C")), TREE)
    assert rows(prior.sets) == {("death", "A"), ("death", "B"), ("other", "C")}
    assert rows(prior.hierarchy) == LINKS
    assert prior.contains
    assert prior.ids["death"] == "R2"
    assert "other" not in prior.ids


def test_sets_called_by_identifiers():
    prior = with_hierarchy(Prior("p", sets(R2="A", R4="B", R9="C"), contains=False), TREE)
    assert rows(prior.sets) == {("death", "A"), ("repair (R4)", "B"), ("R9", "C")}
    assert rows(prior.hierarchy) == LINKS
    assert prior.contains
    assert prior.ids == {"top": "R1", "death": "R2", "middle": "R3", "repair (R4)": "R4", "repair (R5)": "R5"}


def test_sets_with_identifiers_keep_their_names():
    ids = {"Cell death": "R2", "middle": "R4", "Apart": "R9"}
    prior = with_hierarchy(Prior("p", sets(Cell_death="A", middle="B", Apart="C"), ids=ids), TREE)
    assert rows(prior.sets) == {("Cell death", "A"), ("middle", "B"), ("Apart", "C")}
    parts = {("top", "Cell death"), ("top", "middle (R3)"), ("middle (R3)", "middle"), ("middle (R3)", "repair (R5)")}
    assert rows(prior.hierarchy) == parts
    assert prior.ids["middle"] == "R4"
    assert prior.ids["middle (R3)"] == "R3"
    assert prior.ids["Apart"] == "R9"


def test_a_hierarchy_of_names():
    plain = hierarchy_from_table(frame([("top", "death")], "parent", "child"))
    prior = with_hierarchy(Prior("p", sets(death="A"), ids={"death": "X1"}), plain)
    assert rows(prior.hierarchy) == {("top", "death")}
    assert prior.ids == {"death": "X1"}


def test_a_term_without_relations_has_its_name_too():
    tree = Hierarchy(frame([("R1", "R2")], "parent", "child"), {"R1": "a", "R2": "b", "R3": "c", "R4": "d"})
    prior = with_hierarchy(Prior("p", sets(R2="A", R3="B")), tree)
    assert rows(prior.sets) == {("b", "A"), ("c", "B")}
    assert prior.ids == {"a": "R1", "b": "R2", "c": "R3"}


def test_weights_stay():
    weighted = sets(R2="A", R4="B").assign(weight=[1.0, -2.0])
    assert with_hierarchy(Prior("p", weighted), TREE).sets["weight"].tolist() == [1.0, -2.0]


@many
@given(
    pairs=PAIRS,
    names=st.lists(WORDS, min_size=7, max_size=7),
    known=st.sets(st.integers(0, 6), min_size=1),
    flat=st.sets(WORDS),
)
def test_nodes_stay_apart_and_joined(pairs, names, known, flat):
    """Whatever nodes are called: sets and hierarchy are those of the identifiers."""
    # R3, which has no name, is a node in any case, and identifiers are what fits best
    links = {(f"R{min(pair)}", f"R{max(pair)}") for pair in [*pairs, (2, 3)] if pair[0] != pair[1]}
    flat = set(sorted(flat)[: len(known) - 1])
    genes = {(f"R{k}", f"g{k}") for k in known} | {(name, "g") for name in flat}
    tree = Hierarchy(frame(sorted(links), "parent", "child"), {f"R{k}": name for k, name in enumerate(names) if k != 3})
    prior = with_hierarchy(Prior("p", frame(sorted(genes), "source", "target")), tree)
    assert {(prior.ids.get(source, source), gene) for source, gene in rows(prior.sets)} == genes
    assert {
        (prior.ids.get(parent, parent), prior.ids.get(child, child)) for parent, child in rows(prior.hierarchy)
    } == links
    assert flat <= set(prior.sets["source"])
    for label, node in prior.ids.items():
        assert label.startswith(tree.names[node])


@many
@given(names=st.dictionaries(st.text("abc", min_size=1, max_size=2), WORDS))
def test_labels_are_names_and_differ(names):
    labels = label_twins(names)
    assert len(set(labels.values())) == len(names) == len(labels)
    for node, name in names.items():
        once = list(names.values()).count(name) == 1
        assert labels[node] == name if once else labels[node].startswith(f"{name} ({node})")


@many
@given(pairs=PAIRS)
def test_cycles_are_found_and_named(pairs):
    edges = frame(((f"n{a}", f"n{b}") for a, b in pairs), "parent", "child")
    graph = nx.DiGraph(edges.itertuples(index=False, name=None))
    if nx.is_directed_acyclic_graph(graph):
        check_acyclic(edges, "it")
        return
    with pytest.raises(Edge2TorchError) as error:
        check_acyclic(edges, "it")
    message = str(error.value)
    loops = sorted(nx.nodes_with_selfloops(graph))
    if loops:
        assert f"{len(loops)} nodes that are their own parents" in message
        return
    cycle = message.partition("cycle: ")[2].partition(";")[0].split(" -> ")
    assert cycle[0] == cycle[-1]
    assert nx.is_simple_path(graph, cycle[:-1])
    assert graph.has_edge(cycle[-2], cycle[-1])


def test_errors_of_joining():
    prior = Prior("mine", sets(GO1="A"), ids={"GO1": "GO:1"})
    with pytest.raises(
        Edge2TorchError, match=r"none of the 1 sets .*'mine'.*'GO1'.*'GO:1'.*'R1', 'R3'.*'top', 'middle'"
    ):
        with_hierarchy(prior, TREE)
    cyclic = hierarchy_from_table(frame([("A", "B"), ("B", "C"), ("C", "A")], "parent", "child"))
    with pytest.raises(Edge2TorchError, match=r"'p' has a cycle: (A -> B -> C -> A|B -> C -> A -> B|C -> A -> B -> C)"):
        with_hierarchy(Prior("p", sets(A="g")), cyclic)
    with pytest.raises(Edge2TorchError, match="1 nodes that are their own parents: 'A'"):
        with_hierarchy(Prior("p", sets(A="g")), hierarchy_from_table(frame([("A", "A")], "parent", "child")))
    joined = with_hierarchy(Prior("p", sets(R2="A")), TREE)
    with pytest.raises(Edge2TorchError, match="'p' has a hierarchy of 4 edges already"):
        with_hierarchy(joined, TREE)
    shared = Prior("p", sets(a="A", b="B"), ids={"a": "R2", "b": "R2"})
    with pytest.raises(Edge2TorchError, match="1 identifiers of the prior 'p' are those of several sets: 'R2'"):
        with_hierarchy(shared, TREE)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([("A", "B")], "not list"),
        (frame([("A", "B")], "source", "child"), "lacks the columns 'parent'.*'source', 'child'"),
        (frame([], "parent", "child"), "no rows"),
        (frame([("A", None)], "parent", "child"), "'child'.*1 rows"),
        (frame([("A", "B", "B")], "parent", "child", "child"), "more than once"),
    ],
)
def test_errors_of_tables(table, words):
    with pytest.raises(Edge2TorchError, match=words):
        hierarchy_from_table(table)


def test_pairs_that_are_said_twice_count_once():
    table = frame([("A", "B", "is a"), (1, 2, "is a"), ("A", "B", "part of")], "parent", "child", "type")
    hierarchy = hierarchy_from_table(table, {"A": "x"})
    assert hierarchy.edges.to_numpy().tolist() == [["A", "B"], ["1", "2"]]
    assert hierarchy.names == {"A": "x"}


@many
@given(pairs=PAIRS, weighted=st.booleans())
def test_leaves_are_genes(pairs, weighted):
    edges = frame(((f"n{a}", f"n{b}") for a, b in pairs if a != b), "source", "target")
    assume(len(edges))
    if weighted:
        edges["weight"] = range(len(edges))
    graph = nx.DiGraph(edges[["source", "target"]].itertuples(index=False, name=None))
    leaves = {node for node, degree in graph.out_degree if degree == 0}
    if not leaves:
        with pytest.raises(Edge2TorchError, match=r"no node .* without outgoing edges"):
            leaves_are_genes(Prior("net", edges))
        return
    prior = leaves_are_genes(Prior("net", edges))
    assert set(prior.sets["target"]) == leaves
    assert rows(prior.sets) | rows(prior.hierarchy) == rows(edges)
    assert list(prior.hierarchy) == (["parent", "child", "weight"] if weighted else ["parent", "child"])
    assert not prior.contains


def test_errors_of_leaves():
    with pytest.raises(Edge2TorchError, match="1 self loops: 'A -> A'"):
        leaves_are_genes(Prior("net", sets(A="A B")))
    with pytest.raises(Edge2TorchError, match="has a hierarchy of 1 edges already"):
        leaves_are_genes(Prior("net", sets(A="B"), frame([("A", "C")], "parent", "child")))


def test_reactomes_own_files(shared):
    folder = shared / "reactome"
    prior = with_hierarchy(
        read_prior(folder / "ReactomePathways.gmt"), read_hierarchy(folder / "ReactomePathwaysRelation.txt")
    )
    relation = pd.read_csv(folder / "ReactomePathwaysRelation.txt", sep="\t", names=["parent", "child"])
    human = relation[relation["parent"].str.startswith("R-HSA-")]
    back = prior.hierarchy.map(prior.ids.get)
    assert rows(back) == rows(human)
    expected = {}
    for line in (folder / "ReactomePathways.gmt").read_text().splitlines():
        _, node, *genes = line.split("\t")
        expected[node] = set(genes)
    mine = prior.sets.assign(source=prior.sets["source"].map(prior.ids)).groupby("source")["target"].agg(set).to_dict()
    assert mine == expected
    names = pd.read_csv(folder / "ReactomePathways.txt", sep="\t", names=["id", "name", "species"])
    names = dict(zip(names["id"], names["name"], strict=True))
    named = [name.startswith(names[node]) for name, node in prior.ids.items()]
    assert sum(named) > 0.99 * len(named)


def test_gene_ontology_as_tables(shared, tmp_path):
    folder = shared / "go_human"
    genes = pd.read_csv(folder / "go_bp_gene_annotations_direct.csv.gz", keep_default_na=False)
    genes = genes[genes["evidence"] != "ND"].drop_duplicates(["source", "target"])
    genes.to_csv(tmp_path / "go.csv", index=False)
    prior = with_hierarchy(read_prior(tmp_path / "go.csv"), read_hierarchy(folder / "go_bp_edges.csv.gz"))
    edges = pd.read_csv(folder / "go_bp_edges.csv.gz")
    assert rows(prior.hierarchy) == rows(edges[["parent", "child"]].drop_duplicates())
    assert rows(prior.sets) == rows(genes[["source", "target"]])


def test_real_gene_sets_and_networks(shared):
    for file in sorted((shared / "hallmark").glob("*.gmt")):
        prior = read_prior(file)
        assert prior.sets["source"].nunique() == 50
        assert prior.ids == {}
        assert rows(prior.sets) == {
            (line.split("\t")[0], gene) for line in file.read_text().splitlines() for gene in line.split("\t")[2:]
        }
    collectri = read_prior(shared / "collectri" / "collectri_decoupleR_2025-09.csv")
    wanted = pd.read_csv(shared / "collectri" / "collectri_decoupleR_2025-09.csv", keep_default_na=False)
    assert rows(collectri.sets) == rows(wanted)
    dorothea = read_prior(shared / "dorothea" / "dorothea_hs_ABCDE.csv.gz")
    wanted = pd.read_csv(shared / "dorothea" / "dorothea_hs_ABCDE.csv.gz", keep_default_na=False)
    assert dorothea.sets["weight"].tolist() == wanted["mor"].tolist()


def test_a_real_network_that_contradicts_itself(shared, tmp_path):
    file = shared / "omnipath_signed" / "omnipath_carnival.tsv"
    with pytest.raises(Edge2TorchError, match=r"1 pairs .*conflicting weights: 'CASP3, DFFA"):
        read_prior(file)
    net = pd.read_csv(file, sep="\t", keep_default_na=False).drop_duplicates(["source", "target"])
    net.to_csv(tmp_path / "omnipath.tsv", sep="\t", index=False)
    prior = read_prior(tmp_path / "omnipath.tsv")
    assert rows(prior.sets) == rows(net[["source", "target", "interaction"]])
