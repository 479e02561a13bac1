"""What the weights of a prior mean for the model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError

WEIGHTS = ("sign", "initial", "fixed")


def apply_weights(edges: pd.DataFrame, weights: str | None) -> pd.DataFrame:
    """Make constraints or initial weights of the column ``prior_weight``.

    Parameters
    ----------
    edges
        Edge list, with ``prior_weight`` if the prior has weights; NaN on edges without one, which stay free.
    weights
        ``"sign"``: an edge keeps the sign of its weight; ``"initial"``: training starts from it; ``"fixed"``: it stays
        what it is; ``None``: it is not used.

    Returns
    -------
    The edge list with ``constraint`` or ``initial_weight``. Initial and fixed weights are those of the prior, divided
    for each node by the root of the sum of their squares: they keep their ratios, and a node with hundreds of genes
    starts in the range where its activation is not saturated.

    Raises
    ------
    Edge2TorchError
        If ``weights`` is unknown, or the prior has none.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["TF", "TF"], "prior_weight": [3.0, -4.0]})
    >>> apply_weights(edges, "sign")["constraint"].tolist()
    ['positive', 'negative']
    >>> apply_weights(edges, "initial")["initial_weight"].tolist()
    [0.6, -0.8]
    """
    if weights is None:
        return edges
    check_choice("weights", weights, WEIGHTS)
    if "prior_weight" not in edges:
        raise Edge2TorchError(f"weights={weights!r}, but the prior has no weights: pass weights=None")
    given = edges["prior_weight"].to_numpy(dtype=float)
    if weights == "sign":
        sign = np.where(given > 0, "positive", np.where(given < 0, "negative", "unconstrained"))
        return edges.assign(constraint=sign.astype(object))
    largest = edges["prior_weight"].abs().groupby(edges["target"]).transform("max")
    relative = edges["prior_weight"] / largest.where(largest > 0, 1.0)  # squares of what is at most 1 do not overflow
    norm = np.sqrt((relative**2).groupby(edges["target"]).transform("sum"))
    scaled = relative / norm.where(norm > 0, 1.0)
    if weights == "initial":
        return edges.assign(initial_weight=scaled)
    constraint = np.where(np.isnan(given), "unconstrained", "fixed")
    return edges.assign(initial_weight=scaled, constraint=constraint.astype(object))
