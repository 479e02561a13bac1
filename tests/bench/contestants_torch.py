"""Plain PyTorch: masked dense layers, sparse matrices, and a small perceptron."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from cases import LayeredGraph
from contestants import Contestant, Layer, weight_and_bias
from torch import Tensor, nn

HIDDEN_UNITS = 128


class MaskedLinear(nn.Module):
    """``nn.Linear`` whose weight is multiplied with a mask."""

    def __init__(self, source: np.ndarray, target: np.ndarray, n_sources: int, n_targets: int) -> None:
        super().__init__()
        mask = torch.zeros(n_targets, n_sources)
        mask[torch.from_numpy(target), torch.from_numpy(source)] = 1
        self.register_buffer("mask", mask)
        self.weight = nn.Parameter(torch.zeros(n_targets, n_sources))
        self.bias = nn.Parameter(torch.zeros(n_targets))

    def forward(self, x: Tensor) -> Tensor:
        """Map (cells, sources) to (cells, targets)."""
        return F.linear(x, self.weight * self.mask, self.bias)


class MaskedModel(nn.Module):
    """A masked layer per layer of the graph, which reads the earlier layers that its edges come from."""

    def __init__(self, graph: LayeredGraph) -> None:
        super().__init__()
        self.reads: list[list[int]] = []
        self.layers = nn.ModuleList()
        weight, starts = torch.from_numpy(graph.weights()).float(), graph.starts
        for depth in range(1, len(graph.sizes)):
            edges = graph.edges_into(depth)
            source, target = graph.source[edges], graph.target[edges] - starts[depth]
            layers = np.unique(np.searchsorted(starts, source, side="right") - 1)
            nodes = np.concatenate([np.arange(starts[k], starts[k + 1]) for k in layers])
            column = np.searchsorted(nodes, source)
            layer = MaskedLinear(column, target, nodes.size, graph.sizes[depth])
            with torch.no_grad():
                layer.weight[torch.from_numpy(target), torch.from_numpy(column)] = weight[edges]
            self.reads.append(layers.tolist())
            self.layers.append(layer)

    def forward(self, x: Tensor) -> Tensor:
        """Map (cells, inputs) to (cells, outputs)."""
        states = [x]
        for depth, (reads, layer) in enumerate(zip(self.reads, self.layers, strict=True), start=1):
            pieces = [states[k] for k in reads]
            sums = layer(pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1))
            states.append(sums.tanh() if depth < len(self.layers) else sums)
        return states[-1]


def masked_layer(graph: LayeredGraph) -> Layer:
    """Masked dense layer."""
    source, target = torch.from_numpy(graph.source), torch.from_numpy(graph.target) - graph.sizes[0]
    linear = MaskedLinear(graph.source, graph.target - graph.sizes[0], *graph.sizes)
    with torch.no_grad():
        linear.weight[target, source] = weight_and_bias(graph)[0]
    return Layer(linear, linear.weight, linear.bias, lambda values: values[target, source])


def sparse_layer(graph: LayeredGraph) -> Layer:
    """``torch.sparse.mm`` with a matrix made from the weights at every step, so that they get a gradient."""
    places = torch.from_numpy(np.stack([graph.target - graph.sizes[0], graph.source]))
    weight, bias = (value.requires_grad_() for value in weight_and_bias(graph))

    def forward(x: Tensor) -> Tensor:
        matrix = torch.sparse_coo_tensor(places, weight, (graph.sizes[1], graph.sizes[0]), is_coalesced=True)
        return (torch.sparse.mm(matrix, x.T) + bias[:, None]).T

    return Layer(forward, weight, bias)


def csr_layer(graph: LayeredGraph) -> Layer:
    """The same with a matrix of compressed rows."""
    rows = torch.from_numpy(np.searchsorted(graph.target - graph.sizes[0], np.arange(graph.sizes[1] + 1)))
    columns = torch.from_numpy(graph.source)
    weight, bias = (value.requires_grad_() for value in weight_and_bias(graph))

    def forward(x: Tensor) -> Tensor:
        matrix = torch.sparse_csr_tensor(rows, columns, weight, (graph.sizes[1], graph.sizes[0]))
        return (torch.sparse.mm(matrix, x.T) + bias[:, None]).T

    return Layer(forward, weight, bias)


def perceptron(graph: LayeredGraph) -> nn.Module:
    """Inputs - 128 - outputs; knows nothing of the graph."""
    return nn.Sequential(nn.Linear(graph.sizes[0], HIDDEN_UNITS), nn.Tanh(), nn.Linear(HIDDEN_UNITS, graph.sizes[-1]))


CONTESTANTS = {
    "masked dense": Contestant(masked_layer, MaskedModel),
    "torch.sparse, COO": Contestant(sparse_layer, node_major=True),
    "torch.sparse, CSR": Contestant(csr_layer, node_major=True),
    "perceptron": Contestant(None, perceptron, sparse=False),
}
