"""Signed interactions of proteins, from OmniPath."""

from __future__ import annotations

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.remote.cache import fetch

URL = "https://omnipathdb.org/interactions/?genesymbols=1&datasets=omnipath&license={license}"

#: of the table that comes; the first two become source and target
COLUMNS = (
    "source_genesymbol",
    "target_genesymbol",
    "consensus_direction",
    "consensus_stimulation",
    "consensus_inhibition",
)

LICENSES = ("academic", "commercial", "nonprofit", "for_profit", "ignore")


def load_interactions(*, license: str = "academic") -> pd.DataFrame:  # noqa: A002 - decoupler's name for it
    """Load the curated interactions of OmniPath (doi:10.15252/msb.20209923) whose direction and sign are agreed upon.

    Parameters
    ----------
    license
        Leave out what may not be used for this purpose: one of ``LICENSES``.

    Returns
    -------
    source, target (gene symbols, of complexes joined with ``"_"``) and weight: 1 stimulates, -1 inhibits. Pairs for
    which the resources agree on neither sign, or on both, are left out.

    Raises
    ------
    Edge2TorchError
        If there is no such license, or the file cannot be had or read.
    """
    if license not in LICENSES:
        raise Edge2TorchError(f"license={license!r} is unknown; there are {some(LICENSES)}")
    path = fetch(URL.format(license=license))
    try:
        table = pd.read_csv(path, sep="\t", usecols=list(COLUMNS), dtype=str)
    except ValueError as error:
        raise Edge2TorchError(
            f"{path} is not a table of OmniPath's interactions ({error}): delete it to have it downloaded again"
        ) from error
    source, target, *flags = (table[column] for column in COLUMNS)
    directed, up, down = (flag.isin(["1", "True"]) for flag in flags)
    net = pd.DataFrame({"source": source, "target": target, "weight": up.astype(int) - down.astype(int)})
    return net[directed & (up != down)].dropna(ignore_index=True)
