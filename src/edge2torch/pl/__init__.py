"""Plots: scores of nodes, the graph around the best of them, and the course of the training."""

from edge2torch.pl._coverage import coverage
from edge2torch.pl._features import features
from edge2torch.pl._graph import graph
from edge2torch.pl._history import history
from edge2torch.pl._nodes import nodes
from edge2torch.pl._perturb import perturb
from edge2torch.pl._rank_nodes import rank_nodes
from edge2torch.pl._volcano import volcano

__all__ = ["coverage", "features", "graph", "history", "nodes", "perturb", "rank_nodes", "volcano"]
