"""Models of two graphs in float64, and the same functions as dense networks of ordinary torch modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from edge2torch import CompileArtifact, compile_graph
from edge2torch.nn import EdgeModel

GRAPHS = {
    # layer by layer, one output
    "chain": ["a h", "b h", "b g", "c g", "h k", "g k", "g l", "k out", "l out"],
    # edges that skip one and two layers; an output beside a hidden node, another one at the end
    "skipping": ["a h", "b h", "b g", "c g", "h k", "g k", "a k", "g early", "c early", "k late", "c late", "h late"],
}
MODULES: dict[str | None, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


class DenseLayer(nn.Module):
    """All nodes of a layer, computed from all nodes before it; weights of edges that are not there are 0."""

    def __init__(self, n_before: int, is_output: list[bool], activation: nn.Module | None, *, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(n_before, len(is_output), bias=bias).double()
        self.activation = activation
        self.is_output = torch.tensor(is_output)

    def forward(self, before: Tensor) -> Tensor:
        # Captum hooks the tensors that go into modules: what a hook returns replaces all that comes back to that
        # tensor, also what came by other ways. So each module gets a tensor of its own.
        sums = self.linear(before.clone())
        return sums if self.activation is None else torch.where(self.is_output, sums, self.activation(sums.clone()))


class DenseModel(nn.Module):
    def __init__(self, blocks: list[DenseLayer], outputs: list[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        states = x
        for block in self.blocks:
            states = torch.cat([states, block(states)], dim=1)
        return states[:, self.outputs]


def _dense(model: EdgeModel, artifact: CompileArtifact, activation: str | None) -> DenseModel:
    names = [name for layer in artifact.node_names_by_layer.values() for name in layer]
    weights = np.zeros((len(names), len(names)))
    edges = artifact.graph.edges
    for source, target, weight in zip(edges["source"], edges["target"], model.edge_weights().tolist(), strict=True):
        weights[names.index(target), names.index(source)] = weight
    blocks, n_before = [], len(artifact.feature_names)
    for block, layer in zip(model.blocks, list(artifact.node_names_by_layer.values())[1:], strict=True):
        is_output = [name in artifact.output_nodes for name in layer]
        function = MODULES[activation]() if activation and not all(is_output) else None
        dense = DenseLayer(n_before, is_output, function, bias=block.linear.bias is not None)
        with torch.no_grad():
            dense.linear.weight.copy_(torch.tensor(weights[n_before : n_before + len(layer), :n_before]))
            if dense.linear.bias is not None:
                dense.linear.bias.copy_(block.linear.bias)
        blocks.append(dense)
        n_before += len(layer)
    return DenseModel(blocks, [names.index(name) for name in artifact.output_nodes]).eval()


@pytest.fixture(scope="session")
def dense() -> Callable[[EdgeModel, CompileArtifact, str | None], DenseModel]:
    """Make the dense twin of a model: same weights, same states, no code of the package."""
    return _dense


@pytest.fixture(scope="session")
def make() -> Callable[..., tuple[EdgeModel, CompileArtifact]]:
    """Compile one of the graphs in float64, with biases that are not 0."""

    def make(graph: str | pd.DataFrame, activation: Any, seed: int = 0, **options: Any) -> Any:
        if isinstance(graph, str):
            graph = pd.DataFrame([edge.split() for edge in GRAPHS[graph]], columns=["source", "target"])
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model, artifact = compile_graph(graph, activation=activation, quiet=True, **options)
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    nn.init.normal_(parameter, std=0.5)
        return model.double(), artifact

    return make


@pytest.fixture(scope="session")
def x() -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).double()


@pytest.fixture(scope="session")
def baseline() -> Tensor:
    return torch.tensor([[0.3, -0.2, 0.5]]).double()


@pytest.fixture(scope="session")
def distribution() -> Tensor:
    return torch.randn(3, 3, generator=torch.Generator().manual_seed(2)).double()
