"""One prior of everything that the user named, and the genes by the names that it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import READOUT
from edge2torch.prior.combine import beside, layers, modalities
from edge2torch.prior.load import load_prior
from edge2torch.prior.overlap import check_overlap
from edge2torch.prior.prior import Prior
from edge2torch.prior.resolve import resolve

STACKS = ("beside", "layers")


@dataclass(frozen=True)
class Reading:
    """How priors are read.

    Attributes
    ----------
    organism, hierarchy, genes, net_kwargs
        See :func:`edge2torch.prior.load.load_prior`.
    stack
        What a list of priors means: ``"beside"`` or ``"layers"``.
    resolve
        Whether aliases and Ensembl ids are looked up.
    """

    organism: str = "human"
    hierarchy: object = None
    genes: str = "targets"
    net_kwargs: Mapping[str, Any] | None = None
    stack: str = "beside"
    resolve: bool = False

    def __post_init__(self) -> None:
        check_choice("stack", self.stack, STACKS)
        if self.resolve and self.organism != "human":
            raise Edge2TorchError(
                f"resolve=True looks up human genes, but organism={self.organism!r}: pass gene_symbols= with symbols"
            )


def assemble(net: object, symbols: pd.Series, reading: Reading, where: str) -> tuple[Prior, pd.Series]:
    """Load one prior, or a list of them, for some genes.

    Parameters
    ----------
    net
        A prior as in :func:`edge2torch.prior.load.load_prior`, or a list of them.
    symbols
        Gene symbol (or NaN) per input.
    reading
        How to read it.
    where
        Where the symbols come from, for messages.

    Returns
    -------
    The prior, and the symbols in its terms.

    Raises
    ------
    Edge2TorchError
        If one of the priors cannot be read, or none of its genes was measured.
    """
    nets = list(net) if isinstance(net, list | tuple) else [net]
    if not nets:
        raise Edge2TorchError("net is an empty list: name at least one prior")
    _check_one(len(nets), reading)
    priors: list[Prior] = []
    given = symbols
    for item in nets:
        prior = load_prior(
            item,
            organism=reading.organism,
            hierarchy=reading.hierarchy,
            genes=reading.genes,
            net_kwargs=reading.net_kwargs,
        )
        if prior.name == READOUT:  # which is what edges into outputs are called
            prior = replace(prior, name=f"{READOUT} (prior)")
        if reading.resolve and (reading.stack == "beside" or not priors):  # targets of later layers are nodes
            prior, symbols = resolve(prior, given)
        priors.append(prior)
    for prior in priors[:1] if reading.stack == "layers" else priors:
        check_overlap(prior, symbols, where)
    if len(priors) == 1:
        return priors[0], symbols
    return (layers if reading.stack == "layers" else beside)(priors), symbols


def assemble_modalities(
    nets: object, symbols_of: Callable[[str], pd.Series], names: list[str], reading: Reading
) -> tuple[Prior, pd.Series]:
    """Load a prior for each modality and join them where they share nodes.

    Parameters
    ----------
    nets
        Prior, or list of priors, by name of the modality.
    symbols_of
        Gives the symbols of a modality; the index holds the names of its features.
    names
        The modalities that there are.
    reading
        How to read the priors.

    Returns
    -------
    The prior, whose genes are called ``"<modality>:<symbol>"``, and these names per input ``"<modality>:<feature>"``.

    Raises
    ------
    Edge2TorchError
        If there is no such modality, or a prior cannot be read.
    """
    if not isinstance(nets, Mapping) or not nets:
        raise Edge2TorchError(
            f"for a MuData, net must be a dict with a prior for each modality to use ({some(names)}), not "
            f"{type(nets).__name__}"
        )
    unknown = [name for name in nets if name not in names]
    if unknown:
        raise Edge2TorchError(f"net names modalities that mdata does not have: {some(unknown)}; it has {some(names)}")
    _check_one(len(nets), reading)
    priors, symbols = {}, []
    for name, net in nets.items():
        prior, own = assemble(net, symbols_of(name), reading, f"mdata[{name!r}]")
        priors[name] = prior
        prefixed = own.astype(object).map(f"{name}:{{}}".format, na_action="ignore")
        symbols.append(prefixed.set_axis([f"{name}:{feature}" for feature in own.index]))
    return modalities(priors), pd.concat(symbols)


def _check_one(n_priors: int, reading: Reading) -> None:
    if n_priors > 1 and (reading.hierarchy is not None or reading.net_kwargs):
        raise Edge2TorchError(
            f"hierarchy= and net_kwargs= belong to one prior, but net names {n_priors}: pass the others as DataFrames, "
            "or add their edges with e2t.pp.add_edges"
        )
