"""Genes that data and prior call by different names."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from edge2torch.prior.identifiers import canonical_symbols
from edge2torch.prior.prior import Prior


def resolve(prior: Prior, symbols: pd.Series) -> tuple[Prior, pd.Series]:
    """Bring the genes of a prior and of some data to current human symbols.

    An outdated symbol becomes the current one if it is an alias of exactly one, an Ensembl id becomes its symbol. In
    the data, an alias is used only where no gene is measured under the current symbol.

    Parameters
    ----------
    prior
        The prior.
    symbols
        Symbol, alias or Ensembl id (or NaN) per input.

    Returns
    -------
    Both with current symbols; names that are not known stay as they are.
    """
    given = symbols.dropna().astype(str)
    found = canonical_symbols(given.tolist())
    now, via = pd.Series(found["symbol"].to_numpy(), index=given.index), found["found"].to_numpy()
    taken = now.isin(set(now[via != "alias"])) & (via == "alias")
    symbols = symbols.astype(object).copy()
    symbols[now.index[~taken]] = now[~taken]
    genes = prior.sets["target"].drop_duplicates()
    current = dict(zip(genes, canonical_symbols(genes.tolist())["symbol"], strict=True))
    sets = prior.sets.assign(target=prior.sets["target"].map(current)).drop_duplicates(["source", "target"])
    return replace(prior, sets=sets.reset_index(drop=True)), symbols
