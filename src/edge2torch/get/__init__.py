"""Results under their names."""

from edge2torch.get._control import control
from edge2torch.get._coverage import coverage
from edge2torch.get._edges import edges
from edge2torch.get._features import features
from edge2torch.get._graph import graph
from edge2torch.get._metrics import metrics
from edge2torch.get._model import model
from edge2torch.get._nodes import nodes
from edge2torch.get._perturb import perturb
from edge2torch.get._rank_nodes import rank_nodes
from edge2torch.get._trials import trials

__all__ = [
    "control",
    "coverage",
    "edges",
    "features",
    "graph",
    "metrics",
    "model",
    "nodes",
    "perturb",
    "rank_nodes",
    "trials",
]
