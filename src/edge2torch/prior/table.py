"""Priors that users bring as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.prior import Prior


def prior_from_table(net: pd.DataFrame, name: str = "table") -> Prior:
    """Check a table in the format of decoupler and make it a prior.

    Parameters
    ----------
    net
        ``source`` (regulator or pathway), ``target`` (gene), optionally ``weight``.
    name
        What to call it in reports.

    Raises
    ------
    Edge2TorchError
        If it is not such a table, or has missing or repeated entries.
    """
    if not isinstance(net, pd.DataFrame):
        raise Edge2TorchError(f"net must be the name of a shipped prior or a DataFrame, not {type(net).__name__}")
    missing = [column for column in ("source", "target") if column not in net]
    if missing:
        raise Edge2TorchError(
            f"net lacks the columns {some(missing)}; it has {some(net.columns)}: rename them "
            "(source = regulator or pathway, target = gene)"
        )
    if not net.columns.is_unique:
        raise Edge2TorchError("net has columns that occur more than once: keep one of each")
    if not len(net):
        raise Edge2TorchError("net has no rows")
    columns = [column for column in ("source", "target", "weight") if column in net]
    sets = net[columns].reset_index(drop=True)
    for column in ("source", "target"):
        text = sets[column].astype(object).where(sets[column].notna(), "").map(str)
        empty = np.flatnonzero(text.str.strip() == "")
        if empty.size:
            raise Edge2TorchError(f"net[{column!r}] is missing or empty in {empty.size:,} rows: {some(empty.tolist())}")
        sets[column] = text
    repeated = sets.duplicated(["source", "target"])
    if repeated.any():
        pairs = [f"{s}, {t}" for s, t in sets.loc[repeated, ["source", "target"]].itertuples(index=False)]
        raise Edge2TorchError(
            f"net has {len(pairs):,} repeated pairs of source and target: {some(pairs)}; use drop_duplicates"
        )
    if "weight" in sets:
        _check_weight(sets)
    return Prior(name, sets)


def _check_weight(sets: pd.DataFrame) -> None:
    if not pd.api.types.is_numeric_dtype(sets["weight"]):
        raise Edge2TorchError("net['weight'] is not numeric")
    bad = np.flatnonzero(~np.isfinite(sets["weight"].to_numpy(dtype=float, na_value=np.nan)))
    if bad.size:
        raise Edge2TorchError(f"net['weight'] is NaN or infinite in {bad.size:,} rows: {some(bad.tolist())}")
