"""Training: what is predicted, splits, the Lightning module, metrics."""

from edge2torch.training.baselines import predict_baselines
from edge2torch.training.checkpoint import Checkpoint
from edge2torch.training.heads import AuxiliaryHeads, heads_loss
from edge2torch.training.learner import Learner
from edge2torch.training.loss import Loss
from edge2torch.training.metrics import score
from edge2torch.training.penalty import shrink, switched_off
from edge2torch.training.predict import predict
from edge2torch.training.split import PARTS, folds, split_cells, with_validation
from edge2torch.training.target import CLASSES, LABELS, NUMBERS, TASKS, Scale, Target
from edge2torch.training.train import train

__all__ = [
    "CLASSES",
    "LABELS",
    "NUMBERS",
    "PARTS",
    "TASKS",
    "AuxiliaryHeads",
    "Checkpoint",
    "Learner",
    "Loss",
    "Scale",
    "Target",
    "folds",
    "heads_loss",
    "predict",
    "predict_baselines",
    "score",
    "shrink",
    "split_cells",
    "switched_off",
    "train",
    "with_validation",
]
