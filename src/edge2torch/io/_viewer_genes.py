"""Genes as a viewer shows them: their values in each cell, and sets of them."""

from __future__ import annotations

import csv
import re
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
import scipy.sparse as sp

from edge2torch import _keys, _slots
from edge2torch.cells import choose_matrix
from edge2torch.cells.stored import is_sparse, is_stored, read
from edge2torch.get import edges as get_edges
from edge2torch.get import features as get_features
from edge2torch.get import graph as get_graph
from edge2torch.io._viewer_cells import node_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

HEADER = ("gene_set_name", "gene_set_description", "gene_symbol", "gene_description")


def viewer_matrix(adata: AnnData | MuData, layer: str | None, key: str) -> tuple[Any, pd.Index]:
    """Values of the genes in memory, float32, in the order that is fast to read gene by gene; names of the genes.

    Of a MuData, what the model reads of all modalities.
    """
    fit, use_raw = _slots.params(adata, key, "fit"), False
    if layer is None:
        layer, use_raw = fit.get("layer"), bool(fit.get("use_raw", False))
    elif layer == "X":
        layer = None
    table = _slots.nodes_table(adata, key)
    inputs = table.loc[table["kind"] == "input", "node"].astype(str).tolist()
    matrix, names = choose_matrix(adata, layer, use_raw, inputs)
    genes = pd.Index([str(name) for name in names], dtype=object)
    if is_stored(matrix):
        matrix = matrix.to_memory() if hasattr(matrix, "to_memory") else read(matrix, 0, adata.n_obs)
    if not is_sparse(matrix):
        matrix = np.asarray(matrix)
        if np.count_nonzero(matrix) > matrix.size / 2:
            return matrix.astype(np.float32, copy=False), genes
    return sp.csc_matrix(matrix.astype(np.float32, copy=False)), genes


class GeneSet(NamedTuple):
    """Genes of a node, best first.

    Attributes
    ----------
    description
        What they are.
    scores
        Their scores, by name.
    """

    description: str
    scores: pd.Series


def gene_sets(
    adata: AnnData | MuData, chosen: Mapping[str, str], genes: pd.Index, n_genes: int, key: str
) -> list[tuple[str, str, str, str]]:
    """Rows of the table of gene sets.

    Parameters
    ----------
    adata
        With scores.
    chosen
        Nodes, and the group of cells of each.
    genes
        Those that the viewer knows.
    n_genes
        Most genes of a set.
    key
        Name of the result.
    """
    table = _slots.nodes_table(adata, key)
    label_of = dict(zip(table["node"].astype(str), table["label"].astype(str), strict=True))
    inputs = genes.intersection(pd.Index(table.loc[table["kind"] == "input", "node"].astype(str), dtype=object))
    rows = []
    for name, found in zip(
        set_names(node_names(adata, list(chosen), key).values()), _found(adata, chosen, inputs, key), strict=True
    ):
        best = found.scores[found.scores != 0].sort_values(ascending=False, kind="stable")[:n_genes]
        for gene, score in best.items():
            symbol = label_of[str(gene)]
            rows.append((name, found.description, str(gene), f"score {score:.3g}" + f", {symbol}" * (symbol != gene)))
    return rows


def _found(adata: AnnData | MuData, chosen: Mapping[str, str], inputs: pd.Index, key: str) -> Iterable[GeneSet]:
    """Scores of the genes of each node."""
    whole = get_graph(adata, key=key)
    of_genes = get_features(adata, key=key)
    outputs = set(of_genes.columns[of_genes.notna().any()])
    explained = str(_slots.params(adata, key, "interpret").get("target", ""))
    direct = _direct(adata, inputs, key)
    for node, group in chosen.items():
        if (group, node) in direct:
            text = f"Genes that lead to the node: the part of its mean score in {group} that arrives from each"
            yield GeneSet(text, direct[group, node])
            continue
        below = inputs.intersection(pd.Index(list(nx.ancestors(whole, node)), dtype=object), sort=False)
        output = next((name for name in (explained, group) if name in outputs), None)
        scores = of_genes.mean(axis=1) if output is None else of_genes[output]
        of = "all outputs" if output is None else output
        yield GeneSet(f"Genes below the node: mean score of each for {of}, through all nodes", scores[below].dropna())


def _direct(adata: AnnData | MuData, inputs: pd.Index, key: str) -> dict[tuple[str, str], pd.Series]:
    """Scores of the edges from genes to each node, in each group, if there are any."""
    if _keys.EDGE_SCORES not in adata.uns[key]:
        return {}
    edges = get_edges(adata, key=key)
    edges = edges[edges["source"].astype(str).isin(inputs)].astype({"source": str, "target": str, "group": str})
    return {
        (str(group), str(node)): part.set_index("source")["score"]
        for (group, node), part in edges.groupby(["group", "target"], sort=False)
    }


def set_names(names: Iterable[str]) -> list[str]:
    """Names of gene sets as cellxgene allows them: printable ASCII, single spaces, no "#" in front; each once.

    Examples
    --------
    >>> set_names(["TNFα  signalling", "#1", "naïve – T", "a", "a"])
    ['TNFalpha signalling', '1', 'naive - T', 'a', 'a (2)']
    """
    made: list[str] = []
    for name in names:
        text = "".join(_ascii(letter) for letter in unicodedata.normalize("NFKD", name))
        text = " ".join(text.split()).lstrip("# ") or "node"
        number = 2
        unique = text
        while unique in made:
            unique, number = f"{text} ({number})", number + 1
        made.append(unique)
    return made


def _ascii(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isprintable() else " "
    greek = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)(?: WITH .*)?", unicodedata.name(letter, ""))
    if greek:
        return greek[2].lower() if greek[1] == "SMALL" else greek[2].capitalize()
    category = unicodedata.category(letter)
    return {"Mn": "", "Pd": "-", "Zs": " "}.get(category, "?")


def write_gene_sets(path: Path, rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Write the table as cellxgene reads it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
