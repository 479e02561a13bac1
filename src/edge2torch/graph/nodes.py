"""The nodes of an edge list: one text each, and where each edge begins and ends."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pandas as pd

from edge2torch.errors import Edge2TorchError, some

Names = npt.NDArray[np.object_]
Positions = npt.NDArray[np.intp]


def index_nodes(edges: pd.DataFrame) -> tuple[Names, Positions, Positions]:
    """Find the names in an edge list and check that each is the text of one object only.

    Parameters
    ----------
    edges
        The edge list; only ``source`` and ``target`` are looked at.

    Returns
    -------
    The texts of all nodes, each once, and the positions of sources and targets among them, per edge.

    Raises
    ------
    Edge2TorchError
        If names are missing, empty, unhashable or ambiguous.

    Examples
    --------
    >>> index_nodes(pd.DataFrame({"source": ["gene", "TF"], "target": ["TF", "out"]}))
    (array(['gene', 'TF', 'out'], dtype=object), array([0, 1]), array([1, 2]))
    """
    sources, source, source_texts = _distinct(edges["source"])
    targets, target, target_texts = _distinct(edges["target"])
    texts = source_texts + target_texts
    _check_texts(sources + targets, texts)
    codes, names = pd.factorize(np.array(texts, dtype=object))
    return names, codes[: len(sources)][source], codes[len(sources) :][target]


def _distinct(column: pd.Series) -> tuple[list[object], Positions, list[str]]:
    """Names of a column, where each row has its name among them, and the texts of the names."""
    _check_text(column)
    if _equal_is_same(column):
        codes, unique = pd.factorize(column)
        names, missing = unique.tolist(), np.flatnonzero(codes < 0)
    else:  # factorize would merge 1, 1.0 and True
        codes, names = np.arange(len(column)), column.tolist()
        missing = np.flatnonzero(column.isna())
    if missing.size:
        raise Edge2TorchError(
            f"edgelist[{column.name!r}] has {missing.size:,} missing names (rows {some(missing.tolist())}): "
            "drop or fill them"
        )
    texts = [str(name) for name in names]
    blank = np.array([not text.strip() for text in texts])
    empty = np.flatnonzero(blank[codes])
    if empty.size:
        raise Edge2TorchError(
            f"edgelist[{column.name!r}] has {empty.size:,} empty names (rows {some(empty.tolist())}): drop or fill them"
        )
    return names, codes, texts


def _check_text(column: pd.Series) -> None:
    """Raise if there are names that no file can hold; factorize takes these for one another."""
    names = [name for name in column.tolist() if isinstance(name, str)]
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        wrong = [name for name in dict.fromkeys(names) if any("\ud800" <= letter <= "\udfff" for letter in name)]
        raise Edge2TorchError(
            f"edgelist[{column.name!r}] has {len(wrong):,} names that are not valid Unicode text: {some(wrong)}; they "
            "may have been read with the wrong encoding"
        ) from None


def _equal_is_same(column: pd.Series) -> bool:
    """Whether names that are equal are sure to have the same text."""
    if pd.api.types.is_object_dtype(column.dtype):
        return set(map(type, column.tolist())) == {str}
    whole_or_text = pd.api.types.is_integer_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)
    return whole_or_text or isinstance(column.dtype, pd.CategoricalDtype)  # categories are unique already


def _check_texts(names: list[object], texts: list[str]) -> None:
    if set(map(type, names)) == {str}:  # they are their texts, so this needs no look at each
        return
    unhashable = [name for name in names if not _is_hashable(name)]
    if unhashable:
        raise Edge2TorchError(
            f"edgelist['source'] and ['target'] must hold names, not {unhashable[0]!r}: make them strings"
        )
    texts_of: dict[object, set[str]] = {}
    for name, text in zip(names, texts, strict=True):
        texts_of.setdefault(name, set()).add(text)
    split = [text for several in texts_of.values() if len(several) > 1 for text in sorted(several)]
    if split:
        raise Edge2TorchError(
            f"edgelist has equal names with different texts ({some(split)}), for example the numbers 1 and 1.0: "
            "make all names strings"
        )
    counts = Counter(text for several in texts_of.values() for text in several)
    alike = [text for text, count in counts.items() if count > 1]
    if alike:
        raise Edge2TorchError(
            f"{len(alike):,} node names are different objects with the same text ({some(alike)}), "
            "for example the number 1 and the string '1': make all names strings"
        )


def _is_hashable(name: object) -> bool:
    try:  # the class of a tuple says yes even if it holds a list
        hash(name)
    except TypeError:
        return False
    return True
