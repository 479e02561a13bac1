"""What the functions that change a graph have in common."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.cells import feature_names
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import READOUT, Graph, has_cycle, node_table, validate_edgelist

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: value of the column ``prior`` of edges that were added by hand
ADDED = "added"
#: names that are looked at for what else may have been meant: each takes some milliseconds
MOST_GUESSES = 5


@dataclass(frozen=True, eq=False)
class Draft:
    """A graph without outputs and weights, as it was before a fit.

    Attributes
    ----------
    edges
        Edge list.
    nodes
        ``node``, ``label`` and ``kind`` (input or hidden).
    """

    edges: pd.DataFrame
    nodes: pd.DataFrame

    @property
    def labels(self) -> dict[str, str]:
        """From node name to what it stands for."""
        return dict(zip(self.nodes["node"], self.nodes["label"], strict=True))

    def names(self, kind: str) -> list[str]:
        """Names of the nodes of a kind."""
        return self.nodes.loc[self.nodes["kind"] == kind, "node"].tolist()

    def find(self, name: str, kinds: Sequence[str] = ("input", "hidden")) -> str | None:
        """Find a node by its name or, if that is not one, by its label.

        Raises
        ------
        Edge2TorchError
            If several nodes have the label.
        """
        nodes = self.nodes[self.nodes["kind"].isin(kinds)]
        if (nodes["node"] == name).any():
            return name
        found = nodes.loc[nodes["label"] == name, "node"].tolist()
        if len(found) > 1:
            raise Edge2TorchError(f"{name!r} is the label of {len(found)} nodes, {some(found)}: give the name of one")
        return found[0] if found else None


def read_draft(adata: AnnData | MuData, key: str) -> Draft:
    """Read a graph as it was before a fit; it may have been edited by hand.

    Raises
    ------
    Edge2TorchError
        If there is none, or it is not valid.
    """
    edges, known = _slots.graph_table(adata, key), _slots.nodes_table(adata, key)
    edges = edges.assign(prior=name_priors(edges))
    edges = edges[edges["prior"] != READOUT].drop(columns="weight", errors="ignore").reset_index(drop=True)
    label_of = dict(zip(known["node"], known["label"], strict=True))
    try:
        edges = validate_edgelist(edges)
        _check_kinds(edges, known, set(feature_names(adata)))
    except Edge2TorchError as error:
        raise Edge2TorchError(f"adata.uns[{key!r}]['graph']: {error}") from None
    hidden = set(edges["target"])
    names = list(dict.fromkeys([*edges["source"], *edges["target"]]))
    nodes = pd.DataFrame(
        {
            "node": names,
            "label": [label_of.get(name, name) for name in names],
            "kind": ["hidden" if name in hidden else "input" for name in names],
        }
    )
    return Draft(edges, nodes)


def name_priors(edges: pd.DataFrame) -> list[str]:
    """Say for each edge where it is from: those of which nothing is known were added by hand."""
    given = edges.get("prior", pd.Series(ADDED, index=edges.index, dtype=object))
    return [ADDED if missing else str(name) for name, missing in zip(given, given.isna(), strict=True)]


def _check_kinds(edges: pd.DataFrame, known: pd.DataFrame, features: set[str]) -> None:
    """Raise if an input has become a node, or a node an input."""
    kind = dict(zip(known["node"], known["kind"], strict=True))
    targets = set(edges["target"])
    into = sorted(name for name in targets if kind.get(name, "input" if name in features else "hidden") == "input")
    if into:
        raise Edge2TorchError(
            f"edges lead into {len(into):,} genes ({some(into)}), which are inputs: turn the edges round, or call the "
            f"node otherwise, for example {into[0] + ' (node)'!r}"
        )
    starved = sorted(name for name in set(edges["source"]) - targets if kind.get(name) == "hidden")
    if starved:
        raise Edge2TorchError(
            f"nothing feeds {len(starved):,} nodes, which feed others: {some(starved)}; remove these edges, too "
            "(e2t.pp.remove_nodes does both)"
        )


def order_nodes(edges: pd.DataFrame, labels: Mapping[str, str]) -> tuple[pd.DataFrame, bool]:
    """Make the table of nodes of a graph without outputs; also say whether it has cycles."""
    codes, names = pd.factorize(pd.concat([edges["source"], edges["target"]]))
    cyclic = has_cycle(codes[: len(edges)], codes[len(edges) :], len(names))
    graph = Graph.from_edgelist(edges, cycles=cyclic, outputs=False)
    return node_table(graph, labels, outputs=()), cyclic


def write_draft(
    adata: AnnData | MuData,
    key: str,
    *,
    called: Mapping[str, Mapping[str, Any]],
    edges: pd.DataFrame,
    nodes: pd.DataFrame,
    stale: _keys.Made,
    copy: bool,
) -> AnnData | MuData | None:
    """Write a graph, remove what no longer holds, and return the copy if there is to be one."""
    adata = adata.copy() if copy else adata
    _slots.write(adata, key, called=called, uns={_keys.GRAPH: edges, _keys.NODES: nodes}, stale=stale)
    return adata if copy else None


def earlier(adata: AnnData | MuData, key: str, step: str, argument: str) -> list[str]:
    """Read what earlier calls of a function were given, to which this call is to be added."""
    return [str(value) for value in np.atleast_1d(_slots.params(adata, key, step).get(argument, []))]


def nearest(names: Sequence[str], known: Iterable[str]) -> str:
    """Say what unknown names are like, for messages.

    Examples
    --------
    >>> nearest(["T cel", "x"], ["T cell", "myeloid"])
    "'T cel' (nearest: 'T cell'), 'x'"
    """
    candidates = sorted(set(known))
    texts = []
    for name in names[:MOST_GUESSES]:
        close = difflib.get_close_matches(name, candidates, n=2, cutoff=0.7)
        texts.append(f"{name!r} (nearest: {some(close)})" if close else repr(name))
    more = len(names) - MOST_GUESSES
    return ", ".join(texts) + (f" and {more:,} more" if more > 0 else "")
