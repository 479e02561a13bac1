"""Networks in the format in which they are downloaded: real tables from elsewhere, or made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from edge2torch.prior.shipped import load_shipped

#: transcription factors that notebooks name
NAMED = ("PAX5", "EBF1", "SPI1", "CEBPA", "CEBPB", "TBX21", "EOMES", "GATA3", "TCF7", "LEF1", "IRF4", "IRF8", "MYC")
NAMED += ("RUNX3", "STAT1", "STAT3", "NFKB1", "RELA", "JUN", "FOS", "SP1", "TP53", "FOXP3", "GATA1", "GATA2", "BACH2")
NAMED += (
    "STAT6",
    "SPIB",
    "TCF3",
    "RFXAP",
    "RFXANK",
    "POU2F2",
    "POU2AF1",
    "RFX5",
    "CIITA",
    "KLF4",
    "MAFB",
    "IRF1",
    "NFATC1",
    "NFATC2",
    "AP1",
    "NFKB",
)

#: receptors that notebooks name
RECEPTORS = ("CD3E", "CD4", "CD8B", "CD28", "CD19", "CD40", "IL2RB", "IL6R", "IL7R", "IL10RA", "IFNAR1", "IFNGR1")
RECEPTORS += ("TNFRSF1A", "TGFBR1", "TLR2", "CSF1R", "CSF3R", "CSF2RB", "FCGR3A", "CD244", "CXCR4", "F2R", "P2RY12")
RECEPTORS += ("ITGB3",)


@dataclass(frozen=True)
class Network:
    """A network and the file that is downloaded for it.

    Attributes
    ----------
    url
        Address of the file.
    shared
        The real table: folder and name.
    read
        From that file to source, target and weight (1 or -1).
    make_up
        The same, made up.
    write
        From source, target and weight to the downloaded file.
    """

    url: str
    shared: str
    read: Callable[[Path], pd.DataFrame]
    make_up: Callable[[], pd.DataFrame]
    write: Callable[[pd.DataFrame], bytes]


def make_up_regulons(n_sources: int = 1186, n_rows: int = 43178) -> pd.DataFrame:
    """Make up regulons: as many factors and rows as CollecTRI has, random genes, sizes as uneven."""
    rng = np.random.default_rng(0)
    genes = load_shipped("go_bp").sets
    factors = genes.loc[genes["source"].str.contains("transcription by RNA polymerase II"), "target"].unique()
    factors = np.unique([*NAMED, *rng.permutation(factors)[: n_sources - len(NAMED)]])
    sizes = rng.lognormal(0, 1.5, len(factors))
    sizes[np.isin(factors, NAMED)] = 5 * sizes.mean()  # well known, and among any few thousand genes
    sources = rng.choice(factors, n_rows * 2, p=sizes / sizes.sum())
    targets = rng.choice(rng.permutation(genes["target"].unique())[:7000], n_rows * 2)
    rows = pd.DataFrame({"source": sources, "target": targets})
    rows = rows.drop_duplicates(ignore_index=True)[:n_rows]
    return rows.assign(weight=rng.choice([1, 1, 1, -1], len(rows)))


def make_up_interactions(n_rows: int = 19807) -> pd.DataFrame:
    """Make up signed interactions: between genes of the same pathway of Reactome, in random directions."""
    rng = np.random.default_rng(0)
    sets = load_shipped("reactome").sets
    sets = sets[sets.groupby("source")["target"].transform("size").between(5, 100)]
    pairs = sets.merge(sets, on="source")[["target_x", "target_y"]].set_axis(["source", "target"], axis=1)
    pairs = pairs[pairs["source"] != pairs["target"]].drop_duplicates()
    first = pairs[pairs["source"].isin(RECEPTORS)].groupby("source").sample(3, random_state=rng)
    others = pairs.drop(index=first.index).sample(n_rows - len(first), random_state=rng)
    rows = pd.concat([first, others], ignore_index=True)
    return rows.assign(weight=rng.choice([1, 1, 1, -1], len(rows)))


def write_collectri(rows: pd.DataFrame) -> bytes:
    """Write regulons in the format of CollecTRI at Zenodo."""
    extra = {"resources": "ExTRI_CollecTRI", "references": "ExTRI_CollecTRI:10022128", "sign_decision": "PMID"}
    return rows.assign(**extra).to_csv(index=False).encode()


def read_interactions(path: Path) -> pd.DataFrame:
    """Read a table of OmniPath's signed interactions."""
    return pd.read_csv(path, sep="\t").rename(columns={"interaction": "weight"})


def write_interactions(rows: pd.DataFrame) -> bytes:
    """Write interactions in the format of OmniPath."""
    table = pd.DataFrame({"source": "P1", "target": "P2"}, index=rows.index)  # identifiers of UniProt
    table["source_genesymbol"], table["target_genesymbol"] = rows["source"], rows["target"]
    for kind in ("is", "consensus"):
        table[f"{kind}_direct{'ed' if kind == 'is' else 'ion'}"] = 1
        table[f"{kind}_stimulation"] = (rows["weight"] > 0).astype(int)
        table[f"{kind}_inhibition"] = (rows["weight"] < 0).astype(int)
    return table.to_csv(index=False, sep="\t").encode()


NETWORKS = {
    "collectri": Network(
        url="https://zenodo.org/records/8192729/files/CollecTRI_regulons.csv?download=1",
        shared="collectri/collectri_decoupleR_2025-09.csv",
        read=pd.read_csv,
        make_up=make_up_regulons,
        write=write_collectri,
    ),
    "omnipath": Network(
        url="https://omnipathdb.org/interactions/?genesymbols=1&datasets=omnipath&license=academic",
        shared="omnipath_signed/omnipath_carnival.tsv",
        read=read_interactions,
        make_up=make_up_interactions,
        write=write_interactions,
    ),
}
