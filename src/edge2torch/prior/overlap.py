"""Why the genes of a prior and of some data do not meet."""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.prior import Prior

ENSEMBL = re.compile(r"ENS([A-Z]{3})?[GTP]\d{11}(\.\d+)?")
DIGITS = re.compile(r"\d+")


def check_overlap(prior: Prior, symbols: pd.Series, where: str) -> pd.Series:
    """Return the inputs whose symbols are genes of the prior.

    Raises
    ------
    Edge2TorchError
        If there are none; says why.
    """
    measured = symbols.dropna().astype(str)
    known = set(prior.sets["target"])
    matched = measured[measured.isin(known)]
    if matched.empty:
        raise Edge2TorchError(
            f"0 of {len(symbols):,} genes in {where} are in the prior {prior.name!r}; "
            f"{explain_mismatch(measured.tolist(), known, where)}"
        )
    return matched


def explain_mismatch(names: Collection[str], known: Collection[str], where: str) -> str:
    """Say what gene names look like, and what to do, if they are not those of the prior.

    Parameters
    ----------
    names
        Names of the measured genes.
    known
        Names of the genes in the prior.
    where
        Where the names come from, e.g. ``"`var_names`"``.

    Examples
    --------
    >>> explain_mismatch(["Cd3e", "Ms4a1"], {"CD3E", "MS4A1"}, "`var_names`")
    'they look like mouse symbols (Cd3e), the prior has human ones (CD3E): translate the genes to their human orthologs'
    """
    sample = list(names)[:1000]
    known_set = set(known)
    if _share(sample, ENSEMBL.fullmatch) > 0.5:
        human = any(name.startswith("ENSG") for name in sample)
        kind = "Ensembl ids" if human else "Ensembl ids of another species"
        return f"they look like {kind} ({sample[0]}): pass gene_symbols= the column of adata.var that holds symbols"
    if _share(sample, DIGITS.fullmatch) > 0.5:
        return (
            f"they look like numeric ids ({sample[0]}): pass gene_symbols= the column of adata.var that holds symbols"
        )
    recased = [name for name in sample if name.upper() in known_set and name not in known_set]
    if recased:
        example = recased[0]
        if (
            sum(name[:1].isupper() and name[1:].islower() for name in (re.sub(r"\d", "", r) for r in recased))
            > len(recased) / 2
        ):
            return (
                f"they look like mouse symbols ({example}), the prior has human ones ({example.upper()}): "
                "translate the genes to their human orthologs"
            )
        return f"they differ in case ({example}, the prior has {example.upper()}): use adata.var_names.str.upper()"
    unversioned = [name for name in sample if re.sub(r"[.-]\d+$", "", name) in known_set - {name}]
    if unversioned:
        return f"they carry a suffix ({unversioned[0]}): remove it"
    return (
        f"{where} holds {some(sample, 3)}; the prior has {some(sorted(known_set), 3)}: "
        "are both gene symbols of one species?"
    )


def _share(names: list[str], test: object) -> float:
    return sum(test(name) is not None for name in names) / max(len(names), 1)  # type: ignore[operator]
