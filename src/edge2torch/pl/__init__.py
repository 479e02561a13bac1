"""Plots: scores of nodes, the graph around the best of them, and the course of the training."""

from edge2torch.pl._coverage import coverage
from edge2torch.pl._features import features
from edge2torch.pl._graph import graph
from edge2torch.pl._history import history
from edge2torch.pl._nodes import nodes
from edge2torch.pl._rank_nodes import rank_nodes

__all__ = ["coverage", "features", "graph", "history", "nodes", "rank_nodes"]
