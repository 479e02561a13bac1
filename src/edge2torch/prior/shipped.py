"""The priors that come with the package; ``data/README.md`` says where they are from."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.prior import Prior

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SHIPPED = ("hallmark", "progeny", "reactome")


@cache
def load_shipped(name: str) -> Prior:
    """Load a prior that comes with the package.

    Parameters
    ----------
    name
        ``"hallmark"`` (MSigDB 7.5.1, 50 gene sets), ``"progeny"`` (14 pathways x 500 genes, weighted) or ``"reactome"``
        (January 2025, with its hierarchy); human gene symbols.

    Raises
    ------
    Edge2TorchError
        If there is no such prior.

    Examples
    --------
    >>> load_shipped("hallmark").sets["source"].nunique()
    50
    """
    if name not in SHIPPED:
        raise Edge2TorchError(f"net={name!r} is not a shipped prior; there are {some(SHIPPED)}; or pass a DataFrame")
    if name == "reactome":
        return _reactome()
    return Prior(name, _read(f"{name}.csv.gz").drop(columns="pvalue", errors="ignore"))


def _reactome() -> Prior:
    sets, hierarchy, names = (_read(f"reactome_{part}.csv.gz") for part in ("genes", "hierarchy", "names"))
    twins = names["name"].duplicated(keep=False)
    label = names["name"].where(~twins, names["name"] + " (" + names["id"] + ")")
    by_id = dict(zip(names["id"], label, strict=True))
    return Prior(
        "reactome",
        sets.assign(source=sets["source"].map(by_id)),
        hierarchy.assign(parent=hierarchy["parent"].map(by_id), child=hierarchy["child"].map(by_id)),
    )


def _read(file: str) -> pd.DataFrame:
    with (_folder() / file).open("rb") as handle:
        return pd.read_csv(handle, compression="gzip", keep_default_na=False)


def _folder() -> Traversable:
    """Find the tables: inside an installed package, at the top of a checkout."""
    installed = files("edge2torch.prior") / "data"
    return installed if installed.is_dir() else Path(__file__).resolve().parents[3] / "data"
