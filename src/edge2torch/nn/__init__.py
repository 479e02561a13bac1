"""Sparse layers of named nodes as PyTorch modules; nothing here knows names or AnnData."""

from edge2torch.nn.activation import NodeDropout, make_activation
from edge2torch.nn.customized import CustomizedEdgeModel
from edge2torch.nn.descendants import Perturbations
from edge2torch.nn.edge_linear import EdgeLinear
from edge2torch.nn.feedforward import FeedforwardLayerBlock, FeedforwardModel
from edge2torch.nn.graphnn import GraphModel
from edge2torch.nn.model import EdgeModel, all_read_csr
from edge2torch.nn.norm import NodeNorm
from edge2torch.nn.perturbation import last_states, output_changes, units_of_nodes
from edge2torch.nn.recurrent import RecurrentModel
from edge2torch.nn.wiring import Wiring

__all__ = [
    "CustomizedEdgeModel",
    "EdgeLinear",
    "EdgeModel",
    "FeedforwardLayerBlock",
    "FeedforwardModel",
    "GraphModel",
    "NodeDropout",
    "NodeNorm",
    "Perturbations",
    "RecurrentModel",
    "Wiring",
    "all_read_csr",
    "last_states",
    "make_activation",
    "output_changes",
    "units_of_nodes",
]
