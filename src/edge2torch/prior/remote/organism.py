"""Genes of other organisms, by the orthologs of human genes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from edge2torch._notes import note
from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.prior import Prior
from edge2torch.prior.remote.redirect import call

#: what HCOP calls an ortholog that has no symbol
UNNAMED = "-"


def translate_prior(prior: Prior, organism: str, columns: Sequence[str] = ("target",)) -> Prior:
    """Translate the human genes of a prior to their orthologs, by decoupler and HCOP (doi:10.1093/bib/bbab155).

    A gene with up to five orthologs becomes all of them, one with none or more is left out. Of pairs that become the
    same, the first is kept.

    Parameters
    ----------
    prior
        Prior with human gene symbols.
    organism
        Such as ``"mouse"`` or ``"rat"``; with ``"human"`` the prior is given back as it is.
    columns
        What is a gene: ``("target",)`` for pathways, ``("source", "target")`` for regulators, of which the hierarchy is
        translated, too.

    Raises
    ------
    Edge2TorchError
        If there is no such organism or column, the orthologs cannot be downloaded, or no gene has one.
    """
    check_organism(organism)
    columns = (columns,) if isinstance(columns, str) else tuple(columns)
    unknown = [column for column in columns if column not in ("source", "target")]
    if unknown or not columns:
        raise Edge2TorchError(f"columns={columns!r} must be one or both of 'source', 'target'")
    if organism == "human":
        return prior
    sets = _translate(prior.sets, organism, columns, prior.name)
    if not len(sets):
        genes = prior.sets[columns[-1]].unique()
        raise Edge2TorchError(
            f"0 of {len(genes):,} genes of the prior {prior.name!r} have an ortholog in organism={organism!r}: "
            f"are {some(genes[:3], 3)} human gene symbols?"
        )
    before, after = prior.sets["target"].nunique(), sets["target"].nunique()
    note(f"{prior.name}: {before:,} human genes became {after:,} genes of {organism}, by their orthologs")
    if "source" not in columns:
        return replace(prior, sets=sets)
    hierarchy = _translate(prior.hierarchy, organism, ("parent", "child"), prior.name)
    return replace(prior, sets=sets, hierarchy=hierarchy, ids={})


def _translate(table: pd.DataFrame, organism: str, columns: Sequence[str], name: str) -> pd.DataFrame:
    from decoupler import op

    if not len(table):
        return table  # decoupler counts shares of nothing
    translated = call(name, op.translate, table, columns=list(columns), target_organism=organism)
    pair = ["source", "target"] if "source" in table else ["parent", "child"]
    return drop_unnamed(translated, columns).drop_duplicates(pair, ignore_index=True)


def drop_unnamed(net: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Leave out orthologs that have no symbol."""
    return net[~net[list(columns)].isin([UNNAMED]).any(axis=1)].reset_index(drop=True)


def check_organism(organism: str) -> None:
    """Raise if decoupler cannot translate to an organism."""
    from decoupler import op

    known = ["human", *op.show_organisms()]
    if organism not in known:
        near = difflib.get_close_matches(str(organism), known, n=3)
        rest = [other for other in known if other not in near]
        raise Edge2TorchError(f"organism={organism!r} is unknown; the organisms are {some([*near, *rest], len(known))}")
