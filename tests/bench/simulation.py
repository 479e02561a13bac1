"""Simulated counts beside real ones, how alike decoys are, and what decoupler finds of a signal: docs/simulation.md.

    python tests/bench/simulation.py [--data FOLDER] [--seeds 10]

FOLDER (default ``../shared/data``) holds ``pbmc3k/pbmc3k_raw_labelled.h5ad`` and CollecTRI.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import anndata as ad
import decoupler as dc
import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData
from ranking_data import collectri, markdown

import edge2torch as e2t

BINS = [(0.1, 0.3), (0.3, 1), (1, 3), (3, 10), (10, 100)]
EFFECTS = (0.0, 0.25, 0.5, 1.0)
N_GROUPS = 5
SHOWN = ["auroc_decoys", "auroc_hubs", "auroc_both", "auroc_all", "median_rank", "hits"]


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
    expected = np.outer(size, mean[kept])
    binomial = ((1 + expected * phi) ** (-1 / phi)).mean(axis=0)
    poisson = np.exp(-expected).mean(axis=0)
    trend = 0.08 + 0.9 / (1 + mean[kept] / 1.5)  # that of datasets.simulate
    by_trend = ((1 + expected * trend) ** (-1 / trend)).mean(axis=0)
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
        "zeros, mean 0.3-10": f"{zeros[kept].mean():.0%}",
        "of a Poisson distribution": f"{poisson.mean():.0%}",
        "of a negative binomial one with the trend": f"{by_trend.mean():.0%}",
        "zeros more than negative binomial": f"{np.mean(zeros[kept] - binomial):+.1%}",
    }


def beside_real_cells(cells: AnnData) -> pd.DataFrame:
    """A column for real and for simulated cells."""
    genes = e2t.datasets.simulate(cells, {}, n_cells=10).var_names
    kinds = cells.obs["cell_type"].value_counts().index[:2]
    real = {str(kind): cells[(cells.obs["cell_type"] == kind).to_numpy(), genes].X for kind in kinds}
    first = next(iter(real.values()))
    means = pd.Series(first.mean(axis=0).A1, genes)
    columns = {"all cells": cells[:, genes].X, **real}
    columns["simulated"] = e2t.datasets.simulate(cells, {}, n_cells=first.shape[0]).X
    columns["with their means"] = e2t.datasets.simulate(cells, {}, n_cells=first.shape[0], gene_means=means).X
    return pd.DataFrame({name: describe(matrix) for name, matrix in columns.items()}).reset_index(names="")


def single_cells(cells: AnnData) -> str:
    """The gene of the most numerous type of which one cell has the most counts above all others."""
    kind = cells.obs["cell_type"].value_counts().index[0]
    genes = e2t.datasets.simulate(cells, {}, n_cells=10).var_names
    counts = np.sort(cells[(cells.obs["cell_type"] == kind).to_numpy(), genes].X.toarray(), axis=0)
    gene = int(np.argmax(counts[-1] - 10 * counts[-2]))
    return f"{kind}: {counts[-1, gene]:.0f} counts of {genes[gene]} in one, at most {counts[-2, gene]:.0f} in any other"


def decoys(cells: AnnData, prior: str) -> dict[str, object]:
    """How far decoys differ from the active nodes that they are matched to."""
    own = cells.copy()
    e2t.pp.build_graph(own, prior)
    truth = e2t.datasets.simulate(own, n_cells=10, groups=N_GROUPS, n_active=2).uns["truth"]
    active, decoy = (truth[truth["role"] == role] for role in ("active", "decoy"))
    pairs = decoy.merge(
        active, left_on=["group", "matched_to"], right_on=["group", "node"], suffixes=("", " of active")
    )
    apart = {name: np.log2(pairs[name] / pairs[f"{name} of active"]).abs().max() for name in ("degree", "reach")}
    return {
        "prior": prior,
        "hidden nodes": f"{(own.uns['e2t']['nodes']['kind'] == 'hidden').sum():,}",
        "pairs": len(pairs),
        "largest difference of degree, reach (doublings)": f"{apart['degree']:.2f}, {apart['reach']:.2f}",
        "largest share of genes with active nodes": f"{pairs['shared'].max():.1%}",
    }


def recovered(cells: AnnData, net: pd.DataFrame, seeds: int) -> pd.DataFrame:
    """What ``ulm`` finds, a row per effect; prints how long simulations take."""
    rows, seconds = [], []
    for seed in range(seeds):
        for effect in EFFECTS:
            start = time.process_time()
            made = e2t.datasets.simulate(cells, groups=N_GROUPS, effect=effect, random_state=seed)
            seconds.append(time.process_time() - start)
            sc.pp.normalize_total(made)
            sc.pp.log1p(made)
            dc.mt.ulm(made, net, tmin=5)
            group = made.obs["group"].to_numpy()
            scores = made.obsm["score_ulm"]
            table = {kind: scores[group == kind].mean() - scores[group != kind].mean() for kind in np.unique(group)}
            nodes = set(made.uns["truth"]["node"])
            named = pd.DataFrame(table).T.rename(
                columns=lambda name, nodes=nodes: name if name in nodes else f"{name} (node)"
            )
            rows.append({"effect": effect, **e2t.tl.evaluate_recovery(made, named).iloc[-1][SHOWN].astype(float)})
    print(f"a simulation takes {np.median(seconds):.1f} s\n")
    return pd.DataFrame(rows).groupby("effect", as_index=False).mean().round(2)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    cells, net = ad.read_h5ad(options.data / "pbmc3k" / "pbmc3k_raw_labelled.h5ad"), collectri(options.data)
    sc.pp.filter_genes(cells, min_cells=3)
    print(markdown(pd.DataFrame([decoys(cells, prior) for prior in ("reactome", "go_bp", "hallmark")])), "\n")
    e2t.pp.build_graph(cells, net)
    print(f"{markdown(beside_real_cells(cells))}\n\n{single_cells(cells)}\n", flush=True)
    print(markdown(recovered(cells, net, options.seeds)))


if __name__ == "__main__":
    main()
