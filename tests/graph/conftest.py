"""Random graphs as edge lists, and the same graphs in networkx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import pandas as pd
import pytest
from hypothesis import strategies as st


@st.composite
def _cyclic_edges(draw: st.DrawFn, acyclic_edges: st.SearchStrategy[pd.DataFrame]) -> pd.DataFrame:
    """Draw an acyclic edge list and add edges that close a way back."""
    edges = draw(acyclic_edges)
    graph = nx.DiGraph(list(zip(edges["source"], edges["target"], strict=True)))
    back = [(node, above) for node in sorted(graph) for above in sorted(nx.ancestors(graph, node))]
    added = draw(st.lists(st.sampled_from(back), min_size=1, max_size=3, unique=True))
    edges = pd.concat([edges, pd.DataFrame(added, columns=["source", "target"])], ignore_index=True)
    order = draw(st.permutations(range(len(edges))))
    return edges.iloc[order].drop_duplicates(["source", "target"])


@pytest.fixture(scope="session")
def cyclic_edges(acyclic_edges: st.SearchStrategy[pd.DataFrame]) -> st.SearchStrategy[pd.DataFrame]:
    return _cyclic_edges(acyclic_edges)


@st.composite
def _directed_edges(draw: st.DrawFn, acyclic_edges: st.SearchStrategy[pd.DataFrame]) -> pd.DataFrame:
    """Draw an edge list with any cycles and self loops, also one without inputs or outputs, or in several parts."""
    nodes = st.integers(0, 9).map(lambda i: f"n{i}")
    pairs = draw(st.lists(st.tuples(nodes, nodes), max_size=12))
    if draw(st.booleans()):  # one that is mostly connected
        edges = draw(acyclic_edges)
        pairs += list(zip(edges["source"], edges["target"], strict=True))
    pairs += [] if pairs else [("n0", "n1")]
    return pd.DataFrame(draw(st.permutations(list(dict.fromkeys(pairs)))), columns=["source", "target"])


@pytest.fixture(scope="session")
def directed_edges(acyclic_edges: st.SearchStrategy[pd.DataFrame]) -> st.SearchStrategy[pd.DataFrame]:
    return _directed_edges(acyclic_edges)


@pytest.fixture(scope="session")
def to_networkx() -> Callable[[pd.DataFrame], Any]:
    return lambda edges: nx.DiGraph(list(zip(edges["source"], edges["target"], strict=True)))
