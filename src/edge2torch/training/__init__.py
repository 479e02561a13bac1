"""Training: what is predicted, splits, the Lightning module, metrics."""

from edge2torch.training.baselines import predict_baselines
from edge2torch.training.learner import Learner, make_loss
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
    "Learner",
    "Scale",
    "Target",
    "folds",
    "make_loss",
    "predict",
    "predict_baselines",
    "score",
    "split_cells",
    "train",
    "with_validation",
]
