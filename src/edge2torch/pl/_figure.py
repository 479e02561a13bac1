"""Figures and colours that the plots share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize

from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

#: blue - white - red: diverging, told apart with any kind of colour blindness
DIVERGING = "RdBu_r"
SCORE = "mean score (logit)"


def new_axes(width: float, height: float, layout: Literal["none", "constrained"] = "none") -> Axes:
    """Open a figure of pyplot, which notebooks then show, with one Axes that fills it.

    Parameters
    ----------
    width, height
        Size in inches.
    layout
        ``"constrained"`` to leave room for the names of the axes.
    """
    # a loop over many groups leaves many figures open, which is for the user to judge
    with mpl.rc_context({"figure.max_open_warning": 0}):
        figure = plt.figure(figsize=(width, height), layout=layout)
    return figure.add_subplot() if layout == "constrained" else figure.add_axes((0, 0, 1, 1))


def centred(values: npt.ArrayLike, vmax: float | None = None) -> Normalize:
    """Scale of colours with 0 in the middle, up to the largest absolute value."""
    if vmax is not None and not vmax > 0:
        raise Edge2TorchError(f"vmax={vmax!r} must be greater than 0")
    finite = np.abs(np.asarray(values, dtype=float))
    finite = finite[np.isfinite(finite)]
    limit = vmax or float(finite.max(initial=0)) or 1.0
    return Normalize(-limit, limit)


def ink(background: npt.ArrayLike) -> str:
    """Black or white, whichever can be read on a colour (relative luminance of ITU-R BT.709)."""
    red, green, blue = np.asarray(background, dtype=float)[:3]
    return "white" if float(0.2126 * red + 0.7152 * green + 0.0722 * blue) < 0.45 else "black"


def finish(show: bool) -> None:
    """Show all open figures, if that was asked for."""
    if show:
        plt.show()
