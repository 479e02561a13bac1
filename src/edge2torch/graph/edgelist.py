"""The edge list: its columns, and everything that can be wrong with it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph.nodes import Names, Positions, index_nodes

#: saved models refer to them by position
CONSTRAINTS = ("unconstrained", "positive", "negative", "fixed")
_, POSITIVE, NEGATIVE, FIXED = range(4)


def validate_edgelist(edgelist: pd.DataFrame) -> pd.DataFrame:
    """Check an edge list and return it with names as strings and a clean row index.

    Parameters
    ----------
    edgelist
        One row per edge: ``source``, ``target``, optionally ``initial_weight`` (float) and ``constraint``
        (``"unconstrained"``, ``"positive"``, ``"negative"`` or ``"fixed"``). Other columns are kept as they are.

    Returns
    -------
    A new DataFrame with the rows and columns of ``edgelist`` in their order.

    Raises
    ------
    Edge2TorchError
        If it is not such a table: missing or repeated columns, no rows, missing, empty or ambiguous names,
        repeated edges, or metadata that contradicts itself.

    Examples
    --------
    >>> validate_edgelist(pd.DataFrame({"source": ["gene"], "target": ["TF"]}))
      source target
    0   gene     TF
    """
    return index_edges(edgelist)[0]


def index_edges(edgelist: pd.DataFrame) -> tuple[pd.DataFrame, Names, Positions, Positions]:
    """Validate an edge list; also return its node names, and the positions of sources and targets among them."""
    _check_columns(edgelist)
    edges = edgelist.reset_index(drop=True)
    names, source, target = index_nodes(edges)
    for column, positions in (("source", source), ("target", target)):
        # None is what this pandas makes of strings; the one of pandas 3 cannot hold every string that Python has
        dtype = object if pd.api.types.is_object_dtype(edges[column].dtype) else None
        edges[column] = pd.Series(names, dtype=dtype).take(positions).set_axis(edges.index)
    _check_repeats(edges, source * np.int64(len(names)) + target)
    _check_metadata(edges)
    return edges, names, source, target


def _check_columns(edgelist: pd.DataFrame) -> None:
    if not isinstance(edgelist, pd.DataFrame):
        raise Edge2TorchError(
            f"edgelist must be a pandas DataFrame with one row per edge, not {type(edgelist).__name__}"
        )
    columns = edgelist.columns
    if columns.nlevels > 1:
        raise Edge2TorchError(f"edgelist has columns of {columns.nlevels} levels: flatten them")
    repeated = list(columns[columns.duplicated()].unique())
    if repeated:
        raise Edge2TorchError(f"edgelist has columns that occur more than once: {some(repeated)}; keep one of each")
    missing = [c for c in ("source", "target") if c not in columns]
    if missing:
        raise Edge2TorchError(f"edgelist lacks the columns {some(missing)}; it has {some(columns)}: rename them")
    if not len(edgelist):
        raise Edge2TorchError("edgelist has no rows: a graph needs at least one edge")


def _check_repeats(edges: pd.DataFrame, pair: npt.NDArray[np.int64]) -> None:
    """Raise if two edges have the same pair of nodes, which is given as one number: several times faster than names."""
    repeated = pd.Series(pair).duplicated()
    if repeated.any():
        rows = edges.loc[repeated, ["source", "target"]].drop_duplicates()
        raise Edge2TorchError(
            f"edgelist has {int(repeated.sum()):,} repeated edges: {some(arrows(rows))}; "
            "keep one row per source and target (drop_duplicates)"
        )


def _check_metadata(edges: pd.DataFrame) -> None:
    if "initial_weight" in edges:
        _check_weights(edges)
    if "constraint" in edges:
        _check_constraints(edges)


def _check_weights(edges: pd.DataFrame) -> None:
    if pd.api.types.is_complex_dtype(edges["initial_weight"].dtype):
        raise Edge2TorchError("edgelist['initial_weight'] is not real")
    try:
        weights = pd.to_numeric(edges["initial_weight"]).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(f"edgelist['initial_weight'] is not numeric: {error}") from error
    infinite = np.flatnonzero(np.abs(weights) > np.finfo(np.float32).max)
    if infinite.size:
        raise Edge2TorchError(
            f"edgelist['initial_weight'] is infinite in rows {some(infinite.tolist())} (as a 32-bit number)"
        )
    edges["initial_weight"] = weights


def _check_constraints(edges: pd.DataFrame) -> None:
    code = constraint_codes(edges)
    edges["constraint"] = pd.Series(CONSTRAINTS, dtype=object).take(code).set_axis(edges.index)
    weight = edges["initial_weight"].to_numpy() if "initial_weight" in edges else np.full(len(edges), np.nan)
    wrong = {
        "a fixed edge needs an initial_weight": (code == FIXED) & np.isnan(weight),
        "a positive edge needs an initial_weight >= 0": (code == POSITIVE) & (weight < 0),
        "a negative edge needs an initial_weight <= 0": (code == NEGATIVE) & (weight > 0),
    }
    for rule, rows in wrong.items():
        if rows.any():
            raise Edge2TorchError(f"edgelist: {rule}: {some(arrows(edges[rows]))}")


def constraint_codes(edges: pd.DataFrame) -> npt.NDArray[np.int8]:
    """Position of every edge's constraint in ``CONSTRAINTS``; missing ones, or no such column, are unconstrained."""
    if "constraint" not in edges:
        return np.zeros(len(edges), dtype=np.int8)
    try:
        code, words = pd.factorize(edges["constraint"])
    except TypeError as error:
        raise Edge2TorchError(
            f"edgelist['constraint'] must hold words ({error}); the choices are {some(CONSTRAINTS)}"
        ) from error
    unknown = [word for word in words if word not in CONSTRAINTS]
    if unknown:
        n_rows = int(np.isin(code, np.flatnonzero(~words.isin(CONSTRAINTS))).sum())
        raise Edge2TorchError(
            f"edgelist['constraint'] has {n_rows:,} unknown values ({some(unknown)}); "
            f"the choices are {some(CONSTRAINTS)}"
        )
    # factorize gives -1 to missing values, so what they stand for comes last
    choice = np.array([*map(CONSTRAINTS.index, words), 0], dtype=np.int8)
    return choice[code]


def arrows(edges: pd.DataFrame) -> list[str]:
    """Write edges as ``"source -> target"``."""
    return [f"{s} -> {t}" for s, t in zip(edges["source"], edges["target"], strict=True)]
