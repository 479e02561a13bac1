"""How long null graphs take, and how much of the graph is left in them; run as a script, prints a table."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from edge2torch.graph import trades
from edge2torch.graph.rewire import rewire
from edge2torch.prior import load_shipped

N_EDGES = 100_000


def as_edges(pairs: np.ndarray, names: tuple[str, str]) -> pd.DataFrame:
    pairs = pd.DataFrame(pairs, columns=["source", "target"]).drop_duplicates()
    return pairs.assign(source=names[0] + pairs["source"].astype(str), target=names[1] + pairs["target"].astype(str))


def regulons(rng: np.random.Generator) -> pd.DataFrame:
    """20,000 genes and 1,200 regulators with heavy-tailed degrees, as in CollecTRI."""
    ends = [rng.choice(n, 3 * N_EDGES, p=(weight := rng.pareto(1.1, n) + 1) / weight.sum()) for n in (20_000, 1_200)]
    return as_edges(np.column_stack(ends), ("gene", "node")).iloc[:N_EDGES]


def hierarchy(rng: np.random.Generator, cycles: bool) -> pd.DataFrame:
    """18,000 genes and 12,000 nodes in 14 layers, a third of the edges between nodes."""
    n_genes, n_nodes = 18_000, 12_000
    layer = np.sort(rng.integers(0, 14, n_nodes))
    ends = rng.integers(0, n_nodes, (3 * N_EDGES, 2))
    between = ends[ends[:, 0] != ends[:, 1] if cycles else layer[ends[:, 0]] < layer[ends[:, 1]]][: N_EDGES // 3]
    own = np.column_stack([rng.integers(0, n_genes, n_nodes), np.arange(n_nodes)])
    others = np.column_stack([rng.integers(0, n, 2 * N_EDGES // 3 - n_nodes) for n in (n_genes, n_nodes)])
    tables = [as_edges(between, ("node", "node")), as_edges(np.vstack([own, others]), ("gene", "node"))]
    return pd.concat(tables, ignore_index=True)


def reactome() -> pd.DataFrame:
    prior = load_shipped("reactome")
    sets = pd.DataFrame({"source": prior.sets["target"], "target": "node " + prior.sets["source"]})
    nodes = "node " + prior.hierarchy[["child", "parent"]]
    nodes = nodes.set_axis(["source", "target"], axis=1)
    reached: set[str] = set(sets["target"])
    while len(more := reached | set(nodes.loc[nodes["source"].isin(reached), "target"])) > len(reached):
        reached = more
    return pd.concat([sets, nodes[nodes["source"].isin(reached)]], ignore_index=True)


def left(before: pd.DataFrame, after: pd.DataFrame) -> str:
    """Share of edges from inputs, and from nodes, that are still there."""
    known = pd.MultiIndex.from_frame(before[["source", "target"]])
    there = pd.MultiIndex.from_frame(after[["source", "target"]]).isin(known)
    of_node = after["source"].isin(after["target"]).to_numpy()
    return "  ".join(f"{there[rows].mean():7.2%}" if rows.any() else "      -" for rows in (~of_node, of_node))


def main() -> None:
    rng = np.random.default_rng(0)
    graphs = {
        "regulons": regulons(rng),
        "reactome": reactome(),
        "hierarchy": hierarchy(rng, cycles=False),
        "with cycles": hierarchy(rng, cycles=True),
    }
    print(f"{'graph':12s} {'edges':>8s} {'kind':>8s} {'rounds':>6s} {'s':>6s}  left of inputs' / nodes' edges")
    default = trades.ROUNDS
    for name, table in graphs.items():
        for kind, rounds in (("layers", 0), ("targets", 0), *(("degree", n) for n in (1, 3, 10, default, 200))):
            trades.ROUNDS = rounds
            start = time.perf_counter()
            made = rewire(table, kind, 1)
            took = time.perf_counter() - start
            print(f"{name:12s} {len(table):8,d} {kind:>8s} {rounds or '-':>6} {took:6.2f}  {left(table, made)}")
    trades.ROUNDS = default


if __name__ == "__main__":
    main()
