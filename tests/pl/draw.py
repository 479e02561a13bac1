"""Draw the pictures that tests/pl/test_images.py compares with: run after a plot has been changed on purpose.

    python tests/pl/draw.py            draws what is in images/ again
    python tests/pl/draw.py --cells    trains, and writes cells.h5ad, too

Open the pictures before they are committed. They are of results in a file, so that they do not depend on how a network
is trained on this machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
import scanpy as sc
from matplotlib.figure import Figure

import edge2torch as e2t

HERE = Path(__file__).parent
CELLS, IMAGES = HERE / "cells.h5ad", HERE / "images"
GROUP = "CD19+ B"

#: those of matplotlib
SETTINGS = {name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}
#: name of a picture: the plot, and how it is called
PICTURES = {
    "confusion": (e2t.pl.confusion, {"split": "train"}),
    "controls": (e2t.pl.controls, {"group": GROUP}),
    "coverage": (e2t.pl.coverage, {}),
    "features": (e2t.pl.features, {"n_features": 5}),
    "flow": (e2t.pl.flow, {"group": GROUP, "n_nodes": 3}),
    "graph": (e2t.pl.graph, {"group": GROUP, "n_nodes": 3}),
    "graph_size": (e2t.pl.graph, {"group": GROUP, "n_nodes": 3, "size": "activation", "edges": "score", "n_edges": 8}),
    "history": (e2t.pl.history, {}),
    "nodes": (e2t.pl.nodes, {"n_nodes": 2}),
    "nodes_dot": (e2t.pl.nodes, {"n_nodes": 2, "kind": "dot"}),
    "perturb": (e2t.pl.perturb, {}),
    "rank_nodes": (e2t.pl.rank_nodes, {"n_nodes": 5}),
    "stability": (e2t.pl.stability, {"groups": GROUP}),
    "volcano": (e2t.pl.volcano, {"group": GROUP}),
}


def draw(name: str, adata: ad.AnnData) -> Figure:
    """Draw a picture."""
    plot, arguments = PICTURES[name]
    drawn = plot(adata, **arguments)
    return drawn if isinstance(drawn, Figure) else drawn.figure


def save(figure: Figure, path: Path) -> None:
    """Save a picture; the version of matplotlib is in its metadata."""
    figure.savefig(path, dpi=70, facecolor="white")


def make_cells() -> ad.AnnData:
    """Blood cells of three kinds, and eighteen pathways, among them those with the longest names."""
    adata = sc.datasets.pbmc68k_reduced()
    adata = adata[adata.obs["bulk_labels"].isin([GROUP, "CD14+ Monocyte", "CD4+/CD45RO+ Memory"])][:90].copy()
    adata.obs["bulk_labels"] = adata.obs["bulk_labels"].cat.remove_unused_categories()
    adata.uns.clear()
    e2t.pp.build_graph(adata, "reactome")
    edges = adata.uns["e2t"]["graph"]
    hidden = adata.uns["e2t"]["nodes"].query("kind == 'hidden'")
    long = hidden.loc[hidden["node"].str.len().nlargest(9).index, "node"]
    large = hidden.nlargest(9, "n_inputs")["node"]
    kept = edges[edges["target"].isin([*long, *large]) & ~edges["prior"].isin(["readout"])]
    net = kept[kept["source"].isin(adata.var_names) | kept["source"].isin([*long, *large])]
    genes = net["source"][net["source"].isin(adata.var_names)].value_counts().index[:60]
    net = net[~net["source"].isin(adata.var_names) | net["source"].isin(genes)]
    del adata.uns["e2t"]
    adata = adata[:, adata.var_names.isin(genes)].copy()
    net = pd.DataFrame(
        {"source": net["target"], "target": net["source"]}
    )  # as priors have it: from a pathway to its genes
    e2t.pp.build_graph(adata, net)
    e2t.tl.fit(adata, "bulk_labels", max_epochs=15, n_replicates=3, progress_bar=False)
    e2t.tl.control(adata, n=3, progress_bar=False)
    e2t.tl.interpret(adata, edges=True)
    e2t.tl.rank_nodes(adata)
    e2t.tl.perturb(adata, "all", mode="remove")
    del adata.uns["e2t"]["controls"]["models"]  # which no picture shows
    small = ad.AnnData(
        adata.X.astype(np.float32), obs=adata.obs[["bulk_labels", "e2t_pred", "e2t_split"]], var=adata.var[[]]
    )
    small.uns["e2t"] = adata.uns["e2t"]
    for place in ("obsm", "varm"):
        made = getattr(adata, place)
        getattr(small, place).update({name: made[name] for name in made if name.startswith("e2t")})
    return small


def main() -> None:
    mpl.use("Agg")
    if "--cells" in sys.argv:
        make_cells().write_h5ad(CELLS, compression="gzip")
    adata = ad.read_h5ad(CELLS)
    IMAGES.mkdir(exist_ok=True)
    for name in PICTURES:
        with mpl.rc_context(SETTINGS):
            save(draw(name, adata), IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
