"""The public packages, through their public functions only; runs in an environment of its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import kpnn2
import numpy as np
import pandas as pd
import torch
from cases import LayeredGraph
from contestants import Contestant, Layer, weight_and_bias
from torch import Tensor, nn

import edge2torch as public

if public.__version__ != version("edge2torch") or not public.__version__.startswith("0.3."):
    raise ImportError(f"this is edge2torch {public.__version__}, not the public 0.3: PYTHONPATH must not be set")


def packed_layer(graph: LayeredGraph) -> Layer:
    """``kpnn2.PackedLinear``."""
    linear = kpnn2.PackedLinear(graph.source, graph.target - graph.sizes[0], graph.sizes[1], graph.sizes[0])
    with torch.no_grad():
        linear.weight.copy_(weight_and_bias(graph)[0])
        linear.bias.zero_()
    return Layer(linear, linear.weight, linear.bias)


class PackedModel(nn.Module):
    """A ``PackedLinear`` per hop, with tanh between, as kpnn2's documentation shows for graphs with skip edges."""

    def __init__(self, spec: kpnn2.LayeredSpec) -> None:
        super().__init__()
        self.hops = spec.hops
        self.layers = nn.ModuleList(kpnn2.PackedLinear.from_hop(hop) for hop in spec.hops)

    def forward(self, x: Tensor) -> Tensor:
        """Map (cells, inputs) to (cells, outputs)."""
        saved = {0: x}
        for depth, (hop, layer) in enumerate(zip(self.hops, self.layers, strict=True), start=1):
            sums = layer(kpnn2.gather_hop_inputs(saved, hop))
            saved[depth] = sums.tanh() if depth < len(self.hops) else sums
        return saved[len(self.hops)]


def compile_packed(edges: pd.DataFrame) -> PackedModel:
    """``parse_layered`` and ``PackedLinear.from_hop``."""
    return PackedModel(kpnn2.parse_layered(edges))


def packed_model(graph: LayeredGraph) -> PackedModel:
    """The same, with the weights of the graph: a hop holds its edges by source, then by target."""
    model, weight = compile_packed(graph.edge_list()), graph.weights()
    for depth, layer in enumerate(model.layers, start=1):
        edges = graph.edges_into(depth)
        order = np.lexsort([graph.target[edges], graph.source[edges]])
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight[edges][order]))
    return model


def compile_public(edges: pd.DataFrame) -> nn.Module:
    """The public ``compile_graph``."""
    return public.compile_graph(edges, backend="feedforward")[0]


def public_model(graph: LayeredGraph) -> nn.Module:
    """The same, with the weights of the graph."""
    return compile_public(graph.edge_list(graph.weights()))


def public_scores(graph: LayeredGraph) -> Callable[[Tensor], object]:
    """Its ``interpret_model`` for all hidden nodes, class 3, 50 steps."""
    model, artifact = public.compile_graph(graph.edge_list(graph.weights()), backend="feedforward")
    return lambda x: public.interpret_model(
        model, artifact, x, on="nodes", method="LayerConductance", attribute_kwargs={"target": 3, "n_steps": 50}
    )


CONTESTANTS = {
    "kpnn2": Contestant(packed_layer, packed_model, compile_packed),
    "public edge2torch": Contestant(None, public_model, compile_public, public_scores, tanh=False),
}
