"""What is to be predicted, read from ``obs`` or ``obsm``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from edge2torch._checks import check_choice
from edge2torch.cells import choose_matrix, is_mudata, modalities
from edge2torch.errors import Edge2TorchError, some
from edge2torch.training import CLASSES, LABELS, NUMBERS, TASKS, Target

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: whole numbers with at most so many values may be classes
FEW = 30


def read_target(
    adata: AnnData | MuData, target: str | Sequence[str], task: str | None, *, varies: bool = True
) -> Target:
    """Read what is known of the cells.

    Parameters
    ----------
    adata
        The cells.
    target
        A column of ``obs``, several columns, a key of ``obsm``, or a modality of a MuData.
    task
        ``"classes"``, ``"labels"``, ``"numbers"``; ``None`` to tell by what is there.
    varies
        Whether cells must differ in what is known of them, so that something can be learned.

    Raises
    ------
    Edge2TorchError
        If it does not exist, its task cannot be told, or values are missing or do not fit the task.
    """
    if task is not None:
        check_choice("task", task, TASKS)
    found, where = _read(adata, target, task)
    if varies:
        _check_varies(found, where)
    return found


def _read(adata: AnnData | MuData, target: str | Sequence[str], task: str | None) -> tuple[Target, str]:
    """Read a target, and say where it is."""
    if isinstance(target, str) and is_mudata(adata) and target in adata.mod:  # in obsm, it says which cells have it
        return _labels_or_numbers(_from_modality(adata, target), task, where := f"mdata[{target!r}].X"), where
    if isinstance(target, str) and target not in adata.obs and target in adata.obsm:
        table = _from_obsm(adata, target)
        return _labels_or_numbers(table, task, where := f"adata.obsm[{target!r}]"), where
    columns = [target] if isinstance(target, str) else target
    if not isinstance(columns, Sequence) or not columns or not all(isinstance(name, str) for name in columns):
        raise Edge2TorchError(
            f"target={target!r} must be a column of adata.obs, a list of them, or a key of adata.obsm"
        )
    missing = [name for name in columns if name not in adata.obs]
    if missing:
        keys = f", nor in adata.obsm, which has {some(adata.obsm)}" if len(columns) == 1 and len(adata.obsm) else ""
        raise Edge2TorchError(
            f"target: {some(missing)} is not a column of adata.obs, which has {some(adata.obs)}{keys}"
        )
    if len(set(columns)) < len(columns):
        raise Edge2TorchError(f"target={target!r} names a column twice")
    where = f"adata.obs[{target!r}]"
    having = f"adata[{where}.notna()].copy()" if isinstance(target, str) else "a copy of the cells that have it"
    _check_complete(adata.obs[list(columns)], where, having)
    if len(columns) > 1:
        return _labels_or_numbers(adata.obs[list(columns)], task, where), where
    column = adata.obs[columns[0]]
    if (task or _task_of(column, where)) == CLASSES:
        return _classes(column, where), where
    return _labels_or_numbers(column.to_frame(), task, where), where


def _is_number(column: pd.Series) -> bool:
    dtype = column.dtype
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)


def _task_of(column: pd.Series, where: str) -> str:
    """Tell the task of one column."""
    if not _is_number(column):
        return CLASSES
    values = column.to_numpy(dtype=float)
    if column.nunique() <= FEW and np.array_equal(values, np.round(values)):
        raise Edge2TorchError(
            f"{where} holds {column.nunique()} whole numbers, which may be classes or numbers: pass task='classes' or "
            "task='numbers'"
        )
    return NUMBERS


def _from_obsm(adata: AnnData | MuData, key: str) -> pd.DataFrame:
    table: Any = adata.obsm[key]
    if isinstance(table, pd.DataFrame):
        if not table.shape[1]:
            raise Edge2TorchError(f"adata.obsm[{key!r}] has no columns: it must be cells x outputs")
        return table
    array = _dense(table)
    if array.ndim != 2 or not array.shape[1]:
        raise Edge2TorchError(f"adata.obsm[{key!r}] has the shape {array.shape}: it must be cells x outputs")
    return pd.DataFrame(array, index=adata.obs_names, columns=[f"{key} {k}" for k in range(array.shape[1])])


def _from_modality(mdata: MuData, name: str) -> pd.DataFrame:
    names = [f"{name}:{feature}" for feature in modalities(mdata)[name].var_names]
    if not names:
        raise Edge2TorchError(f"target={name!r}: this modality has no features to predict")
    values = _dense(choose_matrix(mdata, None, False, names)[0])
    return pd.DataFrame(values, index=mdata.obs_names, columns=names)


def _dense(matrix: Any) -> npt.NDArray[Any]:
    sparse: Any = matrix
    return np.asarray(sparse.toarray() if sp.issparse(matrix) else matrix)


def _check_complete(table: pd.DataFrame, where: str, having: str = "a copy of the cells that have it") -> None:
    absent = table.isna().any(axis=1)
    if absent.any():
        raise Edge2TorchError(
            f"{where} is missing in {int(absent.sum()):,} of {len(table):,} cells: fit on {having} and predict the "
            "others"
        )


def _labels_or_numbers(table: pd.DataFrame, task: str | None, where: str) -> Target:
    _check_complete(table, where)
    names = [str(name) for name in table.columns]
    if len(set(names)) < len(names):
        raise Edge2TorchError(
            f"{where} has columns of the same name: {some(pd.Index(names)[pd.Index(names).duplicated()])}"
        )
    wrong = [name for name, dtype in zip(names, table.dtypes, strict=True) if not pd.api.types.is_numeric_dtype(dtype)]
    if task == CLASSES or wrong:
        neither = f"; {some(wrong)} are neither" if wrong else ""
        raise Edge2TorchError(
            f"{where} may hold labels (true or false) or numbers{neither}; for classes, name one column of adata.obs "
            "with task='classes' or None"
        )
    values = table.to_numpy(dtype=float)
    binary = bool(np.isin(values, (0, 1)).all())
    all_bool = all(pd.api.types.is_bool_dtype(dtype) for dtype in table.dtypes)
    if task is None and binary and not all_bool:
        raise Edge2TorchError(f"{where} holds 0 and 1 only: pass task='labels' or task='numbers'")
    chosen = task or (LABELS if binary else NUMBERS)
    if chosen == LABELS:
        if not binary:
            raise Edge2TorchError(f"{where}: labels must be true and false, or 1 and 0")
        return Target(LABELS, names, values.astype(np.float32))
    if not np.isfinite(values).all():
        raise Edge2TorchError(
            f"{where} holds {int((~np.isfinite(values)).sum()):,} infinite numbers: remove these cells"
        )
    return Target(NUMBERS, names, values)


def _check_varies(target: Target, where: str) -> None:
    """Raise if there is nothing to be learned of an output."""
    names = target.names
    if target.task != CLASSES:
        same = [name for name, spread in zip(names, np.ptp(target.truth, axis=0), strict=True) if not spread]
        if same:
            raise Edge2TorchError(
                f"{where}: {len(same):,} {target.task} are the same in all cells: {some(same)}; leave them out"
            )
        return
    if len(names) < 2:
        raise Edge2TorchError(f"{where} holds one class, {some(names)}: there is nothing to tell apart")
    single = [names[i] for i in np.flatnonzero(np.bincount(target.truth.astype(np.intp)) < 2)]
    if single:
        raise Edge2TorchError(
            f"{len(single)} classes in {where} have a single cell: {some(single)}; "
            "merge them with others or leave these cells out"
        )


def _classes(column: pd.Series, where: str) -> Target:
    categories = column.astype("category").cat.remove_unused_categories()
    names = [str(name) for name in categories.cat.categories]
    codes = categories.cat.codes.to_numpy().astype(np.int64)
    if len(set(names)) != len(names):
        raise Edge2TorchError(f"{where} has classes that are different objects with the same text: {some(names)}")
    return Target(CLASSES, names, codes)


def read_groups(adata: AnnData | MuData, groups: str, argument: str = "groups") -> npt.NDArray[np.int64]:
    """Read groups of cells, such as donors, as numbers.

    Raises
    ------
    Edge2TorchError
        If there is no such column, or a cell has no group.
    """
    if not isinstance(groups, str) or groups not in adata.obs:
        raise Edge2TorchError(f"{argument}={groups!r} is not a column of adata.obs; it has {some(adata.obs)}")
    codes, _ = pd.factorize(adata.obs[groups])
    absent = int((codes < 0).sum())
    if absent:
        raise Edge2TorchError(
            f"adata.obs[{groups!r}] is missing in {absent:,} of {codes.size:,} cells: fill or leave out"
        )
    return np.asarray(codes, dtype=np.int64)
