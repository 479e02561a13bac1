"""Simulated counts beside real ones, as in docs/simulation.md: ``python tests/bench/simulation.py CELLS.h5ad NET.csv``.

CELLS.h5ad holds raw counts and ``obs["cell_type"]``, NET.csv a network as in decoupler.
"""

from __future__ import annotations

import sys

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp

import edge2torch as e2t

BINS = [(0.1, 0.3), (0.3, 1), (1, 3), (3, 10), (10, 100)]


def describe(matrix) -> dict[str, str]:
    counts = sp.csr_matrix(matrix, dtype=float)
    totals = counts.sum(axis=1).A1
    size = totals / totals.mean()
    scaled = sp.diags(1 / size) @ counts
    mean = scaled.mean(axis=0).A1
    n = len(totals)
    variance = (scaled.multiply(scaled).mean(axis=0).A1 - mean**2) * n / (n - 1)
    dispersion = (variance - mean * np.mean(1 / size)) / np.maximum(mean, 1e-12) ** 2
    zeros = 1 - np.diff(counts.tocsc().indptr) / n
    kept = (mean > 0.3) & (mean < 10)
    phi = np.maximum(dispersion[kept], 1e-3)
    expected = ((1 + np.outer(size, mean[kept]) * phi) ** (-1 / phi)).mean(axis=0)
    quartiles = {
        f"dispersion, mean {low:g}-{high:g}": np.quantile(dispersion[(mean > low) & (mean <= high)], [0.5, 0.25, 0.75])
        for low, high in BINS
    }
    return {
        "cells": f"{n:,}",
        "mean total": f"{totals.mean():,.0f}",
        "sd of log total": f"{np.log(totals).std():.2f}",
        "zeros": f"{1 - counts.nnz / np.prod(counts.shape):.1%}",
        **{name: f"{middle:.2f} ({low:.2f} to {high:.2f})" for name, (middle, low, high) in quartiles.items()},
        "zeros beyond NB": f"{np.mean(zeros[kept] - expected):+.1%}",
    }


def main() -> None:
    cells, net = ad.read_h5ad(sys.argv[1]), pd.read_csv(sys.argv[2])
    sc.pp.filter_genes(cells, min_cells=3)
    e2t.pp.build_graph(cells, net)
    genes = e2t.datasets.simulate(cells, {}, n_cells=10).var_names
    kinds = cells.obs["cell_type"].value_counts().index[:2]
    real = {kind: cells[(cells.obs["cell_type"] == kind).to_numpy(), genes].X for kind in kinds}
    means = pd.Series(real[kinds[0]].mean(axis=0).A1, genes)
    n_cells = real[kinds[0]].shape[0]
    columns = {"all cells": cells[:, genes].X, **real}
    columns["simulated"] = e2t.datasets.simulate(cells, {}, n_cells=n_cells).X
    columns["simulated, their means"] = e2t.datasets.simulate(cells, {}, n_cells=n_cells, gene_means=means).X
    print(pd.DataFrame({name: describe(matrix) for name, matrix in columns.items()}).to_string())


if __name__ == "__main__":
    main()
