"""Plots: scores of nodes, the graph around the best of them, and the course of the training."""

from edge2torch.pl._confusion import confusion
from edge2torch.pl._controls import controls
from edge2torch.pl._coverage import coverage
from edge2torch.pl._graph import graph
from edge2torch.pl._history import history
from edge2torch.pl._nodes import nodes
from edge2torch.pl._stability import stability

__all__ = ["confusion", "controls", "coverage", "graph", "history", "nodes", "stability"]
