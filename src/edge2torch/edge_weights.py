"""Weights of edges by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from edge2torch.artifact import CompileArtifact, check_pair, find_edges
from edge2torch.attribution import find_edge_model
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import arrows

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn


def get_edge_weights(model: nn.Module, artifact: CompileArtifact) -> pd.DataFrame:
    """Get the weight of every edge as the model uses it, constraints applied.

    Parameters
    ----------
    model
        A model that holds one model from :func:`edge2torch.compile_graph`.
    artifact
        What was returned with that model.

    Returns
    -------
    ``source``, ``target``, ``weight``, in the order of the edge list. Between nodes with several units, the weight is
    the sum over the units of the source, averaged over those of the target.

    Raises
    ------
    Edge2TorchError
        If model and artifact do not belong together.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["out", "out"], "initial_weight": [2.0, -1.0]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> get_edge_weights(model, artifact)["weight"].tolist()
    [2.0, -1.0]
    """
    edge_model = find_edge_model(model)
    check_pair(edge_model, artifact)
    weight = edge_model.edge_weights().detach().cpu()
    weight = weight if weight.dtype == torch.float64 else weight.float()
    return artifact.graph.edges[["source", "target"]].assign(weight=weight.numpy()[find_edges(edge_model, artifact)])


def set_edge_weights(model: nn.Module, artifact: CompileArtifact, weights: pd.DataFrame) -> None:
    """Set the weights of some or all edges.

    Parameters
    ----------
    model
        A model that holds one model from :func:`edge2torch.compile_graph`; changed in place.
    artifact
        What was returned with that model.
    weights
        ``source``, ``target``, ``weight``, a row per edge; edges without a row keep their weight. Between nodes with
        several units, a weight is shared out equally among the units of the source.

    Raises
    ------
    Edge2TorchError
        If model and artifact do not belong together, an edge is not in the graph or occurs twice, or a weight is not a
        finite number or against the constraint of its edge. No weight is changed then.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> model, artifact = e2t.compile_graph(pd.DataFrame({"source": ["a", "b"], "target": ["out", "out"]}), quiet=True)
    >>> set_edge_weights(model, artifact, pd.DataFrame({"source": ["b"], "target": ["out"], "weight": [0.5]}))
    >>> float(get_edge_weights(model, artifact)["weight"][1])
    0.5
    """
    edge_model = find_edge_model(model)
    check_pair(edge_model, artifact)
    rows, values = _match(artifact.graph.edges, weights)
    present = get_edge_weights(model, artifact)["weight"].to_numpy(dtype=float)
    _check_constraints(artifact.graph.edges.iloc[rows], values, present[rows])
    parameter = next(edge_model.parameters())
    new = torch.full((len(artifact.graph.edges),), torch.nan, dtype=torch.float64)
    new[find_edges(edge_model, artifact)[rows]] = torch.tensor(values)
    dtype = torch.float64 if parameter.dtype == torch.float64 else torch.float32
    edge_model.set_edge_weights(new.to(device=parameter.device, dtype=dtype))


def _match(edges: pd.DataFrame, weights: pd.DataFrame) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Find the row of the edge list behind each row of a table of weights."""
    columns = ["source", "target", "weight"]
    if not isinstance(weights, pd.DataFrame) or sorted(c for c in weights.columns if c in columns) != columns:
        raise Edge2TorchError("weights must be a DataFrame with the columns source, target and weight, each once")
    ends = weights[["source", "target"]].astype(object).map(str)
    again = ends.duplicated().to_numpy()
    if again.any():
        raise Edge2TorchError(f"weights has edges that occur more than once: {some(arrows(ends[again]))}")
    values = pd.to_numeric(weights["weight"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = ~(np.abs(values) <= np.finfo(np.float32).max)
    if wrong.any():
        raise Edge2TorchError(f"weights has weights that are not finite 32-bit numbers: {some(arrows(ends[wrong]))}")
    known = pd.MultiIndex.from_frame(edges[["source", "target"]].astype(object))
    rows = known.get_indexer(pd.MultiIndex.from_frame(ends))
    if (rows < 0).any():
        raise Edge2TorchError(f"weights has edges that are not in the graph: {some(arrows(ends[rows < 0]))}")
    return np.asarray(rows), values


def _check_constraints(edges: pd.DataFrame, values: npt.NDArray[np.float64], present: npt.NDArray[np.float64]) -> None:
    if "constraint" not in edges:
        return
    constraint = edges["constraint"].to_numpy()
    # The weight that a fixed edge has is fine, so that all weights that were got can be set.
    moved = (constraint == "fixed") & ~np.isclose(values, present, rtol=1e-6, atol=0)
    wrong = {
        "are fixed, so their weight is part of the graph (leave them out, or compile another graph)": moved,
        "are positive, but get a negative weight": (constraint == "positive") & (values < 0),
        "are negative, but get a positive weight": (constraint == "negative") & (values > 0),
    }
    for what, here in wrong.items():
        if here.any():
            raise Edge2TorchError(f"{int(here.sum()):,} edges {what}: {some(arrows(edges[here]))}")
