"""What the size of nodes shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from edge2torch import _slots
from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError
from edge2torch.get import nodes as get_nodes
from edge2torch.get._choose import name_of_groups
from edge2torch.graph.graph import HIDDEN, INPUT
from edge2torch.tl._query import fitted_cells

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

SIZES = ("activation", "reach")


@dataclass(frozen=True, eq=False)
class Size:
    """Sizes of nodes.

    Attributes
    ----------
    of
        Size of each node that has one.
    caption
        What it means, and how large the largest is.
    """

    of: dict[str, float]
    caption: str


def sizes(adata: AnnData | MuData, graph: nx.DiGraph[str], size: str | None, group: str, key: str) -> Size | None:
    """Find the sizes of the nodes of a graph; see :func:`edge2torch.pl.graph` for what there is."""
    if size is None:
        return None
    check_choice("size", size, SIZES)
    if size == "reach":
        of = {node: float(data["n_inputs"]) for node, data in graph.nodes(data=True) if data["kind"] == HIDDEN}
        return Size(of, f"area of discs: genes that a node sees (largest: {max(of.values(), default=0):,.0f})")
    of = _shifts(adata, graph, group, key)
    return Size(of, f"area of discs: shift of the activation (largest: {max(of.values(), default=0):.2g} sd)")


def _shifts(adata: AnnData | MuData, graph: nx.DiGraph[str], group: str, key: str) -> dict[str, float]:
    """How far the mean in a group is from that in all cells, in standard deviations over all cells."""
    column = name_of_groups(adata, key)
    if column not in adata.obs:
        raise Edge2TorchError(
            f"size='activation' compares groups of cells, but adata.obs has no column {column!r} with them: run "
            "e2t.tl.interpret with groupby"
        )
    rows = adata.obs[column].astype(str).to_numpy() == group
    if not rows.any():
        raise Edge2TorchError(f"no cell of adata.obs[{column!r}] is in group {group!r}: run e2t.tl.interpret again")
    states = get_nodes(adata, of="activations", key=key)
    hidden = [node for node in graph if graph.nodes[node]["kind"] == HIDDEN]
    genes = [node for node in graph if graph.nodes[node]["kind"] == INPUT]
    found = dict(zip(hidden, _shift(np.asarray(states[:, hidden].X), rows), strict=True))
    if genes:
        values = fitted_cells(adata, genes, _slots.params(adata, key, "fit"))[np.arange(adata.n_obs)][0].numpy()
        found.update(zip(genes, _shift(values, rows), strict=True))
    return {node: float(shift) for node, shift in found.items()}


def _shift(values: npt.NDArray[np.floating], rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.floating]:
    """Shift of each column."""
    spread = values.std(axis=0)
    shift = np.abs(values[rows].mean(axis=0) - values.mean(axis=0))
    return np.asarray(np.divide(shift, spread, out=np.zeros_like(shift), where=spread > 0))
