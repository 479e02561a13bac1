"""Draw every plot of docs/plots.md, on blood cells with CollecTRI and with Reactome.

    python docs/gallery.py --data ../shared/data

The folder has ``pbmc3k/pbmc3k_raw_labelled.h5ad`` (2,700 blood cells of 10x Genomics, with ``obs["cell_type"]``) and
``collectri/*.csv`` (CollecTRI as decoupler downloads it). Networks, controls and scores are kept in ``--results``, so
that only drawing is done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from shutil import which

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import scanpy as sc
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

import edge2torch as e2t

IMAGES = Path(__file__).parent / "images"
PRIORS = {"collectri": "PBMC3k × CollecTRI", "reactome": "PBMC3k × Reactome"}
#: resolution of the pictures; width of a column of the contact sheet, and its columns
DPI, WIDE, COLUMNS, GAP = 90, 760, 4, 24


def read_cells(data: Path) -> ad.AnnData:
    """Normalised blood cells with a map."""
    adata = sc.read_h5ad(data / "pbmc3k" / "pbmc3k_raw_labelled.h5ad")
    adata = adata[adata.obs["cell_type"].notna()].copy()
    sizes = adata.obs["cell_type"].value_counts()
    adata = adata[adata.obs["cell_type"].isin(sizes.index[sizes >= 10])].copy()
    sc.pp.filter_genes(adata, min_cells=3)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata)
    sc.pp.pca(adata)
    sc.pp.neighbors(adata)
    sc.tl.umap(adata)
    torch.set_num_threads(1)  # numba, in scanpy, sets it to all
    return adata


def find(prior: str, data: Path, results: Path) -> ad.AnnData:
    """Fit, control, interpret and perturb, unless that was done."""
    path = results / f"{prior}.h5ad"
    if not path.exists():
        adata = read_cells(data)
        net = pd.read_csv(next((data / "collectri").glob("*.csv"))) if prior == "collectri" else prior
        e2t.pp.build_graph(adata, net)
        e2t.tl.fit(adata, "cell_type", n_replicates=5)
        e2t.tl.control(adata)
        e2t.tl.interpret(adata, edges=True)
        adata.write_h5ad(path)
    adata = ad.read_h5ad(path)
    e2t.tl.rank_nodes(adata)
    e2t.tl.perturb(adata, "all", mode="remove")
    return adata


def plots(adata: ad.AnnData) -> dict[str, Callable[[], object]]:
    """A picture for each question."""
    pl = e2t.pl
    best = e2t.get.rank_nodes(adata, "B")["node"].iloc[0]
    return {
        "nodes": lambda: pl.nodes(adata, n_nodes=4),
        "nodes_dot": lambda: pl.nodes(adata, kind="dot", n_nodes=4),
        "rank_nodes": lambda: pl.rank_nodes(adata, groups=["B", "CD14+ Mono", "NK"], n_nodes=12),
        "features": lambda: pl.features(adata, target=["B", "CD14+ Mono", "NK"], n_features=12),
        "volcano": lambda: pl.volcano(adata, group="B"),
        "graph": lambda: pl.graph(adata, group="B"),
        "graph_around": lambda: pl.graph(adata, group="B", around=best, n_genes=6, size="activation"),
        "graph_path": lambda: pl.graph(adata, path=["CD79A", "B"], n_paths=5, edges="score"),
        "flow": lambda: pl.flow(adata, group="B"),
        "controls": lambda: pl.controls(adata, group="B"),
        "stability": lambda: pl.stability(adata, groups="B", n_nodes=12),
        "perturb": lambda: pl.perturb(adata),
        "confusion": lambda: pl.confusion(adata),
        "history": lambda: pl.history(adata),
        "coverage": lambda: pl.coverage(adata),
    }


def save(drawn: object, path: Path) -> None:
    """Save a picture."""
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.savefig(path, dpi=DPI, facecolor="white", pil_kwargs={"optimize": True})
    plt.close(figure)


def contact_sheet(pictures: dict[str, list[tuple[str, Path]]], path: Path) -> None:
    """Put all pictures on one page, each into the column that is shortest so far."""
    font = ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 20)
    title = font.font_variant(size=34)
    sheet = Image.new("RGB", (COLUMNS * (WIDE + GAP) + GAP, 30_000), "white")
    draw, top = ImageDraw.Draw(sheet), GAP
    for prior, images in pictures.items():
        draw.text((GAP, top), PRIORS[prior], fill="black", font=title)
        ends = [top + 60] * COLUMNS
        for name, file in images:
            with Image.open(file) as image:
                shrunk = image.convert("RGB")
                shrunk.thumbnail((WIDE, 4 * WIDE), Image.Resampling.LANCZOS)
            column = ends.index(min(ends))
            left = GAP + column * (WIDE + GAP)
            draw.text((left, ends[column]), f"pl.{name}", fill="#444", font=font)
            sheet.paste(shrunk, (left, ends[column] + 30))
            ends[column] += 30 + shrunk.height + GAP
        top = max(ends) + GAP
    sheet.crop((0, 0, sheet.width, top)).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def photograph(page: Path, name: str, chromium: str, path: Path) -> None:
    """Take a picture of an interactive network in which a node was searched."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(viewport={"width": 1280, "height": 720})
        opened.goto(page.resolve().as_uri())
        opened.fill("#search", name)
        opened.press("#search", "Enter")
        opened.wait_for_function("() => !document.getElementById('network')._cyreg.cy.animated()")
        place = opened.evaluate(
            "() => document.getElementById('network')._cyreg.cy.nodes('.found')[0].renderedPosition()"
        )
        opened.hover("#network", position=place)
        opened.screenshot(path=path)
        browser.close()


def main() -> None:
    """Draw all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--results", type=Path, default=Path("build"))
    parser.add_argument("--chromium", default=which("chromium"), help="browser that opens the interactive network")
    parser.add_argument("--only", nargs="*", help="plots to draw again")
    options = parser.parse_args()
    mpl.use("Agg")
    torch.set_num_threads(1)
    options.results.mkdir(exist_ok=True)
    (IMAGES / "plots").mkdir(exist_ok=True)
    pictures = {}
    for prior in PRIORS:
        adata = find(prior, options.data, options.results)
        pictures[prior] = []
        for name, draw in plots(adata).items():
            file = IMAGES / "plots" / f"{prior}_{name}.png"
            if not options.only or name in options.only:
                save(draw(), file)
            pictures[prior].append((name, file))
        page = options.results / f"{prior}_network.html"
        e2t.pl.graph(adata, group="B", n_nodes=12, interactive=True).save(page, overwrite=True)
        if options.chromium and prior == "reactome":
            photograph(page, "B Cell Receptor", options.chromium, IMAGES / "network.png")
    contact_sheet(pictures, IMAGES / "plots.png")


if __name__ == "__main__":
    main()
