"""Cells as aligned minibatches."""

from edge2torch._modalities import is_mudata
from edge2torch.cells.cells import Cells, gene_means
from edge2torch.cells.epoch import Batches, batches
from edge2torch.cells.features import feature_names, modalities
from edge2torch.cells.loader import LoadedCells
from edge2torch.cells.matrix import choose_matrix, column_sums, is_counts, is_whole, matrix_names, warn_if_counts

__all__ = [
    "Batches",
    "Cells",
    "LoadedCells",
    "batches",
    "choose_matrix",
    "column_sums",
    "feature_names",
    "gene_means",
    "is_counts",
    "is_mudata",
    "is_whole",
    "matrix_names",
    "modalities",
    "warn_if_counts",
]
