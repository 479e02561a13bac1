"""The edge list: its columns, and everything that can be wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from itertools import chain

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, some

CONSTRAINTS = ("unconstrained", "positive", "negative", "fixed")


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
    _check_columns(edgelist)
    edges = edgelist.reset_index(drop=True)
    _check_names(edges)
    edges["source"] = _as_text(edges["source"])
    edges["target"] = _as_text(edges["target"])
    _check_repeats(edges)
    _check_metadata(edges)
    return edges


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


def _check_names(edges: pd.DataFrame) -> None:
    for column in ("source", "target"):
        names = edges[column]
        missing = np.flatnonzero(names.isna())
        if missing.size:
            raise Edge2TorchError(
                f"edgelist[{column!r}] has {missing.size:,} missing names (rows {some(missing.tolist())}): "
                "drop or fill them"
            )
        empty = np.flatnonzero(_as_text(names).str.strip() == "")
        if empty.size:
            raise Edge2TorchError(
                f"edgelist[{column!r}] has {empty.size:,} empty names (rows {some(empty.tolist())}): drop or fill them"
            )
    texts: dict[object, set[str]] = {}
    for name in chain(edges["source"].astype(object), edges["target"].astype(object)):
        if not isinstance(name, Hashable):
            raise Edge2TorchError(f"edgelist['source'] and ['target'] must hold names, not {name!r}: make them strings")
        texts.setdefault(name, set()).add(str(name))
    split = [text for several in texts.values() if len(several) > 1 for text in sorted(several)]
    if split:
        raise Edge2TorchError(
            f"edgelist has equal names with different texts ({some(split)}), for example the numbers 1 and 1.0: "
            "make all names strings"
        )
    counts = Counter(text for several in texts.values() for text in several)
    alike = [text for text, count in counts.items() if count > 1]
    if alike:
        raise Edge2TorchError(
            f"{len(alike):,} node names are different objects with the same text ({some(alike)}), "
            "for example the number 1 and the string '1': make all names strings"
        )


def _as_text(names: pd.Series) -> pd.Series:
    if isinstance(names.dtype, pd.CategoricalDtype):
        names = names.astype(names.cat.categories.dtype)
    return pd.Series([str(name) for name in names], index=names.index)


def _check_repeats(edges: pd.DataFrame) -> None:
    repeated = edges.duplicated(["source", "target"])
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
    constraint = edges["constraint"].astype(object).where(edges["constraint"].notna(), "unconstrained")
    unknown = constraint[~constraint.isin(CONSTRAINTS)]
    if len(unknown):
        raise Edge2TorchError(
            f"edgelist['constraint'] has {len(unknown):,} unknown values ({some(unknown.unique())}); "
            f"the choices are {some(CONSTRAINTS)}"
        )
    edges["constraint"] = constraint
    weight = edges.get("initial_weight", pd.Series(np.nan, index=edges.index))
    wrong = {
        "a fixed edge needs an initial_weight": (constraint == "fixed") & weight.isna(),
        "a positive edge needs an initial_weight >= 0": (constraint == "positive") & (weight < 0),
        "a negative edge needs an initial_weight <= 0": (constraint == "negative") & (weight > 0),
    }
    for rule, rows in wrong.items():
        if rows.any():
            raise Edge2TorchError(f"edgelist: {rule}: {some(arrows(edges[rows]))}")


def arrows(edges: pd.DataFrame) -> list[str]:
    """Write edges as ``"source -> target"``."""
    return [f"{s} -> {t}" for s, t in zip(edges["source"], edges["target"], strict=True)]
