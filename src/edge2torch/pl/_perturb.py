"""``e2t.pl.perturb``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice, check_whole
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get._choose import check_names, check_nodes, labels_of
from edge2torch.get._perturb import perturb as get_perturb
from edge2torch.pl._figure import DIVERGING, centred, finish
from edge2torch.pl._matrix import add_colour_bar, hatch_rarer_sign, mark, matrix_axes, name_axes
from edge2torch.pl._text import points, wrap, wrap_all

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from mudata import MuData

#: most characters of a label
WIDTH = 76


def perturb(
    adata: AnnData | MuData,
    *,
    per: Literal["group", "screen"] | None = None,
    groups: str | Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    nodes: str | Sequence[str] | None = None,
    n_nodes: int = 5,
    key: str = _keys.DEFAULT,
    cmap: str | Colormap = DIVERGING,
    vmax: float | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
) -> Axes:
    """Plot what perturbations change: means over the cells of each group.

    - Of a perturbation, rows are outputs and columns groups.
    - Of a screen, rows are nodes (and genes), columns groups, and shown is the change of the output with the name of
      the group: does the model still take a B cell for a B cell without this node? Of each group, the ``n_nodes``
      nodes with the largest absolute change are shown, with a dot; a node that is chosen for several groups is shown
      once, among those of the group in which it changes most. If all cells are one group, columns are the outputs.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.perturb`.
    per
        ``"group"`` for the perturbation, ``"screen"`` for the screen; ``None`` for the screen if there is one.
    groups
        Groups to show, in this order; ``None`` for all.
    target
        Outputs to show, in this order; ``None`` for all. Of a screen, the one whose change is shown in all groups.
    nodes
        Of a screen, names (or labels) of nodes or genes to show, in this order, instead of those that change most.
    n_nodes
        Of a screen, nodes per column.
    key
        Name of the result.
    cmap
        Diverging colours.
    vmax
        Change with the darkest colour, in units of the logit (or of the number); ``None`` for the largest one shown.
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
        If there is no such result, or a group, an output or a node does not exist.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.perturb(adata, "all", mode="remove")
    >>> ax = e2t.pl.perturb(adata, groups=["CD19+ B", "CD56+ NK"], n_nodes=2)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['CD19+ B', 'CD56+ NK']
    """
    _slots.check_adata(adata, written=False)
    check_whole("n_nodes", n_nodes)
    per = _part(adata, key) if per is None else per
    check_choice("per", per, ("group", "screen"))
    table = get_perturb(adata, per=per, key=key).astype({"group": str, "output": str})
    if groups is not None:
        table = table[table["group"].isin(check_names("groups", groups, table["group"].unique()))]
    changes = _of_outputs(table, groups, target) if per == "group" else _of_nodes(table, groups, target)
    if not np.isfinite(changes.to_numpy()).any():
        raise Edge2TorchError("all changes are NaN: no cell of these groups was looked at, see n_cells of tl.perturb")
    chosen = None
    if per == "screen" and nodes is None:
        chosen = _largest(changes, n_nodes)
        changes = changes.loc[chosen.index]
    elif per == "screen" and nodes is not None:
        changes = changes.loc[check_nodes(nodes, changes.index, labels_of(adata, key))]
    label_of = labels_of(adata, key) if per == "screen" else {}
    labels = wrap_all([label_of.get(str(name), str(name)) for name in changes.index], WIDTH, 1)
    columns = wrap_all([str(name) for name in changes], WIDTH // 2, 1)
    norm = centred(changes, vmax)
    if ax is None:
        ax = matrix_axes(labels, columns, figsize)
    values = np.ma.masked_invalid(changes.to_numpy())
    mesh = ax.pcolormesh(values, cmap=cmap, norm=norm, edgecolors="white", linewidth=0.75)
    step = _slots.params(adata, key, _keys.PERTURB_SCREEN if per == "screen" else _keys.PERTURB)
    by = step.get("groupby") or _slots.params(adata, key, "fit").get("target", "")
    name_axes(ax, labels, columns, str(by) if changes.columns.name == "group" else "output")
    of = f" of {target if isinstance(target, str) else 'output'}"
    bar = add_colour_bar(ax, mesh, wrap(f"mean change{of}{' (logit)' if 'change_proba' in table else ''}", 22, 2))
    hatch_rarer_sign(ax, mesh, changes.to_numpy(), bar)
    if chosen is not None:
        mark(ax, mesh, chosen.to_numpy())
        bar.text(0, -0.08, f"• top {n_nodes}", va="top", transform=bar.transAxes, fontsize=points("small"))
    finish(show)
    return ax


def _part(adata: AnnData | MuData, key: str) -> Literal["group", "screen"]:
    """What there is."""
    found = adata.uns.get(key)
    return "screen" if isinstance(found, dict) and _keys.PERTURB_SCREEN in found else "group"


def _of_outputs(
    table: pd.DataFrame, groups: str | Sequence[str] | None, target: str | Sequence[str] | None
) -> pd.DataFrame:
    """Outputs x groups."""
    outputs = list(table["output"].unique())
    wanted = outputs if target is None else check_names("target", target, outputs)
    return _pivot(table, "output", "group").loc[wanted, _columns(table, groups)]


def _of_nodes(
    table: pd.DataFrame, groups: str | Sequence[str] | None, target: str | Sequence[str] | None
) -> pd.DataFrame:
    """Nodes x groups, the change of the output of each; nodes x outputs if there is one group, which is no output."""
    outputs, columns = list(table["output"].unique()), _columns(table, groups)
    wanted = outputs if target is None else check_names("target", target, outputs)
    if len(wanted) == 1:
        return _pivot(table[table["output"] == wanted[0]], "node", "group")[columns]
    without = [group for group in columns if group not in wanted]
    if len(columns) == 1 and (without or target is not None):
        return _pivot(table, "node", "output")[wanted]
    if target is not None:
        raise Edge2TorchError(f"target={target!r}: name one output, or one group with groups=")
    if without:
        raise Edge2TorchError(
            f"{len(without):,} groups are no outputs: {some(without)}; pass target=, the output whose change is shown; "
            f"there are {some(outputs, 20)}"
        )
    return _pivot(table[table["output"] == table["group"]], "node", "group")[columns]


def _columns(table: pd.DataFrame, groups: str | Sequence[str] | None) -> list[str]:
    known = list(table["group"].unique())
    return known if groups is None else check_names("groups", groups, known)


def _pivot(table: pd.DataFrame, rows: str, columns: str) -> pd.DataFrame:
    """Changes, in the order of the table."""
    named = table.astype({rows: str, columns: str})
    wide = named.pivot_table(index=rows, columns=columns, values="change")
    return wide.reindex(index=named[rows].unique(), columns=named[columns].unique())


def _largest(changes: pd.DataFrame, n: int) -> pd.DataFrame:
    """Which rows (in the order to show) are among those that change most of which column."""
    sizes = changes.abs().fillna(-1.0).to_numpy()
    best = np.argsort(-sizes, axis=0, kind="stable")[:n]
    top = np.zeros(changes.shape, dtype=bool)
    np.put_along_axis(top, best, values=True, axis=0)
    top &= sizes > 0  # what changes nothing is among no best
    shown = np.flatnonzero(top.any(axis=1))
    if not len(shown):
        raise Edge2TorchError("nothing changes the outputs shown: name nodes= to show them nevertheless")
    own = np.where(top, sizes, -np.inf)[shown]
    order = shown[np.lexsort((-own.max(axis=1), own.argmax(axis=1)))]
    return pd.DataFrame(top[order], index=changes.index[order], columns=changes.columns)
