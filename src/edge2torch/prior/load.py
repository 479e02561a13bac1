"""From whatever a user has in hand to a prior."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.hierarchy import leaves_are_genes, with_hierarchy
from edge2torch.prior.prior import Prior
from edge2torch.prior.shipped import SHIPPED, load_shipped

#: what the targets of a table are: all of them genes, or only those that are no source
GENES = ("targets", "leaves")


def load_prior(
    net: object,
    *,
    organism: str = "human",
    hierarchy: object = None,
    genes: str = "targets",
    net_kwargs: Mapping[str, Any] | None = None,
) -> Prior:
    """Load a prior.

    Parameters
    ----------
    net
        A name, a file, or an object; see :func:`edge2torch.pp.build_graph`.
    organism
        Species of the genes: shipped priors and those of decoupler are translated from human.
    hierarchy
        A file or a table that says which sets are part of which.
    genes
        ``"targets"``: every target is a gene; ``"leaves"``: only those that are no source.
    net_kwargs
        Further arguments for priors of decoupler and OmniPath.

    Raises
    ------
    Edge2TorchError
        If it is unknown, cannot be read, or is not what its name says.
    """
    check_choice("genes", genes, GENES)
    if net_kwargs is not None and not isinstance(net_kwargs, Mapping):
        raise Edge2TorchError(
            f"net_kwargs={net_kwargs!r} must be a dict of names and values, such as {{'levels': ['A']}}"
        )
    if organism != "human":  # also where nothing is translated: a wrong one is a mistake
        from edge2torch.prior.remote.organism import check_organism

        check_organism(organism)
    prior = _load(net, organism, net_kwargs)
    if hierarchy is not None:
        prior = with_hierarchy(prior, _load_hierarchy(hierarchy, organism))
    return leaves_are_genes(prior) if genes == "leaves" else prior


def _load(net: object, organism: str, net_kwargs: Mapping[str, Any] | None) -> Prior:
    if isinstance(net, str) and _is_remote(net):
        from edge2torch.prior.remote import load_remote

        options = dict(net_kwargs or {})
        taken = [name for name in ("name", "organism") if name in options]
        if taken:
            raise Edge2TorchError(f"net_kwargs may not hold {some(taken)}: pass net= and organism= themselves")
        return load_remote(net, organism, **options)
    if net_kwargs:
        raise Edge2TorchError(
            f"net_kwargs are for networks of decoupler and OmniPath ({some(_names()[len(SHIPPED) :], 9)}), not for "
            f"{net if isinstance(net, str) else type(net).__name__!r}"
        )
    if isinstance(net, str) and net in SHIPPED:
        return _translated(load_shipped(net), organism)
    if isinstance(net, str | PathLike):
        return _read(net, organism)
    from edge2torch.prior.objects import prior_from_object

    return net if isinstance(net, Prior) else prior_from_object(net)


def _is_remote(name: str) -> bool:
    from edge2torch.prior.remote import PREFIXES, REMOTE

    return name in REMOTE or name.startswith(PREFIXES)


def _names() -> list[str]:
    from edge2torch.prior.remote import REMOTE

    return [*SHIPPED, *REMOTE, "decoupler:<network>", "omnipath:<resource>"]


def _translated(prior: Prior, organism: str) -> Prior:
    if organism == "human":
        return prior
    from edge2torch.prior.remote import translate_prior

    return translate_prior(prior, organism)


def _read(net: str | PathLike[str], organism: str) -> Prior:
    """Read a file; a name without a suffix that is no file is one that is unknown."""
    from edge2torch.prior.files import read_prior

    path = Path(net)
    if isinstance(net, str) and not path.suffix and len(path.parts) == 1 and not path.exists():
        close = get_close_matches(net, _names(), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise Edge2TorchError(
            f"net={net!r} is unknown; {hint}There are {some(_names(), 20)}; or pass a file (.gmt, .csv, ...), a "
            "DataFrame, a dict of gene sets, a networkx graph or a Series"
        )
    return read_prior(path, organism)


def _load_hierarchy(hierarchy: object, organism: str) -> Any:
    from edge2torch.prior.files import read_hierarchy
    from edge2torch.prior.hierarchy import hierarchy_from_table

    if isinstance(hierarchy, str | PathLike):
        return read_hierarchy(hierarchy, organism)
    if isinstance(hierarchy, pd.DataFrame):
        return hierarchy_from_table(hierarchy)
    raise Edge2TorchError(f"hierarchy must be a file or a DataFrame (parent, child), not {type(hierarchy).__name__}")
