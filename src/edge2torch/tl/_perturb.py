"""``e2t.tl.perturb``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice, check_seed, check_whole
from edge2torch.errors import Edge2TorchError
from edge2torch.get._model import models
from edge2torch.tl._effects import Asked, effects_of
from edge2torch.tl._explained import find_outputs
from edge2torch.tl._groups import find_groups, pick_cells
from edge2torch.tl._node_table import fitted_nodes
from edge2torch.tl._perturbations import MODES, choose_perturbed
from edge2torch.tl._predictions import predicted_classes, scale_of
from edge2torch.tl._query import fitted_cells
from edge2torch.training import CLASSES, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData

UNRECORDED = ("adata", "key", "copy")


def perturb(
    adata: AnnData | MuData,
    nodes: str | Sequence[str] | Mapping[str, float] | None = None,
    *,
    genes: str | Sequence[str] | Mapping[str, float] | None = None,
    mode: Literal["clamp", "remove", "scale"] = "clamp",
    value: float | None = None,
    one_by_one: bool = False,
    target: str | Sequence[str] | None = None,
    groupby: str | None = None,
    n_cells: int | None = None,
    batch_size: int = 512,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Ask the trained model what would be predicted if nodes or genes had other values.

    This is a question to the model, not to the cells: nothing is trained again, and effects that the graph does not
    hold cannot show.

    Parameters
    ----------
    adata
        Cells by genes, with a model from :func:`edge2torch.tl.fit`.
    nodes
        Hidden nodes, by the ``node`` or the ``label`` of ``uns[key]["nodes"]``: one name, several, or a mapping from
        names to values. All of them, and ``genes``, are changed together. ``"all"``: each hidden node alone, a screen.
    genes
        Inputs, likewise. Their values are those of the matrix that the model was fitted to.
    mode
        ``"clamp"``: the state of a node, or the value of a gene, is set to a value in all cells. ``"remove"``: it is 0,
        so that a node has no influence, as if all edges that leave it were cut. ``"scale"``: it is multiplied by a
        factor, 0.5 for half as active.
    value
        What names without a value are set to, or multiplied by. With ``"clamp"``, ``None`` sets them to their mean over
        all cells of ``adata``, in each replicate its own: the node then tells no cell from another.
    one_by_one
        Whether to change each of the nodes and genes alone, a screen, rather than all together; ``"all"`` always does.
    target
        Outputs that are reported in the table, one name or several; ``None`` for all.
    groupby
        Column of ``adata.obs`` over whose groups changes are averaged; cells without a group are left out. ``None`` for
        the target of the fit or, where there is no such column, the predicted class; for a model of labels or numbers,
        all cells are one group, ``"all"``.
    n_cells
        Of a screen, most cells of each group, drawn at random; ``None`` for all.
    batch_size
        Cells at a time.
    random_state
        Seed for the drawing of cells.
    key
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Changes are those of the logits, or of the numbers that are predicted: with the perturbation
    minus without, the mean over replicates. Sets, of a screen, only the last:

    ``adata.obsm[key + "_perturbed"]``
        Cells x outputs, in the order of the outputs in ``uns[key]["nodes"]``: changes.
    ``adata.uns[key]["perturb"]``
        A row per ``group`` and ``output``: mean ``change``; for classes and labels, mean ``change_proba`` (of the
        probability) and ``switched``, the share of cells of the group whose predicted class changes (of labels, that
        get this label or lose it).
    ``adata.uns[key]["perturb_screen"]``
        The same for each ``node`` (``kind``: hidden or input).

    See :func:`edge2torch.get.perturb`.

    Raises
    ------
    Edge2TorchError
        If there is no model, or an argument cannot be used; nothing is written then.

    Notes
    -----
    The state of a node is what its activation returns. Of a node with several units (or channels), a value is shared
    out equally, and a mean is that of each unit. Where the network takes steps, the state is changed after every step.

    In a feedforward network, only what depends on the changed nodes is computed anew, for many perturbations at once;
    outputs that do not depend on them change by exactly 0. A screen of all hidden nodes takes little longer than a few
    predictions. Where the network takes steps, each perturbation takes as long as a prediction.

    References
    ----------
    Setting the state of a unit to 0 or to its mean is the ablation of Morcos et al. 2018 (arXiv:1803.06959).

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.perturb(adata, {"HALLMARK_HYPOXIA": 0.0}, genes={"CD79A": 0.0})
    >>> e2t.get.perturb(adata).columns.tolist()
    ['group', 'output', 'change', 'change_proba', 'switched']
    >>> e2t.tl.perturb(adata, "all", mode="remove")
    >>> e2t.get.perturb(adata, per="screen")["node"].nunique()
    39
    """
    called = {name: given for name, given in locals().items() if name not in UNRECORDED}
    _slots.check_adata(adata, copy=copy)
    check_choice("mode", mode, MODES)
    check_whole("batch_size", batch_size)
    check_seed(random_state)
    replicates, artifact = models(adata, key=key)
    if not adata.n_obs:
        raise Edge2TorchError("adata has no cells: there is nothing to perturb")
    fit_params = _slots.params(adata, key, "fit")
    table = fitted_nodes(adata, key, artifact)
    cells = fitted_cells(adata, artifact.feature_names, fit_params)
    perturbed = choose_perturbed(adata, table, {"nodes": nodes, "genes": genes}, mode=mode, value=value)
    screen = one_by_one or perturbed.screens
    if n_cells is not None:
        check_whole("n_cells", n_cells)
        if not screen:
            raise Edge2TorchError("n_cells is for screens (nodes='all', or one_by_one=True): leave it out")
    outputs = table.loc[table["kind"] == "output", "label"].astype(str).tolist()
    reported = find_outputs(target, outputs)

    def predicted() -> pd.Categorical[Any]:
        if str(fit_params["task"]) != CLASSES:
            return pd.Categorical(["all"] * adata.n_obs)
        best = predicted_classes(replicates, cells)
        return pd.Categorical(np.array(outputs, dtype=object)[best])

    groups = find_groups(adata, groupby, fit_params, predicted)
    rows = pick_cells(groups, n_cells, random_state) if screen else np.arange(len(cells))
    perturbations = perturbed.perturbations(replicates, cells, batch_size, together=not screen)
    asked = Asked(str(fit_params["task"]), groups, rows, batch_size, per_cell=not screen)
    effects = effects_of(replicates, cells, perturbations, asked)
    if asked.task == NUMBERS:  # the model works with deviations from the mean
        names = [str(name) for name in fit_params["outputs"]]
        effects = effects.times(scale_of(fit_params).std[[names.index(name) for name in outputs]])
    keys = _keys.Keys(key)
    part, stale = (_keys.PERTURB_SCREEN, keys.of_screen) if screen else (_keys.PERTURB, keys.of_perturb)
    summary = effects.table(groups.categories.tolist(), outputs, reported, perturbed.nodes if screen else None)
    adata = adata.copy() if copy else adata
    _slots.write(
        adata,
        key,
        called={part: {**called, **perturbed.called, "value": None if value is None else float(value)}},
        uns={part: summary},
        obsm={} if screen else {keys.perturbed: effects.per_cell},
        stale=stale,
    )
    return adata if copy else None
