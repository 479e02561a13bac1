"""``e2t.pl.confusion``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from sklearn.metrics import confusion_matrix

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError, some
from edge2torch.pl._figure import colours_of, finish, ink
from edge2torch.pl._matrix import COLUMN, ROW, add_colour_bar, matrix_axes, name_axes
from edge2torch.pl._text import points, text_size, wrap_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colors import Colormap
    from mudata import MuData

SPLITS = ("train", "validation", "test", "all")
#: most characters of the name of a class
WIDTH = 40
#: width of the patches with the colours of the classes, in cells
PATCH = 0.22


def confusion(
    adata: AnnData | MuData,
    *,
    split: Literal["train", "validation", "test", "all"] = "test",
    normalize: bool = True,
    key: str = _keys.DEFAULT,
    cmap: str | Colormap = "Blues",
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes:
    """Plot which classes are taken for which others.

    Rows are the classes of cells, with how many there are, columns what the model predicts. Numbers are cells, where
    they fit; cells on the diagonal are predicted right.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.fit` of classes.
    split
        Which cells: a part of the split of the fit, or ``"all"``, also for cells that the model was not fitted to (see
        :func:`edge2torch.tl.predict`). Cells without a class are left out.
    normalize
        Whether a colour is the share of the cells of a class, so that rare classes can be seen, or their number.
    key
        Name of the result.
    cmap
        Colours from few to many.
    figsize
        Width and height of a new figure in inches; ``None`` for cells of the same size, however many there are.
    ax
        Where to draw; ``None`` for a new figure.
    show
        Whether to call ``plt.show()``; notebooks show what is open at the end of a cell anyway.

    Returns
    -------
    The Axes.

    Raises
    ------
    Edge2TorchError
        If there is no model, it predicts no classes, or there are no such cells.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> ax = e2t.pl.confusion(adata)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('predicted', 'bulk_labels')
    """
    _slots.check_adata(adata, written=False)
    check_choice("split", split, SPLITS)
    target = _target(adata, key)
    truth, predicted = _classes(adata, key, target, split)
    names = _order(adata, key, truth, predicted)
    counts = confusion_matrix(truth, predicted, labels=names)
    totals = counts.sum(axis=1)
    shares = np.divide(counts, totals[:, None], out=np.full(counts.shape, np.nan), where=totals[:, None] > 0)
    labels = wrap_all(names, WIDTH, 1)
    rows = [f"{label} ({total:,})" for label, total in zip(labels, totals, strict=True)]
    if ax is None:
        room = [max(target, rows[0], key=len), *rows[1:]]
        ax = matrix_axes([f"{row}   " for row in room], [f"{label}   " for label in labels], figsize)
    values = shares if normalize else counts
    norm = Normalize(0, 1 if normalize else max(int(counts.max()), 1))
    mesh = ax.pcolormesh(values, cmap=cmap, norm=norm, edgecolors="white", linewidth=0.75)
    name_axes(ax, rows, labels, "predicted")
    _name_target(ax, target)
    add_colour_bar(ax, mesh, "share of the class" if normalize else "cells")
    _add_patches(ax, list(colours_of(adata, target, names).values()))
    _write_counts(ax, mesh, counts)
    finish(show)
    return ax


def _target(adata: AnnData | MuData, key: str) -> str:
    """Column of ``adata.obs`` with the classes that the model was fitted to."""
    _slots.results(adata, key, _keys.MODEL, "e2t.tl.fit")
    params = _slots.params(adata, key, "fit")
    if str(params["task"]) != "classes":
        raise Edge2TorchError(
            f"the model predicts {params['task']}, of which none is taken for another; see e2t.get.metrics(adata, "
            "per='output') for how good it is"
        )
    return str(params["target"])


def _classes(
    adata: AnnData | MuData, key: str, target: str, split: str
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Class, and predicted class, of each cell that is shown."""
    keys = _keys.Keys(key)
    columns = [target, keys.pred] + ([] if split == "all" else [keys.split])
    absent = [name for name in columns if name not in adata.obs]
    if absent:
        hint = (
            "; cells that the model was not fitted to have no split: pass split='all'" if keys.split in absent else ""
        )
        raise Edge2TorchError(f"adata.obs has no {some(absent)}: run e2t.tl.fit or e2t.tl.predict first{hint}")
    table = adata.obs[columns].astype(object)
    shown = table[table[[target, keys.pred]].notna().all(axis=1)]
    if split != "all":
        shown = shown[shown[keys.split] == split]
    if not len(shown):
        raise Edge2TorchError(f"split={split!r}: no cell of it has a class in adata.obs[{target!r}]")
    return shown[target].astype(str).to_numpy(dtype=object), shown[keys.pred].astype(str).to_numpy(dtype=object)


def _order(
    adata: AnnData | MuData, key: str, truth: npt.NDArray[np.object_], predicted: npt.NDArray[np.object_]
) -> list[str]:
    """Classes of the model, in its order, and those that it does not know."""
    known = [str(name) for name in _slots.params(adata, key, "fit")["outputs"]]
    return list(dict.fromkeys([*known, *sorted(set(truth)), *sorted(set(predicted))]))


def _name_target(ax: Axes, target: str) -> None:
    """Write what the rows are above their names."""
    ax.set_ylabel(target, rotation=0, ha="right", va="bottom", fontsize=points("small"), parse_math=False)
    ax.yaxis.set_label_coords(0, 1)


def _add_patches(ax: Axes, colours: Sequence[str]) -> None:
    """Put the colour of each class between its names and the matrix."""
    n, down = len(colours), PATCH * COLUMN / ROW
    for k, colour in enumerate(colours):
        for corner, width, height in (
            ((-PATCH, k + 0.08), PATCH * 0.7, 0.84),
            ((k + 0.08, n + down * 0.3), 0.84, down * 0.7),
        ):
            ax.add_patch(Rectangle(corner, width, height, color=colour, linewidth=0, clip_on=False))
    ax.set_xlim(0, n)
    ax.set_ylim(n, 0)
    ax.tick_params(pad=3 + PATCH * COLUMN * 72 * points("small") / 8.33)


def _write_counts(ax: Axes, mesh: QuadMesh, counts: npt.NDArray[np.int64]) -> None:
    """Write the number of cells where there are any, if the numbers fit."""
    size = points("x-small")
    box, n = ax.get_window_extent(), len(counts)
    room = box.width / n / ax.figure.dpi, box.height / n / ax.figure.dpi
    texts = {count: _short(int(count)) for count in np.unique(counts[counts > 0])}
    widest = max((text_size(text, size)[0] for text in texts.values()), default=0)
    if widest > 0.95 * room[0] or size / 72 > room[1]:
        return
    colours = np.asarray(mesh.cmap(mesh.norm(np.ma.asarray(mesh.get_array()).reshape(counts.shape))))
    for row, column in zip(*np.nonzero(counts), strict=True):
        ax.text(
            column + 0.5,
            row + 0.5,
            texts[counts[row, column]],
            ha="center",
            va="center_baseline",
            fontsize=size,
            color=ink(colours[row, column]),
        )


def _short(count: int) -> str:
    """Write a number in at most four letters."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 9950 else f"{count / 1000:.0f}k"
