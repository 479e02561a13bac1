"""Batch normalisation of the sums of hidden nodes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class NodeNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167) with statistics of its own for each column.

    In training, every column is made to have mean 0 and variance 1 over the cells of the batch, then scaled and shifted
    by parameters; in evaluation mode, running means and variances of earlier batches take their place, so that it is
    one line per column. A batch of one cell has no variance: in training, it is normalised with the running
    statistics, which it does not change.

    Parameters
    ----------
    which
        True for the columns to normalise, shape (columns,); all others are passed on as they are.

    Attributes
    ----------
    norm
        ``torch.nn.BatchNorm1d`` over the columns that are normalised, in order.
    """

    columns: Tensor

    def __init__(self, which: Tensor) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(int(which.sum()))
        columns = which.new_empty(0).long() if bool(which.all()) else which.nonzero().flatten()
        self.register_buffer("columns", columns, persistent=False)

    @property
    def can_be_given_parameters(self) -> bool:
        """Whether nobody has put something else in the place of torch's module, such as SyncBatchNorm."""
        norm = self.norm
        return type(norm) is nn.BatchNorm1d and norm.track_running_stats and norm.affine and norm.momentum is not None

    def looks_at_batch(self, n_cells: int) -> bool:
        """Whether the cells of a batch are compared with each other."""
        return self.norm.training and n_cells > 1

    def forward(self, sums: Tensor) -> Tensor:
        """Map (cells, columns) to (cells, columns)."""
        if self.norm.training and len(sums) <= 1:
            return self.normalise(sums, self.norm.weight, self.norm.bias)
        # As one sample with a position per cell, because that is how states lie in memory.
        normed: Tensor = self.norm(self._pick(sums)[None])[0]
        return self._put(sums, normed)

    def normalise(self, sums: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """What :meth:`forward` computes, with parameters that are given, each of shape (normalised columns,)."""
        norm = self.norm
        batch = self.looks_at_batch(len(sums))
        if batch and norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
        rows = self._pick(sums)[None]
        normed = F.batch_norm(
            rows, norm.running_mean, norm.running_var, scale, shift, batch, norm.momentum or 0.0, norm.eps
        )
        return self._put(sums, normed[0])

    def _pick(self, sums: Tensor) -> Tensor:
        return sums.T.index_select(0, self.columns) if self.columns.numel() else sums.T

    def _put(self, sums: Tensor, normed: Tensor) -> Tensor:
        return (sums.T.index_copy(0, self.columns, normed) if self.columns.numel() else normed).T
