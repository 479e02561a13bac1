"""Tools: train on an AnnData, predict, and score genes and nodes."""

from edge2torch.tl._cross_validate import cross_validate
from edge2torch.tl._evaluate_recovery import evaluate_recovery
from edge2torch.tl._fit import fit
from edge2torch.tl._interpret import interpret
from edge2torch.tl._predict import predict
from edge2torch.tl._tune import tune

__all__ = ["cross_validate", "evaluate_recovery", "fit", "interpret", "predict", "tune"]
