"""Plots of what was found, of the graph around it, of the training, and of how far all that can be believed."""

from edge2torch.pl._confusion import confusion
from edge2torch.pl._controls import controls
from edge2torch.pl._coverage import coverage
from edge2torch.pl._features import features
from edge2torch.pl._flow import flow
from edge2torch.pl._graph import graph
from edge2torch.pl._history import history
from edge2torch.pl._nodes import nodes
from edge2torch.pl._perturb import perturb
from edge2torch.pl._rank_nodes import rank_nodes
from edge2torch.pl._stability import stability
from edge2torch.pl._volcano import volcano

__all__ = [
    "confusion",
    "controls",
    "coverage",
    "features",
    "flow",
    "graph",
    "history",
    "nodes",
    "perturb",
    "rank_nodes",
    "stability",
    "volcano",
]
