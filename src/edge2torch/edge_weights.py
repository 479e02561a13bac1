"""Weights of edges by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import nn

from edge2torch.attribution import find_edge_model
from edge2torch.compile import CompileArtifact, check_pair
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import arrows


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
    weight = edge_model.edge_weights().detach().float().cpu().numpy()
    return artifact.graph.edges[["source", "target"]].assign(weight=weight)


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
        If model and artifact do not belong together, an edge is not in the graph, occurs twice or is fixed, or a weight
        is not a finite number or against the constraint of its edge. No weight is changed then.

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
    _check_constraints(artifact.graph.edges.iloc[rows], values)
    new = torch.full((len(artifact.graph.edges),), torch.nan, dtype=torch.float64)
    new[rows] = torch.as_tensor(values)
    device = next(edge_model.parameters()).device
    edge_model.set_edge_weights(new.to(device=device, dtype=torch.float32))


def _match(edges: pd.DataFrame, weights: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Find the row of the edge list behind each row of a table of weights."""
    missing = {"source", "target", "weight"} - set(getattr(weights, "columns", ()))
    if missing:
        raise Edge2TorchError(f"weights must be a DataFrame with source, target and weight; it lacks {some(missing)}")
    if weights.duplicated(["source", "target"]).any():
        again = weights[weights.duplicated(["source", "target"])]
        raise Edge2TorchError(f"weights has edges that occur more than once: {some(arrows(again))}")
    values = pd.to_numeric(weights["weight"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(values).all():
        wrong = weights[~np.isfinite(values)]
        raise Edge2TorchError(f"weights has weights that are not finite numbers: {some(arrows(wrong))}")
    known = pd.MultiIndex.from_frame(edges[["source", "target"]].astype(object))
    rows = known.get_indexer(pd.MultiIndex.from_frame(weights[["source", "target"]].astype(object).map(str)))
    if (rows < 0).any():
        raise Edge2TorchError(f"weights has edges that are not in the graph: {some(arrows(weights[rows < 0]))}")
    return np.asarray(rows), values


def _check_constraints(edges: pd.DataFrame, values: np.ndarray) -> None:
    if "constraint" not in edges:
        return
    constraint = edges["constraint"].to_numpy()
    wrong = {
        "are fixed: make another graph": constraint == "fixed",
        "are positive, but get a negative weight": (constraint == "positive") & (values < 0),
        "are negative, but get a positive weight": (constraint == "negative") & (values > 0),
    }
    for what, here in wrong.items():
        if here.any():
            raise Edge2TorchError(f"{int(here.sum()):,} edges {what}: {some(arrows(edges[here]))}")
