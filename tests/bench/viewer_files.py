"""Files for viewers, in other ways: how a matrix may be stored for cellxgene, and graphs for Cytoscape.

    python tests/bench/viewer_files.py [--data FOLDER] [--cells 100000] [--genes 2000]

``docs/viewers.md`` holds the tables that it prints. FOLDER (default ``../shared/data``) holds PBMC3k.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData
from machine import cpu_model
from ranking_data import markdown, pbmc3k

import edge2torch as e2t

N_GENES_LOOKED_AT = 20
#: the matrix, and how it is written
FORMATS: dict[str, tuple[str, str | None]] = {
    "CSR": ("csr", None),
    "CSC": ("csc", None),
    "CSC, gzip": ("csc", "gzip"),
    "CSC, lzf": ("csc", "lzf"),
    "dense": ("dense", None),
    "dense, gzip": ("dense", "gzip"),
}
#: a graph that is larger than that of any prior
N_GENES, N_NODES, N_GROUPS, N_EDGES = 12_000, 8_000, 10, 108_000


def seconds(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def many_cells(data: Path, n_cells: int, n_genes: int) -> AnnData:
    """PBMC3k, drawn again and again, with the genes that most cells express."""
    adata = pbmc3k(data)
    genes = np.asarray((adata.X > 0).sum(axis=0)).ravel().argsort()[::-1][:n_genes]
    rows = np.random.default_rng(0).integers(0, adata.n_obs, n_cells)
    return AnnData(adata.X.tocsr()[rows][:, np.sort(genes)], var=pd.DataFrame(index=adata.var_names[np.sort(genes)]))


def stored(adata: AnnData, how: str, folder: Path) -> dict[str, str]:
    """Write the matrix in one way, read it, and look at some genes."""
    kind, compression = FORMATS[how]
    matrix = adata.X.toarray() if kind == "dense" else getattr(adata.X, f"to{kind}")()
    path = folder / "matrix.h5ad"
    alone = AnnData(matrix, var=pd.DataFrame(index=adata.var_names))
    written = seconds(lambda: alone.write_h5ad(path, compression=compression))
    start = time.perf_counter()
    back = anndata.read_h5ad(path).X
    read = time.perf_counter() - start
    genes = np.linspace(0, adata.n_vars - 1, N_GENES_LOOKED_AT).astype(int)
    looked = [seconds(lambda gene=gene: back[:, [gene]]) for gene in genes]
    return {
        "": how,
        "write (s)": f"{written:.1f}",
        "MB": f"{path.stat().st_size / 1e6:.0f}",
        "read (s)": f"{read:.1f}",
        "gene (ms)": f"{1e3 * np.median(looked):.1f}",
    }


def large_graph() -> AnnData:
    """Cells of ten groups with a graph of 20,010 nodes, and scores of nodes and edges."""
    rng = np.random.default_rng(0)
    genes = [f"gene {i}" for i in range(N_GENES)]
    nodes = np.array([f"node {i}" for i in range(N_NODES)])
    net = pd.DataFrame({"source": rng.choice(nodes, N_EDGES), "target": rng.choice(genes, N_EDGES)})
    every = pd.DataFrame({"source": rng.choice(nodes, N_GENES), "target": genes})
    net = pd.concat([net, every]).drop_duplicates()
    group = [f"group {i % N_GROUPS}" for i in range(20 * N_GROUPS)]
    obs = pd.DataFrame({"group": group}, index=[f"cell {i}" for i in range(len(group))])
    adata = AnnData(rng.random((len(obs), N_GENES), dtype=np.float32), obs=obs, var=pd.DataFrame(index=genes))
    e2t.pp.build_graph(adata, net, min_genes=1)
    e2t.tl.fit(adata, "group", max_epochs=1, progress_bar=False)
    e2t.tl.interpret(adata, edges=True, n_steps=2)
    return adata


def graphs(folder: Path) -> list[dict[str, str]]:
    """Write a large graph in each format, and for one group."""
    adata = large_graph()
    table = adata.uns["e2t"]
    print(f"{len(table['nodes']):,} nodes and {len(table['graph']):,} edges, scores in {N_GROUPS} groups\n")
    rows = []
    for name, options in {"g.cyjs": {}, "g.graphml": {}, "one.graphml": {"group": "group 0"}}.items():
        took = seconds(lambda name=name, options=options: e2t.io.write_graph(adata, folder / name, **options))
        size = (folder / name).stat().st_size / 1e6
        what = "`group=`, GraphML" if options else {"g.cyjs": "`.cyjs`", "g.graphml": "GraphML"}[name]
        rows.append({"": what, "s": f"{took:.0f}", "MB": f"{size:.0f}"})
    return rows


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=2000)
    options = parser.parse_args()
    print(f"{cpu_model()}\n")
    with TemporaryDirectory(dir=".") as folder:
        print(f"{markdown(pd.DataFrame(graphs(Path(folder))))}\n", flush=True)
        cells = many_cells(options.data, options.cells, options.genes)
        rows = [stored(cells, how, Path(folder)) for how in FORMATS]
    print(markdown(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
