"""Training: what is predicted, splits, the Lightning module, metrics."""

from edge2torch.training.baselines import predict_baselines
from edge2torch.training.checkpoint import Checkpoint
from edge2torch.training.learner import Learner
from edge2torch.training.loss import Loss
from edge2torch.training.metrics import score
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
    "Checkpoint",
    "Learner",
    "Loss",
    "Scale",
    "Target",
    "folds",
    "predict",
    "predict_baselines",
    "score",
    "split_cells",
    "train",
    "with_validation",
]
