"""``e2t.io.write_graph``."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from edge2torch import _keys, _slots
from edge2torch._new_file import check_new_file, new_files
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get import graph as get_graph
from edge2torch.get._choose import check_name, check_nodes, labels_of
from edge2torch.get._graph import SCORES

if TYPE_CHECKING:
    import os

    from anndata import AnnData
    from mudata import MuData

GRAPHML, CYTOSCAPE = (".graphml",), (".cyjs", ".json")
#: what XML 1.0 cannot hold; a carriage return would be read as a new line
NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_graph(
    adata: AnnData | MuData,
    path: str | os.PathLike[str],
    *,
    group: str | None = None,
    nodes: str | Sequence[str] | None = None,
    key: str = _keys.DEFAULT,
    overwrite: bool = False,
) -> None:
    r"""Write the graph with all scores for Cytoscape, Gephi, yEd, igraph, and other programs.

    Parameters
    ----------
    adata
        With a graph from :func:`edge2torch.pp.build_graph`. Scores are written if there are any.
    path
        File to write. ``*.graphml`` is read by all of these, ``*.cyjs`` or ``*.json`` by Cytoscape and cytoscape.js.
    group
        Write the scores for one group of cells only, as ``score``, ``corrected``, ``z`` and ``padj``, so that one style
        of Cytoscape fits every group; of outputs, only that with the name of the group is kept. ``None`` for those of
        all groups, as ``score_<group>``, ...
    nodes
        Hidden nodes to write, by name or label, with the genes and outputs that they are directly connected with;
        ``None`` for all.
    key
        Name of the result.
    overwrite
        Whether to replace a file that is there.

    Raises
    ------
    Edge2TorchError
        If there is no graph, the ending is not known, the file cannot be written or is there already, or a group or a
        node does not exist; no file is changed then.

    Notes
    -----
    Nodes and edges have the attributes of :func:`edge2torch.get.graph`; those that are missing or no finite numbers are
    left out. The file is written beside its place and put there at the end, in one go. Characters that XML cannot hold
    (control characters) are written to GraphML as ``\u0007``.

    References
    ----------
    GraphML: Brandes et al. 2002 (doi:10.1007/3-540-45848-4_59). Cytoscape: Shannon et al. 2003
    (doi:10.1101/gr.1239303).

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t, networkx as nx, tempfile, pathlib
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "hypoxia.graphml"
    >>> e2t.io.write_graph(adata, path, nodes="HALLMARK_HYPOXIA")
    >>> nx.read_graphml(path).nodes["HALLMARK_HYPOXIA"]["kind"]
    'hidden'
    """
    _slots.check_adata(adata, written=False)
    target = check_new_file(path, GRAPHML + CYTOSCAPE, overwrite=overwrite)
    _slots.graph_table(adata, key)
    scored = _keys.RANK_NODES in adata.uns[key]
    whole = get_graph(adata, scores=scored or group is not None, key=key)
    if group is not None:
        whole = _of_group(whole, adata, group, key)
    if nodes is not None:
        hidden = [node for node, data in whole.nodes.items() if data["kind"] == "hidden"]
        wanted = set(check_nodes(nodes, hidden, labels_of(adata, key)))
        around = {other for node in wanted for other in nx.all_neighbors(whole, node)} - set(hidden)
        whole = whole.subgraph([node for node in whole if node in wanted | around])
    plain = _plain(whole)
    content = _graphml(plain) if target.suffix.lower() in GRAPHML else _cytoscape(plain, key)
    with new_files(target) as (unfinished,):
        unfinished.write_bytes(content)


def _of_group(whole: nx.DiGraph[str], adata: AnnData | MuData, group: str, key: str) -> nx.DiGraph[str]:
    """The graph with the scores of one group, and with its output only."""
    groups = [str(name) for name in adata.uns[key][_keys.RANK_NODES]["group"].unique()]
    group = check_name("group", group, groups)
    outputs = {str(data["label"]): node for node, data in whole.nodes.items() if data["kind"] == "output"}
    scores = tuple(f"{column}_" for column in SCORES)
    for data in (*whole.nodes.values(), *(edge for _, _, edge in whole.edges(data=True))):
        own = {_short(name, group): value for name, value in data.items()}
        data.clear()
        data.update({name: value for name, value in own.items() if not name.startswith(scores)})
    if group in outputs:
        whole.remove_nodes_from([node for name, node in outputs.items() if name != group])
    return whole


def _short(name: str, group: str) -> str:
    """Name of an attribute without that of the group: ``z_B`` is ``z``, ``score_B: T`` is ``score: T``."""
    for column in SCORES:
        if name == f"{column}_{group}" or name.startswith(f"{column}_{group}: "):
            return column + name.removeprefix(f"{column}_{group}")
    return name


def _plain(whole: nx.DiGraph[str]) -> nx.DiGraph[str]:
    """The graph with values of Python only, without those that are missing."""
    made: nx.DiGraph[str] = nx.DiGraph()
    made.add_nodes_from((str(node), _known(data.items())) for node, data in whole.nodes.items())
    made.add_edges_from((str(start), str(end), _known(data.items())) for start, end, data in whole.edges(data=True))
    return made


def _known(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in items}
    return {
        name: value
        for name, value in plain.items()
        if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
    }


def _cytoscape(made: nx.DiGraph[str], name: str) -> bytes:
    described = nx.cytoscape_data(made)
    described["data"] = {"name": name}  # an object for Cytoscape; networkx writes and reads a list of pairs, too
    for edge in described["elements"]["edges"]:
        edge["data"]["id"] = json.dumps([edge["data"]["source"], edge["data"]["target"]])
        edge["data"].setdefault("interaction", "to")
    return json.dumps(described, allow_nan=False, separators=(",", ":")).encode()


def _graphml(made: nx.DiGraph[str]) -> bytes:
    names = {node: _escaped(node) for node in made}
    same = [name for name, times in Counter(names.values()).items() if times > 1]
    if same:
        raise Edge2TorchError(f"{len(same):,} names are the same without control characters: {some(same)}; use .cyjs")
    written = nx.relabel_nodes(made, names) if any(old != new for old, new in names.items()) else made
    for data in (*written.nodes.values(), *(edge for _, _, edge in written.edges(data=True))):
        own = {_escaped(name): _escaped(value) if isinstance(value, str) else value for name, value in data.items()}
        data.clear()
        data.update(own)
    stream = io.BytesIO()
    nx.write_graphml_xml(written, stream, infer_numeric_types=True, prettyprint=False)
    return stream.getvalue()


def _escaped(text: str) -> str:
    return NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
