"""PBMC3k x CollecTRI: where are the regulators that immunologists know?"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData
from ranking_data import collectri, markdown, pbmc3k, ulm
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

import edge2torch as e2t

if TYPE_CHECKING:
    from ranking import Noted

N_REPLICATES, N_TOP, N_NEAR, N_HUBS = 5, 15, 60, 30
#: regulators known for each type, see docs/ranking_results.md for where from
KNOWN = {
    "B": ["PAX5", "EBF1", "POU2F2", "POU2AF1", "SPIB", "BCL6", "BCL11A", "IRF8", "CIITA", "TCF3", "BACH2"],
    "CD14+ Mono": ["SPI1", "CEBPA", "CEBPB", "CEBPD", "KLF4", "MAFB", "IRF8"],
    "FCGR3A+ Mono": ["SPI1", "CEBPB", "KLF2", "NR4A1", "MAFB", "IRF8", "TCF7L2"],
    "NK": ["TBX21", "EOMES", "RUNX3", "ID2", "ZEB2", "ETS1", "STAT4", "NFIL3"],
    "CD8 T": ["TBX21", "EOMES", "RUNX3", "RUNX1", "ETS1", "ID2", "BCL11B", "PRDM1"],
    "Naive CD4 T": ["LEF1", "TCF7", "FOXP1", "FOXO1", "KLF2", "BACH2", "ETS1", "GATA3", "BCL11B", "ZBTB7B"],
    "Memory CD4 T": ["GATA3", "TCF7", "RORA", "MAF", "ETS1", "RUNX1", "NFATC2", "BCL11B", "ZBTB7B"],
    "DC": ["IRF8", "IRF4", "SPI1", "CIITA", "RFX5", "RFXAP", "RFXANK", "BATF3", "ID2", "KLF4", "ZBTB46"],
    "Platelet": ["GATA1", "GFI1B", "NFE2", "TAL1", "FLI1", "RUNX1", "MEIS1", "ZFPM1"],
}
RANKINGS = ("score", "z", "ulm", "corrected", "n_inputs")


def timed(what: Callable[..., object]) -> dict[str, float]:
    """Seconds on the clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    what(progress_bar=False)
    return {"seconds": time.perf_counter() - wall, "processor seconds": time.process_time() - processor}


def measure(noted: Noted, options: argparse.Namespace) -> None:
    """Fit, control, rank; note scores of all rankings, and how long it took."""
    for seed in range(options.seeds or 1):
        if not noted.has("pbmc3k", seed):
            noted.add("pbmc3k", seed, ranked(pbmc3k(options.data), collectri(options.data), seed))


def ranked(adata: AnnData, net: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Scores of all rankings, seconds, and balanced accuracies."""
    e2t.pp.build_graph(adata, net, min_genes=5)
    calls: dict[str, Callable[..., object]] = {
        "fit": partial(e2t.tl.fit, adata, "cell_type", n_replicates=N_REPLICATES, random_state=1000 * seed),
        "control": partial(e2t.tl.control, adata, random_state=1000 * seed + 500),
        "rank_nodes": partial(e2t.tl.rank_nodes, adata),
    }
    times = [{"group": "time", "node": name, **timed(call)} for name, call in calls.items()]
    table = e2t.get.rank_nodes(adata)
    wide = ulm(adata, net, "cell_type").rename_axis("group").reset_index()
    table = table.merge(wide.melt("group", var_name="node", value_name="ulm"), on=["group", "node"], how="left")
    table["group"], table["node"] = table["group"].astype(str), table["label"].astype(str)
    kept = table[["group", "node", *RANKINGS, "pval", "padj", "stability", "direction"]]
    known = e2t.get.control(adata).groupby("kind")["balanced_accuracy"].mean().to_dict()
    known["fit"] = e2t.get.metrics(adata).query("split == 'test'")["balanced_accuracy"].iloc[0]
    quality = [{"group": "accuracy", "node": kind, "balanced accuracy": value} for kind, value in known.items()]
    return pd.concat([kept, pd.DataFrame(times), pd.DataFrame(quality)])


def report(rows: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print the best nodes of each type, and the ranks of the known ones."""
    wide = rows[rows["seed"] == 0].pivot_table("value", ["group", "node"], "measure").reset_index()
    best, ranks, sums, matched = [], [], [], []
    for group, known in KNOWN.items():
        own = wide[wide["group"] == group].set_index("node").fillna({"ulm": -np.inf})
        there = [name for name in known if name in own.index]
        place = {by: pd.Series(rankdata(-own[by]), own.index) for by in RANKINGS}
        for by in RANKINGS[:3]:
            top = own[by].sort_values(ascending=False).index[:N_TOP]
            marked = [f"**{name}**" if name in known else name for name in top]
            best.append({"type": group, "by": by, f"best {N_TOP}": ", ".join(marked)})
        for name in there:
            ranks.append(
                {"type": group, "regulator": name, "genes": f"{own.loc[name, 'n_inputs']:.0f}"}
                | {f"rank by {by}": f"{place[by][name]:.0f}" for by in RANKINGS[:3]}
                | {"z": f"{own.loc[name, 'z']:.1f}", "padj": f"{own.loc[name, 'padj']:.2g}"}
            )
        sums += [
            {"type": group, "by": by, "in best": int((place[by][there] <= N_TOP).sum()), "known": len(there)}
            | {"hubs in best": int((place[by][own["n_inputs"].nlargest(N_HUBS).index] <= N_TOP).sum())}
            | {"median rank": np.median(place[by][there]), "AUROC": auroc(own[by], there)}
            | {"AUROC, as many genes": beside(own, by, there)}
            for by in RANKINGS
        ]
        found, unadjusted = own["padj"] < 0.05, own["pval"] < 0.01
        matched.append(
            {"type": group, "padj < 0.05": ", ".join(own.index[found & (own["z"] > 0)])}
            | {"below, padj < 0.05": ", ".join(own.index[found & (own["z"] < 0)])}
            | {"p < 0.01, above": int((unadjusted & (own["z"] > 0)).sum())}
            | {"p < 0.01, below": int((unadjusted & (own["z"] < 0)).sum())}
        )
    table = pd.DataFrame(sums)
    mean = table.groupby("by", sort=False).agg(
        {
            "in best": "sum",
            "known": "sum",
            "hubs in best": "sum",
            "median rank": "mean",
            "AUROC": "mean",
            "AUROC, as many genes": "mean",
        }
    )
    lines = []
    for group, own in table.groupby("type", sort=False):
        line = {"type": group, "known": int(own["known"].iloc[0])}
        for by, row in own.set_index("by").loc[list(RANKINGS[:3])].iterrows():
            line |= {f"{by}: in best": row["in best"], f"{by}: AUROC": f"{row['AUROC']:.2f}"}
        lines.append(line)
    for part in (mean.round(3).reset_index(), *map(pd.DataFrame, (lines, matched, best, ranks))):
        print(f"\n{markdown(part)}")
    extra = wide[wide["group"].isin(["time", "accuracy"])].dropna(axis=1, how="all")
    print(f"\n{markdown(extra.round(3))}")


def auroc(scores: pd.Series, known: list[str]) -> float:
    """Probability that a known regulator is ahead of another node."""
    return float(roc_auc_score(scores.index.isin(known), scores.rank()))


def beside(own: pd.DataFrame, by: str, known: list[str]) -> float:
    """The same against the nodes with about as many genes: known regulators are well studied, and have many."""
    others = own[~own.index.isin(known)]
    shares = []
    for name in known:
        apart = np.log(others["n_inputs"] / own.loc[name, "n_inputs"]).abs()
        near = others.loc[apart.nsmallest(N_NEAR).index, by]
        shares.append(np.mean((own.loc[name, by] > near) + 0.5 * (own.loc[name, by] == near)))
    return float(np.mean(shares))
