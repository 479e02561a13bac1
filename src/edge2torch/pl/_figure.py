"""Figures and colours that the plots share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize, is_color_like, to_hex

from edge2torch import _slots
from edge2torch._checks import check_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

#: blue - white - red: diverging, told apart with any kind of colour blindness
DIVERGING = "RdBu_r"
#: blue and vermilion of Okabe & Ito, which stay apart with any kind of colour blindness; for what is in the background
BLUE, VERMILION, GREY = "#0072b2", "#d55e00", "0.62"
#: units of scores by task, and what an output is; a number has whatever unit it had
UNITS = {"classes": " (logit)", "labels": " (logit)", "numbers": ""}
OUTPUTS = {"classes": "class", "labels": "label", "numbers": "number"}


def score_label(adata: AnnData | MuData, key: str, score: str = "mean score") -> str:
    """What scores are, with their unit."""
    return f"{score}{UNITS[str(_slots.params(adata, key, 'fit')['task'])]}"


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


def colours_of(adata: AnnData | MuData, column: str, groups: Sequence[str]) -> dict[str, str]:
    """Colours of groups of cells: those in ``adata.uns``, as scanpy keeps them, or else scanpy's first ones.

    Parameters
    ----------
    adata
        The cells; it is left as it is.
    column
        Column of ``adata.obs`` with the groups.
    groups
        Their names.
    """
    known: Sequence[str] = []
    if column in adata.obs:
        known = list(map(str, adata.obs[column].astype("category").cat.categories))
    order = list(dict.fromkeys([*known, *groups]))
    found = adata.uns.get(f"{column}_colors")
    kept = list(found) if np.iterable(found) and not isinstance(found, str) else []
    if len(kept) != len(known) or len(order) > len(kept) or not all(map(is_color_like, kept)):
        kept = _palette(len(order))
    return {name: to_hex(kept[order.index(name)]) for name in groups}


def _palette(n: int) -> list[str]:
    from scanpy.plotting.palettes import default_20, default_28, default_102

    colours = next((palette for palette in (default_20, default_28, default_102) if len(palette) >= n), default_102)
    return [colours[k % len(colours)] for k in range(n)]


def faint(strength: float) -> tuple[str, float]:
    """Colour of letters, mixed with the background: grey on white, and to be seen in dark styles, too."""
    return (to_hex(mpl.rcParams["text.color"]), strength)


def centred(values: npt.ArrayLike, vmax: float | None = None) -> Normalize:
    """Scale of colours with 0 in the middle, up to the largest absolute value."""
    if vmax is not None:
        check_number("vmax", vmax, positive=True)
    finite = np.abs(np.asarray(values, dtype=float))
    finite = finite[np.isfinite(finite)]
    limit = vmax or float(finite.max(initial=0)) or 1.0
    return Normalize(-limit, limit)


def ink(background: npt.ArrayLike) -> str:
    """Black or white, whichever can be read on a colour (relative luminance of ITU-R BT.709)."""
    red, green, blue = np.asarray(background, dtype=float)[:3]
    return "white" if float(0.2126 * red + 0.7152 * green + 0.0722 * blue) < 0.45 else "black"


def finish(show: bool | None) -> None:
    """Show all open figures, if that was asked for."""
    if show:
        plt.show()
