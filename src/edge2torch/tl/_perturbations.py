"""Which nodes and genes are perturbed, and how."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch

from edge2torch.cells import batches, feature_names
from edge2torch.errors import Edge2TorchError, some
from edge2torch.nn import Perturbations, last_states, units_of_nodes

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData
    from torch import Tensor

    from edge2torch.cells import Cells
    from edge2torch.nn import EdgeModel

MODES = ("clamp", "remove", "scale")
#: what each argument names, and the name for it in messages
KINDS = {"nodes": ("hidden", "hidden nodes"), "genes": ("input", "inputs of the model")}
ALL = "all"


@dataclass(frozen=True, eq=False)
class Perturbed:
    """What is perturbed, and how.

    Attributes
    ----------
    nodes
        Rows of the table of nodes, genes included.
    positions
        Their positions in model order.
    values
        What each is set to, or multiplied by; NaN for its mean.
    scales
        Whether it is multiplied.
    screens
        Whether all of a kind were asked for, so that each is changed alone.
    called
        The arguments as they can be stored.
    """

    nodes: pd.DataFrame
    positions: npt.NDArray[np.intp]
    values: npt.NDArray[np.float64]
    scales: bool
    screens: bool
    called: Mapping[str, Any]

    def perturbations(
        self, replicates: Sequence[EdgeModel], cells: Cells, batch_size: int, *, together: bool
    ) -> Perturbations:
        """Say it in units of the models: one perturbation, or one for each node."""
        which, unit = units_of_nodes(replicates[0], torch.from_numpy(self.positions))
        value = torch.from_numpy(self.values)[which]
        if self.scales:
            factor, shift = value, torch.zeros(len(replicates), len(unit))
        else:
            factor = torch.zeros(len(unit))
            shift = (value / torch.bincount(which)[which]).expand(len(replicates), -1)  # units share a value
            if shift.isnan().any():
                shift = torch.where(value.isnan(), unit_means(replicates, cells, batch_size)[:, unit], shift)
        of = torch.zeros_like(which) if together else which
        return Perturbations(1 if together else len(self.positions), of, unit, factor.float(), shift.float())


def choose_perturbed(
    adata: AnnData | MuData,
    table: pd.DataFrame,
    asked: Mapping[str, str | Iterable[str] | Mapping[str, float] | None],
    *,
    mode: str,
    value: float | None,
) -> Perturbed:
    """Find what is to be perturbed.

    Parameters
    ----------
    adata
        The cells, for messages on genes that the graph does not use.
    table
        Row per node, in model order.
    asked
        The arguments ``nodes`` and ``genes``.
    mode, value
        See :func:`edge2torch.tl.perturb`.

    Raises
    ------
    Edge2TorchError
        If nothing is named, a name is unknown or repeated, or a value is missing, of no use or not finite.
    """
    value = _default(mode, value, asked)
    given = {
        argument: _with_values(argument, what, mode, value) for argument, what in asked.items() if what is not None
    }
    if not given:
        raise Edge2TorchError("nodes and genes are both None: name what to perturb, or pass nodes='all'")
    positions: list[int] = []
    values: list[float] = []
    for argument, what in given.items():
        if isinstance(what, str):
            found, theirs = np.flatnonzero(table["kind"] == KINDS[argument][0]).tolist(), None
        else:
            found, theirs = _positions(adata, table, argument, list(what)), list(what.values())
        positions += found
        values += [math.nan if one is None else one for one in theirs or [value] * len(found)]
    if not positions:  # an empty list is an error already
        raise Edge2TorchError("nodes='all', but the graph has no hidden nodes: pass genes=")
    return Perturbed(
        nodes=table.iloc[positions],
        positions=np.array(positions, dtype=np.intp),
        values=np.array(values, dtype=np.float64),
        scales=mode == "scale",
        screens=ALL in given.values(),
        called={argument: _storable(what) for argument, what in given.items()},
    )


def _default(mode: str, value: float | None, asked: Mapping[str, Any]) -> float | None:
    """What names without a value get; ``None`` for their mean."""
    if value is not None:
        _check_finite("value", value)
        if mode == "remove":
            raise Edge2TorchError("mode='remove' sets states to 0: leave value out, or use mode='clamp'")
        if not any(what is not None and not isinstance(what, Mapping) for what in asked.values()):
            raise Edge2TorchError("value is for names without a value of their own, and there are none: leave it out")
    elif mode == "scale" and any(what is not None and not isinstance(what, Mapping) for what in asked.values()):
        raise Edge2TorchError("mode='scale' needs a factor: pass value=0.5, or a mapping from names to factors")
    return 0.0 if mode == "remove" else value


def _with_values(argument: str, what: Any, mode: str, value: float | None) -> dict[str, float | None] | Literal["all"]:
    """Read an argument as names and their values."""
    if isinstance(what, Mapping):
        if mode == "remove":
            raise Edge2TorchError(f"mode='remove' sets states to 0: pass the names of {argument} as a list")
        for name, one in what.items():
            _check_finite(f"{argument}[{name!r}]", one)
        named: dict[Any, float | None] = {name: float(one) for name, one in what.items()}
    elif isinstance(what, str):
        if what == ALL:
            return "all"
        named = {what: value}
    else:
        if not isinstance(what, Iterable):
            raise Edge2TorchError(
                f"{argument}={what!r} must be a name, names, a mapping from names to values, or 'all'"
            )
        names = list(what)
        repeated = pd.Index(names)[pd.Index(names).duplicated()].unique() if names else []
        if len(repeated):
            raise Edge2TorchError(f"{argument} names {some(repeated)} more than once")
        named = dict.fromkeys(names, value)
    if not named:
        raise Edge2TorchError(f"{argument} is empty: name what to perturb, or leave it out")
    wrong = [name for name in named if not isinstance(name, str)]
    if wrong:
        raise Edge2TorchError(f"{argument} must hold names, not {some(wrong)}")
    return named


def _check_finite(what: str, value: Any) -> None:
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise Edge2TorchError(f"{what}={value!r} must be a finite number")


def _storable(what: dict[str, float | None] | Literal["all"]) -> Any:
    if isinstance(what, str) or any(value is not None for value in what.values()):
        return what
    return list(what)


def _positions(adata: AnnData | MuData, table: pd.DataFrame, argument: str, names: Sequence[str]) -> list[int]:
    """Find names among the nodes of a kind: by ``node``, else by a ``label`` that only one of them has."""
    kind, what = KINDS[argument]
    here = table[table["kind"] == kind]
    label = here["label"].astype(str)
    alone = ~label.duplicated(keep=False)
    known = {
        **dict(zip(label[alone], here.index[alone], strict=True)),
        **dict(zip(here["node"], here.index, strict=True)),
    }
    unknown = [name for name in names if name not in known]
    if unknown:
        hint = _hint(adata, table, unknown[0], label, known)
        raise Edge2TorchError(f"{len(unknown):,} of {len(names):,} {argument} are no {what}: {some(unknown)}; {hint}")
    found = [int(known[name]) for name in names]
    if len(set(found)) < len(found):
        twice = table["node"].iloc[[k for k in set(found) if found.count(k) > 1]]
        raise Edge2TorchError(f"{argument} names {some(twice)} more than once, by node and by label")
    return found


def _hint(adata: AnnData | MuData, table: pd.DataFrame, name: str, label: pd.Series, known: Iterable[str]) -> str:
    """Say what a name that is unknown may be."""
    if (label == name).any():
        return f"{name!r} is the label of several: use {some(table.loc[label[label == name].index, 'node'])}"
    other = {"input": "it is an input: pass it to genes=", "hidden": "it is a hidden node: pass it to nodes="}
    other["output"] = "it is an output, and what is predicted is not perturbed"
    kinds = table.loc[(table["node"] == name) | (table["label"] == name), "kind"]
    if len(kinds):
        return f"{name!r}: {other[str(kinds.iloc[0])]}"
    if name in feature_names(adata):
        return f"{name!r} is measured, but the graph does not use it, so that nothing would change"
    close = get_close_matches(name, [str(one) for one in known], n=3, cutoff=0.5)
    return f"did you mean {some(close)}?" if close else f"there are {some(known)}"


def unit_means(replicates: Sequence[EdgeModel], cells: Cells, batch_size: int) -> Tensor:
    """Mean over all cells of the states of all units, inputs first, shape (replicates, units)."""
    total: list[Any] = [0.0] * len(replicates)
    for x, *_ in batches(cells, batch_size):
        for k, model in enumerate(replicates):
            total[k] = total[k] + torch.cat([x, last_states(model, x)], dim=1).double().sum(dim=0)
    return torch.stack(total) / len(cells)
