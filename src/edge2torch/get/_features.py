"""``e2t.get.features``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.cells import feature_names
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def features(adata: AnnData | MuData, *, key: str = _keys.DEFAULT) -> pd.DataFrame:
    """Get the scores of the genes as genes by classes.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.interpret`.
    key
        Name of the result.

    Returns
    -------
    Mean score (in units of the logit) of each gene for each class, over the cells of that class. Genes that the graph
    does not use score 0, as the model does not depend on them; classes that were not explained are NaN.

    Raises
    ------
    Edge2TorchError
        If there are no scores, or they do not fit the table of nodes.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.interpret(adata, n_steps=5)
    >>> e2t.get.features(adata).shape  # genes x classes
    (765, 10)
    """
    keys = _keys.Keys(key)
    table = _slots.nodes_table(adata, key)
    classes = table.loc[table["kind"] == "output", "label"].tolist()
    if keys.features not in adata.varm:
        raise Edge2TorchError(f"adata.varm has no {keys.features!r}: run e2t.tl.interpret first")
    scores = adata.varm[keys.features]
    if scores.shape[1] != len(classes):
        raise Edge2TorchError(
            f"adata.varm[{keys.features!r}] has {scores.shape[1]:,} columns, but there are {len(classes):,} classes: "
            "run e2t.tl.interpret again"
        )
    return pd.DataFrame(np.array(scores), index=feature_names(adata), columns=classes)
