"""The priors that come with the package; ``data/README.md`` says where they are from."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.prior import Prior

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SHIPPED = ("go_bp", "hallmark", "progeny", "reactome")

#: those whose nodes have ids, names and a hierarchy, in three tables
_NESTED = ("go_bp", "reactome")

#: relations by which a gene of the child is a gene of the parent; what regulates a process is no part of it
_CONTAINS = ("is_a", "part_of")


@cache
def load_shipped(name: str) -> Prior:
    """Load a prior that comes with the package.

    All calls return the same object: copy its tables before you change them.

    Parameters
    ----------
    name
        ``"go_bp"`` (Gene Ontology, biological process, July 2022, with its hierarchy: ``is_a`` and ``part_of``),
        ``"hallmark"`` (MSigDB 7.5.1, 50 gene sets), ``"progeny"`` (14 pathways x 500 genes, weighted) or
        ``"reactome"`` (January 2025, with its hierarchy); human gene symbols. Pathways and processes go by their names,
        followed by the id where two share a name; ``Prior.ids`` has the ids of all.

    Raises
    ------
    Edge2TorchError
        If there is no such prior.

    Examples
    --------
    >>> load_shipped("hallmark").sets["source"].nunique()
    50
    >>> load_shipped("go_bp").ids["T cell receptor signaling pathway"]
    'GO:0050852'
    """
    if name not in SHIPPED:
        raise Edge2TorchError(f"net={name!r} is not a shipped prior; there are {some(SHIPPED)}; or pass a DataFrame")
    if name in _NESTED:
        return _nested(name)
    return Prior(name, read_shipped(f"{name}.csv.gz").drop(columns="pvalue", errors="ignore"))


def _nested(name: str) -> Prior:
    sets, hierarchy, names = (read_shipped(f"{name}_{part}.csv.gz") for part in ("genes", "hierarchy", "names"))
    if "relation" in hierarchy:
        hierarchy = hierarchy[hierarchy["relation"].isin(_CONTAINS)].drop(columns="relation").reset_index(drop=True)
    twins = names["name"].duplicated(keep=False)
    label = names["name"].where(~twins, names["name"] + " (" + names["id"] + ")")
    by_id = dict(zip(names["id"], label, strict=True))
    return Prior(
        name,
        sets.assign(source=sets["source"].map(by_id)),
        hierarchy.assign(parent=hierarchy["parent"].map(by_id), child=hierarchy["child"].map(by_id)),
        ids={node: identifier for identifier, node in by_id.items()},
    )


def read_shipped(file: str) -> pd.DataFrame:
    """Read a table that comes with the package: text as it is written, but for weights and p values."""
    kinds: defaultdict[str, type] = defaultdict(lambda: str, weight=float, pvalue=float)
    with (_folder() / file).open("rb") as handle:
        return pd.read_csv(handle, compression="gzip", keep_default_na=False, dtype=kinds)


def _folder() -> Traversable:
    """Find the tables: inside an installed package, at the top of a checkout."""
    installed = files("edge2torch.prior") / "data"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "data"
