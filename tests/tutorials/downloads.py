"""What notebooks download, put where they find it, for machines with no internet but a package index.

A notebook has what a reader with internet types: ``sc.datasets.pbmc3k()``, ``e2t.pp.build_graph(adata, "collectri")``.
Both look for a file before they ask the internet, and that file is put there before the kernel starts:

- PBMC3k, built from the original file of 10x Genomics, as it is in a package of the index. The package is fetched once
  and kept in ``edge2torch.settings.cache_dir``.
- Networks, under the names that they have in the cache of downloads. The real tables may not be shipped: where a
  checkout has them at hand they are used, else ``networks.py`` makes up tables of the same format and about the same
  size. The code of a notebook runs all the same; the outputs kept in the notebooks are of the real ones.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import scanpy as sc
from filelock import FileLock

from edge2torch import settings
from edge2torch.prior.remote.cache import name_of

from .networks import NETWORKS

#: Several processes share the cores. Numba, in scanpy, sets the number of threads of torch, too, to that of its own.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

#: where tables are that may not be shipped
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

PACKAGE = "pathsingle==0.2.0"
WHEEL = "pathsingle-0.2.0-py3-none-any.whl"
SHA256 = "278b20178c1d7fec05adba178a96d0a918979003e4b16389d3563a157dd59a76"
MATRIX = "pathsingle/data/pbmc3k_filtered_gene_bc_matrices.tar.gz"


def provide(source: str, folder: Path, *, real: bool = False) -> dict[str, str]:
    """Put the files that a notebook downloads where it finds them.

    Parameters
    ----------
    source
        The code of the notebook, all cells.
    folder
        Where it will run.
    real
        Refuse to make up networks.

    Returns
    -------
    The environment of its kernel.
    """
    cache = folder / "cache"
    cache.mkdir()
    if "datasets.pbmc3k()" in source:
        (folder / "data").mkdir()  # scanpy's default
        shutil.copy(pbmc3k(), folder / "data" / "pbmc3k_raw.h5ad")
    for name, network in NETWORKS.items():
        if f'"{name}"' not in source:
            continue
        table = SHARED / network.shared
        if real and not table.exists():
            raise FileNotFoundError(f"kept output is that of the real network: {table} is missing")
        rows = network.read(table) if table.exists() else network.make_up()
        (cache / name_of(network.url)).write_bytes(network.write(rows))
    return {**os.environ, **ONE_THREAD, "EDGE2TORCH_CACHE_DIR": str(cache)}


def pbmc3k() -> Path:
    """Give the file that ``scanpy.datasets.pbmc3k`` downloads, built as its documentation says."""
    folder = settings.cache_dir / "tutorials"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pbmc3k_raw.h5ad"
    with FileLock(folder / ".lock"):
        if not path.exists():
            with TemporaryDirectory(dir=folder) as scratch:
                _build_pbmc3k(Path(scratch)).replace(path)
    return path


def _build_pbmc3k(scratch: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:", "--dest", scratch]
    subprocess.run([*pip, PACKAGE], check=True)
    found = hashlib.sha256((scratch / WHEEL).read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{WHEEL} has the checksum {found}, not {SHA256}")
    with zipfile.ZipFile(scratch / WHEEL) as wheel, wheel.open(MATRIX) as member, tarfile.open(fileobj=member) as files:
        files.extractall(scratch, filter="data")
    adata = sc.read_10x_mtx(scratch / "filtered_gene_bc_matrices" / "hg19", var_names="gene_symbols")
    path = scratch / "pbmc3k_raw.h5ad"
    adata.write_h5ad(path, compression="gzip")
    return path
