"""Human genes under other names: aliases, Ensembl ids and UniProt accessions.

The tables are those of NCBI Gene, September 2022, with the symbols of HGNC for the mitochondrial genes (``"MT-ND1"``);
``data/README.md`` says how they were made. They are read when they are first needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.shipped import read_shipped

#: version of an Ensembl id (".7"), and what GENCODE appends to the genes that X and Y share
_VERSION = r"^(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?$"
#: number of an isoform of a protein ("P12345-2")
_ISOFORM = r"^([A-Z0-9]+)-\d+$"


def canonical_symbols(names: Iterable[str]) -> pd.DataFrame:
    """Find the current symbols of human genes.

    A name that is a current symbol stays, even if another gene had it once. An Ensembl id becomes the symbol of its
    gene, whatever its version. Another name becomes the symbol whose alias it is, if it is an alias of one gene only.
    All other names stay as they are. Case counts: ``"cd3e"`` is not ``"CD3E"``.

    Where an Ensembl id stands for several genes, the one is meant that both Ensembl and NCBI name, that has a name of
    its own (not ``LOC...``), that codes for a protein, and that is not a readthrough into a neighbour - in this order,
    until one gene is left; where several are left, the id is ambiguous. Several names may get the same symbol: a gene
    has an Ensembl id on each alternative sequence of its region, and an alias can stand beside the symbol.

    Parameters
    ----------
    names
        Symbols, aliases and Ensembl gene ids, mixed as you like.

    Returns
    -------
    A row per name, in the order of ``names``:

    ``name``
        The name that was given.
    ``symbol``
        The current symbol, or the name itself.
    ``found``
        What the name is: ``"symbol"``, ``"alias"``, ``"ensembl"``, ``"ambiguous"`` (an alias or Ensembl id of several
        genes) or ``"unknown"``.

    Raises
    ------
    Edge2TorchError
        If ``names`` is one text, or holds something else than text.

    Examples
    --------
    >>> canonical_symbols(["CD3E", "CTGF", "ENSG00000198851.7", "MLL2", "peak 1"])
                    name  symbol      found
    0               CD3E    CD3E     symbol
    1               CTGF    CCN2      alias
    2  ENSG00000198851.7    CD3E    ensembl
    3               MLL2    MLL2  ambiguous
    4             peak 1  peak 1    unknown
    """
    given = _texts("names", names)
    answer = _genes().reindex(given.str.replace(_VERSION, r"\1", regex=True))
    symbol, found = (answer[column].reset_index(drop=True) for column in ("symbol", "found"))
    return pd.DataFrame(
        {
            "name": given,
            "symbol": symbol.where(symbol.notna(), given),
            "found": found.where(found.notna(), "unknown"),
        }
    )


def symbols_of_uniprot(accessions: Iterable[str]) -> pd.DataFrame:
    """Find the current symbols of the genes that code for human proteins.

    Parameters
    ----------
    accessions
        UniProt accessions; an isoform (``"P12345-2"``) stands for its protein.

    Returns
    -------
    ``accession`` (as given, each once) and ``symbol``: a protein may come from several genes, and a gene may give
    several proteins. Accessions without a symbol have no row.

    Raises
    ------
    Edge2TorchError
        If ``accessions`` is one text, or holds something else than text.

    Examples
    --------
    >>> symbols_of_uniprot(["P07766", "P07766-2", "P62805"]).groupby("accession").size().to_dict()
    {'P07766': 1, 'P07766-2': 1, 'P62805': 14}
    """
    given = _texts("accessions", accessions).drop_duplicates()
    asked = pd.DataFrame({"accession": given, "protein": given.str.replace(_ISOFORM, r"\1", regex=True)})
    table = _table("uniprot").rename(columns={"accession": "protein"})
    # An inner join may shuffle rows where a protein is asked for twice and has several genes; a left one does not.
    return asked.merge(table, how="left").dropna(subset="symbol", ignore_index=True)[["accession", "symbol"]]


def _texts(argument: str, values: Iterable[str]) -> pd.Series:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise Edge2TorchError(f"{argument}={values!r} must be a list of texts: pass [{values!r}] for one")
    items = list(values)
    wrong = [item for item in items if not isinstance(item, str)]
    if wrong:
        raise Edge2TorchError(
            f"{argument} holds {len(wrong):,} of {len(items):,} values that are not text ({some(wrong)}): leave out "
            "missing values, and turn numbers into text"
        )
    return pd.Series(items, dtype=str)


@cache
def _table(kind: str) -> pd.DataFrame:
    return read_shipped(f"gene_{kind}.csv.gz")


@cache
def _genes() -> pd.DataFrame:
    """What a name is, by name: ``found``, and ``symbol``, which is missing where the name is ambiguous."""
    current = _table("symbols")
    parts = [current.assign(name=current["symbol"], found="symbol")]
    for table, found in ((_table("aliases"), "alias"), (_table("ensembl"), "ensembl")):
        name = table[table.columns[0]]
        several = name.duplicated(keep=False)
        symbol = table["symbol"].where(~several)
        kind = several.map({True: "ambiguous", False: found})
        parts.append(pd.DataFrame({"symbol": symbol, "name": name, "found": kind})[~name.duplicated()])
    return pd.concat(parts, ignore_index=True).set_index("name")
