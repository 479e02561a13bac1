"""Sparse layers of named nodes as PyTorch modules; nothing here knows names or AnnData."""

from edge2torch.nn.activation import make_activation
from edge2torch.nn.customized import CustomizedEdgeModel
from edge2torch.nn.edge_linear import EdgeLinear
from edge2torch.nn.model import EdgeModel, FeedforwardLayerBlock

__all__ = ["CustomizedEdgeModel", "EdgeLinear", "EdgeModel", "FeedforwardLayerBlock", "make_activation"]
