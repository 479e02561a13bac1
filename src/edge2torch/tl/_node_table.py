"""The table of nodes beside the trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge2torch import _slots
from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.artifact import CompileArtifact


def fitted_nodes(adata: AnnData | MuData, key: str, artifact: CompileArtifact) -> pd.DataFrame:
    """Read the table of nodes, which must have the nodes of the model, in its order.

    Raises
    ------
    Edge2TorchError
        If it was changed.
    """
    table = _slots.nodes_table(adata, key).reset_index(drop=True)
    names = table["node"].astype(str)
    kinds = {"input": artifact.input_nodes, "hidden": artifact.hidden_nodes, "output": artifact.output_nodes}
    expected = [name for of_layer in artifact.node_names_by_layer.values() for name in of_layer]
    fits = names.tolist() == expected and all(
        names[table["kind"] == kind].tolist() == list(of_kind) for kind, of_kind in kinds.items()
    )
    if not fits:
        differing = sorted(set(expected).symmetric_difference(names))
        what = f"{len(differing):,} names differ, {some(differing)}" if differing else "order or kinds differ"
        raise Edge2TorchError(
            f"adata.uns[{key!r}]['nodes'] does not fit the trained model: {what}. To change the graph, call "
            "e2t.pp.remove_nodes or e2t.pp.add_edges, and run e2t.tl.fit again"
        )
    return table
