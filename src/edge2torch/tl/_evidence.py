"""What speaks for each node in groups of cells, by one of several models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from edge2torch.artifact import CompileArtifact
from edge2torch.attribution import path_scores
from edge2torch.nn import EdgeModel
from edge2torch.tl._strata import Strata

#: cells whose scores are computed before the next cells are read
CELLS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Model:
    """A model, and where its hidden nodes and their edges are among the names that all models share.

    Attributes
    ----------
    model
        On the CPU.
    inputs, outputs
        Positions of its inputs and outputs among those that all models share.
    hidden
        Row of each hidden node among the nodes behind the inputs, in the order of the shared names.
    edges
        Edges into hidden nodes: rows of the edge list.
    target
        Shared position of the node that each of them leads to.
    """

    model: EdgeModel
    inputs: npt.NDArray[np.intp]
    outputs: npt.NDArray[np.intp]
    hidden: npt.NDArray[np.intp]
    edges: npt.NDArray[np.intp]
    target: npt.NDArray[np.intp]

    @classmethod
    def of(cls, model: EdgeModel, artifact: CompileArtifact, shared: CompileArtifact) -> Model:
        """Find the nodes that another model has, too, in its order."""
        behind = pd.Index(artifact.graph.nodes[len(artifact.input_nodes) :])
        target = pd.Index(shared.hidden_nodes).get_indexer(pd.Index(artifact.graph.edges["target"]))
        edges = np.flatnonzero(target >= 0)
        return cls(
            model,
            pd.Index(shared.input_nodes).get_indexer(pd.Index(artifact.input_nodes)),
            pd.Index(shared.output_nodes).get_indexer(pd.Index(artifact.output_nodes)),
            behind.get_indexer(pd.Index(shared.hidden_nodes)),
            edges,
            target[edges],
        )


@dataclass(frozen=True, eq=False)
class Evidence:
    """Means over the cells of strata; NaN without cells.

    Attributes
    ----------
    strata
        The cells.
    score
        Conductance of each node, (strata, nodes).
    evidence
        Sum over what leads to each node of the square root of the score that arrives over it, with its sign, (strata,
        nodes): many edges count more than a strong one.
    edges
        Score of each edge into a node, (strata, edges).
    """

    strata: Strata
    score: npt.NDArray[np.float64]
    evidence: npt.NDArray[np.float64]
    edges: npt.NDArray[np.float64]


def find_evidence(
    models: Sequence[Model],
    read: Callable[[npt.NDArray[np.intp]], Tensor],
    weights_of: Callable[[npt.NDArray[np.intp]], Tensor],
    strata: Strata,
    *,
    baseline: Tensor | None,
    n_steps: int,
) -> list[Evidence]:
    """Score nodes and edges with each of some models, which see the same cells; memory does not grow with the cells.

    Parameters
    ----------
    models
        The models.
    read
        From positions of cells to their inputs, (cells, inputs), in the shared order.
    weights_of
        From positions of cells to what is explained in them, as for :func:`edge2torch.attribution.path_scores`, in the
        shared order of outputs.
    strata
        The cells to score.
    baseline
        Reference input, (1, inputs); ``None`` for zero.
    n_steps
        As for :func:`edge2torch.attribution.path_scores`.
    """
    n = len(strata.rows)
    scores = [np.full((n, len(model.hidden)), np.nan) for model in models]
    kept = [np.full((n, len(model.hidden)), np.nan) for model in models]
    edges = [np.full((n, len(model.edges)), np.nan) for model in models]
    for g, rows in enumerate(strata.rows):
        for start in range(0, len(rows), CELLS_AT_ONCE):
            part = rows[start : start + CELLS_AT_ONCE]
            x, weights = read(part), weights_of(part)
            one = torch.zeros(len(part), dtype=torch.int64)
            for k, model in enumerate(models):
                found = path_scores(
                    model.model,
                    x[:, model.inputs],
                    weights[:, :, model.outputs],
                    baseline=None if baseline is None else baseline[:, model.inputs],
                    n_steps=n_steps,
                    groups=one,
                )
                if found.edges is None or found.kept is None:  # they are there, as there are groups
                    continue
                first = start == 0
                for table, sums in (
                    (scores[k], found.nodes[0].double().sum(dim=0)[model.hidden]),
                    (kept[k], found.kept[0, 0][model.hidden]),
                    (edges[k], found.edges[0, 0][model.edges]),
                ):
                    table[g] = (0.0 if first else table[g]) + sums.numpy() / len(rows)
    return [
        Evidence(strata, scores[k], _roots(model, edges[k]) + _root(kept[k]), edges[k])
        for k, model in enumerate(models)
    ]


def _root(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _roots(model: Model, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum over the edges into each node, (strata, nodes)."""
    return np.stack([np.bincount(model.target, row, minlength=len(model.hidden)) for row in _root(edges)])
