"""Scores of nodes: for a few cells beside other packages, and for very many alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import captum.attr
import torch
from cases import LayeredGraph
from check import compare
from memory import ExtraMemory
from torch import Tensor, nn

import edge2torch as e2t
from edge2torch.attribution import path_scores

CLASS, N_STEPS = 3, 50
#: cells that are scored again and again, so that they themselves take the same memory however many there are
AT_ONCE = 1000


def model_of(graph: LayeredGraph) -> nn.Module:
    """``compile_graph`` with the weights of the graph."""
    return e2t.compile_graph(graph.edge_list(graph.weights()), activation="tanh", quiet=True)[0].eval()


def one_class(n_outputs: int) -> Tensor:
    """Explain one class in all cells."""
    return torch.eye(n_outputs)[CLASS][None, None]


def walk(graph: LayeredGraph) -> Callable[[Tensor], Tensor]:
    """Features and nodes of all layers from one walk; returns the scores of nodes."""
    model = model_of(graph)
    return lambda x: path_scores(model, x, one_class(graph.sizes[-1]), n_steps=N_STEPS).nodes[0]


def walk_edges(graph: LayeredGraph) -> Callable[[Tensor], Tensor]:
    """The same, and edges."""
    model = model_of(graph)
    one = torch.zeros(1, dtype=torch.int64)
    return lambda x: path_scores(
        model, x, one_class(graph.sizes[-1]), n_steps=N_STEPS, groups=one.expand(len(x))
    ).nodes[0]


def walk_classes(graph: LayeredGraph) -> Callable[[Tensor], Tensor]:
    """Features and nodes for all classes."""
    model = model_of(graph)
    return lambda x: path_scores(model, x, torch.eye(graph.sizes[-1])[:, None], n_steps=N_STEPS).nodes[CLASS]


def layer_by_layer(graph: LayeredGraph) -> Callable[[Tensor], Tensor]:
    """Captum by hand, a call for every layer: nodes alone."""
    model = model_of(graph)

    def score(x: Tensor) -> Tensor:
        layers = [captum.attr.LayerConductance(model, block) for block in model.blocks]
        return torch.cat([layer.attribute(x, target=CLASS, n_steps=N_STEPS).detach() for layer in layers], dim=1)

    return score


def check(score: Callable[[Tensor], Tensor], graph: LayeredGraph, x: Tensor) -> None:
    """Compare with Captum, layer by layer, before anything is timed."""
    compare("scores of nodes", score(x[:3]), layer_by_layer(graph)(x[:3]))


def many(graph: str, cells: int) -> dict[str, float]:
    """Score very many cells, each for its class, keeping only sums; seconds, and extra memory."""
    known = LayeredGraph.load(Path(graph))
    model, n_outputs = model_of(known), known.sizes[-1]
    random = torch.Generator().manual_seed(0)
    x = torch.rand(AT_ONCE, known.sizes[0], generator=random)
    x *= torch.rand(x.shape, generator=random) < 0.1
    weights = torch.eye(n_outputs)[torch.arange(AT_ONCE) % n_outputs][None]
    total = torch.zeros(sum(known.sizes[1:]))
    with ExtraMemory() as extra:
        begin = time.perf_counter()
        for _ in range(cells // AT_ONCE):
            total += path_scores(model, x, weights).nodes[0].sum(dim=0)
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "extra_bytes": extra.bytes}
