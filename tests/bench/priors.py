"""Build a graph of every prior at hand for two data sets, and write what came out of it to a page of docs.

    python tests/bench/priors.py [--data FOLDER]

FOLDER holds the cells and networks that are not part of the package. Every graph is built in a process of its own, so
that memory can be told apart.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from memory import ExtraMemory

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs" / "prior_sizes.md"
CELLS = {
    "PBMC3k": ("pbmc3k/pbmc3k_raw_labelled.h5ad", True),
    "Baron": ("baron_human1/baron_human1.h5ad", True),
    "Baron, all genes": ("baron_human1/baron_human1.h5ad", False),
}


def table(data: Path, file: str, **names: str) -> pd.DataFrame:
    """Read a table without pairs that are there twice or contradict each other."""
    separator = "\t" if ".tsv" in file else ","
    read = pd.read_csv(data / file, sep=separator, keep_default_na=False).rename(columns=names)
    return read.drop_duplicates(["source", "target"])


def kpnn(data: Path, file: str) -> tuple[list[pd.DataFrame], dict[str, Any]]:
    """Receptor -> signalling -> TF -> gene, as two layers."""
    edges = table(data, f"kpnn_style_networks/{file}", parent="source", child="target", sign="weight")
    regulates = edges["kind"] == "tf_gene"
    return [edges[regulates].drop(columns="kind"), edges[~regulates].drop(columns="kind")], {"stack": "layers"}


def drugcell(data: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The ontology of DrugCell: terms within terms, and genes."""
    rows = pd.read_csv(
        data / "drugcell_go" / "drugcell_ont.txt", sep="\t", names=["source", "target", "kind"], keep_default_na=False
    )
    terms = rows[rows["kind"] == "default"].rename(columns={"source": "parent", "target": "child"})
    return rows.loc[rows["kind"] == "gene", ["source", "target"]], {"hierarchy": terms[["parent", "child"]]}


def signalling(data: Path) -> tuple[list[pd.DataFrame], dict[str, Any]]:
    """Signalling on top of regulons; has cycles."""
    regulons = table(data, "collectri/collectri_decoupleR_2025-09.csv")
    return [regulons, table(data, "omnipath_signed/omnipath_carnival.tsv", interaction="weight")], {"stack": "layers"}


Source = tuple[Any, dict[str, Any]]
SOURCES: dict[str, Callable[[Path], Source]] = {
    "hallmark (shipped)": lambda data: ("hallmark", {}),
    "hallmark 2022.1, GMT": lambda data: (data / "hallmark" / "h.all.v2022.1.Hs.symbols.gmt", {}),
    "progeny (shipped)": lambda data: ("progeny", {}),
    "progeny top 100, CSV": lambda data: (data / "progeny" / "progeny_human_top100.csv", {}),
    "collectri, CSV": lambda data: (data / "collectri" / "collectri_decoupleR_2025-09.csv", {}),
    "dorothea A-E": lambda data: (table(data, "dorothea/dorothea_hs_ABCDE.csv.gz"), {}),
    "reactome (shipped)": lambda data: ("reactome", {}),
    "reactome GMT, relation": lambda data: (
        data / "reactome" / "ReactomePathways.gmt",
        {"hierarchy": data / "reactome" / "ReactomePathwaysRelation.txt"},
    ),
    "go_bp (shipped)": lambda data: ("go_bp", {}),
    "drugcell, with its hierarchy": drugcell,
    "omnipath, all targets are genes": lambda data: (
        table(data, "omnipath_signed/omnipath_carnival.tsv", interaction="weight"),
        {},
    ),
    "collectri + omnipath, layers": signalling,
    "the same, acyclic": lambda data: (signalling(data)[0], {"stack": "layers", "acyclic": "distance"}),
    **{
        f"kpnn {name}, layers": lambda data, name=name: kpnn(data, f"{name}.csv.gz")
        for name in ("TCR_depth3", "TCR_depth4", "TCR_depth5", "IFNAR_depth3", "IFNAR_depth4", "IFNAR_depth5")
    },
}


def build(data: Path, cells: str, source: str) -> dict[str, Any]:
    """Build one graph; what it is, the time that the call took, and the memory that it added."""
    import numpy as np
    from anndata import read_h5ad

    import edge2torch as e2t

    file, filtered = CELLS[cells]
    adata = read_h5ad(data / file)
    adata.var_names_make_unique()
    if filtered:
        adata = adata[:, np.asarray((adata.X > 0).sum(axis=0)).ravel() >= 3].copy()
    net, arguments = SOURCES[source](data)
    e2t.pp.build_graph(adata.copy(), {"warm": list(adata.var_names[:9])})  # imports are not part of the time
    with ExtraMemory() as extra:
        start = time.perf_counter()
        e2t.pp.build_graph(adata, net, **arguments)
        seconds = time.perf_counter() - start
    return {**e2t.get.coverage(adata, per="graph").to_dict(), "seconds": seconds, "memory": extra.bytes / 2**20}


def row(cells: str, source: str, made: dict[str, Any]) -> str:
    """One line of the table."""
    layers = f"{made['layers']:.0f}" + (", cyclic" if made["cyclic"] else "")
    return (
        f"| {cells} | {source} | {made['inputs']:,.0f} | {made['nodes']:,.0f} | {made['edges']:,.0f} | {layers} | "
        f"{made['genes_in_prior'] / made['genes']:.0%} | {made['prior_genes_measured'] / made['prior_genes']:.0%} | "
        f"{made['share_of_counts']:.0%} | {made['hubs']:.0f} | {made['redundant']:,.0f} | {made['seconds']:.2f} | "
        f"{made['memory']:.0f} |"
    )


HEAD = """# Sizes of priors

Graphs of `pp.build_graph` with its defaults (`min_genes=5`) for PBMC 3k (2,700 cells) and pancreas (Baron et al. 2016,
donor 1, 1,937 cells); genes that at least 3 cells express, unless all are named. Written by `tests/bench/priors.py`.

*in prior*: share of the measured genes that the prior knows. *measured*: share of the genes of the prior that were
measured. *counts*: share of all counts that the inputs of the graph have. *hubs*, *redundant*: see
`e2t.get.coverage`. *s*: seconds of the call, reading included; *MB*: peak memory that it added.

| cells | prior | inputs | nodes | edges | layers | in prior | measured | counts | hubs | redundant | s | MB |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Run all, or one in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--one", nargs=2, metavar=("CELLS", "SOURCE"))
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(build(arguments.data, *arguments.one)))
        return
    lines = []
    for cells in CELLS:
        for source in SOURCES if cells != "Baron, all genes" else ["collectri, CSV", "go_bp (shipped)"]:
            command = [sys.executable, __file__, "--data", str(arguments.data), "--one", cells, source]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            lines.append(row(cells, source, json.loads(printed.splitlines()[-1])))
            print(lines[-1])
    REPORT.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
