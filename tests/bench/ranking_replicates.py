"""How alike rankings by disjoint sets of replicates are."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData
from ranking_data import collectri, markdown, normalised, pbmc3k, some_regulons, with_graph
from scipy.stats import spearmanr

import edge2torch as e2t
from edge2torch.control import compare
from edge2torch.get._control import controls
from edge2torch.get._model import models
from edge2torch.tl._question import Question
from edge2torch.tl._rank_table import _wiring
from edge2torch.tl._strata import Strata

if TYPE_CHECKING:
    from ranking import Noted

N_REPLICATES, SIZES, N_DRAWS, N_BEST = 16, (1, 2, 4, 8), 3, 20
N_CONTROLS = 10  # five for each of two sets, where they have controls of their own
WHAT = {"score": "score", "z": "z, the same controls", "z_own": "z, controls of their own"}


def make(data: str, options: argparse.Namespace) -> tuple[AnnData, str]:
    """Cells with a graph, and the column with their groups."""
    if data == "PBMC3k":
        adata = pbmc3k(options.data)
        e2t.pp.build_graph(adata, collectri(options.data), min_genes=5)
        return adata, "cell_type"
    graph = with_graph(some_regulons(collectri(options.data), 250, 0))
    return normalised(e2t.datasets.simulate(graph, groups=5, n_cells=1200, effect=1.0, random_state=0)), "group"


@dataclass(frozen=True)
class Scored:
    """Scores and evidence of replicates and of controls, (models, groups, nodes)."""

    score: np.ndarray
    evidence: np.ndarray
    controls: np.ndarray
    wiring: np.ndarray

    @classmethod
    def of(cls, adata: AnnData) -> Scored:
        """Score each model."""
        replicates, artifact = models(adata)
        question = Question.of(adata, "e2t", replicates, artifact, target="label", groupby=None, baseline="mean")
        strata = Strata.of(question.groups, None, 500, 0)
        own, compared = question.score(adata, "rewired", list(controls(adata)), strata, 10)
        return cls(
            np.stack([strata.mean(one.score) for one in own]),
            np.stack([strata.mean(one.evidence) for one in own]),
            np.stack([strata.mean(one.evidence) for one in compared["rewired"]]),
            _wiring(question),
        )

    def ranked(self, what: str, replicates: np.ndarray, which: int) -> np.ndarray:
        """What ranks the nodes, (groups, nodes), by some of the replicates; of two sets, the first or second."""
        if what == "score":
            return self.score[replicates].mean(axis=0)
        half = len(self.controls) // 2
        own = self.controls[:half] if what == "z" else self.controls[which * half : (which + 1) * half]
        return compare(self.evidence[replicates], own, self.wiring).z


def measure(noted: Noted, options: argparse.Namespace) -> None:
    """Fit, and compare the rankings of sets of replicates."""
    for data in ("PBMC3k", "simulated"):
        if noted.has(data, 0) or (options.only and data not in options.only):
            continue
        adata, target = make(data, options)
        e2t.tl.fit(adata, target, n_replicates=N_REPLICATES, progress_bar=False)
        e2t.tl.control(adata, "rewired", n=N_CONTROLS, random_state=500, progress_bar=False)
        scored = Scored.of(adata)
        random = np.random.default_rng(0)
        rows = []
        for size in SIZES:
            for draw in range(N_DRAWS if size > 1 else 1):
                sets = random.permutation(N_REPLICATES).reshape(-1, size)
                rows += [
                    {"group": f"{size} {what}", "node": f"draw {draw}", **alike(scored, what, sets)} for what in WHAT
                ]
        noted.add(data, 0, pd.DataFrame(rows))


def alike(scored: Scored, what: str, sets: np.ndarray) -> dict[str, float]:
    """Rank correlation and common best nodes, mean over groups and pairs of sets."""
    first = [scored.ranked(what, one, 0) for one in sets]
    ranked = [first, [scored.ranked(what, one, 1) for one in sets] if what == "z_own" else first]
    pairs = [
        pair for a, b in combinations(range(len(sets)), 2) for pair in zip(ranked[0][a], ranked[1][b], strict=True)
    ]
    best = [[set(np.argsort(-values)[:N_BEST]) for values in pair] for pair in pairs]
    return {
        "correlation": float(np.mean([spearmanr(*pair).statistic for pair in pairs])),
        "common": float(np.mean([len(a & b) / N_BEST for a, b in best])),
    }


def report(rows: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print and draw how much is common."""
    wide = rows.pivot_table("value", ["data", "group", "node"], "measure").reset_index()
    parts = wide["group"].str.split(" ", n=1)
    wide = wide.assign(size=parts.str[0].astype(int), what=parts.str[1])
    mean = wide.groupby(["data", "what", "size"])[["correlation", "common"]].mean()
    lines = []
    for data in wide["data"].unique():
        for measure_, title in (("correlation", "rank correlation"), ("common", f"share of best {N_BEST} in common")):
            for what, name in WHAT.items():
                values = mean.loc[(data, what), measure_]
                lines.append(
                    {"data": data, "what is alike": title, "of": name}
                    | {f"{size} replicates": f"{values[size]:.3f}" for size in SIZES}
                )
    print(f"\n## replicates\n\n{markdown(pd.DataFrame(lines))}")
    if options.images:
        draw(mean, options)


def draw(mean: pd.DataFrame, options: argparse.Namespace) -> None:
    """Draw both measures against the number of replicates."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.2), layout="constrained", sharey=True)
    colors = dict(zip(WHAT, ("0.45", "#1b7837", "#762a83"), strict=True))
    for ax, (measure_, title) in zip(
        axes, (("correlation", "rank correlation"), ("common", f"best {N_BEST} in common")), strict=True
    ):
        for data, style in (("PBMC3k", "-"), ("simulated", "--")):
            for what, name in WHAT.items():
                if (data, what, SIZES[0]) in mean.index:
                    values = mean.loc[(data, what), measure_]
                    ax.plot(values.index, values, style, marker="o", ms=3, color=colors[what], label=f"{data}: {name}")
        ax.axhline(0.9, color="0.8", lw=0.8)
        ax.set(xlabel="replicates in each set", title=title, xscale="log", ylim=(0, 1.02))
        ax.set_xticks(SIZES, [str(size) for size in SIZES])
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    axes[1].legend(frameon=False, fontsize=7, loc="lower right")
    options.images.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.images / "replicates.png", dpi=100)
