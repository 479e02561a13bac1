"""Prior knowledge as tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


def _no_hierarchy() -> pd.DataFrame:
    return pd.DataFrame({"parent": [], "child": []}, dtype=object)


@dataclass(frozen=True, eq=False)
class Prior:
    """Gene sets or regulons, in the direction of biology, and their hierarchy if they have one.

    Attributes
    ----------
    name
        What the prior is called in reports.
    sets
        ``source`` (regulator or pathway), ``target`` (gene symbol), optionally ``weight``.
    hierarchy
        ``parent``, ``child``: which set is part of which.
    """

    name: str
    sets: pd.DataFrame
    hierarchy: pd.DataFrame = field(default_factory=_no_hierarchy)
