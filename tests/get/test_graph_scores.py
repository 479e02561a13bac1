"""``get.graph`` with scores holds what the other functions of ``get`` return."""

from __future__ import annotations

import numpy as np
import pytest

import edge2torch as e2t


def of_nodes(graph, name):
    return {node: data[name] for node, data in graph.nodes(data=True) if name in data}


def test_scores_of_nodes_genes_and_edges(fitted):
    graph, plain = e2t.get.graph(fitted, scores=True), e2t.get.graph(fitted)
    ranked = e2t.get.rank_nodes(fitted)
    hidden = fitted.uns["e2t"]["nodes"].query("kind == 'hidden'")["node"].tolist()
    genes = fitted.uns["e2t"]["nodes"].query("kind == 'input'")["node"].tolist()
    features, edges = e2t.get.features(fitted), e2t.get.edges(fitted)
    for group in ranked["group"].astype(str).unique():
        own = ranked[ranked["group"].astype(str) == group].set_index("node")["score"]
        found = of_nodes(graph, f"score_{group}")
        assert {node: found.pop(node) for node in hidden} == own.to_dict()
        assert found == features.loc[genes, group].to_dict()
        scored = edges[edges["group"] == group]
        wanted = dict(zip(zip(scored["source"], scored["target"], strict=True), scored["score"], strict=True))
        assert {(a, b): value for a, b, value in graph.edges(data=f"score_{group}")} == wanted
    assert list(graph) == list(plain)
    for place, bare in ((graph.nodes, plain.nodes), (graph.edges, plain.edges)):
        for item, data in place.items():
            assert {name: value for name, value in data.items() if name in bare[item]} == pytest.approx(
                bare[item], nan_ok=True
            )
            assert all(type(data[name]) is float for name in data.keys() - bare[item].keys())


def test_comparison_with_controls(fitted):
    table = fitted.uns["e2t"]["rank_nodes"].copy()
    rng = np.random.default_rng(0)
    for name in ("corrected", "z", "padj"):
        table[name] = rng.normal(size=len(table))
    table.loc[::3, "z"] = np.nan
    fitted.uns["e2t"]["rank_nodes"] = table
    graph = e2t.get.graph(fitted, scores=True)
    for group, own in table.astype({"group": str}).groupby("group"):
        for name in ("corrected", "z", "padj"):
            assert of_nodes(graph, f"{name}_{group}") == own.set_index("node")[name].dropna().to_dict()


def test_own_output_where_all_were_explained(fitted):
    e2t.tl.interpret(fitted, n_steps=2, target="all", edges=True)
    table = fitted.uns["e2t"]["rank_nodes"].astype({"group": str, "output": str})
    graph = e2t.get.graph(fitted, scores=True)
    for group, own in table[table["group"] == table["output"]].groupby("group"):
        found = of_nodes(graph, f"score_{group}")
        assert {node: found[node] for node in own["node"]} == own.set_index("node")["score"].to_dict()
    assert not any(": " in name for _, data in graph.nodes(data=True) for name in data)
    e2t.tl.interpret(fitted, n_steps=2, target="all", groupby="phase")
    table = fitted.uns["e2t"]["rank_nodes"].astype({"group": str, "output": str})
    graph = e2t.get.graph(fitted, scores=True)
    own = table[(table["group"] == "S") & (table["output"] == "Dendritic")].set_index("node")["score"]
    assert of_nodes(graph, "score_S: Dendritic") == own.to_dict()


def test_before_scores(built):
    with pytest.raises(e2t.Edge2TorchError, match=r"run e2t\.tl\.interpret first"):
        e2t.get.graph(built, scores=True)
