"""Scores for features and nodes, by the class names of Captum's methods."""

from edge2torch.attribution.methods import METHODS, Method, find_method, find_pair
from edge2torch.attribution.path import PathScores, path_scores
from edge2torch.attribution.scores import Request, feature_scores, node_scores, one_table
from edge2torch.attribution.walk import find_edge_model

__all__ = [
    "METHODS",
    "Method",
    "PathScores",
    "Request",
    "feature_scores",
    "find_edge_model",
    "find_method",
    "find_pair",
    "node_scores",
    "one_table",
    "path_scores",
]
