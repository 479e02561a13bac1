"""Tools: train on an AnnData, predict, score genes and nodes, control the scores, and ask the model."""

from edge2torch.tl._control import control
from edge2torch.tl._cross_validate import cross_validate
from edge2torch.tl._evaluate_recovery import evaluate_recovery
from edge2torch.tl._fit import fit
from edge2torch.tl._interpret import interpret
from edge2torch.tl._perturb import perturb
from edge2torch.tl._predict import predict
from edge2torch.tl._rank_nodes import rank_nodes
from edge2torch.tl._tune import tune

__all__ = [
    "control",
    "cross_validate",
    "evaluate_recovery",
    "fit",
    "interpret",
    "perturb",
    "predict",
    "rank_nodes",
    "tune",
]
