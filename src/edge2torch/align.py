"""From named columns to the input of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor

from edge2torch._modalities import full_names, is_mudata, positions_in
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import locate

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.compile import CompileArtifact


def align_features_to_input_nodes(data: pd.DataFrame | AnnData | MuData | Tensor, artifact: CompileArtifact) -> Tensor:
    """Arrange named data in the order of a model's inputs.

    Parameters
    ----------
    data
        Cells by features: a DataFrame (columns are features), an AnnData (``X`` and ``var_names``), a MuData (``X`` of
        each modality; its features are called by ``var_names`` or ``"<modality>:<var_name>"``, as
        :func:`edge2torch.pp.build_graph` does) or a Tensor, whose columns have no names and must be in the order of
        ``artifact.feature_names`` already. Features that the model does not use are left out.
    artifact
        From :func:`edge2torch.compile_graph`.

    Returns
    -------
    Shape (cells, features), columns in the order of ``artifact.feature_names``; float32, or the floating type of a
    tensor.

    Raises
    ------
    Edge2TorchError
        If a feature is missing, repeated, not numeric, NaN or infinite, or a tensor has another width.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["out", "out"]})
    >>> _, artifact = e2t.compile_graph(edges, quiet=True)
    >>> align_features_to_input_nodes(pd.DataFrame({"b": [2.0], "a": [1.0]}), artifact)
    tensor([[1., 2.]])
    """
    names = artifact.feature_names
    if isinstance(data, Tensor):
        return _from_tensor(data, names)
    if isinstance(data, pd.DataFrame):
        values = _from_frame(data.iloc[:, locate(names, data.columns, "the columns of data")])
    elif is_mudata(data):
        values = _from_modalities(data, names)
    elif hasattr(data, "var_names") and hasattr(data, "X"):
        values = _dense(data[:, locate(names, data.var_names, "data.var_names")].X)
    else:
        raise Edge2TorchError(f"data must be a DataFrame, AnnData, MuData or Tensor, not {type(data).__name__}")
    aligned = torch.from_numpy(values)
    _check_finite(aligned, names)
    return aligned


def _check_finite(values: Tensor, names: list[str]) -> None:
    bad = ~values.isfinite()
    if bad.any():
        columns = [names[i] for i in bad.any(dim=0).nonzero().flatten().tolist()]
        raise Edge2TorchError(
            f"{int(bad.sum()):,} values are NaN or infinite, in {len(columns):,} features: {some(columns)}; "
            "fill or remove them"
        )


def _from_tensor(data: Tensor, names: list[str]) -> Tensor:
    if data.ndim != 2 or data.shape[1] != len(names):
        raise Edge2TorchError(
            f"a tensor must have shape (cells, {len(names)}), a column for each of artifact.feature_names in order; "
            f"it has {tuple(data.shape)}"
        )
    if data.is_complex() or data.dtype == torch.bool:
        raise Edge2TorchError(f"a tensor of features must hold real numbers, not {data.dtype}")
    values = data if data.is_floating_point() else data.to(torch.float32)
    _check_finite(values.detach(), names)
    return values


def _from_frame(frame: pd.DataFrame) -> npt.NDArray[np.float32]:
    number, is_complex = pd.api.types.is_numeric_dtype, pd.api.types.is_complex_dtype
    wrong = [column for column, dtype in frame.dtypes.items() if not number(dtype) or is_complex(dtype)]
    if wrong:
        raise Edge2TorchError(f"{len(wrong):,} features are not real numbers: {some(wrong)}; convert them")
    return _to_float32(frame.to_numpy(dtype=float, na_value=np.nan))


def _dense(x: Any) -> npt.NDArray[np.float32]:
    if x is None:
        raise Edge2TorchError("data has no X: put the values to use there")
    sparse = bool(sp.issparse(x))
    array = x.toarray() if sparse else np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise Edge2TorchError(f"data.X holds {array.dtype}, not real numbers: convert it")
    return _to_float32(array)


def _to_float32(array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # becomes infinite, and is reported as such
        return np.array(array, dtype=np.float32, order="C")


def _from_modalities(data: MuData, names: list[str]) -> npt.NDArray[np.float32]:
    shared = getattr(data, "axis", 0) != 0  # features of all modalities belong to none
    full = [] if shared else full_names(data).tolist()
    positions = locate(names, [*data.var_names, *full], "data.var_names") % data.n_vars
    values = np.full((data.n_obs, len(names)), np.nan, dtype=np.float32)
    for name, modality in data.mod.items():
        columns = positions_in(data, name, "var")[positions]
        here = columns >= 0
        if here.any():
            rows = positions_in(data, name, "obs")
            block = _dense(modality[:, columns[here]].X)
            values[np.ix_(rows >= 0, here)] = block[rows[rows >= 0]]
    return values
