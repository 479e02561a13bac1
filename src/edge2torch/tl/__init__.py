"""Tools: train on an AnnData, predict, and score genes and nodes."""

from edge2torch.tl._fit import fit
from edge2torch.tl._interpret import interpret
from edge2torch.tl._predict import predict

__all__ = ["fit", "interpret", "predict"]
