"""Training: splits, the Lightning module, metrics."""

from edge2torch.training.classifier import Classifier
from edge2torch.training.metrics import classification_metrics
from edge2torch.training.predict import predict_proba
from edge2torch.training.split import PARTS, stratified_split
from edge2torch.training.train import train

__all__ = ["PARTS", "Classifier", "classification_metrics", "predict_proba", "stratified_split", "train"]
