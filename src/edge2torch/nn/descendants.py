"""Perturbed units, those of a feedforward network that depend on them, and the edges between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from edge2torch.nn.sweep_index import SweepIndex


@dataclass(frozen=True, eq=False)
class Perturbations:
    """Changes of the states of units, one unit or several in each: the new state is ``factor * state + shift``.

    Entries are sorted by perturbation; in each, a unit occurs once.

    Attributes
    ----------
    n
        Number of perturbations.
    of
        Which perturbation an entry belongs to, ascending from 0, shape (entries,).
    unit
        Unit whose state is changed: inputs first, then those behind them, shape (entries,).
    factor
        Shape (entries,).
    shift
        In each of some models, shape (models, entries).
    """

    n: int
    of: Tensor
    unit: Tensor
    factor: Tensor
    shift: Tensor

    def part(self, first: int, last: int) -> Perturbations:
        """Some of the perturbations in a row, counted from 0 again."""
        here = slice(*torch.searchsorted(self.of, torch.tensor([first, last])).tolist())
        return replace(
            self,
            n=last - first,
            of=self.of[here] - first,
            unit=self.unit[here],
            factor=self.factor[here],
            shift=self.shift[:, here],
        )


@dataclass(frozen=True, eq=False)
class Descendants:
    """The units that some perturbations change, as rows: one for each unit in each perturbation.

    First come the rows of units that are perturbed and depend on nothing that is, then all others, by layer.

    Attributes
    ----------
    n
        Number of rows.
    first_unit, first_entry
        Of the rows that come first: the unit, inputs counted first, and the entry of the perturbations.
    unit, is_output
        Unit of each of the other rows, counted from the first behind the inputs, and whether it is an output.
    bounds
        Where the rows of each layer begin among these others, and their number.
    source, weight
        Edges into these others, sorted by row: row that an edge comes from (int32), and its position among the edges of
        the network sorted by source, shape (edges,).
    offsets
        Where the edges of each of these others begin, and their number.
    again, again_entry
        Rows among these others that are perturbed themselves, ascending, and their entries of the perturbations.
    output_rows, outputs
        Rows of outputs, and their position in (perturbations x outputs).
    """

    n: int
    first_unit: Tensor
    first_entry: Tensor
    unit: Tensor
    is_output: Tensor
    bounds: list[int]
    source: Tensor
    weight: Tensor
    offsets: Tensor
    again: Tensor
    again_entry: Tensor
    output_rows: Tensor
    outputs: Tensor

    @classmethod
    def of(cls, index: SweepIndex, n_inputs: int, perturbations: Perturbations) -> Descendants:
        """Find the rows of some perturbations.

        Built where the index is.
        """
        n, device = perturbations.n, index.target.device
        perturbed = perturbations.unit.to(device) * n + perturbations.of.to(device)
        keys = _reach(index, perturbed, n_inputs, n)
        edge_from, edge, key_to = _expand(index, keys, n_inputs, n)
        edge_to = torch.searchsorted(keys, key_to)
        is_first = torch.ones_like(keys, dtype=torch.bool).index_fill_(0, edge_to, value=False)
        first, others = is_first.nonzero().flatten(), (~is_first).nonzero().flatten()
        row = torch.empty_like(keys)
        row[torch.cat([first, others])] = torch.arange(len(keys), device=keys.device)
        to_row = row[edge_to] - len(first)
        order = torch.argsort(to_row, stable=True)
        entry = torch.full_like(keys, -1)
        entry[torch.searchsorted(keys, perturbed)] = torch.arange(len(perturbed), device=keys.device)
        again = (entry[others] >= 0).nonzero().flatten()
        begins = (torch.tensor(index.bounds, device=keys.device) + n_inputs) * n
        each = torch.full((n_inputs + index.bounds[-1],), -1, device=keys.device)
        each[index.outputs + n_inputs] = torch.arange(len(index.outputs), device=keys.device)
        output = each[keys // n]
        return cls(
            n=len(keys),
            first_unit=keys[first] // n,
            first_entry=entry[first],
            unit=keys[others] // n - n_inputs,
            is_output=output[others] >= 0,
            bounds=torch.searchsorted(keys[others], begins).tolist(),
            source=row[edge_from][order].to(torch.int32),
            weight=edge[order],
            offsets=_bounds(to_row, len(others)).to(torch.int32),
            again=again,
            again_entry=entry[others][again],
            output_rows=row[output >= 0],
            outputs=(keys % n * len(index.outputs) + output)[output >= 0],
        )


def _reach(index: SweepIndex, perturbed: Tensor, n_inputs: int, n: int) -> Tensor:
    """Keys, ``unit * n + perturbation``, of what is perturbed and all that depends on it, ascending."""
    keys = new = torch.unique(perturbed)
    while len(new):
        found = torch.unique(_expand(index, new, n_inputs, n)[2])
        new = found[~torch.isin(found, keys)]
        keys = torch.cat([keys, new])
    return torch.sort(keys)[0]


def _expand(index: SweepIndex, keys: Tensor, n_inputs: int, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Edges that leave rows: position of the row, of the edge sorted by source, and key of the row it leads to."""
    starts = torch.cat([index.input_starts[:-1], index.all_starts + index.n_from_inputs]).long()
    unit = keys // n
    begins = starts[unit]
    counts = starts[unit + 1] - begins
    of = torch.repeat_interleave(torch.arange(len(keys), device=keys.device), counts)
    edge = (begins - (counts.cumsum(0) - counts))[of] + torch.arange(len(of), device=keys.device)
    return of, edge, (index.target[edge].long() + n_inputs) * n + (keys % n)[of]


def _bounds(rows: Tensor, n_rows: int) -> Tensor:
    return torch.cat([rows.new_zeros(1), torch.bincount(rows, minlength=n_rows).cumsum(0)])
