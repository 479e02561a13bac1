"""Cells of the size of an atlas' part: 100,000 cells, 13,000 genes, of which a cell expresses one in twenty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

N_CELLS, N_GENES, PER_CELL = 100_000, 13_000, 650
#: nodes of the layers, and edges into each layer but the first, as many as Reactome has
SIZES, EDGES = (N_GENES, 1_400, 350, 100, 10), (30_000, 3_500, 800, 600)
FILES = ("data", "indices", "indptr")


def write(folder: Path) -> None:
    """Write random cells, as arrays that any package can read, and as h5ad: sorted by class, uncompressed."""
    import anndata
    import pandas as pd

    random = np.random.default_rng(0)
    indices = np.empty((N_CELLS, PER_CELL), dtype=np.int32)
    for start in range(0, N_CELLS, 1000):  # one gene of each stretch of 20
        drawn = random.integers(0, N_GENES // PER_CELL, (1000, PER_CELL))
        indices[start : start + 1000] = drawn + np.arange(0, N_GENES, N_GENES // PER_CELL)
    data = random.random(N_CELLS * PER_CELL, dtype=np.float32) * 3
    indptr = np.arange(N_CELLS + 1, dtype=np.int64) * PER_CELL
    for name, array in zip(FILES, (data, indices.ravel(), indptr), strict=True):
        np.save(folder / f"{name}.npy", array)
    matrix = sp.csr_matrix((data, indices.ravel(), indptr.astype(np.int32)), shape=(N_CELLS, N_GENES))
    classes = np.sort(random.integers(0, SIZES[-1], N_CELLS))
    np.save(folder / "classes.npy", classes)
    adata = anndata.AnnData(
        matrix,
        obs=pd.DataFrame({"kind": pd.Categorical([f"class {k}" for k in classes])}, index=names("cell", N_CELLS)),
        var=pd.DataFrame(index=names("node", N_GENES)),
    )
    adata.write_h5ad(folder / "cells.h5ad")


def read(folder: Path) -> tuple[sp.csr_matrix, np.ndarray]:
    """Read cells and classes into memory."""
    data, indices, indptr = (np.load(folder / f"{name}.npy") for name in FILES)
    return sp.csr_matrix((data, indices, indptr), shape=(N_CELLS, N_GENES)), np.load(folder / "classes.npy")


def names(what: str, n: int) -> list[str]:
    """Names of cells, or of genes as :meth:`cases.LayeredGraph.edge_list` calls them."""
    return [f"{what}_{i:06d}" for i in range(n)]
