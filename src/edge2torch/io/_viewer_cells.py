"""Columns of cells that a viewer can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api import types

from edge2torch import _keys, _slots
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get import nodes as get_nodes
from edge2torch.get._choose import labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData
    from mudata import MuData

#: cellxgene hides columns of text with more categories
MOST_CATEGORIES = 1000
INT32 = np.iinfo(np.int32)


def plain_name(name: object) -> str:
    """Name of a column without what h5ad files cannot hold."""
    return str(name).replace("/", "|")


def node_names(adata: AnnData | MuData, nodes: Sequence[str], key: str) -> dict[str, str]:
    """What to call each node: its label, or its name where others have that label."""
    labels = labels_of(adata, key)
    shown = [plain_name(labels[node]) for node in nodes]
    return {
        node: label if shown.count(label) == 1 else plain_name(node) for node, label in zip(nodes, shown, strict=True)
    }


def result_columns(adata: AnnData | MuData, scores: AnnData, nodes: Sequence[str], key: str) -> dict[str, Any]:
    """Confidence of the prediction, scores and activations of some nodes, as columns, float32."""
    keys = _keys.Keys(key)
    names = node_names(adata, nodes, key)
    columns = {}
    if keys.proba in adata.obsm and keys.pred in adata.obs:
        columns[f"{plain_name(key)}_confidence"] = np.asarray(adata.obsm[keys.proba]).max(axis=1)
    where = scores.var_names.get_indexer(list(nodes))
    columns.update(zip([f"{names[node]} (score)" for node in nodes], scores.X[:, where].T, strict=True))
    if keys.activations in adata.obsm:
        states = get_nodes(adata, of="activations", key=key).X[:, where].T
        columns.update(zip([f"{names[node]} (activation)" for node in nodes], states, strict=True))
    columns.update(_predicted(adata, keys))
    return {name: np.asarray(values, dtype=np.float32) for name, values in columns.items()}


def _predicted(adata: AnnData | MuData, keys: _keys.Keys) -> dict[str, Any]:
    """What was predicted, where it is several numbers or labels of a cell."""
    if keys.pred in adata.obs:
        return {}
    table = _slots.nodes_table(adata, keys.key)
    outputs = table.loc[table["kind"] == "output", "label"]
    slot = keys.proba if keys.proba in adata.obsm else keys.numbers
    if slot not in adata.obsm:
        return {}
    return {f"{plain_name(name)} (predicted)": adata.obsm[slot][:, i] for i, name in enumerate(outputs)}


def viewer_columns(obs: pd.DataFrame, own: dict[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    """Own columns, then those of ``obs`` in types that the viewer knows; and which were left out, and why.

    Raises
    ------
    Edge2TorchError
        If two would have one name.
    """
    names = [plain_name(name) for name in obs.columns]
    both = pd.Index([*own, *names], dtype=object)
    if both.has_duplicates:
        raise Edge2TorchError(
            f"{both[both.duplicated()].nunique()} columns would have a name that another one has: "
            f"{some(both[both.duplicated()].unique())}; rename columns of adata.obs ('/' becomes '|')"
        )
    columns, left_out = dict(own), []
    for i, name in enumerate(names):
        found = _viewer_column(obs.iloc[:, i])
        if isinstance(found, str):
            left_out.append(f"{name!r} ({found})")
        else:
            columns[name] = found
    index = pd.Index([str(cell) for cell in obs.index], dtype=object)
    return pd.DataFrame(columns, index=index, columns=pd.Index(list(columns), dtype=object)), left_out


def _viewer_column(column: pd.Series) -> Any:
    """A column as bool, int32, float32 or categories of text; or the reason why there is none."""
    column = column.infer_objects()
    dtype, missing = column.dtype, bool(column.isna().any())
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(column.cat.categories, column.cat.codes.to_numpy())
    if types.is_bool_dtype(dtype) and not missing:
        return column.to_numpy(dtype=bool)
    if types.is_integer_dtype(dtype) and not missing:
        if len(column) and (int(column.min()) < INT32.min or int(column.max()) > INT32.max):
            return "numbers beyond 32 bits"
        return column.to_numpy(dtype=np.int32)
    if types.is_integer_dtype(dtype) or types.is_float_dtype(dtype):
        with np.errstate(over="ignore"):
            return column.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)
    codes, values = pd.factorize(column.map(str, na_action="ignore").to_numpy(dtype=object))
    order = np.argsort(values, kind="stable")
    return _categories(values[order], np.append(np.argsort(order), -1)[codes])


def _categories(values: Iterable[Any], codes: np.ndarray) -> pd.Categorical | str:
    texts = [str(value) for value in values]
    if len(texts) > MOST_CATEGORIES:
        return f"{len(texts):,} different texts"
    known = list(dict.fromkeys(texts))  # 1 and "1" are one
    place = np.array([*(known.index(text) for text in texts), -1])
    return pd.Categorical.from_codes(place[codes], categories=pd.Index(known, dtype=object))


def colours(adata: AnnData | MuData, obs: pd.DataFrame, key: str) -> tuple[dict[str, list[str]], list[str]]:
    """Colours of the categories of ``obs`` as ``#rrggbb``, and those left out; a prediction has its target's."""
    found: dict[str, list[str]] = {}
    left_out = []
    for name in [name for name in obs if isinstance(obs[name].dtype, pd.CategoricalDtype)]:
        given = next((adata.uns[slot] for slot in adata.uns if plain_name(slot) == f"{name}_colors"), None)
        if given is not None:
            hexes = _hexes(given, obs[name].cat.categories)
            found |= {f"{name}_colors": hexes} if hexes else {}
            left_out += [] if hexes else [f"{name}_colors (no colour of each category)"]
    predicted = _keys.Keys(key).pred
    target = plain_name(_slots.params(adata, key, "fit").get("target", ""))
    if predicted in obs and f"{predicted}_colors" not in found and f"{target}_colors" in found:
        known = dict(zip(obs[target].cat.categories, found[f"{target}_colors"], strict=True))
        if set(obs[predicted].cat.categories) <= known.keys():
            found[f"{predicted}_colors"] = [known[name] for name in obs[predicted].cat.categories]
    return found, left_out


def _hexes(given: Any, categories: pd.Index) -> list[str]:
    """A colour for each category, or nothing if they cannot be read."""
    from matplotlib.colors import to_hex

    try:
        each = [given[name] for name in categories] if isinstance(given, dict) else list(given)
        return [to_hex(colour) for colour in each[: len(categories)]] if len(each) >= len(categories) else []
    except (KeyError, TypeError, ValueError):
        return []
