"""Why the genes of a prior and of some data do not meet."""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.identifiers import canonical_symbols
from edge2torch.prior.prior import Prior

ENSEMBL = re.compile(r"ENS([A-Z]{3})?[GTP]\d{11}(\.\d+)?")
DIGITS = re.compile(r"\d+")
#: names that are looked at
SAMPLE = 1000
#: share of the measured genes below which the prior may have others under another name
FEW = 0.2
#: share of them that the prior must have under another name, for that to be the reason
ENOUGH = 0.1


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
            f"{explain_mismatch(measured.tolist(), known, where, set(prior.sets['source']))}"
        )
    return matched


def suggest(prior: Prior, symbols: pd.Series, matched: pd.Series) -> str | None:
    """Say what would bring more genes into the prior than are there, if something would.

    Of mouse and human symbols, some are the same (C3, F2), so that genes of the wrong species are not none at all.

    Parameters
    ----------
    prior
        The prior.
    symbols
        Symbol per input.
    matched
        Those that are genes of the prior.
    """
    measured = symbols.dropna().astype(str)
    if len(matched) > FEW * len(measured):
        return None
    rest = measured[~measured.isin(set(matched))]
    sample = rest.iloc[:: max(len(rest) // SAMPLE, 1)].tolist()
    known = set(prior.sets["target"])
    upper = {name.upper() for name in known}
    under_other_name = max(
        sum(name.upper() in upper for name in sample), canonical_symbols(sample)["symbol"].isin(known).sum()
    )
    if under_other_name * len(rest) <= len(matched) * len(sample):
        return None
    return _identifiers(sample, known) or _other_case(sample, known)


def explain_mismatch(names: Collection[str], known: Collection[str], where: str, nodes: Collection[str] = ()) -> str:
    """Say what gene names look like, and what to do, if they are not those of the prior.

    Parameters
    ----------
    names
        Names of the measured genes.
    known
        Names of the genes in the prior.
    where
        Where the names come from, e.g. ``"`var_names`"``.
    nodes
        Names of the nodes of the prior.

    Examples
    --------
    >>> explain_mismatch(["cd3e", "ms4a1"], {"CD3E", "MS4A1"}, "`var_names`")
    'they differ in case (cd3e, the prior has CD3E): use adata.var_names.str.upper()'
    """
    sample, known_set = list(names)[:SAMPLE], set(known)
    found = _identifiers(sample, known_set) or _other_case(sample, known_set)
    if found:
        return found
    unversioned = [name for name in sample if re.sub(r"[.-]\d+$", "", name) in known_set - {name}]
    if unversioned:
        return f"they carry a suffix ({unversioned[0]}): remove it"
    turned = [name for name in sample if name in nodes]
    if turned:
        return (
            f"{len(turned):,} of them are its nodes ({some(turned, 3)}): is the table the wrong way round? "
            "'source' is the regulator or pathway, 'target' the gene"
        )
    return (
        f"{where} holds {some(sample, 3)}; the prior has {some(sorted(known_set), 3)}: "
        "are both gene symbols of one species?"
    )


def _identifiers(names: list[str], known: set[str]) -> str | None:
    """Explain Ensembl ids, numbers, and symbols that were given up."""
    column = "gene_symbols= the column of adata.var that holds symbols"
    resolved = _resolved_by_looking_up(names, known)
    if _share(names, ENSEMBL.fullmatch) > 0.5:
        human = any(name.startswith("ENSG") for name in names)
        kind = "Ensembl ids" if human else "Ensembl ids of another species"
        example = next(name for name in names if ENSEMBL.fullmatch(name))
        return f"they look like {kind} ({example}): pass {'resolve=True, or ' if resolved else ''}{column}"
    if _share(names, DIGITS.fullmatch) > 0.5:
        return f"they look like numeric ids ({names[0]}): pass {column}"
    if resolved:
        name, symbol = resolved
        return f"they are other names of human genes ({name} is {symbol}): pass resolve=True, which looks them up"
    return None


def _resolved_by_looking_up(names: list[str], known: set[str]) -> tuple[str, str] | None:
    """Find a gene that data and prior call by different names, if there are enough of them."""
    in_prior = set(canonical_symbols(sorted(known))["symbol"])
    found = canonical_symbols(names)
    met = found[found["symbol"].isin(in_prior)]
    if len(met) < ENOUGH * len(names) or met.empty:
        return None
    return str(met["name"].iloc[0]), str(met["symbol"].iloc[0])


def _other_case(names: list[str], known: set[str]) -> str | None:
    """Explain names that differ from those of the prior in case only."""
    name_in_prior = {name.upper(): name for name in sorted(known)}
    pairs = [(name, name_in_prior[name.upper()]) for name in names if name.upper() in name_in_prior]
    if not pairs:
        return None
    own, others = pairs[0]
    if _like_mouse([name for name, _ in pairs]) and _upper(others):
        return (
            f"they look like mouse symbols ({own}), the prior has human ones ({others}): pass organism='mouse', if the "
            "prior is from this package or decoupler, or translate the genes to their human orthologs"
        )
    if _like_mouse([other for _, other in pairs]) and _upper(own):
        return (
            f"they look like human symbols ({own}), the prior has mouse ones ({others}): translate one of them to the "
            "orthologs in the other species"
        )
    how = ": use adata.var_names.str.upper()" if _upper(others) else ": write both in the same way"
    return f"they differ in case ({own}, the prior has {others}){how}"


def _like_mouse(names: list[str]) -> bool:
    """Whether most names have their first letter in upper case and the others in lower case."""
    letters = [re.sub(r"\d", "", name) for name in names]
    return sum(name[:1].isupper() and name[1:].islower() for name in letters) > len(letters) / 2


def _upper(name: str) -> bool:
    return name == name.upper()


def _share(names: list[str], test: object) -> float:
    return sum(test(name) is not None for name in names) / max(len(names), 1)  # type: ignore[operator]
