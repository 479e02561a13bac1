"""Where the cells and features of a MuData are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import numpy.typing as npt
    from mudata import MuData


def is_mudata(data: object) -> bool:
    """Whether something is a MuData; asked without importing mudata."""
    return hasattr(data, "mod") and hasattr(data, "obsmap")


def positions_in(data: MuData, modality: str, axis: Literal["obs", "var"]) -> npt.NDArray[np.intp]:
    """Find each cell, or each feature, of a MuData in one of its modalities.

    Returns
    -------
    Position in the modality; -1 for what only others have.

    Raises
    ------
    Edge2TorchError
        If the modality was changed and the MuData does not know of it.
    """
    counted_from_1 = getattr(data, f"{axis}map")[modality]
    position = np.asarray(counted_from_1).ravel().astype(np.intp) - 1
    names, own = (np.asarray(getattr(part, f"{axis}_names"), dtype=object) for part in (data, data.mod[modality]))
    here = position[position >= 0]
    fits = here.size == own.size and (here < own.size).all() and (own[here] == names[position >= 0]).all()
    if not fits:
        raise Edge2TorchError(
            f"modality {modality!r} has other {axis}_names than mdata.{axis} says: call mdata.update() after a change "
            "of a modality"
        )
    return position


def full_names(data: MuData) -> npt.NDArray[np.object_]:
    """``"<modality>:<var_name>"`` of each feature, in the order of ``data.var``."""
    names = np.empty(data.n_vars, dtype=object)
    for modality, part in data.mod.items():
        position = positions_in(data, modality, "var")
        own = part.var_names
        names[position >= 0] = [f"{modality}:{own[i]}" for i in position[position >= 0]]
    return names
