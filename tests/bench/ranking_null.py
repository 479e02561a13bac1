"""Data without a difference between groups: p-values should be uniform."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from ranking_data import collectri, markdown, normalised, pbmc3k, some_regulons, with_graph
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

import edge2torch as e2t

if TYPE_CHECKING:
    import numpy.typing as npt
    from ranking import Noted

N_CELLS, GROUPS = 450, ["a", "b", "c"]
N_VARYING = 25  # regulons whose activity varies
PATIENCE = 10
CLUSTERED = ", clustered"
LIMITS = (0.5, 0.2, 0.1, 0.05, 0.01)
BY = ("rewired", "shuffled")
#: regulons, replicates, data sets, donors
KINDS = {
    "independent genes": (120, 1, 50, None),
    "independent genes, 250 regulons": (250, 1, 50, None),
    "independent genes, 3 replicates": (250, 3, 10, None),
    "varying regulons": (250, 1, 50, None),
    "real cells": (250, 1, 50, None),
    "real cells, Reactome": (0, 1, 20, None),
    "independent genes, clustered": (250, 1, 10, None),
    "real cells, clustered": (250, 1, 10, None),
    "donors": (250, 1, 20, None),
    "donors, by donor": (250, 1, 20, "donor"),
}


def make(kind: str, seed: int, options: argparse.Namespace, cells: AnnData | None) -> AnnData:
    """Make cells whose groups do not differ or, if they are clustered, differ because they were put into clusters."""
    if kind.endswith(CLUSTERED):
        adata = make(kind.removesuffix(CLUSTERED), seed, options, cells)
        components = PCA(30, random_state=seed).fit_transform(as_array(adata.X))
        found = KMeans(len(GROUPS), n_init=10, random_state=seed).fit_predict(components)
        adata.obs["group"] = pd.Categorical.from_codes(found, GROUPS)
        return adata
    net = "reactome" if kind == "real cells, Reactome" else some_regulons(collectri(options.data), KINDS[kind][0], seed)
    if cells is not None:
        random = np.random.default_rng([seed, 2])
        adata = cells[random.permutation(cells.n_obs)[:N_CELLS]].copy()
        adata.obs["group"] = pd.Categorical(random.permutation(np.resize(GROUPS, adata.n_obs)))
        e2t.pp.build_graph(adata, net, min_genes=5)
        return adata
    graph = with_graph(net)
    given = {"groups": GROUPS, "n_cells": N_CELLS, "n_decoys": 0, "random_state": seed}
    if kind == "varying regulons":
        nodes = graph.uns["e2t"]["nodes"]
        able = nodes.loc[(nodes["kind"] == "hidden") & nodes["n_inputs"].between(10, 100), "node"].to_numpy()
        drawn = np.random.default_rng([seed, 3]).choice(able, N_VARYING, replace=False).tolist()
        return normalised(e2t.datasets.simulate(graph, dict.fromkeys(GROUPS, drawn), activity_sd=1.0, **given))
    if kind.startswith("donors"):
        return normalised(e2t.datasets.simulate(graph, {}, n_donors=9, nested=True, **given))
    return normalised(e2t.datasets.simulate(graph, {}, **given))


def measure(noted: Noted, options: argparse.Namespace) -> None:
    """Rank the nodes of each data set with controls of two kinds."""
    for kind, (_, n_replicates, n_seeds, donors) in KINDS.items():
        if options.only and kind not in options.only:
            continue
        seeds = [seed for seed in range(options.seeds or n_seeds) if not noted.has(kind, seed)]
        cells = None
        if kind.startswith("real cells") and seeds:
            every = pbmc3k(options.data)
            cells = every[every.obs["cell_type"] == "Naive CD4 T"].copy()
        for seed in seeds:
            adata = make(kind, seed, options, cells)
            e2t.tl.fit(
                adata,
                "group",
                n_replicates=n_replicates,
                patience=PATIENCE,
                random_state=1000 * seed,
                progress_bar=False,
            )
            e2t.tl.control(adata, BY, random_state=1000 * seed + 500, progress_bar=False)
            tables = []
            for by in BY:
                e2t.tl.rank_nodes(adata, by=by, donors=donors, progress_bar=False)
                table = e2t.get.rank_nodes(adata).set_index(["group", "node"])[["pval", "padj"]]
                tables.append(table.add_suffix(f" {by}"))
            wide = pd.concat(tables, axis=1).reset_index()
            wide.loc[0, "balanced_accuracy"] = accuracy(adata)
            noted.add(kind, seed, wide)


def accuracy(adata: AnnData) -> float:
    """Balanced accuracy of the network on the cells that were held out."""
    table = e2t.get.metrics(adata)
    return float(table.loc[(table["model"] == "network") & (table["split"] == "test"), "balanced_accuracy"].iloc[0])


def as_array(matrix: Any) -> npt.NDArray[np.float32]:
    """Make a matrix dense."""
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def report(rows: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print the shares of small p-values."""
    lines = []
    for kind in KINDS:
        for by in BY:
            own = rows[rows["data"] == kind]
            pval = own.loc[own["measure"] == f"pval {by}", "value"].to_numpy()
            adjusted = own[own["measure"] == f"padj {by}"]
            if not pval.size:
                continue
            found = adjusted.assign(found=adjusted["value"] < 0.05)["found"]
            rejected = found.groupby([adjusted["seed"], adjusted["group"]]).any()
            per_data = found.groupby(adjusted["seed"]).any()
            lines.append(
                {
                    "data": kind,
                    "data sets": own["seed"].nunique(),
                    "by": by,
                    **{f"p < {limit}": f"{(pval < limit).mean():.4f}" for limit in LIMITS},
                    "padj < 0.05": f"{found.mean():.4f}",
                    "groups with any": f"{rejected.mean():.3f}",
                    "data sets with any": f"{per_data.mean():.3f}",
                    "accuracy": f"{own.loc[own['measure'] == 'balanced_accuracy', 'value'].mean():.3f}",
                }
            )
    print(f"\n## null\n\n{markdown(pd.DataFrame(lines))}")
    if options.images:
        draw(rows, options)


def draw(rows: pd.DataFrame, options: argparse.Namespace) -> None:
    """Draw histograms and quantiles of the p-values."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    kinds = [kind for kind in ("independent genes", "varying regulons", "real cells") if (rows["data"] == kind).any()]
    figure, axes = plt.subplots(2, len(kinds), figsize=(3.2 * len(kinds), 5.6), layout="constrained", squeeze=False)
    colors = dict(zip(BY, ("#1b7837", "#762a83"), strict=True))
    for column, kind in enumerate(kinds):
        above, below = axes[:, column]
        for by in BY:
            pval = np.sort(rows.loc[(rows["data"] == kind) & (rows["measure"] == f"pval {by}"), "value"].to_numpy())
            above.hist(pval, bins=20, range=(0, 1), density=True, histtype="step", color=colors[by], label=by)
            expected = (np.arange(pval.size) + 0.5) / pval.size
            below.plot(-np.log10(expected), -np.log10(pval), color=colors[by], label=by)
        above.axhline(1, color="0.6", lw=0.8, ls="--")
        above.set(title=kind, xlabel="p", ylim=(0, None))
        top = -np.log10(0.5 / pval.size)
        below.plot([0, top], [0, top], color="0.6", lw=0.8, ls="--")
        below.set(xlabel="-log10 p, uniform")
    axes[0, 0].set_ylabel("density")
    axes[1, 0].set_ylabel("-log10 p, as measured")
    axes[0, 0].legend(frameon=False, title="controls")
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
    options.images.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.images / "null_pvalues.png", dpi=100)
