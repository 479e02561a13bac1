"""Networks and cells of the rankings."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
import torch
from anndata import AnnData

import edge2torch as e2t

THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
FEWEST = 10  # genes of a regulon that may be drawn


def collectri(folder: Path) -> pd.DataFrame:
    """CollecTRI: regulator, gene, sign; downloaded if it is not in the folder."""
    tables = sorted((folder / "collectri").glob("*.csv"))
    if tables:
        return pd.read_csv(tables[0], keep_default_na=False).drop_duplicates(["source", "target"])
    import decoupler as dc

    return dc.op.collectri()


def some_regulons(net: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Draw regulons of at least ten genes."""
    sizes = net.groupby("source")["target"].nunique()
    able = sizes.index[sizes >= FEWEST].to_numpy()
    return net[net["source"].isin(np.random.default_rng([seed, 1]).choice(able, n, replace=False))]


def with_graph(net: pd.DataFrame) -> AnnData:
    """A graph of a network, and its genes, without cells."""
    genes = sorted(set(net["target"]))
    adata = AnnData(np.zeros((1, len(genes)), dtype=np.float32), var=pd.DataFrame(index=genes))
    e2t.pp.build_graph(adata, net, min_genes=5)
    return adata


def normalised(adata: AnnData) -> AnnData:
    """Bring counts to 10,000 a cell and take the logarithm."""
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    torch.set_num_threads(THREADS)  # numba, which scanpy and decoupler use, undoes OMP_NUM_THREADS
    return adata


def pbmc3k(folder: Path) -> AnnData:
    """10x PBMC 3k, nine types of cells."""
    adata = sc.read_h5ad(folder / "pbmc3k" / "pbmc3k_raw_labelled.h5ad")
    sizes = adata.obs["cell_type"].value_counts()
    adata = adata[adata.obs["cell_type"].isin(sizes.index[sizes >= 10])].copy()
    adata.obs["cell_type"] = adata.obs["cell_type"].astype("category").cat.remove_unused_categories()
    sc.pp.filter_genes(adata, min_cells=3)
    return normalised(adata)


def ulm(adata: AnnData, net: pd.DataFrame, target: str) -> pd.DataFrame:
    """Decoupler's univariate linear model: mean of a group minus the rest, over the deviation; groups x nodes."""
    import decoupler as dc

    scored = AnnData(adata.X, obs=adata.obs[[target]], var=pd.DataFrame(index=adata.var_names))
    dc.mt.ulm(data=scored, net=net[["source", "target", "weight"]], tmin=5)
    torch.set_num_threads(THREADS)
    scores = dc.pp.get_obsm(scored, "score_ulm").to_df()
    group = scored.obs[target].to_numpy()
    rows = {
        str(name): (scores[group == name].mean() - scores[group != name].mean()) / scores.std()
        for name in scored.obs[target].cat.categories
    }
    names = adata.uns["e2t"]["nodes"]
    labels = names[names["kind"] == "hidden"].set_index("label")["node"]
    return pd.DataFrame(rows).T.rename(columns=labels)


def markdown(table: pd.DataFrame) -> str:
    """Format a table."""
    rows = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
