"""Networks by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection
from typing import Any

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.prior import Prior
from edge2torch.prior.remote.interactions import load_interactions
from edge2torch.prior.remote.organism import check_organism, drop_unnamed
from edge2torch.prior.remote.redirect import call
from edge2torch.prior.table import prior_from_table

#: names that need no prefix
REMOTE = ("collectri", "dorothea", "omnipath")

#: how other names begin
PREFIXES = ("decoupler:", "omnipath:")

#: functions of ``decoupler.op`` that give a network
DECOUPLER = ("collectri", "dorothea", "progeny", "hallmark")

#: arguments of decoupler's functions that are not options here
GIVEN = ("name", "organism", "verbose")


def load_remote(name: str, organism: str = "human", **options: Any) -> Prior:
    """Load a network by its name, through decoupler; its files are downloaded once.

    Parameters
    ----------
    name
        ``"collectri"`` or ``"dorothea"`` (regulons, weighted); ``"decoupler:"`` and one of collectri, dorothea,
        progeny, hallmark; ``"omnipath"`` (signed interactions of proteins), or ``"omnipath:"`` and a resource of
        annotations, such as ``"omnipath:PanglaoDB"``.
    organism
        ``"human"``, or one that decoupler translates to by the orthologs of HCOP, such as ``"mouse"`` or ``"rat"``.
    **options
        Those of the function of decoupler: ``levels`` (dorothea), ``top`` and ``thr_padj`` (progeny),
        ``remove_complexes`` (collectri), ``license``. For a resource of OmniPath: ``source``, the column that names the
        sets (needed where several could be it), ``weight``, a column of numbers, and ``license``.

    Returns
    -------
    The sets, with weights where the network has some; of pairs that occur more than once, the first.

    Raises
    ------
    Edge2TorchError
        If there is no such name, organism or option, or a file cannot be had or read.
    """
    kind, part = _split(name)
    check_organism(organism)
    if name == "omnipath":
        net = _interactions(organism, **options)
    elif kind == "omnipath":
        net = _resource(name, part, organism, **options)
    else:
        from decoupler import op

        function = getattr(op, part)
        _check_options(name, options, _options_of(function))
        net = call(name, function, organism=organism, **options)
    if organism != "human":
        net = drop_unnamed(net, [column for column in ("source", "target") if column in net])
    if not len(net):
        raise Edge2TorchError(
            f"nothing is left of {name!r} with organism={organism!r} and the options {options}: "
            "choose options that keep more, or an organism with orthologs of its genes"
        )
    columns = [column for column in ("source", "target", "weight") if column in net]
    return prior_from_table(net[columns].drop_duplicates(["source", "target"], ignore_index=True), name)


def _split(name: str) -> tuple[str, str]:
    """Split a name into where it is from, and what it is called there."""
    known = [*REMOTE, *(f"decoupler:{part}" for part in DECOUPLER)]
    if isinstance(name, str):
        kind, _, part = name.rpartition(":") if name.startswith("decoupler:") else name.partition(":")
        if kind == "omnipath" and part:
            return kind, part
        if name in REMOTE:
            return "decoupler", name
        if name in known:
            return kind, part
    raise Edge2TorchError(
        f"{name!r} is unknown; the names are {_nearest_first(name, known)}, and 'omnipath:' with a resource of "
        "OmniPath's annotations, such as 'omnipath:PanglaoDB'"
    )


def _nearest_first(name: object, known: Collection[str], limit: int = 20) -> str:
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    return some([*near, *(other for other in known if other not in near)], limit)


def _options_of(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in GIVEN]


def _check_options(name: str, options: dict[str, Any], known: Collection[str]) -> None:
    unknown = [option for option in options if option not in known]
    if unknown:
        raise Edge2TorchError(f"{name!r} has no option {some(unknown)}; it has {some(known, len(known))}")
    if "levels" in options and options["levels"] is not None and not options["levels"]:
        raise Edge2TorchError(f"levels={options['levels']!r} is empty: name one or more of 'A', 'B', 'C', 'D'")


def _interactions(organism: str, **options: Any) -> pd.DataFrame:
    """Signed interactions; of other organisms, between the orthologs of both."""
    from decoupler import op

    _check_options("omnipath", options, ["license"])
    net = load_interactions(**options)
    if organism != "human":
        net = call("omnipath", op.translate, net, columns=["source", "target"], target_organism=organism)
    return net


def _resource(
    name: str, part: str, organism: str, /, *, source: str | None = None, weight: str | None = None, **options: Any
) -> pd.DataFrame:
    """Read a resource of OmniPath's annotations: a row per gene and record, a column per label."""
    from decoupler import op

    _check_options(name, options, ["source", "weight", *_options_of(op.resource)])
    known = call(name, op.show_resources)["name"].tolist()
    if part not in known:
        raise Edge2TorchError(f"OmniPath has no annotations {part!r}; it has {_nearest_first(part, known)}")
    table = call(name, op.resource, part, organism=organism, **options)
    source = _source_column(table, source, name)
    if weight is not None:
        _check_weight(table, weight, name)
    columns = {"source": source, "target": "genesymbol", "weight": weight}
    net = pd.DataFrame({new: table[old] for new, old in columns.items() if old is not None})
    return net.dropna()  # records that do not say it


def _source_column(table: pd.DataFrame, source: str | None, name: str) -> str:
    """Find the column that names the sets."""
    labels = [str(column) for column in table if column != "genesymbol"]
    if source is not None:
        if source not in labels:
            raise Edge2TorchError(f"source={source!r} is not a column of {name!r}; it has {some(labels, 20)}")
        return source
    texts = [label for label in labels if not pd.api.types.is_numeric_dtype(table[label])]
    if len(texts) == 1:
        return texts[0]
    if not texts:
        raise Edge2TorchError(f"{name!r} has no column of names, only {some(labels, 20)}: pass source= one of them")
    examples = [f"{text!r} ({some(table[text].dropna().unique()[:3], 3)})" for text in texts]
    raise Edge2TorchError(
        f"the sets of {name!r} could be named by {len(texts)} columns: pass source= one of {', '.join(examples)}"
    )


def _check_weight(table: pd.DataFrame, weight: str, name: str) -> None:
    numbers = [
        column
        for column in table
        if pd.api.types.is_numeric_dtype(table[column]) and not pd.api.types.is_bool_dtype(table[column])
    ]
    if weight not in numbers:
        raise Edge2TorchError(
            f"weight={weight!r} is not a column of numbers of {name!r}; these are {some(numbers, 20)}"
        )
