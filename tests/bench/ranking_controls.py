"""What more control models, and more replicates, find of a known signal."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from ranking_data import collectri, markdown, normalised, some_regulons, with_graph
from ranking_power import N_CELLS, N_GROUPS, N_REGULONS, N_SEEDS, TRAINING, spread
from ranking_replicates import Scored
from scipy.stats import false_discovery_control
from sklearn.metrics import roc_auc_score

import edge2torch as e2t
from edge2torch.control import compare

if TYPE_CHECKING:
    from ranking import Noted

EFFECT, N_REPLICATES, N_CONTROLS = 1.0, 5, 20
SIZES = {"replicates": (1, 3, 5), "controls": (2, 3, 5, 10, 20)}
N_SETS = 4  # of controls, at most, none in two of them
FOUND = {"auroc": "AUROC, all others", "active": "active, padj < 0.05", "others": "others, padj < 0.05"}


def measure(noted: Noted, options: argparse.Namespace) -> None:
    """Simulate, fit, train many controls, and rank with some of them."""
    for seed in range(options.seeds or N_SEEDS):
        if noted.has(f"log2 {EFFECT:g}", seed):
            continue
        net = some_regulons(collectri(options.data), N_REGULONS, seed)
        given = {"groups": N_GROUPS, "n_cells": N_CELLS, "effect": EFFECT, "random_state": seed}
        adata = normalised(e2t.datasets.simulate(with_graph(net), **given))
        e2t.tl.fit(adata, "group", n_replicates=N_REPLICATES, random_state=1000 * seed, progress_bar=False, **TRAINING)
        e2t.tl.control(adata, "rewired", n=N_CONTROLS, random_state=1000 * seed + 500, progress_bar=False)
        scored, nodes = Scored.of(adata), adata.uns["e2t"]["nodes"]
        truth = adata.uns["truth"].astype({"group": str, "node": str})
        active = truth[truth["role"] == "active"]
        hidden = nodes.loc[nodes["kind"] == "hidden", "node"]
        groups = adata.obs["group"].cat.categories.astype(str)
        is_active = np.stack([hidden.isin(active.loc[active["group"] == group, "node"]) for group in groups])
        rows = [
            {"group": f"{n_replicates} {n_controls}", "node": f"set {k}", **found}
            for n_replicates in SIZES["replicates"]
            for n_controls in SIZES["controls"]
            for k, found in enumerate(find(scored, n_replicates, n_controls, is_active))
        ]
        noted.add(f"log2 {EFFECT:g}", seed, pd.DataFrame(rows))


def find(scored: Scored, n_replicates: int, n_controls: int, is_active: np.ndarray) -> list[dict[str, float]]:
    """Compare with disjoint sets of controls, and see what is found."""
    results = []
    for k in range(min(N_CONTROLS // n_controls, N_SETS)):
        controls = scored.controls[k * n_controls : (k + 1) * n_controls]
        found = compare(scored.evidence[:n_replicates], controls, scored.wiring)
        padj = np.stack([false_discovery_control(pval) for pval in found.pval])
        hit = (padj < 0.05) & (found.z > 0)
        auroc = [roc_auc_score(truth, z) for truth, z in zip(is_active, found.z, strict=True)]
        results.append(
            {"auroc": float(np.mean(auroc)), "active": hit[is_active].mean(), "others": hit[~is_active].mean()}
        )
    return results


def report(rows: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print what is found with how many of each."""
    of_data = rows.groupby(["group", "measure", "seed"])["value"].mean()
    lines = []
    for n_replicates in SIZES["replicates"]:
        for n_controls in SIZES["controls"]:
            values = of_data[f"{n_replicates} {n_controls}"]
            cells = {title: spread(values[name]) for name, title in FOUND.items()}
            lines.append({"replicates": n_replicates, "rewired controls": n_controls, **cells})
    print(f"\n## controls\n\n{markdown(pd.DataFrame(lines))}")
