"""What is kept of the scores of cells: means, and how complete they are."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from edge2torch._notes import caller_level
from edge2torch.errors import Edge2TorchError, some
from edge2torch.tl._scores import GroupMeans

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from edge2torch.tl._explained import Explained
    from edge2torch.tl._scores import Scored

#: largest relative error of completeness without a warning
TOLERATED = 0.05


class Summary:
    """Means over cells, of which some are added at a time; memory does not grow with the number of cells.

    Parameters
    ----------
    explained
        What is explained in the cells.
    groups
        Group of each cell; cells without one are left out of the means of nodes. ``None`` for a group of all cells with
        the name of each output.
    n_cells
        How many cells there are.

    Attributes
    ----------
    group
        Group of each cell, from 0; -1 for none.
    """

    def __init__(self, explained: Explained, groups: pd.Categorical | None, n_cells: int) -> None:
        n, n_outputs, none = explained.n_at_once, len(explained.labels), np.zeros(n_cells, dtype=np.int64)
        output, n_outputs = (none, 1) if explained.output is None else (explained.output, n_outputs)
        self._explained = explained
        self._groups = groups
        self.group = none if groups is None else groups.codes
        self._nodes = GroupMeans(self.group, n)
        self._features = GroupMeans(output, n, n_outputs)
        self._misses = GroupMeans(output, n, n_outputs)
        self._edges = torch.zeros((n, len(self._nodes.n_cells), 0), dtype=torch.float64)

    def add(self, scored: Scored) -> None:
        """Add some cells."""
        self._nodes.add(scored.rows, scored.nodes)
        self._features.add(scored.rows, scored.features)
        if scored.edges is not None:
            if not self._edges.shape[2]:
                self._edges = self._edges.new_zeros((*self._edges.shape[:2], scored.edges.shape[2]))
            self._edges[:, : scored.edges.shape[1]] += scored.edges
        difference = scored.difference.double()
        miss = scored.features.double().sum(dim=2) - difference
        largest = scored.features.abs().amax(dim=2)
        self._misses.add(scored.rows, torch.stack([difference.abs(), miss.abs(), largest], dim=2))

    def features(self) -> npt.NDArray[np.float64]:
        """Mean score of each input for each output, (inputs, outputs); NaN for outputs that were not explained."""
        return self._by_output(self._features).T

    def completeness(self) -> pd.DataFrame:
        """How well scores of inputs add up, a row per output; see :func:`edge2torch.tl.interpret`."""
        difference, error, _ = self._by_output(self._misses).T
        n_cells = np.resize(self._misses.n_cells, len(self._explained.labels))
        table = pd.DataFrame({"output": self._explained.labels, "n_cells": n_cells})
        table["difference"], table["error"] = difference, error
        with np.errstate(invalid="ignore", divide="ignore"):
            table["relative_error"] = error / difference
        return table[table["n_cells"] > 0].reset_index(drop=True)

    def check(self, n_steps: int | None) -> None:
        """Raise if nothing was explained; warn if that is so for some outputs, or if scores do not add up.

        Parameters
        ----------
        n_steps
            Steps along the path; ``None`` if scores need not add up.
        """
        table = self.completeness()
        _, _, largest = self._by_output(self._misses).T
        constant = (table["difference"] == 0).to_numpy() & (largest[~np.isnan(largest)] == 0)
        which = some(table["output"][constant])
        if constant.all():
            raise Edge2TorchError(
                f"the output for {which} is the same in every cell as at the baseline, so there is nothing to explain: "
                "see in uns[key]['history'] whether the model learned anything, and whether cells differ from baseline"
            )
        level = caller_level()
        if constant.any():
            warnings.warn(f"the output for {which} is the same in every cell as at the baseline", stacklevel=level)
        poor = table[table["relative_error"] > TOLERATED]
        if n_steps is not None and len(poor):
            worst = poor["relative_error"].max()
            warnings.warn(
                f"the scores of the genes miss what they explain by up to {worst:.0%}, for {some(poor['output'])} (see "
                f"uns[key]['completeness']): pass a larger n_steps, for example {4 * n_steps}",
                stacklevel=level,
            )

    def rank_nodes(self, nodes: pd.DataFrame, columns: npt.NDArray[np.intp]) -> pd.DataFrame:
        """Mean node scores of each group, highest first.

        Parameters
        ----------
        nodes
            Row per node: ``node``, ``layer``.
        columns
            Where they are among the nodes behind the inputs.

        Returns
        -------
        ``group``, ``output`` if all outputs are explained, ``node``, ``layer``, ``score``.
        """
        means = self._nodes.value()[:, :, columns]
        parts = [self._ranked(group, k, nodes, means[k, code]) for code, group, k in self._tables()]
        return pd.concat(parts, ignore_index=True)

    def edge_scores(self) -> dict[str, npt.NDArray[Any]]:
        """Mean score of each edge in each group.

        Returns
        -------
        ``group``, and ``output`` if all outputs are explained, (tables,); ``score``, (tables, edges) float32.
        """
        tables = list(self._tables())
        mean = self._edges.numpy() / self._nodes.n_cells[:, None]
        named: dict[str, npt.NDArray[Any]] = {"group": np.array([group for _, group, _ in tables], dtype=object)}
        if self._explained.output is None:
            named["output"] = np.array([self._explained.labels[k] for _, _, k in tables], dtype=object)
        return {**named, "score": np.stack([mean[k, code] for code, _, k in tables]).astype(np.float32)}

    def _tables(self) -> Iterator[tuple[int, str, int]]:
        """Group, its name, and output of each table of means."""
        for k in range(self._explained.n_at_once) if self._groups is None else ():
            yield 0, self._explained.labels[k], k
        for code, group in enumerate(() if self._groups is None else self._groups.categories):
            yield from ((code, str(group), k) for k in range(self._explained.n_at_once))

    def _ranked(self, group: str, k: int, nodes: pd.DataFrame, mean: npt.NDArray[np.float64]) -> pd.DataFrame:
        columns: dict[str, object] = {"group": group}
        if self._explained.output is None:
            columns["output"] = self._explained.labels[k]
        columns |= {name: nodes[name].to_numpy() for name in ("node", "layer")}
        table = pd.DataFrame({**columns, "score": mean.astype(np.float32)})
        return table.sort_values("score", ascending=False, kind="stable")

    def _by_output(self, means: GroupMeans) -> npt.NDArray[np.float64]:
        """Means for each output, (outputs, columns): groups of cells, or tables, are the outputs."""
        value = means.value()
        return value[:, 0] if self._explained.output is None else value[0]
