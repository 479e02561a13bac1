"""Prior knowledge as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd


def no_hierarchy() -> pd.DataFrame:
    """Make an empty table of a hierarchy."""
    return pd.DataFrame({"parent": [], "child": []}, dtype=object)


@dataclass(frozen=True, eq=False)
class Prior:
    """Gene sets or regulons, in the direction of biology, and how they are connected with each other.

    Attributes
    ----------
    name
        What the prior is called in reports, and in the column ``prior`` of edge lists.
    sets
        ``source`` (regulator or pathway), ``target`` (gene), optionally ``weight``; each pair once. A target that is
        also a source, such as a regulator that is regulated, is a gene here and has a node of the same name.
    hierarchy
        ``parent``, ``child``, optionally ``weight``: which node is part of, or regulated by, which; each pair once.
    contains
        Whether a parent contains its children (pathways and their parts, terms and more special terms), so that a gene
        of a child is a gene of its parent, too; otherwise it regulates them. A hierarchy that contains has no cycles.
    ids
        Identifier of a node in the database that it is from, where that is not its name.
    left_out
        Rows of its source that could not be used, because they lead to no node or name no known gene.
    """

    name: str
    sets: pd.DataFrame
    hierarchy: pd.DataFrame = field(default_factory=no_hierarchy)
    contains: bool = True
    ids: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0
