"""Priors that users bring as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.prior import Prior

#: what others call our columns
ALSO_CALLED = {"source": ("parent", "geneset"), "target": ("child", "genesymbol"), "weight": ("mor",)}
#: columns that are weights if they hold nothing but +1 and -1
SIGNS = ("interaction", "sign")


def prior_from_table(net: pd.DataFrame, name: str = "table", what: str = "net") -> Prior:
    """Check a table in the format of decoupler and make it a prior.

    Parameters
    ----------
    net
        ``source`` (regulator or pathway), ``target`` (gene), optionally ``weight``. Without these, ``parent`` or
        ``geneset`` is the source, ``child`` or ``genesymbol`` the target, and ``mor`` the weight, as is a column
        ``interaction`` or ``sign`` that holds nothing but +1 and -1. Other columns are left out.
    name
        What to call it in reports.
    what
        What to call the table in messages.

    Raises
    ------
    Edge2TorchError
        If it is not such a table, or has missing or repeated entries.

    Examples
    --------
    >>> prior_from_table(pd.DataFrame({"source": ["MYC"], "target": ["TERT"], "mor": [1]})).sets
      source target  weight
    0    MYC   TERT       1
    """
    if not isinstance(net, pd.DataFrame):
        raise Edge2TorchError(f"{what} must be the name of a shipped prior or a DataFrame, not {type(net).__name__}")
    sets = _standard_columns(net, what)
    for column in ("source", "target"):
        sets[column] = text_column(sets[column], f"{what}[{column!r}]")
    _check_repeats(sets, what)
    if "weight" in sets:
        _check_weight(sets, what)
    return Prior(name, sets)


def text_column(column: pd.Series, what: str) -> pd.Series:
    """Names as text, or an error if there are missing or empty ones."""
    text = column.astype(object).where(column.notna(), "").map(str)
    empty = np.flatnonzero(text.str.strip() == "")
    if empty.size:
        raise Edge2TorchError(
            f"{what} is missing or empty in {empty.size:,} rows: {some(empty.tolist())}; drop or fill them"
        )
    return text


def check_frame(table: pd.DataFrame, what: str) -> None:
    """Raise if a table has columns that cannot be told apart, or no rows."""
    if table.columns.nlevels > 1:
        raise Edge2TorchError(f"{what} has columns of {table.columns.nlevels} levels: flatten them")
    if not table.columns.is_unique:
        raise Edge2TorchError(f"{what} has columns that occur more than once: keep one of each")
    if not len(table):
        raise Edge2TorchError(f"{what} has no rows")


def _standard_columns(net: pd.DataFrame, what: str) -> pd.DataFrame:
    """Source, target and, if there is one, weight, whatever they are called."""
    called = {column: _find_column(net, column, what) for column in ALSO_CALLED}
    called["weight"] = called["weight"] or next((column for column in SIGNS if _holds_signs(net, column)), None)
    missing = [column for column in ("source", "target") if called[column] is None]
    if missing:
        raise Edge2TorchError(
            f"{what} lacks the columns {some(missing)}; it has {some(net.columns)}: rename them "
            "(source = regulator or pathway, target = gene)"
        )
    check_frame(net, what)
    return pd.DataFrame(
        {column: net[here].reset_index(drop=True) for column, here in called.items() if here is not None}
    )


def _find_column(net: pd.DataFrame, column: str, what: str) -> str | None:
    if column in net:
        return column
    found = [other for other in ALSO_CALLED[column] if other in net]
    if len(found) > 1:
        raise Edge2TorchError(
            f"{what} lacks the column {column!r}, and {some(found)} could both be it: rename one of them to {column!r}"
        )
    return found[0] if found else None


def _holds_signs(net: pd.DataFrame, column: str) -> bool:
    # a column that is there twice would be a DataFrame
    values = net.get(column)
    return isinstance(values, pd.Series) and pd.api.types.is_numeric_dtype(values) and bool(values.isin([1, -1]).all())


def _check_repeats(sets: pd.DataFrame, what: str) -> None:
    pair = ["source", "target"]
    repeated = sets[sets.duplicated(pair)]
    if repeated.empty:
        return
    distinct = sets.drop_duplicates()
    conflict = distinct[distinct.duplicated(pair, keep=False)]
    if len(conflict):
        pairs = [
            f"{source}, {target} ({', '.join(map(str, weights))})"
            for (source, target), weights in conflict.groupby(pair, sort=False)["weight"]
        ]
        raise Edge2TorchError(
            f"{what} has {len(pairs):,} pairs of source and target with conflicting weights: {some(pairs)}; "
            "keep one row of each pair"
        )
    pairs = [f"{source}, {target}" for source, target in repeated[pair].itertuples(index=False)]
    raise Edge2TorchError(
        f"{what} has {len(pairs):,} repeated pairs of source and target: {some(pairs)}; use drop_duplicates"
    )


def _check_weight(sets: pd.DataFrame, what: str) -> None:
    weight = sets["weight"]
    if not pd.api.types.is_numeric_dtype(weight):
        raise Edge2TorchError(f"{what}['weight'] is not numeric: {some(weight.unique())}; make it numbers, or drop it")
    bad = np.flatnonzero(~np.isfinite(weight.to_numpy(dtype=float, na_value=np.nan)))
    if bad.size:
        raise Edge2TorchError(
            f"{what}['weight'] is NaN or infinite in {bad.size:,} rows: {some(bad.tolist())}; drop or fill them"
        )
