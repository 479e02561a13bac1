"""Preprocessing: from prior knowledge to a graph in an AnnData."""

from edge2torch.pp._build_graph import build_graph

__all__ = ["build_graph"]
