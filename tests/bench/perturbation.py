"""What a model says without a node: how fast it says so, and whether it misses known regulators.

    python tests/bench/perturbation.py [--data FOLDER]

FOLDER (default ``../shared/data``) holds PBMC3k and CollecTRI. ``docs/perturbation.md`` holds what it prints; seconds
are those that the processor worked, on one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from ranking_data import collectri, markdown, pbmc3k
from ranking_real import KNOWN, N_HUBS, N_REPLICATES, auroc

import edge2torch as e2t
from edge2torch.nn import Perturbations, output_changes, units_of_nodes

N_CELLS, ROUNDS, PASSES = 512, 5, 20
N_BEST, N_TOP = 6, 15
MHC = ["RFX5", "RFXAP", "RFXANK", "CIITA"]
#: removed one after the other, and all together
FROM_B = ["PAX5", "EBF1", *MHC]


def seconds(call: Callable[[], object]) -> float:
    """CPU time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def rates(adata: AnnData, net: str | pd.DataFrame, name: str) -> dict[str, object]:
    """Cells x nodes a second: a forward pass for each hidden node, and their changes followed."""
    e2t.pp.build_graph(adata, net)
    e2t.tl.fit(adata, "cell_type", max_epochs=3, progress_bar=False)
    model, artifact = e2t.get.model(adata)
    torch.set_num_threads(1)
    x = e2t.align_features_to_input_nodes(adata[:N_CELLS], artifact)
    hidden = torch.arange(len(artifact.hidden_nodes)) + model.n_features
    of, unit = units_of_nodes(model, hidden)
    all_removed = Perturbations(len(hidden), of, unit, torch.zeros(len(of)), torch.zeros(1, len(of)))

    def forward() -> None:
        with torch.no_grad():
            for _ in range(PASSES):
                model(x)

    def follow() -> None:
        for _ in output_changes([model], x, all_removed):
            pass

    forward(), follow()
    times = [(seconds(forward) / PASSES * len(hidden), seconds(follow)) for _ in range(ROUNDS)]
    anew, followed = np.median(times, axis=0)
    return {
        "graph": f"{name}, {len(hidden):,} nodes",
        "a forward pass per node": f"{N_CELLS * len(hidden) / anew:,.0f}",
        "followed": f"{N_CELLS * len(hidden) / followed:,.0f}",
        "ratio": f"{anew / followed:.0f}",
    }


def of_own_type(table: pd.DataFrame) -> pd.DataFrame:
    """What becomes of each group's own output."""
    own = table[table["group"].astype(str) == table["output"].astype(str)].copy()
    return own.assign(group=own["group"].astype(str))


def screened(adata: AnnData) -> pd.DataFrame:
    """Remove each node alone: a row per node and type, with the rank of the loss."""
    e2t.tl.perturb(adata, "all", mode="remove")
    own = of_own_type(e2t.get.perturb(adata, per="screen"))
    label = adata.uns["e2t"]["nodes"].set_index("node")["label"].astype(str)
    own["regulator"] = own["node"].astype(str).map(label)
    for loss in ("change", "change_proba"):
        own[f"rank by {loss}"] = own.groupby("group")[loss].rank(method="first").astype(int)
    return own


def report_screen(own: pd.DataFrame, n_genes: pd.Series) -> None:
    """Print where the known regulators are, and what is removed at the greatest cost."""
    hubs = set(n_genes.nlargest(N_HUBS).index)
    known, sums = [], []
    for group, names in KNOWN.items():
        there = own[own["group"] == group].set_index("regulator")
        found = [name for name in names if name in there.index]
        for name in found:
            row = there.loc[name]
            known.append(
                {"type": group, "regulator": name, "rank by logit": row["rank by change"]}
                | {"rank by probability": row["rank by change_proba"], "logit": f"{row['change']:.3f}"}
                | {"points of probability": f"{100 * row['change_proba']:.2f}", "switched": f"{row['switched']:.4f}"}
            )
        best = there.nsmallest(N_TOP, "change").index
        sums.append(
            {"type": group, "known": len(found), f"in best {N_TOP}": sum(name in best for name in found)}
            | {f"hubs in best {N_TOP}": sum(name in hubs for name in best)}
            | {"AUROC": f"{auroc(-there['change'], found):.2f}"}
            | {f"best {N_BEST} by logit": ", ".join(best[:N_BEST])}
            | {f"best {N_BEST} by probability": ", ".join(there.nsmallest(N_BEST, "change_proba").index)}
        )
    table = pd.DataFrame(sums)
    whole = table.drop(columns="type").iloc[:, :3].sum().to_dict()
    print(f"{markdown(table)}\n\nall types: {whole}, AUROC {table['AUROC'].astype(float).mean():.3f}\n")
    print(f"{markdown(pd.DataFrame(known))}\n")


def report_together(adata: AnnData) -> None:
    """Print what a few nodes that say the same do alone, and together."""
    for nodes in ([FROM_B[0]], MHC, FROM_B):
        e2t.tl.perturb(adata, nodes, mode="remove")
        own = (
            of_own_type(e2t.get.perturb(adata)).set_index("group")[["change", "change_proba", "switched"]].astype(float)
        )
        own = own.assign(change_proba=100 * own["change_proba"]).round(2).T
        print(f"without {', '.join(nodes)}:\n\n{markdown(own.reset_index())}\n")


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    cells, net = pbmc3k(data), collectri(data)
    rows = [rates(cells.copy(), net, "CollecTRI"), rates(cells.copy(), "reactome", "Reactome")]
    print(f"{markdown(pd.DataFrame(rows))}\n", flush=True)
    e2t.pp.build_graph(cells, net)
    e2t.tl.fit(cells, "cell_type", n_replicates=N_REPLICATES, progress_bar=False)
    own = screened(cells)
    nodes = cells.uns["e2t"]["nodes"]
    report_screen(own, nodes[nodes["kind"] == "hidden"].set_index("label")["n_inputs"])
    report_together(cells)


if __name__ == "__main__":
    main()
