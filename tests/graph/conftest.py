"""Random graphs as edge lists, and the same graphs in networkx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import pandas as pd
import pytest
from hypothesis import strategies as st


@st.composite
def _acyclic_edges(draw: st.DrawFn) -> pd.DataFrame:
    """Draw an edge list whose names, and whose order of rows, say nothing about the order of the nodes."""
    n_inputs = draw(st.integers(1, 4))
    n_nodes = n_inputs + draw(st.integers(1, 8))
    names = draw(st.permutations([f"n{i}" for i in range(n_nodes)]))
    pairs = [
        (names[source], names[target])
        for target in range(n_inputs, n_nodes)
        for source in sorted(draw(st.sets(st.integers(0, target - 1), min_size=1, max_size=4)))
    ]
    return pd.DataFrame(draw(st.permutations(pairs)), columns=["source", "target"])


@st.composite
def _cyclic_edges(draw: st.DrawFn) -> pd.DataFrame:
    """Draw an acyclic edge list and add edges that close a way back."""
    edges = draw(_acyclic_edges())
    graph = nx.DiGraph(list(zip(edges["source"], edges["target"], strict=True)))
    back = [(node, above) for node in sorted(graph) for above in sorted(nx.ancestors(graph, node))]
    added = draw(st.lists(st.sampled_from(back), min_size=1, max_size=3, unique=True))
    edges = pd.concat([edges, pd.DataFrame(added, columns=["source", "target"])], ignore_index=True)
    order = draw(st.permutations(range(len(edges))))
    return edges.iloc[order].drop_duplicates(["source", "target"])


@pytest.fixture(scope="session")
def acyclic_edges() -> st.SearchStrategy[pd.DataFrame]:
    return _acyclic_edges()


@pytest.fixture(scope="session")
def cyclic_edges() -> st.SearchStrategy[pd.DataFrame]:
    return _cyclic_edges()


@pytest.fixture(scope="session")
def to_networkx() -> Callable[[pd.DataFrame], Any]:
    return lambda edges: nx.DiGraph(list(zip(edges["source"], edges["target"], strict=True)))
