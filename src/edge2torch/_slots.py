"""The one place where slots of an AnnData or MuData are read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch import _keys
from edge2torch._in_place import replace_parts
from edge2torch._modalities import is_mudata
from edge2torch._rows import Rows
from edge2torch.errors import Edge2TorchError, some

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def check_adata(adata: object, name: str = "adata", *, copy: bool = False, written: bool = True) -> None:
    """Raise if something is no AnnData or MuData that can be used.

    Parameters
    ----------
    adata
        What was passed.
    name
        Name of the argument, for messages.
    copy
        Whether a copy is going to be made.
    written
        Whether results are going to be written into it, or into the copy.

    Raises
    ------
    Edge2TorchError
        If it is something else, its names are not unique, its tables are not in memory, or anndata cannot write into it
        (a view of a file) or copy it (a file).
    """
    from anndata import AnnData

    if not isinstance(adata, AnnData) and not is_mudata(adata):
        raise Edge2TorchError(f"{name} must be an AnnData or MuData, not {type(adata).__name__}")
    data: Any = adata
    if not data.obs_names.is_unique:
        raise Edge2TorchError(f"{name}.obs_names are not unique: call {name}.obs_names_make_unique()")
    _check_tables(data, name)
    if written and data.isbacked and data.is_view:
        raise Edge2TorchError(
            f"{name} is a view of cells in a file, and nothing can be written into that: call {name}.to_memory(), or "
            "pass all cells"
        )
    if copy and data.isbacked:
        raise Edge2TorchError(f"{name} is in a file and copy=True: pass copy=False, or {name}.to_memory()")


def _check_tables(data: Any, name: str) -> None:
    """Raise if ``obs`` or ``var`` is read lazily, as ``anndata.experimental.read_lazy`` does."""
    lazy = [table for table in ("obs", "var") if not isinstance(getattr(data, table), pd.DataFrame)]
    if lazy:
        calls = "; ".join(f"{name}.{table} = {name}.{table}.to_memory()" for table in lazy)
        raise Edge2TorchError(f"{' and '.join(lazy)} of {name} are not in memory: call {calls}. The matrix may stay")


def results(adata: AnnData | MuData, key: str, part: str, made_by: str) -> Any:
    """Read a part of a result from ``uns``.

    Raises
    ------
    Edge2TorchError
        If it is not there; says which function makes it, and which results there are.
    """
    found = adata.uns.get(_keys.Keys(key).key)
    if not isinstance(found, Mapping) or part not in found:
        others = [k for k, v in adata.uns.items() if isinstance(v, Mapping) and part in v and _keys.NODES in v]
        own = isinstance(found, Mapping) and _keys.NODES in found  # of which a step is missing
        hint = f"there is one under {some(others)}: pass key=" if others and not own else f"run {made_by} first"
        if others and own:
            hint += f", or pass key= for the one under {some(others)}"
        raise Edge2TorchError(f"adata.uns[{key!r}] has no {part!r}; {hint}")
    return found[part]


def check_free(adata: AnnData | MuData, key: str) -> None:
    """Raise if ``uns[key]`` is in use for something that is not a result of this package."""
    found = adata.uns.get(_keys.Keys(key).key)
    if found is not None and not (isinstance(found, Mapping) and _keys.GRAPH in found and _keys.NODES in found):
        raise Edge2TorchError(f"adata.uns[{key!r}] holds something else: choose another key_added")


def graph_table(adata: AnnData | MuData, key: str) -> pd.DataFrame:
    """Read the edge list."""
    return pd.DataFrame(results(adata, key, _keys.GRAPH, "e2t.pp.build_graph"))


def nodes_table(adata: AnnData | MuData, key: str) -> pd.DataFrame:
    """Read the table of nodes."""
    return pd.DataFrame(results(adata, key, _keys.NODES, "e2t.pp.build_graph"))


def params(adata: AnnData | MuData, key: str, step: str) -> dict[str, Any]:
    """Read what a function was called with."""
    return dict(results(adata, key, _keys.PARAMS, "e2t.pp.build_graph").get(step, {}))


def write(
    adata: AnnData | MuData,
    key: str,
    *,
    called: Mapping[str, Mapping[str, Any]] | None = None,
    uns: Mapping[str, Any] | None = None,
    obs: Mapping[str, Any] | None = None,
    obsm: Mapping[str, Any] | None = None,
    varm: Mapping[str, Any] | None = None,
    stale: _keys.Made = _keys.NOTHING,
    in_file: bool = False,
) -> None:
    """Write everything a function made, in one go.

    Parameters
    ----------
    adata
        Changed in place; a view becomes an actual object first.
    key
        Name of the result.
    called
        Name of the function, and what it was called with.
    uns
        Parts of ``uns[key]`` to set; others stay.
    obs, obsm, varm
        Columns and arrays to set; arrays may be :class:`Rows`.
    stale
        What no longer holds, and is removed.
    in_file
        Whether to write it also into the file behind ``adata``, first; see :func:`is_open_file`.
    """
    if adata.is_view:
        adata._init_as_actual(adata.copy())
    result = {name: part for name, part in adata.uns.get(key, {}).items() if name not in stale.parts}
    result.update(uns or {})
    steps = {name: step for name, step in result.get(_keys.PARAMS, {}).items() if name not in stale.steps}
    steps.update({step: {**_plain(arguments), **_version()} for step, arguments in (called or {}).items()})
    result[_keys.PARAMS] = steps
    if in_file:
        _write_into_file(adata, {f"uns/{key}": result}, {"obsm": obsm or {}, "varm": varm or {}}, stale)
    for place, parts in ((adata.obs, obs or {}), (adata.obsm, obsm or {}), (adata.varm, varm or {})):
        for name in [name for name in stale.slots if name in place]:
            del place[name]
        for name, value in parts.items():
            place[name] = value.array() if isinstance(value, Rows) else value
    adata.uns[key] = result


def is_open_file(adata: AnnData | MuData) -> bool:
    """Whether results are written into a file at once: that of an AnnData which was opened with ``backed="r+"``."""
    if not adata.isbacked or is_mudata(adata):
        return False
    file: Any = adata.file
    if not file.is_open:
        file.open()
    return bool(file["/"].file.mode == "r+")


def _write_into_file(
    adata: AnnData | MuData, parts: Mapping[str, Any], places: Mapping[str, Mapping[str, Any]], stale: _keys.Made
) -> None:
    named = {f"{place}/{name}": value for place, values in places.items() for name, value in values.items()}
    file: Any = adata.file
    replace_parts(file["/"], {**named, **parts}, [f"{place}/{name}" for place in places for name in stale.slots])


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Turn arguments into what h5ad and zarr files hold.

    ``None`` is left out, because not every reader of such files knows it; a mapping becomes JSON, because its keys may
    hold "/"; a sequence becomes an array.
    """
    plain: dict[str, Any] = {}
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            plain[name] = json.dumps(dict(value))
        elif isinstance(value, list | tuple):
            plain[name] = np.asarray(value, dtype=object if value and isinstance(value[0], str) else None)
        elif value is not None:
            plain[name] = value
    return plain


def _version() -> dict[str, str]:
    return {"edge2torch_version": version("edge2torch")}
