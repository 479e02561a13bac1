"""The graphs of the benchmark: layers of nodes, joined by edges."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

CLASSES = 10
#: nodes of the layers, and edges into each layer but the first
LAYER = ((10_000, 2_000), (60_000,))
PATHWAYS = ((10_000, 2_000, 500, 100, CLASSES), (60_000, 15_000, 3_000, 1_000))
WIDE = ((10_000, 2_000, 500, CLASSES), (250_000, 45_000, 5_000))
LARGE = ((60_000, 20_000, 12_000, 6_000, 1_990, CLASSES), (500_000, 300_000, 120_000, 60_000, 19_900))
#: as many nodes and edges as Baron x GO BP, for machines without these data
GO_LAYER = ((20_761, 8_167), (126_000,))
GO_PATHWAYS = ((12_594, 5_500, 2_000, 667, CLASSES), (84_000, 30_000, 12_000, 6_670))


@dataclass(frozen=True)
class LayeredGraph:
    """Nodes numbered layer by layer, and edges sorted by target, then by source.

    Attributes
    ----------
    sizes
        Nodes of every layer, inputs first, outputs last.
    source, target
        The two ends of every edge; an edge may skip layers.
    """

    sizes: tuple[int, ...]
    source: np.ndarray
    target: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """First node of every layer, and the number of nodes."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def edges_into(self, layer: int) -> slice:
        """Edges into a layer, which lie in a row."""
        first, last = self.starts[layer : layer + 2]
        return slice(*np.searchsorted(self.target, [first, last]))

    def edge_list(self, weight: np.ndarray | None = None) -> pd.DataFrame:
        """Named edges; names sort as the nodes are numbered."""
        names = np.array([f"node_{i:06d}" for i in range(sum(self.sizes))], dtype=object)
        edges = pd.DataFrame({"source": names[self.source], "target": names[self.target]})
        return edges if weight is None else edges.assign(initial_weight=weight)

    def weights(self) -> np.ndarray:
        """The same weight for every contestant: mean 0, variance 1 / in-degree."""
        spread = np.sqrt(np.bincount(self.target))[self.target]
        drawn = np.random.default_rng(1).standard_normal(self.source.size) / spread
        return drawn.astype(np.float32).astype(float)

    def save(self, path: Path) -> None:
        """Write for another process."""
        np.savez(path, sizes=self.sizes, source=self.source, target=self.target)

    @classmethod
    def load(cls, path: Path) -> LayeredGraph:
        """Read what :meth:`save` wrote."""
        with np.load(path) as arrays:
            return cls(tuple(arrays["sizes"].tolist()), arrays["source"], arrays["target"])


def describe(graph: LayeredGraph) -> str:
    """Sizes of a graph in a line."""
    inputs, *hidden, outputs = graph.sizes
    if len(hidden) <= 4:
        nodes = " - ".join(f"{n:,}" for n in graph.sizes) + " nodes"
    else:
        nodes = f"{inputs:,} inputs, {sum(hidden):,} hidden nodes in {len(hidden)} layers, {outputs} outputs"
    layer = np.repeat(np.arange(len(graph.sizes)), graph.sizes)
    skips = int((layer[graph.target] - layer[graph.source] > 1).sum())
    return f"{nodes}, {graph.source.size:,} edges" + (f" ({skips:,} of them skip layers)" if skips else "")


def random_graph(sizes: tuple[int, ...], edges: tuple[int, ...], seed: int = 0) -> LayeredGraph:
    """Distinct random edges between neighbouring layers; every node has one, towards each neighbour."""
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    sources, targets = [], []
    for k, ((n_from, n_to), wanted) in enumerate(zip(pairwise(sizes), edges, strict=True)):
        longer = max(n_from, n_to)
        cover = rng.permutation(longer) % n_to * n_from + rng.permutation(longer) % n_from
        more = np.setdiff1d(rng.choice(n_from * n_to, min(2 * wanted, n_from * n_to), replace=False), cover)
        cover = np.unique(cover)
        chosen = np.sort(np.concatenate([cover, rng.permutation(more)[: wanted - cover.size]]))
        sources.append(starts[k] + chosen % n_from)
        targets.append(starts[k + 1] + chosen // n_from)
    return LayeredGraph(tuple(sizes), np.concatenate(sources), np.concatenate(targets))


def reactome_graph(data: Path) -> LayeredGraph:
    """Genes of PBMC3k -> Reactome -> ten classes, which read all pathways."""
    from edge2torch.prior import connect, load_shipped

    genes = _measured(data / "pbmc3k" / "pbmc3k_raw_labelled.h5ad")
    return _with_classes(connect(load_shipped("reactome"), genes).edges)


def go_graph(data: Path) -> LayeredGraph:
    """Genes of a pancreas (Baron) -> GO biological process -> ten classes, which read all terms."""
    from edge2torch.prior import Prior, connect

    genes = _measured(data / "baron_human1" / "baron_human1.h5ad")
    sets = pd.read_csv(data / "go_human" / "go_bp_gene_annotations_direct.csv.gz")
    terms = pd.read_csv(data / "go_human" / "go_bp_edges.csv.gz")
    terms = terms[terms["relationship_type"].isin(["isa", "part of"])]
    prior = Prior("GO BP", sets[["source", "target"]].drop_duplicates(), terms[["parent", "child"]].drop_duplicates())
    return _with_classes(connect(prior, genes).edges)


def _measured(path: Path) -> pd.Series:
    """Genes that at least three cells express."""
    import anndata

    adata = anndata.read_h5ad(path)
    names = adata.var_names[np.asarray((adata.X > 0).sum(axis=0)).ravel() >= 3].unique()
    return pd.Series(names, index=names)


def _with_classes(edges: pd.DataFrame) -> LayeredGraph:
    from edge2torch.graph import Graph, add_outputs

    edges, _ = add_outputs(edges, [f"class {i}" for i in range(CLASSES)], "all")
    graph = Graph.from_edgelist(edges[["source", "target"]])
    order = np.lexsort([graph.source, graph.target])
    return LayeredGraph(tuple(np.bincount(graph.layer).tolist()), graph.source[order], graph.target[order])
