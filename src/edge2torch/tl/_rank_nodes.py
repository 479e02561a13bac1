"""``e2t.tl.rank_nodes``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice, check_seed, check_whole
from edge2torch._notes import note
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get._control import KINDS, controls
from edge2torch.get._control import control as get_control
from edge2torch.get._model import models
from edge2torch.tl._baseline import name_of
from edge2torch.tl._control import control
from edge2torch.tl._question import Question
from edge2torch.tl._rank_table import rank_table
from edge2torch.tl._strata import Strata
from edge2torch.tl._target import read_groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData


def rank_nodes(
    adata: AnnData | MuData,
    groupby: str | None = None,
    *,
    target: str | Sequence[str] = "label",
    by: str = "rewired",
    baseline: str | npt.ArrayLike = "mean",
    n_steps: int = 10,
    donors: str | None = None,
    n_cells: int | None = 500,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    copy: bool = False,
    progress_bar: bool = True,
) -> AnnData | MuData | None:
    """Rank the hidden nodes of each group of cells by how far their scores exceed what their wiring explains.

    Parameters
    ----------
    adata
        Cells by genes, with a model from :func:`edge2torch.tl.fit`. If there are no control models of kind ``by``,
        :func:`edge2torch.tl.control` trains five of each kind of which there are none first.
    groupby
        Column of ``adata.obs`` with the groups; ``None`` for the classes of the fit.
    target
        What is explained in a cell: its own class (``"label"``), the ``"predicted"`` one, or an output by name. Of
        classes, it is the logit of that class minus the mean of all logits: what all have in common separates none.
    by
        Kind of the controls to compare with.
    baseline
        What cells are compared with, see :func:`edge2torch.tl.interpret`: with the mean cell, absent genes speak for a
        class, too; with ``"zero"``, only what is expressed does.
    n_steps
        Steps along the path from there.
    donors
        Column of ``adata.obs``, such as donors, whose members are the units of replication: a group's score is the mean
        of the means of its donors, and the variance between donors counts.
    n_cells
        Most cells of a group that are scored, drawn at random; ``None`` for all.
    random_state
        Seed of that draw.
    key
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.
    progress_bar
        Whether to show a bar while control models are trained.

    Returns
    -------
    ``None``, or the copy. Sets ``adata.uns[key]["rank_nodes"]``, a row per group and node, highest ``z`` first; see
    :func:`edge2torch.get.rank_nodes` for the columns. ``adata.uns[key]["rank_nodes_models"]`` has what each replicate
    and each control says: ``get.rank_nodes(adata, per="model")``.

    Raises
    ------
    Edge2TorchError
        If there is no model, there are fewer than two controls, or an argument cannot be used; nothing is written then.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.control(adata, "rewired", n=3, progress_bar=False)
    >>> e2t.tl.rank_nodes(adata, n_steps=5)
    >>> e2t.get.rank_nodes(adata, "CD19+ B")[["node", "layer"]].shape
    (39, 2)
    """
    called = {name: value for name, value in locals().items() if name not in ("adata", "key", "copy", "progress_bar")}
    _slots.check_adata(adata, copy=copy)
    check_choice("by", by, KINDS)
    check_whole("n_steps", n_steps)
    check_seed(random_state)
    if n_cells is not None:
        check_whole("n_cells", n_cells)
    replicates, artifact = models(adata, key=key)
    question = Question.of(adata, key, replicates, artifact, target=target, groupby=groupby, baseline=baseline)
    units = None if donors is None else read_groups(adata, donors, "donors")
    strata = Strata.of(question.groups, units, n_cells, random_state)
    trained = adata
    absent = _absent(adata, key)
    if by in absent:
        note(f"there are no {by} controls yet: five of each kind ({some(absent)}) are trained, see e2t.tl.control")
        made = control(adata, absent, key=key, copy=copy, progress_bar=progress_bar)
        trained = adata if made is None else made
    known = list(controls(trained, key=key))
    of_kind = sum(one.kind == by for one in known)
    if of_kind < 2:
        raise Edge2TorchError(
            f"there is {of_kind} {by} control, and at least two are needed to tell chance: e2t.tl.control with n=5"
        )
    own, compared = question.score(trained, by, known, strata, n_steps)
    table, said = rank_table(own, by, compared, strata, question)
    names = [f"replicate_{k}" for k in range(len(own))] + _names(trained, key, compared)
    result = adata.copy() if copy and trained is adata else trained
    _slots.write(
        result,
        key,
        called={"rank_nodes": {**called, "baseline": name_of(baseline)}},
        uns={_keys.RANK_NODES: table, _keys.RANK_NODES_MODELS: {"model": np.array(names, dtype=object), **said}},
    )
    return result if copy else None


def _names(adata: AnnData | MuData, key: str, kinds: Iterable[str]) -> list[str]:
    """Names of the controls of some kinds, kind by kind."""
    table = get_control(adata, key=key).astype({"kind": str, "control": str})
    return [name for kind in kinds for name in table.loc[table["kind"] == kind, "control"]]


def _absent(adata: AnnData | MuData, key: str) -> list[str]:
    """Kinds of which there are no controls yet."""
    stored = adata.uns[key].get(_keys.CONTROLS)
    there = set() if stored is None else set(pd.DataFrame(stored["table"])["kind"].astype(str))
    return [kind for kind in KINDS if kind not in there]
