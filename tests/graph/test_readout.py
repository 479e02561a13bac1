"""Output nodes for graphs without any."""

from __future__ import annotations

import networkx as nx
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.graph import READOUT, Graph, add_outputs

PRIOR = pd.DataFrame(
    {
        "source": ["CD4", "CD8", "T cell", "CD4"],
        "target": ["T cell", "T cell", "lymphocyte", "helper"],
        "prior": "table",
    }
)


def read_by(edges: pd.DataFrame, output: str) -> set[str]:
    return set(edges.loc[edges["target"] == output, "source"])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), readout=st.sampled_from(["all", "top"]))
def test_outputs_are_new_and_read_hidden_nodes(data, readout, acyclic_edges, to_networkx):
    prior = data.draw(acyclic_edges).assign(prior="table")
    graph: nx.DiGraph = to_networkx(prior)
    classes = data.draw(st.lists(st.sampled_from([*sorted(graph), "B cell", "T/NK", "9"]), min_size=1, unique=True))
    edges, outputs = add_outputs(prior, classes, readout)
    assert list(outputs) == classes
    assert not set(outputs.values()) & set(graph)
    assert set(Graph.from_edgelist(edges).outputs) >= set(outputs.values())
    expected = {n for n in graph if graph.in_degree(n) and (readout == "all" or not graph.out_degree(n))}
    assert all(read_by(edges, output) == expected for output in outputs.values())
    pd.testing.assert_frame_equal(edges[: len(prior)], prior)
    assert set(edges["prior"][len(prior) :]) == {READOUT}


def test_edges_are_not_changed():
    before = PRIOR.copy()
    add_outputs(PRIOR, ["CD4", "B"], "all")
    pd.testing.assert_frame_equal(PRIOR, before)


@pytest.mark.parametrize("second", ["all", "top"])
@pytest.mark.parametrize("first", ["all", "top"])
def test_outputs_of_an_earlier_readout_are_replaced(first, second):
    once, _ = add_outputs(PRIOR, ["CD4", "monocyte"], first)
    again, outputs = add_outputs(once.assign(weight=1.0), ["CD8", "NK"], second)
    expected, _ = add_outputs(PRIOR, ["CD8", "NK"], second)
    pd.testing.assert_frame_equal(again, expected)
    assert outputs == {"CD8": "CD8 (output)", "NK": "NK"}


def test_initial_weights_and_constraints_stay_with_their_edges():
    prior = PRIOR.assign(initial_weight=[1.0, 2.0, 3.0, 4.0], constraint="positive")
    graph = Graph.from_edgelist(add_outputs(prior, ["a class"], "top")[0])
    assert graph.edges["initial_weight"].tolist()[:4] == [1.0, 2.0, 3.0, 4.0]
    assert graph.edges["initial_weight"][4:].isna().all()
    assert graph.edges["constraint"].tolist() == ["positive"] * 4 + ["unconstrained"] * 2


@pytest.mark.parametrize("readout", ["all", "top"])
def test_constraint_of_new_edges_is_written_out(readout):
    """So that the column holds words only, as h5ad needs it; without such a column, none is made."""
    edges, _ = add_outputs(PRIOR.assign(constraint=["positive", "negative", "fixed", "positive"]), ["x", "y"], readout)
    assert edges["constraint"].tolist() == [
        "positive",
        "negative",
        "fixed",
        "positive",
        *["unconstrained"] * (len(edges) - 4),
    ]
    assert "constraint" not in add_outputs(PRIOR, ["x", "y"], readout)[0]


@pytest.mark.parametrize("classes", [["CD4", "CD4 (output)"], ["CD4 (output)", "CD4"]])
def test_every_class_has_an_output_of_its_own(classes):
    """Also where the name that would be made up for one class is that of another."""
    _, outputs = add_outputs(PRIOR, classes, "all")
    assert len(set(outputs.values())) == 2


def test_made_up_name_that_is_a_node():
    prior = pd.concat([PRIOR, pd.DataFrame([["CD4 (output)", "helper", "table"]], columns=PRIOR.columns)])
    edges, outputs = add_outputs(prior, ["CD4"], "all")
    assert outputs["CD4"] not in set(prior["source"]) | set(prior["target"])
    assert set(Graph.from_edgelist(edges).outputs) == {outputs["CD4"]}


def test_unknown_readout():
    with pytest.raises(Edge2TorchError, match=r"readout='bottom' is unknown; the choices are 'all', 'top'"):
        add_outputs(PRIOR, ["B"], "bottom")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_top_of_a_graph_with_cycles(data, cyclic_edges, to_networkx):
    """A top node feeds no other, or only those of its own circle; every node leads to one."""
    prior = data.draw(cyclic_edges).assign(prior="table")
    graph: nx.DiGraph = to_networkx(prior)
    edges, outputs = add_outputs(prior, ["a class", "n0"], "top")
    circles = nx.condensation(graph)
    top = set().union(*(circles.nodes[c]["members"] for c in circles if not circles.out_degree(c)))
    expected = {node for node in top if graph.in_degree(node)}
    assert all(read_by(edges, output) == expected for output in outputs.values())
    whole = to_networkx(edges)
    assert all(nx.has_path(whole, node, output) for node in graph for output in outputs.values())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), readout=st.sampled_from(["all", "top"]))
def test_order_of_edges_does_not_matter(data, readout, directed_edges):
    prior = data.draw(directed_edges).assign(prior="table")
    one, _ = add_outputs(prior, ["a class"], readout)
    two, _ = add_outputs(prior.iloc[::-1], ["a class"], readout)
    assert read_by(one, "a class") == read_by(two, "a class")


def test_a_node_that_feeds_itself_is_at_the_top():
    prior = pd.DataFrame({"source": ["g", "T", "T"], "target": ["T", "T", "U"], "prior": "table"})
    assert read_by(add_outputs(prior, ["a class"], "top")[0], "a class") == {"U"}
    assert read_by(add_outputs(prior.iloc[:2], ["a class"], "top")[0], "a class") == {"T"}
