"""What the measured features are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from edge2torch._modalities import full_names, is_mudata
from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def modalities(data: MuData) -> dict[str, Any]:
    """Return the AnnData of each modality.

    Raises
    ------
    Edge2TorchError
        If one is not an AnnData, or has names that are not unique; or if modalities share features, not cells.
    """
    if getattr(data, "axis", 0) != 0:
        raise Edge2TorchError(
            f"mdata has axis={data.axis}: its modalities share features; only a MuData whose modalities share cells "
            "(axis=0) can be used: concatenate the modalities with anndata.concat"
        )
    found = dict(data.mod.items())
    for name, modality in found.items():
        if is_mudata(modality):
            raise Edge2TorchError(f"modality {name!r} is a MuData itself: pass mdata[{name!r}]")
        if not modality.var_names.is_unique:
            raise Edge2TorchError(
                f"the var_names of modality {name!r} are not unique: call var_names_make_unique() on it before the "
                "MuData is made of it"
            )
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
    >>> feature_names(anndata.AnnData(np.ones((1, 2)), var=pd.DataFrame(index=["CD2", "CD3E"]))).tolist()
    ['CD2', 'CD3E']
    """
    if not is_mudata(data):
        if not data.var_names.is_unique:
            raise Edge2TorchError("adata.var_names are not unique: call adata.var_names_make_unique()")
        return pd.Index([str(name) for name in data.var_names], name=data.var_names.name)
    modalities(data)  # raises where names could not be told apart
    names = pd.Index(full_names(data))
    repeated = names[names.duplicated()]
    if len(repeated):  # a modality "a" with "b:x", and a modality "a:b" with "x"
        raise Edge2TorchError(
            f"{len(repeated):,} names '<modality>:<var_name>' are not unique: {some(repeated)}; rename a modality"
        )
    return names
