"""The page of an interactive network; tests/viewers opens it in a browser."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.resources import files

import networkx as nx
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

import edge2torch as e2t
from edge2torch import Edge2TorchError


def data_of(page):
    """What the script reads."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.html)[1])


@pytest.fixture(scope="module")
def page(everything):
    return e2t.pl.graph(everything, group="3", interactive=True)


def test_same_nodes_edges_and_colours_as_the_picture(everything, page):
    data, ax = data_of(page), e2t.pl.graph(everything, group="3")
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    assert [node["data"]["text"] for node in data["nodes"]] == [text.get_text() for text in ax.texts[-len(boxes) :]]
    assert [node["data"]["colour"] for node in data["nodes"]] == [to_hex(box.get_facecolor()) for box in boxes]
    among = everything.uns["e2t"]["graph"]
    names = {node["data"]["id"] for node in data["nodes"]}
    among = among[among["source"].isin(names) & among["target"].isin(names)]
    edges = {(edge["data"]["source"], edge["data"]["target"]): edge["data"] for edge in data["edges"]}
    assert set(edges) == set(zip(among["source"], among["target"], strict=True))
    for source, target, weight in among[["source", "target", "weight"]].itertuples(index=False):
        assert edges[source, target]["strength"] == pytest.approx(abs(weight))
        assert edges[source, target]["negative"] == (weight < 0)


def test_details_are_the_ranking(everything, page):
    table = e2t.get.rank_nodes(everything, "3").set_index("node")
    hidden = [node["data"] for node in data_of(page)["nodes"] if node["data"]["kind"] == "hidden"]
    assert hidden
    for node in hidden:
        details, row = dict(node["details"]), table.loc[node["id"]]
        assert float(details["mean score"]) == pytest.approx(row["score"], rel=5e-3)
        assert float(details["z against controls"]) == pytest.approx(row["z"], rel=5e-3)
        assert details["genes"] == f"{row['n_inputs']:,}"
        assert details["comes from"] == row["sources"]


def test_layers_go_from_left_to_right(reactome):
    data = data_of(e2t.pl.graph(reactome, group="Dendritic", interactive=True))
    x = {node["data"]["id"]: node["position"]["x"] for node in data["nodes"]}
    assert all(x[edge["data"]["source"]] < x[edge["data"]["target"]] for edge in data["edges"])


def test_stands_alone(page):
    """Nothing is loaded from elsewhere."""
    own = page.html.replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r'(?:src|href)\s*=\s*["\']?(?:https?:)?//', own)
    assert "@import" not in own
    assert "Cytoscape Consortium" in page.html  # its licence asks for that


def test_names_cannot_end_the_script(hallmark):
    adata = hallmark.copy()
    evil = "</script><script>alert(1)</script>"
    for name, columns in (("nodes", ["node", "label"]), ("graph", ["source", "target"]), ("rank_nodes", ["node"])):
        table = adata.uns["e2t"][name].copy()
        for column in columns:
            table[column] = [evil if value == "HALLMARK_HYPOXIA" else value for value in table[column].astype(str)]
        adata.uns["e2t"][name] = table
    page = e2t.pl.graph(adata, nodes=[evil], interactive=True)
    assert evil not in page.html
    assert evil in [node["data"]["id"] for node in data_of(page)["nodes"]]


def test_notebooks_show_it_in_a_frame(page):
    frame = page._repr_html_()
    assert frame.startswith("<iframe")
    assert frame.count("<") == 2


def test_save(page, tmp_path):
    path = tmp_path / "network.html"
    assert page.save(path) == path
    assert path.read_text(encoding="utf-8") == page.html
    with pytest.raises(Edge2TorchError, match="exists: pass overwrite=True"):
        page.save(path)
    page.save(str(path), overwrite=True)
    with pytest.raises(Edge2TorchError, match="does not exist: make it first"):
        page.save(tmp_path / "nowhere" / "network.html")
    with pytest.raises(Edge2TorchError, match="is a folder"):
        page.save(tmp_path, overwrite=True)
    assert [one.name for one in tmp_path.iterdir()] == ["network.html"]


def test_axes_are_not_for_pages(hallmark):
    ax = e2t.pl.graph(hallmark)
    with pytest.raises(Edge2TorchError, match="pass ax or interactive=True, not both"):
        e2t.pl.graph(hallmark, interactive=True, ax=ax)


def test_every_node_is_within_reach_of_the_class(reactome):
    data = data_of(e2t.pl.graph(reactome, group="CD19+ B", n_nodes=300, n_edges=2000, interactive=True))
    graph = nx.DiGraph([(edge["data"]["source"], edge["data"]["target"]) for edge in data["edges"]])
    assert len(data["nodes"]) > 300
    assert nx.ancestors(graph, "CD19+ B") | {"CD19+ B"} == {node["data"]["id"] for node in data["nodes"]}


def test_the_library_is_the_one_that_was_published():
    folder = files("edge2torch.pl") / "page"
    digest = hashlib.sha256((folder / "cytoscape.min.js").read_bytes()).hexdigest()
    assert digest in (folder / "README.md").read_text()
