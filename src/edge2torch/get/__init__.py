"""Results under their names."""

from edge2torch.get._coverage import coverage
from edge2torch.get._features import features
from edge2torch.get._graph import graph
from edge2torch.get._metrics import metrics
from edge2torch.get._model import model
from edge2torch.get._nodes import nodes
from edge2torch.get._perturb import perturb
from edge2torch.get._trials import trials

__all__ = ["coverage", "features", "graph", "metrics", "model", "nodes", "perturb", "trials"]
