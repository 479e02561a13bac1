"""Simulated cells with active regulons: who finds them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from ranking_data import collectri, markdown, normalised, some_regulons, ulm, with_graph

import edge2torch as e2t
from edge2torch.get._model import models

if TYPE_CHECKING:
    from ranking import Noted

EFFECTS = (0.5, 1.0, 1.5)
N_REGULONS, N_CELLS, N_GROUPS, N_SEEDS = 250, 1000, 5, 5
TRAINING = {"patience": 10, "max_epochs": 60}
RANKINGS = {
    "z": "z (rank_nodes, rewired)",
    "z_zero": "z with baseline zero",
    "score": "score, uncorrected",
    "corrected": "corrected (score - rewired)",
    "less_deterministic": "score - deterministic, scaled",
    "node_weight": "node weight (KPNN)",
    "ulm": "ulm (decoupler)",
}
RIVALS = {"auroc_decoys": "decoys", "auroc_hubs": "hubs", "auroc_both": "both", "auroc_all": "all others"}


def node_weights(adata: AnnData, target: str) -> pd.DataFrame:
    """Mean absolute gradient of the output of a group with respect to the state of a node; groups x nodes.

    The node weights of Fortelny & Bock 2020 (doi:10.1186/s13059-020-02100-5), with the logit as the output.
    """
    replicates, artifact = models(adata)
    x = e2t.align_features_to_input_nodes(adata, artifact).float()
    names = list(artifact.graph.nodes[len(artifact.input_nodes) :])
    outputs = adata.uns["e2t"]["nodes"].query("kind == 'output'").set_index("label")["node"]
    found = {}
    for group in adata.obs[target].cat.categories:
        k = list(artifact.output_nodes).index(outputs[group])
        cells = x[np.flatnonzero(adata.obs[target] == group)]
        found[str(group)] = np.mean([_gradients(model, cells, k) for model in replicates], axis=0)
    return pd.DataFrame(found, index=names).T[list(artifact.hidden_nodes)]


def _gradients(model: torch.nn.Module, x: torch.Tensor, output: int) -> np.ndarray:
    states: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda _module, _given, out: states.append(out)) for block in model.blocks]
    value = model(x.clone().requires_grad_())[:, output]
    for hook in hooks:
        hook.remove()
    gradients = torch.autograd.grad(value.sum(), states, allow_unused=True)
    parts = [torch.zeros_like(s) if g is None else g for s, g in zip(states, gradients, strict=True)]
    return torch.cat(parts, dim=1).abs().mean(dim=0).numpy()


def rankings(adata: AnnData, net: pd.DataFrame) -> pd.DataFrame:
    """All rankings of a data set, a row per group and node."""
    table = e2t.get.rank_nodes(adata)
    sizes = table.groupby("group")[["score", "deterministic"]].transform(lambda values: values.abs().mean())
    table["less_deterministic"] = table["score"] - table["deterministic"] * sizes["score"] / sizes["deterministic"]
    for name, wide in (("node_weight", node_weights(adata, "group")), ("ulm", ulm(adata, net, "group"))):
        long = wide.rename_axis("group").reset_index().melt("group", var_name="node", value_name=name)
        table = table.merge(long, on=["group", "node"], how="left")
    for name, given in (("shuffled", {"by": "shuffled"}), ("zero", {"baseline": "zero"})):
        e2t.tl.rank_nodes(adata, progress_bar=False, **given)
        other = e2t.get.rank_nodes(adata)[["group", "node", "z", "padj"]]
        table = table.merge(other.rename(columns={"z": f"z_{name}", "padj": f"padj_{name}"}), on=["group", "node"])
    return table


def measure(noted: Noted, options: argparse.Namespace) -> None:
    """Simulate, fit with three replicates, train all controls, rank, and compare with the truth."""
    for seed in range(options.seeds or N_SEEDS):
        for effect in EFFECTS:
            data = f"log2 {effect:g}"
            if noted.has(data, seed) or (options.only and data not in options.only):
                continue
            net = some_regulons(collectri(options.data), N_REGULONS, seed)
            adata = normalised(
                e2t.datasets.simulate(
                    with_graph(net), groups=N_GROUPS, n_cells=N_CELLS, effect=effect, random_state=seed
                )
            )
            e2t.tl.fit(adata, "group", n_replicates=3, random_state=1000 * seed, progress_bar=False, **TRAINING)
            e2t.tl.control(adata, random_state=1000 * seed + 500, progress_bar=False)
            e2t.tl.rank_nodes(adata, progress_bar=False)
            table = rankings(adata, net)
            rows = [recovered(adata, table, by) for by in RANKINGS]
            metrics = e2t.get.metrics(adata).query("split == 'test'").iloc[0]
            rows.append(pd.DataFrame([{"group": "", "node": "fit", "accuracy": metrics["balanced_accuracy"]}]))
            rows.append(significant(adata, table))
            noted.add(data, seed, pd.concat(rows, ignore_index=True))


def recovered(adata: AnnData, table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Recovery of the active nodes by one ranking, mean of the groups."""
    found = e2t.tl.evaluate_recovery(adata, table, by=by).iloc[[-1]]
    return found[[*RIVALS, "average_precision", "median_rank"]].assign(group="mean", node=by)


def significant(adata: AnnData, table: pd.DataFrame) -> pd.DataFrame:
    """Share of the nodes of each role that are significant and score more than expected."""
    truth = adata.uns["truth"].astype({"group": str, "node": str})
    both = truth[["group", "node", "role"]].merge(table.astype({"group": str, "node": str}), on=["group", "node"])
    found = pd.DataFrame(
        {
            "padj rewired": (both["padj"] < 0.05) & (both["z"] > 0),
            "padj shuffled": (both["padj_shuffled"] < 0.05) & (both["score"] > 0),
            "padj zero": (both["padj_zero"] < 0.05) & (both["z_zero"] > 0),
            "p rewired": (both["pval"] < 0.01) & (both["z"] > 0),
        }
    )
    shares = found.groupby(both["role"]).mean()
    return shares.rename_axis("node").reset_index().assign(group="role")


def spread(values: pd.Series) -> str:
    """Mean, and the least and largest, of data sets."""
    return f"{values.mean():.3f} ({values.min():.2f}-{values.max():.2f})"


def report(rows: pd.DataFrame, options: argparse.Namespace) -> None:
    """Print recovery and shares of significant nodes."""
    wide = rows.pivot_table("value", ["data", "seed", "group", "node"], "measure").reset_index()
    lines, shares = [], []
    for data, own in wide.groupby("data"):
        for by, name in RANKINGS.items():
            found = own[(own["group"] == "mean") & (own["node"] == by)]
            cells = {title: spread(found[column]) for column, title in RIVALS.items()}
            cells["average precision"] = spread(found["average_precision"])
            lines.append(
                {
                    "effect": data,
                    "ranking": name,
                    **cells,
                    "median rank": f"{found['median_rank'].mean():.1f}",
                }
            )
        roles = own[own["group"] == "role"].groupby("node", sort=False)
        accuracy = own.loc[own["node"] == "fit", "accuracy"]
        titles = {"p rewired": "p < 0.01, rewired", "padj zero": "padj < 0.05, rewired, baseline zero"}
        for by in ("padj rewired", "padj zero", "padj shuffled", "p rewired"):
            title = titles.get(by, by.replace("padj", "padj < 0.05,"))
            one = {role: f"{each[by].mean():.3f}" for role, each in roles}
            shares.append(
                {
                    "effect": data,
                    "data sets": own["seed"].nunique(),
                    "balanced accuracy": spread(accuracy),
                }
                | {"found by": title}
                | {role: one[role] for role in ("active", "decoy", "hub", "other")}
            )
    print(f"\n## power\n\n{markdown(pd.DataFrame(lines))}\n\n{markdown(pd.DataFrame(shares))}")
