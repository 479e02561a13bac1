"""Counts as droplet methods give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

Numbers = npt.NDArray[np.float64]
#: values that are drawn at once, so that memory does not grow with the number of cells
BLOCK = 1_000_000


def draw_sizes(n_cells: int, library_sd: float, generator: np.random.Generator) -> Numbers:
    """Draw the sizes of cells from a log-normal distribution with mean 1."""
    return np.exp(library_sd * generator.standard_normal(n_cells) - library_sd**2 / 2)


def draw_counts(
    genes: pd.DataFrame,
    fold: Callable[[slice], Numbers],
    sizes: Numbers,
    dropout: float,
    generators: tuple[np.random.Generator, np.random.Generator],
) -> sp.csr_matrix:
    """Draw counts.

    Parameters
    ----------
    genes
        ``mean`` (count) and ``dispersion`` per gene.
    fold
        Function from a slice of cells to the fold changes of their genes (cells x genes).
    sizes
        Expected total of each cell, relative to the sum of the means. Fold changes do not alter totals.
    dropout
        Mean count at which half of the counts are lost, 0 for none.
    generators
        For the counts, and for what is lost.

    Returns
    -------
    Cells x genes, whole numbers as 32-bit floats.
    """
    means, dispersions = genes["mean"].to_numpy(), genes["dispersion"].to_numpy()
    blocks = []
    for cells in _blocks(sizes.size, means.size):
        expected = means * fold(cells)
        expected *= (sizes[cells] * means.sum() / expected.sum(axis=1))[:, None]
        counts = generators[0].negative_binomial(1.0 / dispersions, 1.0 / (1.0 + expected * dispersions))
        if dropout:
            counts[generators[1].random(counts.shape) < dropout / (dropout + expected)] = 0
        blocks.append(sp.csr_matrix(counts.astype(np.float32)))
    return sp.csr_matrix(sp.vstack(blocks, format="csr"))


def _blocks(n_cells: int, n_genes: int) -> Iterator[slice]:
    step = max(1, BLOCK // n_genes)
    return (slice(begin, min(begin + step, n_cells)) for begin in range(0, n_cells, step))
