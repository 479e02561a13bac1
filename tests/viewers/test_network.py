"""The page of ``e2t.pl.graph(..., interactive=True)``, in a browser, as a person uses it."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc

import edge2torch as e2t

#: what Cytoscape.js shows
CY = "document.getElementById('network')._cyreg.cy"
NODE = f"id => (node => ({{...node.renderedPosition(), classes: node.classes()}}))({CY}.getElementById(id))"
VISIBLE = f"() => {CY}.edges(':visible').length"
FADED = f"() => {CY}.nodes('.faded').length"


@pytest.fixture(scope="module")
def adata():
    adata = sc.datasets.pbmc68k_reduced()
    e2t.pp.build_graph(adata, "reactome")
    e2t.tl.fit(adata, "bulk_labels", max_epochs=3, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=3)
    return adata


@pytest.fixture
def network(page, adata, tmp_path):
    """The page of a class, opened from its file."""
    made = e2t.pl.graph(adata, group="CD19+ B", n_nodes=12, size="reach", interactive=True)
    page.goto(made.save(tmp_path / "network.html").as_uri())
    page.wait_for_function("() => document.getElementById('network')?._cyreg?.cy.nodes().nonempty()")
    return page


def best(adata):
    ranked = adata.uns["e2t"]["rank_nodes"]
    return ranked[ranked["group"] == "CD19+ B"].iloc[0]


def at(network, node):
    """Where a node is on the screen."""
    place, frame = network.evaluate(NODE, node), network.locator("#network").bounding_box()
    return frame["x"] + place["x"], frame["y"] + place["y"]


def test_search(network, adata, tmp_path):
    node = best(adata)["node"]
    network.fill("#search", node.upper())
    assert network.locator("#found").text_content() == "1 found"
    network.press("#search", "Enter")
    network.wait_for_function(f"() => !{CY}.animated()")
    assert "found" in network.evaluate(NODE, node)["classes"]
    assert 0 < network.evaluate(FADED) < network.evaluate(f"() => {CY}.nodes().length")
    network.screenshot(path=tmp_path / "search.png")
    network.fill("#search", "no such node")
    assert network.locator("#found").text_content() == "not found"
    network.press("#search", "Escape")
    assert network.evaluate(FADED) == 0


def test_hover_shows_the_score(network, adata):
    row = best(adata)
    details = network.locator("#details")
    assert details.is_hidden()
    network.mouse.move(*at(network, row["node"]))
    details.wait_for(state="visible")
    assert details.locator("h2").text_content() == row["node"]
    cells = details.locator("td").all_text_contents()
    assert cells[cells.index("mean score") + 1] == f"{row['score']:.3g}"
    network.mouse.move(*np.add(at(network, row["node"]), (0, 3)))
    network.mouse.move(2, 200)
    details.wait_for(state="hidden")


def test_drag(network, adata):
    node = best(adata)["node"]
    start = at(network, node)
    network.mouse.move(*start)
    network.mouse.down()
    network.mouse.move(start[0] + 60, start[1] + 40, steps=5)
    network.mouse.up()
    assert np.subtract(at(network, node), start) == pytest.approx([60, 40], abs=2)


def test_click_shows_all_that_leads_to_a_node(network, adata):
    node = best(adata)["node"]
    network.mouse.click(*at(network, node))
    shown = f"() => {CY}.nodes(':not(.faded)').map(node => node.id())"
    assert {node, "CD19+ B"} <= set(network.evaluate(shown))


def test_fewer_edges(network):
    n = network.evaluate(VISIBLE)
    for share, left in ((50, round(n / 2 + 0.01)), (0, 0), (100, n)):
        network.locator("#edges").fill(str(share))
        network.wait_for_function(f"left => ({VISIBLE})() === left", arg=left)  # drawn again in the next frame


def test_nothing_is_cut_off_at_first(network, adata):
    frame = network.locator("#network").bounding_box()
    for node in [best(adata)["node"], "CD19+ B"]:
        x, y = at(network, node)
        assert frame["x"] <= x <= frame["x"] + frame["width"]
        assert frame["y"] <= y <= frame["y"] + frame["height"]


def test_save_picture(network):
    with network.expect_download() as download:
        network.click("#picture")
    assert download.value.suggested_filename == "network.png"


def test_cytoscape_reads_written_graphs(network, adata, tmp_path):
    """The JSON of ``io.write_graph``, in Cytoscape.js."""
    e2t.io.write_graph(adata, tmp_path / "graph.cyjs", group="CD19+ B")
    text = (tmp_path / "graph.cyjs").read_text(encoding="utf-8")
    read = """text => {
        const cy = cytoscape({headless: true, ...JSON.parse(text)});
        return [cy.nodes().map(node => node.data()), cy.edges().length];
    }"""
    nodes, n_edges = network.evaluate(read, text)
    graph = e2t.get.graph(adata)
    others = [node for node, data in graph.nodes.items() if data["kind"] == "output" and node != "CD19+ B"]
    graph.remove_nodes_from(others)
    assert (len(nodes), n_edges) == (len(graph), graph.number_of_edges())
    row = best(adata)
    assert [node["score"] for node in nodes if node["name"] == row["node"]] == [pytest.approx(row["score"])]


def test_hundreds_of_nodes_fit(page, adata, tmp_path):
    made = e2t.pl.graph(adata, group="CD19+ B", n_nodes=1000, interactive=True)
    page.goto(made.save(tmp_path / "large.html").as_uri())
    page.wait_for_function("() => document.getElementById('network')?._cyreg?.cy.nodes().nonempty()")
    low, high = page.evaluate(f"() => (box => [box.y1, box.y2])({CY}.elements().renderedBoundingBox())")
    assert 0 <= low < high <= page.locator("#network").bounding_box()["height"]
