"""``e2t.tl.cross_validate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_number, check_seed, check_whole
from edge2torch.errors import Edge2TorchError, some
from edge2torch.pp._edit import read_draft
from edge2torch.tl._fit import fit_settings
from edge2torch.tl._learn import check_settings, learn, own_callbacks
from edge2torch.tl._predictions import prediction
from edge2torch.tl._target import read_groups, read_target
from edge2torch.training import CLASSES, Target, folds, score, with_validation

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

#: arguments of ``tl.fit`` that folds decide on
NOT_HERE = ("adata", "target", "task", "split", "groups", "compare", "key", "copy", "progress_bar", "random_state")


def cross_validate(
    adata: AnnData | MuData,
    target: str | Sequence[str],
    *,
    task: Literal["classes", "labels", "numbers"] | None = None,
    n_splits: int = 5,
    groups: str | None = None,
    validation: float = 0.1,
    fit_kwargs: Mapping[str, Any] | None = None,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    copy: bool = False,
    progress_bar: bool = True,
) -> AnnData | MuData | None:
    """Train on all but one fold, predict that one, and so on: every cell is predicted by a model that has not seen it.

    Parameters
    ----------
    adata
        Cells by genes, with a graph from :func:`edge2torch.pp.build_graph`.
    target, task
        What to predict, as in :func:`edge2torch.tl.fit`.
    n_splits
        Number of folds; classes have about equal shares in all.
    groups
        Column of ``adata.obs``, such as donors, of which none is in two folds.
    validation
        Share of the other cells (or groups) that decide when to stop.
    fit_kwargs
        Further arguments of :func:`edge2torch.tl.fit`. Callbacks in ``trainer_kwargs`` are copied for each fold.
    random_state
        Seed of the folds; each fold has a seed of its own for the rest.
    key
        Name of the result that holds the graph.
    copy
        Whether to return a copy instead of writing into ``adata``.
    progress_bar
        Whether to show a bar per fold.

    Returns
    -------
    ``None``, or the copy. Sets:

    ``adata.uns[key]["cross_validation"]``
        A row per fold and part of the split: ``split``, ``n_cells`` and the metrics of the task, as in
        :func:`edge2torch.get.metrics`, and ``fold``.
    ``adata.obs[key + "_fold"]``
        Fold in which a cell was held out.
    ``adata.obs[key + "_cv_pred"]``
        Class that was predicted then.
    ``adata.obsm[key + "_cv"]``
        Probabilities or numbers that were predicted then, cells x outputs, in the order of
        ``uns[key]["params"]["cross_validate"]["outputs"]``.

    No model is kept, and an earlier fit under the key stays.

    Raises
    ------
    Edge2TorchError
        If the target, the genes, or an argument cannot be used; nothing is written then.
    KeyboardInterrupt
        If it is interrupted (once, it ends after the current step): results are of all folds, or none.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> quick = {"max_epochs": 2}
    >>> e2t.tl.cross_validate(adata, "bulk_labels", n_splits=2, fit_kwargs=quick, progress_bar=False)
    >>> adata.uns["e2t"]["cross_validation"].groupby("split").size().to_dict()
    {'test': 2, 'train': 2, 'validation': 2}
    """
    _slots.check_adata(adata, copy=copy)
    _check(n_splits, validation, random_state, fit_kwargs)
    edges = read_draft(adata, key).edges
    wanted = read_target(adata, target, task)
    given = dict(fit_kwargs or {})
    trainer_kwargs = given.pop("trainer_kwargs", None)
    settings = check_settings({**fit_settings(), **given, "target": target, "random_state": random_state}, wanted)
    donors = None if groups is None else read_groups(adata, groups)
    same = {"n_cells": adata.n_obs, "labels": wanted.strata, "groups": donors}
    fold = folds(n_splits, random_state, **same)
    del same["n_cells"]
    seeds = [(random_state + k) % 2**32 for k in range(n_splits)]
    parts = [with_validation(fold == k, validation, seed, **same) for k, seed in enumerate(seeds)]
    _check_classes(wanted, parts, groups)
    predicted: npt.NDArray[np.floating] = np.zeros(0)
    tables = []
    for k, (seed, part) in enumerate(zip(seeds, parts, strict=True)):
        own = {**settings, "random_state": seed}
        callbacks = own_callbacks(trainer_kwargs)
        learned = learn(adata, edges, wanted, part, own, trainer_kwargs=callbacks, progress_bar=progress_bar)
        if learned.interrupted:
            raise KeyboardInterrupt
        predicted = np.where((fold == k)[:, None], learned.predicted, predicted) if k else learned.predicted
        tables.append(score(wanted.task, wanted.names, wanted.truth, learned.predicted, part)[0].assign(fold=k))
    keys = _keys.Keys(key)
    obs: dict[str, Any] = {keys.fold: pd.Categorical(fold)}
    if wanted.task == CLASSES:
        chosen = [wanted.names[k] for k in predicted.argmax(axis=1)]
        obs[keys.cv_pred] = prediction(adata, chosen, wanted.names, str(settings["target"]))
    adata = adata.copy() if copy else adata
    _slots.write(
        adata,
        key,
        called={
            "cross_validate": {
                **{name: value for name, value in settings.items() if name not in ("split", "compare")},
                "task": wanted.task,
                "outputs": wanted.names,
                "n_splits": n_splits,
                "groups": groups,
                "validation": validation,
                "random_state": random_state,
            }
        },
        uns={_keys.CROSS_VALIDATION: pd.concat(tables, ignore_index=True)},
        obs=obs,
        obsm={keys.cv: predicted},
        stale=_keys.Made(slots=(keys.cv_pred,)),  # of classes, where there are none now
    )
    return adata if copy else None


def _check_classes(target: Target, parts: Sequence[npt.NDArray[np.object_]], groups: str | None) -> None:
    """Raise before the first fold if a class is missing from the training cells of one."""
    if target.task != CLASSES:
        return
    for k, part in enumerate(parts):
        counts = np.bincount(target.truth[part == "train"], minlength=len(target.names))
        absent = [name for name, count in zip(target.names, counts, strict=True) if not count]
        if absent:
            why = f", since all their cells are of few {groups}" if groups else ""
            raise Edge2TorchError(
                f"with fold {k} held out, {len(absent)} classes have no cell to train on{why}: {some(absent)}; merge "
                "them with others, leave these cells out, or use fewer folds"
            )


def _check(n_splits: int, validation: float, random_state: int, fit_kwargs: Mapping[str, Any] | None) -> None:
    check_whole("n_splits", n_splits, least=2)
    check_number("validation", validation, below=1, positive=True)
    check_seed(random_state)
    if not isinstance(fit_kwargs, Mapping | None):
        raise Edge2TorchError(f"fit_kwargs={fit_kwargs!r} must be a dict of arguments of e2t.tl.fit")
    known = [name for name in (*fit_settings(), "trainer_kwargs") if name not in NOT_HERE]
    unknown = [name for name in fit_kwargs or {} if name not in known]
    if unknown:
        raise Edge2TorchError(f"fit_kwargs may not hold {some(unknown)}; it may hold {some(known, 30)}")
