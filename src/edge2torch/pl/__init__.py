"""Plots of what was found, of the graph around it, of the training, and of how far all that can be believed."""

from edge2torch.pl._coverage import coverage
from edge2torch.pl._features import features
from edge2torch.pl._flow import flow
from edge2torch.pl._graph import graph
from edge2torch.pl._history import history
from edge2torch.pl._nodes import nodes
from edge2torch.pl._perturb import perturb
from edge2torch.pl._rank_nodes import rank_nodes
from edge2torch.pl._streams import streams
from edge2torch.pl._subnetwork import subnetwork
from edge2torch.pl._volcano import volcano

__all__ = ["coverage", "features", "flow", "graph", "history", "nodes", "perturb", "rank_nodes", "streams", "subnetwork", "volcano"]
