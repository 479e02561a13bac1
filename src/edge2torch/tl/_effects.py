"""What perturbations do to the outputs, per cell and per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from edge2torch.cells import batches
from edge2torch.nn import Perturbations, output_changes
from edge2torch.nn.state import few_threads
from edge2torch.training import CLASSES, NUMBERS

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from edge2torch.cells import Cells
    from edge2torch.nn import EdgeModel


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be found out.

    Attributes
    ----------
    task
        What the models predict.
    groups
        Group of each cell.
    rows
        The cells to look at.
    batch_size
        Cells at a time.
    per_cell
        Whether to keep the changes of each cell.
    """

    task: str
    groups: pd.Categorical[Any]
    rows: npt.NDArray[np.intp]
    batch_size: int
    per_cell: bool


@dataclass(frozen=True, eq=False)
class Effects:
    """Changes of outputs, with the perturbation minus without, means over replicates.

    Attributes
    ----------
    change
        Mean over the cells of each group, shape (perturbations, groups, outputs).
    change_proba
        The same of probabilities; ``None`` for numbers.
    switched
        Share of the cells whose predicted class changes, the same for all outputs, or that get or lose a label;
        ``None`` for numbers.
    per_cell
        Of the first perturbation, shape (cells, outputs); empty if it was not asked for.
    """

    change: npt.NDArray[np.float64]
    change_proba: npt.NDArray[np.float64] | None
    switched: npt.NDArray[np.float64] | None
    per_cell: npt.NDArray[np.float32]

    def times(self, unit: npt.NDArray[np.float64]) -> Effects:
        """In units of the numbers that are predicted, (outputs,)."""
        return replace(self, change=self.change * unit, per_cell=(self.per_cell * unit).astype(np.float32))

    def table(
        self,
        groups: Sequence[str],
        outputs: Sequence[str],
        reported: Sequence[int],
        nodes: pd.DataFrame | None,
    ) -> pd.DataFrame:
        """Put names on: a row per node (of a screen), group and output.

        Parameters
        ----------
        groups, outputs
            Their names.
        reported
            Which outputs to keep.
        nodes
            Of a screen, the rows of the table of nodes, one per perturbation.
        """
        found = {"change": self.change, "change_proba": self.change_proba, "switched": self.switched}
        shape = (len(self.change), len(groups), len(reported))
        codes = np.indices(shape).reshape(3, -1)
        columns: dict[str, object] = {}
        if nodes is not None:
            columns["node"] = _named(codes[0], nodes["node"].astype(str).tolist())
            columns["kind"] = nodes["kind"].astype(str).to_numpy()[codes[0]]
        columns["group"] = _named(codes[1], [str(group) for group in groups])
        columns["output"] = _named(codes[2], [str(outputs[k]) for k in reported])
        for name, values in found.items():
            if values is not None:
                columns[name] = values[:, :, reported].reshape(-1).astype(np.float32)
        return pd.DataFrame(columns)


def effects_of(replicates: Sequence[EdgeModel], cells: Cells, perturbations: Perturbations, asked: Asked) -> Effects:
    """Find out what perturbations do.

    Parameters
    ----------
    replicates
        Models of one graph.
    cells
        The cells.
    perturbations
        What is changed.
    asked
        What is to be found out.
    """
    n_groups, n_outputs = len(asked.groups.categories), replicates[0].n_outputs
    shape = (perturbations.n, n_groups, n_outputs)
    # Change, change of the probability, cells that switch.
    totals = torch.zeros(3, *shape, dtype=torch.float64)
    per_cell = np.zeros((len(cells) if asked.per_cell else 0, n_outputs), dtype=np.float32)
    member = np.asarray(asked.groups.codes)[:, None] == np.arange(n_groups)
    with few_threads(replicates[0], asked.batch_size):
        for rows, (x, *_) in batches(cells, asked.batch_size, asked.rows).numbered():
            into_groups = torch.from_numpy(member[rows].astype(np.float32))
            with torch.no_grad():
                before = torch.stack([model(x).T for model in replicates])
            for which, changes in output_changes(replicates, x, perturbations):
                change = changes.mean(dim=0)
                if asked.per_cell:
                    per_cell[rows] = change[0].T.numpy()
                for total, values in zip(
                    totals, [change, *_of_probabilities(before, changes, asked.task)], strict=False
                ):
                    total[which] += (values @ into_groups).transpose(1, 2)
    n_cells = member[asked.rows].sum(axis=0)
    change, proba, switched = (totals / torch.from_numpy(n_cells)[:, None]).numpy()
    if asked.task == NUMBERS:
        return Effects(change, None, None, per_cell)
    return Effects(change, proba, switched, per_cell)


def _named(codes: npt.NDArray[np.intp], names: Sequence[str]) -> pd.Categorical[Any]:
    named: pd.Categorical[Any] = pd.Categorical.from_codes(codes, categories=pd.Index(names))
    return named


def _of_probabilities(before: Tensor, changes: Tensor, task: str) -> list[Tensor]:
    """Changes of probabilities, and what is predicted otherwise, (perturbations, outputs, cells); empty for numbers.

    Parameters
    ----------
    before
        Outputs, shape (replicates, outputs, cells).
    changes
        Their changes, shape (replicates, perturbations, outputs, cells).
    task
        What the models predict.
    """
    if task == NUMBERS:
        return []
    one, after = before[:, None], before[:, None] + changes
    if task == CLASSES:
        was, becomes = one.softmax(dim=2).mean(dim=0), after.softmax(dim=2).mean(dim=0)
        best = was.argmax(dim=1, keepdim=True).expand(len(becomes), -1, -1)
        switched = becomes.gather(1, best) < becomes.amax(dim=1, keepdim=True)  # five times as fast as another argmax
    else:
        was, becomes = one.sigmoid().mean(dim=0), after.sigmoid().mean(dim=0)
        switched = (was > 0.5) != (becomes > 0.5)
    return [becomes - was, switched.to(was.dtype)]
