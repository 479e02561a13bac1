"""Held-out scores of the network beside simple models on the same genes and cells, of every task on real data.

Not a test: all of it takes 20 minutes of one core or more. ``docs/accuracy.md`` holds the tables that it prints.

    python tests/bench/accuracy.py --data FOLDER --csv accuracy.csv
    python tests/bench/accuracy.py --datasets pbmc68k --seeds 2
    python tests/bench/accuracy.py --datasets baron --settings "lr=0.001" "activation='relu', weight_decay=0"

With ``--csv`` every fit is noted as soon as it is done, and what the file has is not measured again: remove it when the
code has changed. FOLDER holds counts, ``pbmc3k/pbmc3k_raw_labelled.h5ad``, ``baron_human1/baron_human1.h5ad`` and
``citefuse_citeseq_500/citefuse_citeseq_500.h5mu``, and the table ``collectri/*.csv``; without a table it is downloaded.
Seconds are those that the processor worked, for the network and the simple models together.
"""

from __future__ import annotations

import argparse
import ast
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
import scanpy as sc
import torch
from anndata import AnnData
from sklearn.linear_model import LogisticRegression

import edge2torch as e2t
from edge2torch.training import score, split_cells

CLASSES = ("balanced_accuracy", "macro_f1", "auroc")
LABELS = ("average_precision", "macro_f1", "auroc")
NUMBERS = ("r2", "pearson")
FEWEST = 10  # cells of a class
SHARES = (0.7, 0.1, 0.2)  # those of tl.fit
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
TUNED = "tuned logistic regression"
LINEAGES = {
    "lymphoid": ("Naive CD4 T", "Memory CD4 T", "CD8 T", "NK", "B"),
    "T cell": ("Naive CD4 T", "Memory CD4 T", "CD8 T"),
    "CD4 T cell": ("Naive CD4 T", "Memory CD4 T"),
    "cytotoxic": ("CD8 T", "NK"),
    "monocyte": ("CD14+ Mono", "FCGR3A+ Mono"),
    "antigen presenting": ("B", "DC", "CD14+ Mono", "FCGR3A+ Mono"),
}
COLUMNS = ("data", "prior", "settings", "seed", "model", "split", "n_cells", "epochs", "best_epoch", "seconds")


def normalise(adata: AnnData) -> AnnData:
    """Bring counts to 10,000 a cell and take the logarithm; genes of fewer than three cells are dropped."""
    sc.pp.filter_genes(adata, min_cells=3)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def labelled(path: Path) -> AnnData:
    """Read counts; cells without a type, or of a type with fewer than ten cells, are dropped."""
    adata = anndata.read_h5ad(path)
    sizes = adata.obs["cell_type"].value_counts()
    return normalise(adata[adata.obs["cell_type"].isin(sizes.index[sizes >= FEWEST])].copy())


def pbmc3k(folder: Path) -> AnnData:
    """10x PBMC 3k: nine types, and the lineages that they belong to."""
    adata = labelled(folder / "pbmc3k" / "pbmc3k_raw_labelled.h5ad")
    for lineage, types in LINEAGES.items():
        adata.obs[lineage] = adata.obs["cell_type"].isin(types)
    return adata


def citeseq(folder: Path) -> AnnData:
    """500 PBMC with 49 proteins: centred log ratios within each cell (Stoeckius et al. 2017)."""
    mdata = mudata.read_h5mu(folder / "citefuse_citeseq_500" / "citefuse_citeseq_500.h5mu")
    adata, proteins = normalise(mdata["rna"].copy()), mdata["prot"]
    logs = np.log1p(proteins.to_df().astype(float))
    adata.obsm["proteins"] = logs.sub(logs.mean(axis=1), axis=0)
    adata.obs["CD4 protein"] = adata.obsm["proteins"]["CD4"]
    return adata


@dataclass(frozen=True)
class Task:
    """What is predicted, the scores to report (the first is compared), and the simple model beside the network."""

    load: Callable[[Path], AnnData]
    target: str | list[str]
    scores: tuple[str, ...]
    rival: str
    constant: str


def classes(load: Callable[[Path], AnnData], target: str) -> Task:
    """One class per cell."""
    return Task(load, target, CLASSES, "logistic regression", "majority")


TASKS = {
    "pbmc3k": classes(pbmc3k, "cell_type"),
    "baron": classes(lambda folder: labelled(folder / "baron_human1" / "baron_human1.h5ad"), "cell_type"),
    "pbmc68k": classes(lambda folder: sc.datasets.pbmc68k_reduced(), "louvain"),
    "pbmc3k lineages": Task(pbmc3k, list(LINEAGES), LABELS, "logistic regression", "majority"),
    "citeseq": Task(citeseq, "proteins", NUMBERS, "ridge", "mean"),
    "citeseq CD4": Task(citeseq, "CD4 protein", NUMBERS, "ridge", "mean"),
}


def prior(name: str, folder: Path) -> object:
    """Return the table of CollecTRI if it is there; other names are for ``build_graph``."""
    tables = sorted((folder / "collectri").glob("*.csv")) if name == "collectri" else []
    return pd.read_csv(tables[0], keep_default_na=False) if tables else name


def fitted(adata: AnnData, task: Task, seed: int, settings: dict[str, Any]) -> pd.DataFrame:
    """Fit once and return the scores of all models and parts of the split."""
    torch.set_num_threads(1)  # numba, which scanpy uses, undoes OMP_NUM_THREADS=1
    begin = time.process_time()
    e2t.tl.fit(adata, task.target, compare=True, random_state=seed, progress_bar=False, **settings)
    scores = e2t.get.metrics(adata).assign(seconds=time.process_time() - begin, seed=seed)
    losses = adata.uns["e2t"]["history"]["val_loss"]
    return scores.assign(epochs=len(losses), best_epoch=int(losses.to_numpy().argmin()) + 1)


def tuned(adata: AnnData, target: str, seed: int) -> pd.DataFrame:
    """Score logistic regression on log values whose strength is chosen on the validation cells of the same split."""
    types = adata.obs[target].astype("category").cat.remove_unused_categories()
    codes = types.cat.codes.to_numpy().astype(np.int64)
    part = split_cells(SHARES, seed, n_cells=adata.n_obs, labels=codes)
    nodes = adata.uns["e2t"]["nodes"]
    x = adata[:, nodes.loc[nodes["kind"] == "input", "node"]].X
    tables = []
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=5_000, class_weight="balanced")
        proba = model.fit(x[part == "train"], codes[part == "train"]).predict_proba(x)
        tables.append(score("classes", list(types.cat.categories), codes, proba, part)[0])
    validation = [table.set_index("split").loc["validation"] for table in tables]
    best = max(range(len(tables)), key=lambda k: (validation[k]["balanced_accuracy"], -validation[k]["log_loss"]))
    return tables[best].assign(model=TUNED, seed=seed)


def measure(options: argparse.Namespace) -> pd.DataFrame:
    """Fit what has not been noted yet."""
    wanted = ["defaults", TUNED, *options.settings]
    noted = [pd.read_csv(options.csv)] if options.csv and options.csv.exists() else []
    done = set(noted[0][["data", "prior", "settings", "seed"]].itertuples(index=False, name=None)) if noted else set()
    columns = list(dict.fromkeys([*COLUMNS, *CLASSES, *LABELS, *NUMBERS]))
    for name in options.datasets:
        for net in options.priors:
            left = [
                (seed, settings)
                for seed in range(options.seeds)
                for settings in wanted
                if (name, net, settings, seed) not in done and (settings != TUNED or TASKS[name].scores == CLASSES)
            ]
            if not left:
                continue
            adata = TASKS[name].load(options.data)
            e2t.pp.build_graph(adata, prior(net, options.data))
            for seed, settings in left:
                task = TASKS[name]
                if settings == TUNED:
                    table = tuned(adata, str(task.target), seed)
                else:
                    table = fitted(adata, task, seed, parse(settings))
                table = table.assign(data=name, prior=net, settings=settings).reindex(columns=columns)
                if options.csv:
                    table.to_csv(options.csv, mode="a", header=not options.csv.exists(), index=False)
                noted.append(table)
    together = pd.concat(noted, ignore_index=True)
    asked = together["data"].isin(options.datasets) & together["prior"].isin(options.priors)
    table = together[asked & together["settings"].isin(wanted) & (together["seed"] < options.seeds)]
    return table.sort_values("data", key=lambda names: names.map(list(TASKS).index), kind="stable")


def parse(settings: str) -> dict[str, Any]:
    """Read arguments of ``tl.fit``, written as in a call."""
    if settings == "defaults":
        return {}
    call = ast.parse(f"fit({settings})", mode="eval").body
    return {word.arg: ast.literal_eval(word.value) for word in call.keywords}


def spread(values: pd.Series) -> str:
    """Mean and standard deviation of splits."""
    return f"{values.mean():.3f} ± {values.std():.3f}"


def beside(table: pd.DataFrame) -> pd.DataFrame:
    """Put the network beside the simple models, a row per data and prior; differences are taken split by split."""
    lines = []
    test = table[(table["split"] == "test") & table["settings"].isin(["defaults", TUNED])]
    for (name, net), rows in test.groupby(["data", "prior"], sort=False):
        task = TASKS[name]
        of = {model: each.set_index("seed") for model, each in rows.groupby("model")}
        network, rival, first = of["network"], of[task.rival], task.scores[0]
        gain = network[first] - rival[first]
        line = {"data": name, "prior": net, "score": first, "network": spread(network[first])}
        line |= {"linear": spread(rival[first]), "difference": f"{gain.mean():+.3f} ± {gain.std():.3f}"}
        line |= {"higher in": f"{int((gain > 0).sum())} of {len(gain)}"}
        line |= {"tuned": spread(of[TUNED][first]) if TUNED in of else "", "constant": spread(of[task.constant][first])}
        also = [f"{other} {network[other].mean():.3f} / {rival[other].mean():.3f}" for other in task.scores[1:]]
        line["other scores"] = ", ".join(also)
        line |= {"epochs": f"{network['epochs'].median():.0f}", "seconds": f"{network['seconds'].median():.0f}"}
        lines.append(line)
    return pd.DataFrame(lines)


def changed(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """Mean change of the network's score against the defaults on the same splits, a row per settings."""
    rows = table[(table["split"] == part) & (table["model"] == "network")]
    value = [row[TASKS[row["data"]].scores[0]] for row in rows.to_dict("records")]
    wide = rows.assign(value=value).pivot_table("value", ["data", "prior", "seed"], "settings", sort=False)
    gain = wide.sub(wide["defaults"], axis=0).drop(columns="defaults")
    means = gain.groupby(["data", "prior"], sort=False).mean().T
    means.columns = [" x ".join(pair) for pair in means.columns]
    return means.map("{:+.3f}".format, na_action="ignore").fillna("").reset_index()


def markdown(table: pd.DataFrame) -> str:
    """Format a table."""
    rows = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--datasets", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--priors", nargs="+", default=["reactome", "collectri"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--settings", nargs="*", default=[], help='arguments of tl.fit, for example "lr=0.001"')
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    logging.getLogger("edge2torch").setLevel("WARNING")
    table = measure(options)
    print(markdown(beside(table)))
    for part in ("validation", "test") if options.settings else ():
        print(f"\n{part} cells, change against the defaults\n\n{markdown(changed(table, part))}")


if __name__ == "__main__":
    main()
