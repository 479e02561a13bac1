"""Balanced accuracy on held-out cells: the network with the defaults and with others, beside logistic regression.

Every line is the mean over the same splits. Not a test: it takes minutes. ``docs/accuracy.md`` holds its output.

    python tests/bench/accuracy.py                              scanpy's pbmc68k_reduced, target louvain
    python tests/bench/accuracy.py --h5ad FILE --target COLUMN  raw counts; rare classes are dropped, values logged
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import scanpy as sc
from anndata import AnnData
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

import edge2torch as e2t

SETTINGS: dict[str, dict[str, Any]] = {
    "network, defaults": {},
    "weight_decay=0": {"weight_decay": 0.0},
    "weight_decay=1e-3": {"weight_decay": 1e-3},
    "weight_decay=3e-2": {"weight_decay": 3e-2},
    "input_dropout=0": {"input_dropout": 0.0},
    "input_dropout=0.5": {"input_dropout": 0.5},
    'activation="relu"': {"activation": "relu"},
    "activation=None": {"activation": None},
    'readout="top"': {"readout": "top"},
}
STRENGTHS = (1.0, 0.1, 0.01, 0.001)


def load(path: Path | None, target: str) -> AnnData:
    """Read cells; counts are normalised and logged, classes with fewer than ten cells dropped."""
    if path is None:
        return sc.datasets.pbmc68k_reduced()
    adata = anndata.read_h5ad(path)
    sizes = adata.obs[target].value_counts()
    adata = adata[adata.obs[target].isin(sizes.index[sizes >= 10])].copy()
    sc.pp.filter_genes(adata, min_cells=3)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def network(adata: AnnData, target: str, seed: int, settings: dict[str, Any]) -> float:
    """Held-out balanced accuracy of the network."""
    e2t.tl.fit(adata, target, random_state=seed, progress_bar=False, **settings)
    return float(adata.uns["e2t"]["metrics"].set_index("split").loc["test", "balanced_accuracy"])


def regression(adata: AnnData, target: str, strength: float) -> float:
    """Held-out balanced accuracy of logistic regression on the split of the last fit."""
    training, test = (adata[adata.obs["e2t_split"] == part] for part in ("train", "test"))
    model = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced")
    model.fit(training.X, training.obs[target])
    return float(balanced_accuracy_score(test.obs[target], model.predict(test.X)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--h5ad", type=Path)
    parser.add_argument("--target", default="louvain")
    parser.add_argument("--net", default="reactome")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only-defaults", action="store_true")
    options = parser.parse_args()
    logging.getLogger("edge2torch").setLevel("WARNING")

    adata = load(options.h5ad, options.target)
    e2t.pp.build_graph(adata, options.net)
    nodes = adata.uns["e2t"]["nodes"]
    genes = nodes.loc[nodes["kind"] == "input", "node"]
    scores: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    settings = {"network, defaults": {}} if options.only_defaults else SETTINGS
    for seed in range(options.seeds):
        for name, arguments in reversed(settings.items()):
            begin = time.perf_counter()
            scores.setdefault(name, []).append(network(adata, options.target, seed, arguments))
            seconds.setdefault(name, []).append(time.perf_counter() - begin)
        for kind, part in (("the network's", adata[:, genes]), ("all", adata)):
            for strength in STRENGTHS:
                name = f"logistic regression, {kind} {part.n_vars:,} genes, C={strength:g}"
                scores.setdefault(name, []).append(regression(part, options.target, strength))
    print("| model | mean | lowest | highest | seconds a fit |\n|---|---|---|---|---|")
    for name in [*settings, *(name for name in scores if name not in settings)]:
        values, took = scores[name], f"{np.median(seconds[name]):.0f}" if name in seconds else ""
        print(f"| {name} | {np.mean(values):.3f} | {min(values):.3f} | {max(values):.3f} | {took} |")


if __name__ == "__main__":
    main()
