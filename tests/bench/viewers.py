"""Files for viewers: how long writing one of many cells takes, and how fast cellxgene is with it.

    python tests/bench/viewers.py [--data FOLDER] [--cells 100000] [--genes 2000]

Needs the viewer that ``make test-viewers`` installs. FOLDER (default ``../shared/data``) holds PBMC3k and CollecTRI.
Each measurement is a process of its own; prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import anndata
import numpy as np
from machine import cpu_model, memory_gb
from ranking_data import collectri, pbmc3k

import edge2torch as e2t

sys.path.insert(0, str(Path(__file__).parents[1] / "viewers"))
from cellxgene import column_of, serve

#: how each file is written
WRITERS = {
    "adata.write_h5ad": anndata.AnnData.write_h5ad,
    "write_cellxgene(embedding=None)": lambda adata, path: e2t.io.write_cellxgene(adata, path, embedding=None),
    "write_cellxgene(embedding='pca')": lambda adata, path: e2t.io.write_cellxgene(adata, path, embedding="pca"),
    "write_cellxgene()": e2t.io.write_cellxgene,
}


def make(data: Path, n_cells: int, n_genes: int, path: Path) -> None:
    """PBMC3k with scores of nodes, drawn again and again, with noise in the scores."""
    adata = pbmc3k(data)
    genes = np.asarray((adata.X > 0).sum(axis=0)).ravel().argsort()[::-1][:n_genes]
    adata = adata[:, np.sort(genes)].copy()
    e2t.pp.build_graph(adata, collectri(data), min_genes=5)
    e2t.tl.fit(adata, "cell_type", max_epochs=20, progress_bar=False)
    e2t.tl.interpret(adata, n_steps=10)
    rng = np.random.default_rng(0)
    many = adata[rng.integers(0, adata.n_obs, n_cells)].copy()
    many.obs_names = [f"cell{i}" for i in range(n_cells)]
    scores = many.obsm["e2t_nodes"]
    noise = rng.standard_normal(scores.shape, dtype=np.float32)
    many.obsm["e2t_nodes"] = scores + 0.05 * scores.std(axis=0) * noise
    many.obsm["X_first"] = many.obsm["e2t_nodes"][:, :2].copy()
    many.write_h5ad(path)


def write(source: Path, how: str, path: Path) -> None:
    """Print what one way of writing takes."""
    adata = anndata.read_h5ad(source)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    WRITERS[how](adata, path)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    matrix = adata.X.data.nbytes + adata.X.indices.nbytes + adata.X.indptr.nbytes
    print(
        json.dumps(
            {
                "seconds": seconds,
                "before": before / 1e6,
                "peak": peak / 1e6,
                "matrix": matrix / 1e9,
                "nodes": adata.obsm["e2t_nodes"].shape[1],
                "filled": adata.X.nnz / np.prod(adata.shape),
            }
        )
    )


def look(cells: Path) -> dict[str, float]:
    """Start cellxgene on a file: seconds until it answers, and for the answers of a page."""
    stored = anndata.read_h5ad(cells, backed="r")
    names = [name for name in stored.obs if name.endswith(" (score)")]
    genes = stored.var_names[:: max(stored.n_vars // 20, 1)][:20]
    stored.file.close()
    start = time.perf_counter()
    with serve(cells, cells.with_name(f"{cells.stem}_gene_sets.csv"), cells.with_name("log.txt")) as server:
        found = {"until it answers (s)": time.perf_counter() - start}
        for what, asked in {
            "map (ms)": [f"layout/obs?layout-name={name}" for name in ("e2t_nodes",)],
            "first column (ms)": [column_of(names[0])],
            "column (ms, median)": [column_of(name) for name in names[1:]],
            "gene (ms, median)": [f"data/var?var:name_0={quote(gene)}" for gene in genes],
        }.items():
            times = []
            for one in asked:
                begin = time.perf_counter()
                server.get(one)
                times.append(time.perf_counter() - begin)
            found[what] = 1e3 * float(np.median(times))
        status = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        found["highest memory (GB)"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1e6
    return found


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(Path(options.write[0]), options.write[1], Path(options.write[2]))
        return
    if options.make:
        make(options.data, options.cells, options.genes, options.make)
        return
    with TemporaryDirectory(dir=".") as folder:
        _measure(options, Path(folder).resolve())


def _measure(options: argparse.Namespace, folder: Path) -> None:
    source = folder / "source.h5ad"
    sizes = ["--data", options.data, "--cells", str(options.cells), "--genes", str(options.genes)]
    subprocess.run([sys.executable, __file__, *sizes, "--make", source], check=True)
    print(f"{cpu_model()}, {memory_gb():.0f} GB\n")
    print("| | s | memory before (GB) | highest (GB) | file (MB) |\n|---|---|---|---|---|")
    for how in WRITERS:
        cells = folder / "cells.h5ad"
        called = [sys.executable, __file__, "--write", source, how, cells]
        told = subprocess.run(called, check=True, capture_output=True, text=True)
        found = json.loads(told.stdout.splitlines()[-1])
        print(
            f"| `{how}` | {found['seconds']:.1f} | {found['before']:.2f} | {found['peak']:.2f} | "
            f"{cells.stat().st_size / 1e6:.0f} |",
            flush=True,
        )
        if how != list(WRITERS)[-1]:
            for file in (cells, folder / "cells_gene_sets.csv"):
                file.unlink(missing_ok=True)
    print(
        f"\nmatrix {found['matrix']:.2f} GB, {found['filled']:.0%} filled, {found['nodes']} nodes\n\n| | |\n|---|---|"
    )
    for what, value in look(cells).items():
        print(f"| {what} | {value:.{0 if 'ms' in what else 1}f} |")


if __name__ == "__main__":
    main()
