"""Tools: train on an AnnData, predict, score genes and nodes, and ask what if."""

from edge2torch.tl._cross_validate import cross_validate
from edge2torch.tl._fit import fit
from edge2torch.tl._interpret import interpret
from edge2torch.tl._perturb import perturb
from edge2torch.tl._predict import predict
from edge2torch.tl._tune import tune

__all__ = ["cross_validate", "fit", "interpret", "perturb", "predict", "tune"]
