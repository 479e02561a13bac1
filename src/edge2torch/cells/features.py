"""What the measured features are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def is_mudata(data: object) -> bool:
    """Whether something is a MuData; asked without importing mudata."""
    return hasattr(data, "mod") and hasattr(data, "obsmap")


def modalities(data: MuData) -> dict[str, Any]:
    """Return the AnnData of each modality.

    Raises
    ------
    Edge2TorchError
        If one is not an AnnData, or has names that are not unique.
    """
    found = dict(data.mod.items())
    for name, modality in found.items():
        if is_mudata(modality):
            raise Edge2TorchError(f"modality {name!r} is a MuData itself: pass mdata[{name!r}]")
        if not modality.var_names.is_unique:
            raise Edge2TorchError(f"the var_names of modality {name!r} are not unique: make them so")
    return found


def feature_names(data: AnnData | MuData) -> pd.Index:
    """Names under which features are inputs of a graph, in the order of ``var``.

    Returns
    -------
    ``var_names``; of a MuData ``"<modality>:<var_name>"``, as several modalities may use the same names.

    Raises
    ------
    Edge2TorchError
        If they are not unique.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> feature_names(anndata.AnnData(np.ones((1, 2)), var={"index": ["CD2", "CD3E"]})).tolist()
    ['CD2', 'CD3E']
    """
    if not is_mudata(data):
        if not data.var_names.is_unique:
            raise Edge2TorchError("adata.var_names are not unique: call adata.var_names_make_unique()")
        return pd.Index([str(name) for name in data.var_names])
    names = np.empty(data.n_vars, dtype=object)
    for name, modality in modalities(data).items():
        row = np.asarray(data.varmap[name]).ravel()  # counted from 1; 0 where a feature is not of this modality
        own = modality.var_names.astype(str)
        names[row > 0] = [f"{name}:{own[i - 1]}" for i in row[row > 0]]
    return pd.Index(names)
