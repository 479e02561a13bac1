"""Genes of nodes, decoys and hubs against what networkx and brute force say."""

from __future__ import annotations

from itertools import permutations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t
from edge2torch.datasets.network import Network
from edge2torch.pp._edit import order_nodes

simulate = e2t.datasets.simulate
DEEP = pd.DataFrame(
    [(f"g{k}", f"A{k // 6}") for k in range(48)]
    + [(f"A{k}", f"B{k // 2}") for k in range(8)]
    + [("g0", "B3"), ("g1", "A7")],
    columns=["source", "target"],
)


def network_of(edges, **arguments):
    table, _ = order_nodes(edges, {})
    return Network.from_edges(edges, table, **{"signs": True, "depth": None, **arguments})


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_genes_and_signs_are_those_of_shortest_paths(acyclic_edges, data):
    edges = data.draw(acyclic_edges)
    edges["weight"] = data.draw(st.lists(st.sampled_from([-2.0, 0.5]), min_size=len(edges), max_size=len(edges)))
    depth = data.draw(st.sampled_from([None, 1, 2]))
    network = network_of(edges, depth=depth)
    graph = nx.from_pandas_edgelist(edges, edge_attr="weight", create_using=nx.DiGraph)
    signs = network.signs(np.arange(len(network.hidden)))
    on_a_path = network.on_a_path(np.arange(len(network.hidden)))
    names = network.hidden["node"].tolist()
    reach = 99 if depth is None else depth
    for row, node in enumerate(names):
        steps = nx.single_target_shortest_path_length(graph, node, cutoff=reach)
        steps = dict(steps)
        assert set(np.array(network.genes)[network.seen[[row]].toarray()[0] > 0]) == set(steps) & set(network.genes)
        for column, gene in enumerate(network.genes):
            paths = list(nx.all_shortest_paths(graph, gene, node)) if gene in steps else []
            total = sum(
                np.prod([np.sign(graph.edges[edge]["weight"]) for edge in nx.utils.pairwise(path)]) for path in paths
            )
            assert signs[row, column] == np.sign(total)
        for column, other in enumerate(names):
            forth = dict(nx.single_target_shortest_path_length(graph, other, cutoff=reach))
            assert on_a_path[row, column] == (other in steps or node in forth)


def test_signs_come_from_constraints_first():
    edges = pd.DataFrame({"source": ["a", "b", "c"], "target": ["T"] * 3, "initial_weight": [-1.0, 2.0, -1.0]})
    edges["constraint"] = ["unconstrained", "positive", "negative"]
    assert network_of(edges).signs(np.array([0])).tolist() == [[-1, 1, -1]]
    assert network_of(edges, signs=False).signs(np.array([0])).tolist() == [[1, 1, 1]]
    edges["prior_weight"] = [1.0, -1.0, np.nan]
    assert network_of(edges).signs(np.array([0])).tolist() == [[1, 1, -1]]


def test_an_active_node_moves_all_genes_below_it_or_those_that_are_near():
    far = simulate(DEEP, {"a": ["B0"]}, n_cells=20, n_hubs=0)
    assert set(far.var_names[far.varm["truth"][:, 0] > 0]) == {f"g{k}" for k in range(12)}
    near = simulate(DEEP, {"a": ["B3"]}, n_cells=20, depth=1)
    assert set(near.var_names[near.varm["truth"][:, 0] > 0]) == {"g0"}


def test_a_node_without_near_genes_cannot_be_active():
    with pytest.raises(e2t.Edge2TorchError, match="1 nodes that see no genes: 'B1'; depth"):
        simulate(DEEP, {"a": ["B1"]}, depth=1)


def test_nodes_on_a_cycle_see_near_genes():
    edges = pd.DataFrame([("g0", "A"), ("g1", "B"), ("A", "B"), ("B", "A"), ("g2", "C")], columns=["source", "target"])
    reach = network_of(edges, depth=1).hidden.set_index("node")["reach"]
    assert reach[["A", "B", "C"]].tolist() == [1, 1, 1]
    assert network_of(edges).hidden.set_index("node")["reach"][["A", "B", "C"]].tolist() == [2, 2, 1]
    assert set(simulate(edges, {"a": ["A"]}, n_cells=20, n_decoys=1).uns["truth"]["node"]) == {"A", "B", "C"}


def test_decoys_look_like_active_nodes(regulons):
    adata = simulate(regulons, n_cells=20, groups=3, n_active=2, n_decoys=2)
    truth = adata.uns["truth"]
    active, decoys = (truth[truth["role"] == role] for role in ("active", "decoy"))
    assert len(decoys) == 12
    assert decoys["node"].is_unique
    assert not set(decoys["node"]) & set(active["node"])
    pairs = decoys.merge(active, left_on=["group", "matched_to"], right_on=["group", "node"], suffixes=("", "_active"))
    assert len(pairs) == 12
    assert (pairs["layer"] == pairs["layer_active"]).all()
    assert np.abs(np.log2(pairs["degree"] / pairs["degree_active"])).median() < 0.5


def test_decoys_are_the_best_choice(regulons):
    """All ways to give two nodes a decoy each are tried."""
    active = ["TF/10", "TF/11"]
    adata = simulate(regulons, {"a": active}, n_cells=20, n_decoys=1, n_hubs=0)
    genes = regulons.groupby("target")["source"].apply(set)
    planted = genes[active[0]] | genes[active[1]]

    def cost(node, other):
        size = np.log2(len(genes[node]) / len(genes[other]))
        return 2 * abs(size) + 4 * len(genes[other] & planted) / len(genes[other])

    others = [node for node in genes.index if node not in active]
    best = min(sum(map(cost, active, pair)) for pair in permutations(others, 2))
    truth = adata.uns["truth"].query("group == 'a' and role == 'decoy'")
    assert sum(map(cost, truth["matched_to"], truth["node"])) == pytest.approx(best)


def test_a_decoy_without_shared_genes_is_better_than_one_of_the_same_size():
    sets = {"active": range(10), "half of it": range(5, 15), "apart": range(20, 32), "small": range(40, 42)}
    edges = pd.DataFrame([(f"g{k}", node) for node, genes in sets.items() for k in genes], columns=["source", "target"])
    truth = simulate(edges, {"a": ["active"]}, n_cells=20, n_decoys=2).uns["truth"]
    assert set(truth.loc[truth["role"] == "decoy", "node"]) == {"apart", "half of it"}
    truth = simulate(edges, {"a": ["active"]}, n_cells=20, n_decoys=1).uns["truth"]
    assert truth.loc[truth["role"] == "decoy", "node"].tolist() == ["apart"]


def test_shared_is_the_share_of_genes_of_active_nodes(regulons):
    adata = simulate(regulons, {"a": ["TF/10", "TF/20"], "b": ["TF/05"]}, n_cells=20)
    genes = regulons.groupby("target")["source"].apply(set)
    for row in adata.uns["truth"].query("group == 'a'").itertuples():
        planted = set().union(*(genes[node] for node in ("TF/10", "TF/20") if node != row.node))
        assert row.shared == pytest.approx(len(genes[row.node] & planted) / len(genes[row.node]))
        assert row.degree == row.reach == len(genes[row.node])


def test_decoys_and_hubs_are_not_above_or_below_active_nodes():
    truth = simulate(DEEP, {"a": ["A0"]}, n_cells=20, n_decoys=9, n_hubs=9).uns["truth"].query("group == 'a'")
    assert set(truth.loc[truth["role"] == "decoy", "node"]) == {f"A{k}" for k in range(1, 8)}
    hubs = truth.loc[truth["role"] == "hub", "node"].tolist()
    assert "B0" not in hubs
    assert hubs[0] == "A7"  # which reads seven genes
    assert truth.loc[truth["node"] == "B0", "role"].tolist() == ["other"]


def test_a_lack_of_decoys_is_told(capsys):
    truth = simulate(DEEP, {"a": ["A0"]}, n_cells=20, n_decoys=9).uns["truth"]
    assert (truth["role"] == "decoy").sum() == 7
    assert "only 7 of 9 decoys were found" in capsys.readouterr().out


def test_hubs_have_the_highest_degrees(regulons):
    truth = simulate(regulons, {"a": ["TF/29"]}, n_cells=20, n_hubs=3).uns["truth"]
    hubs = truth.query("group == 'a' and role == 'hub'")["node"].tolist()
    assert hubs == ["TF/28", "TF/27", "TF/26"]


def test_every_hidden_node_is_there_in_every_group(regulons):
    truth = simulate(regulons, n_cells=20, n_active=1).uns["truth"]
    assert (truth.groupby("group")["node"].nunique() == 30).all()
    assert set(truth["role"]) == {"active", "decoy", "hub", "other"}


def test_drawn_nodes_have_little_in_common():
    pairs = [(f"g{gene}", f"TF{k}") for k in range(10) for gene in range(k * 5, k * 5 + 10)]  # each half its neighbour
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    for seed in range(5):
        truth = simulate(edges, n_cells=20, groups=2, n_active=2, random_state=seed).uns["truth"]
        drawn = sorted(int(node[2:]) for node in truth.loc[truth["role"] == "active", "node"])
        assert np.diff(drawn).min() >= 2


def test_drawn_nodes_are_within_limits(regulons):
    truth = simulate(regulons, n_cells=20, n_active=1, min_genes=20, max_genes=30).uns["truth"]
    assert truth.loc[truth["role"] == "active", "reach"].between(20, 30).all()
