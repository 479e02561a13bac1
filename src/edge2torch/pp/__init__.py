"""Preprocessing: from prior knowledge to a graph in an AnnData."""

from edge2torch.pp._add_edges import add_edges
from edge2torch.pp._build_graph import build_graph
from edge2torch.pp._remove_nodes import remove_nodes
from edge2torch.pp._rewire_graph import rewire_graph

__all__ = ["add_edges", "build_graph", "remove_nodes", "rewire_graph"]
