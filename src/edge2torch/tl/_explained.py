"""Which outputs are explained in which cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from edge2torch.errors import Edge2TorchError, did_you_mean, some
from edge2torch.tl._predictions import scale_of
from edge2torch.training import CLASSES, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData
    from torch import Tensor

#: targets that are not the name of an output
WORDS = ("label", "predicted", "all")


@dataclass(frozen=True, eq=False)
class Explained:
    """Which outputs are explained in which cells.

    Attributes
    ----------
    labels
        What the outputs are called, in model order.
    units
        Number that a score of 1 stands for, per output: the model works with deviations from the mean of numbers.
    output
        Position of the output that is explained in each cell, (cells,); ``None`` for all outputs in every cell.
    """

    labels: list[str]
    units: npt.NDArray[np.float32]
    output: npt.NDArray[np.int64] | None

    @property
    def n_at_once(self) -> int:
        """How many outputs are explained in a cell."""
        return 1 if self.output is not None else len(self.labels)

    def outputs(self, k: int, rows: npt.NDArray[np.intp]) -> Tensor:
        """Position of the ``k``-th output that is explained in some cells, (rows,)."""
        if self.output is None:
            return torch.full((len(rows),), k, dtype=torch.int64)
        return torch.from_numpy(self.output[rows])

    def weights(self, rows: npt.NDArray[np.intp]) -> Tensor:
        """What is explained, as :func:`edge2torch.attribution.path_scores` has it, (explained, rows or 1, outputs)."""
        each = torch.diag(torch.from_numpy(self.units))
        return each[:, None] if self.output is None else each[self.output[rows]][None]


def find_explained(
    adata: AnnData | MuData,
    target: str | Sequence[str],
    fit_params: Mapping[str, Any],
    labels: Sequence[str],
    predict: Callable[[], npt.NDArray[np.int64]],
) -> Explained:
    """Find what is explained; see :func:`edge2torch.tl.interpret`.

    Parameters
    ----------
    adata
        The cells.
    target
        ``"label"``, ``"predicted"``, ``"all"``, or an output by name; in a list of one, it is a name in any case.
    fit_params
        What the model was fitted with.
    labels
        What the outputs are called, in model order.
    predict
        Gives the position of the class that is predicted, (cells,).
    """
    outputs, task = list(labels), str(fit_params["task"])
    units = _units(fit_params, outputs)
    name = _name(target, outputs)
    if name is None and task != CLASSES and target != "all":
        raise Edge2TorchError(
            f"target={target!r} is for one class per cell, but the model predicts {len(outputs):,} {task}: name one of "
            f"them, {some(outputs, 20)}, or pass target='all'"
        )
    if target == "all" and name is None:
        return Explained(outputs, units, None)
    if name is not None:
        return Explained(outputs, units, np.full(adata.n_obs, outputs.index(name), dtype=np.int64))
    found = predict() if target == "predicted" else _labels(adata, str(fit_params["target"]), outputs)
    return Explained(outputs, units, found)


def find_outputs(target: str | Sequence[str] | None, outputs: Sequence[str]) -> list[int]:
    """Find outputs by name; ``None`` for all.

    Raises
    ------
    Edge2TorchError
        If there is none of a name.
    """
    if target is None:
        return list(range(len(outputs)))
    names = [target] if isinstance(target, str) else list(target)
    unknown = [name for name in names if name not in outputs]
    if unknown or not names:
        hint = did_you_mean(unknown[0], outputs) if unknown else ""
        raise Edge2TorchError(
            f"target={target!r} names {some(unknown) or 'nothing'}, which is no output; there are "
            f"{some(outputs, 20)}{hint}"
        )
    return [k for k, name in enumerate(outputs) if name in names]


def explained_classes(explained: Explained) -> pd.Categorical[Any] | None:
    """Name of the output that is explained in each cell; ``None`` if all are."""
    if explained.output is None:
        return None
    return pd.Categorical([explained.labels[k] for k in explained.output])


def _name(target: str | Sequence[str], outputs: list[str]) -> str | None:
    """Output that is named; ``None`` if the target is one of the words."""
    if isinstance(target, str) and target in WORDS:
        return outputs[0] if len(outputs) == 1 and target == "label" else None
    named = target[0] if isinstance(target, list | tuple) and len(target) == 1 else target
    if isinstance(named, str) and named in outputs:
        return named
    raise Edge2TorchError(
        f"target={target!r} must be {', '.join(map(repr, WORDS))} or one of the outputs of the model, "
        f"{some(outputs, 20)}{did_you_mean(named, [*outputs, *WORDS])}"
    )


def _labels(adata: AnnData | MuData, column: str, outputs: list[str]) -> npt.NDArray[np.int64]:
    """Position of the class of each cell."""
    if column not in adata.obs:
        raise Edge2TorchError(f"adata.obs has no {column!r}, the target of the fit: use target='predicted' or a class")
    codes = pd.Index(outputs).get_indexer(adata.obs[column].astype(object).map(str, na_action="ignore"))
    if (codes < 0).any():
        unknown = adata.obs[column][codes < 0].astype(object).unique()
        raise Edge2TorchError(
            f"{int((codes < 0).sum()):,} cells have labels in adata.obs[{column!r}] that the model does not know: "
            f"{some(unknown)}; use target='predicted' or a class"
        )
    return np.asarray(codes, dtype=np.int64)


def _units(fit_params: Mapping[str, Any], outputs: Sequence[str]) -> npt.NDArray[np.float32]:
    """Deviation of the numbers that the model predicts; 1 for anything else."""
    if str(fit_params["task"]) != NUMBERS:
        return np.ones(len(outputs), dtype=np.float32)
    names = [str(name) for name in fit_params["outputs"]]
    std = scale_of(fit_params).std
    return np.array([std[names.index(name)] for name in outputs], dtype=np.float32)
