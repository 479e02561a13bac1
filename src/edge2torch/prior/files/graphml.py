"""GraphML: a graph with attributes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from edge2torch.errors import Edge2TorchError
from edge2torch.prior.files.text import open_binary
from edge2torch.prior.objects import prior_from_networkx
from edge2torch.prior.prior import Prior

if TYPE_CHECKING:
    import networkx as nx


def read_graphml(file: Path, name: str) -> Prior:
    """Read a directed graph.

    Nodes are called by their attribute ``name``, or else ``label``, if each has one of its own, otherwise by their id.

    Raises
    ------
    Edge2TorchError
        If it is not GraphML, undirected, without edges, or has parallel edges or weights for some edges only.
    """
    import networkx as nx

    with open_binary(file) as handle:
        try:
            graph = nx.read_graphml(handle)
        except (ParseError, nx.NetworkXError, KeyError, ValueError, AttributeError) as error:
            raise Edge2TorchError(f"{file.name!r} is not a GraphML graph that networkx can read: {error!r}") from error
    return prior_from_networkx(graph, name, repr(file.name), _names(graph))


def _names(graph: nx.Graph[Any]) -> dict[Any, str]:
    for attribute in ("name", "label"):
        names = {node: value for node, value in graph.nodes(data=attribute) if value is not None}
        texts = {node: str(value) for node, value in names.items() if str(value).strip()}
        if len(texts) == len(set(texts.values())) == graph.number_of_nodes():
            return texts
    return {node: str(node) for node in graph}
