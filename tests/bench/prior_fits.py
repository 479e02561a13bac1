"""What a fit to PBMC3k takes with each prior: seconds of one core, and how well it predicts.

    python tests/bench/prior_fits.py [--data FOLDER]

The defaults of every function, one model, one split; ``docs/priors.md`` holds what it prints.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from anndata import AnnData
from priors import ROOT, SOURCES
from ranking_data import markdown, pbmc3k

import edge2torch as e2t

PRIORS = ["progeny (shipped)", "hallmark (shipped)", "collectri, CSV", "dorothea A-E", "reactome (shipped)"]
PRIORS += ["go_bp (shipped)", "the same, acyclic"]


def seconds(function: Callable[..., object], adata: AnnData, *arguments: str, **options: object) -> float:
    """CPU time of a call."""
    start = time.process_time()
    function(adata, *arguments, **options)
    return time.process_time() - start


def measure(adata: AnnData, source: str, data: Path) -> dict[str, object]:
    """One row."""
    net, arguments = SOURCES[source](data)
    e2t.pp.build_graph(adata, net, **arguments)
    nodes = adata.uns["e2t"]["nodes"]
    fit = seconds(e2t.tl.fit, adata, "cell_type", progress_bar=False)
    interpret = seconds(e2t.tl.interpret, adata)
    control = seconds(e2t.tl.control, adata, "rewired", n=2, progress_bar=False) / 2
    rank = seconds(e2t.tl.rank_nodes, adata, progress_bar=False) / 3
    test = e2t.get.metrics(adata).query("split == 'test' and model == 'network'").iloc[0]
    return {
        "prior": source,
        "hidden nodes": f"{(nodes['kind'] == 'hidden').sum():,}",
        "layers": nodes["layer"].max(),
        "edges": f"{len(adata.uns['e2t']['graph']):,}",
        "epochs": adata.uns["e2t"]["history"]["epoch"].nunique(),
        "fit, s": f"{fit:.0f}",
        "interpret, s": f"{interpret:.1f}",
        "control model, s": f"{control:.0f}",
        "rank_nodes, s a model": f"{rank:.1f}",
        "balanced accuracy": f"{test['balanced_accuracy']:.3f}",
    }


def main() -> None:
    """Measure one prior after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    cells, lines = pbmc3k(data), []
    for source in PRIORS:
        lines.append(measure(cells.copy(), source, data))
        print(lines[-1], flush=True)
    print(markdown(pd.DataFrame(lines)))


if __name__ == "__main__":
    main()
