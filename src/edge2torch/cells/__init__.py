"""Cells as aligned minibatches."""

from edge2torch.cells.cells import Cells, batches
from edge2torch.cells.matrix import choose_matrix, warn_if_counts

__all__ = ["Cells", "batches", "choose_matrix", "warn_if_counts"]
