"""What all contestants have in common: a layer or a model, made from the same graph with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from cases import LayeredGraph
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One layer of a contestant.

    Attributes
    ----------
    forward
        From (cells, sources) to (cells, targets).
    weight, bias
        What is trained.
    of_edges
        Reads the values of the edges, in order, from a tensor like ``weight``.
    """

    forward: Callable[[Tensor], Tensor]
    weight: Tensor
    bias: Tensor
    of_edges: Callable[[Tensor], Tensor] = lambda values: values


@dataclass(frozen=True)
class Contestant:
    """Makes layers or models.

    Attributes
    ----------
    layer
        From a graph of two layers to a :class:`Layer`.
    model
        From a graph to a module that maps (cells, inputs) to (cells, outputs).
    compile
        The part of ``model`` that ``compile`` measures: from an edge list to a module.
    attribute
        From a graph to a function that scores nodes, from (cells, inputs) to (cells, nodes behind the inputs).
    check_scores
        Compares these scores with others.
    node_major
        Whether its inputs lie node by node in memory, as a transposed view, instead of cell by cell.
    tanh
        Whether hidden nodes have an activation.
    sparse
        Whether the model follows the edges of the graph.
    """

    layer: Callable[[LayeredGraph], Layer] | None = None
    model: Callable[[LayeredGraph], nn.Module] | None = None
    compile: Callable[..., nn.Module] | None = None
    attribute: Callable[[LayeredGraph], Callable[[Tensor], object]] | None = None
    check_scores: Callable[..., None] | None = None
    node_major: bool = False
    tanh: bool = True
    sparse: bool = True


def weight_and_bias(graph: LayeredGraph) -> tuple[Tensor, Tensor]:
    """Weights of the edges and zero biases of a graph of two layers."""
    return torch.from_numpy(graph.weights()).float(), torch.zeros(graph.sizes[1])
