"""This package."""

from __future__ import annotations

import attributions
import pandas as pd
import torch
from cases import LayeredGraph
from contestants import Contestant, Layer, weight_and_bias
from torch import nn

import edge2torch as e2t
from edge2torch.nn import EdgeLinear


def layer(graph: LayeredGraph) -> Layer:
    """``EdgeLinear``."""
    linear = EdgeLinear(torch.from_numpy(graph.source), torch.from_numpy(graph.target) - graph.sizes[0], bias=True)
    with torch.no_grad():
        linear.weight.copy_(weight_and_bias(graph)[0])
    return Layer(linear, linear.weight, linear.bias)


def compile_edges(edges: pd.DataFrame) -> nn.Module:
    """``compile_graph``."""
    return e2t.compile_graph(edges, backend="feedforward", activation="tanh", quiet=True)[0]


def model(graph: LayeredGraph) -> nn.Module:
    """``compile_graph`` with the weights of the graph."""
    return compile_edges(graph.edge_list(graph.weights()))


CONTESTANTS = {
    "ours": Contestant(layer, model, compile_edges, attributions.walk, attributions.check),
    "ours, with edges": Contestant(attribute=attributions.walk_edges, check_scores=attributions.check),
    "ours, ten classes": Contestant(attribute=attributions.walk_classes, check_scores=attributions.check),
    "Captum, layer by layer": Contestant(attribute=attributions.layer_by_layer),
    "ours, node-major input": Contestant(layer, model, node_major=True),
}
