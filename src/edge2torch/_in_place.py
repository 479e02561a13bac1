"""Changing parts of an h5ad file that is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from h5py import Group

#: where parts are until all of them are written; a part of ``uns``, since readers know no others
UNFINISHED = "uns/edge2torch_unfinished"


def replace_parts(root: Group, parts: Mapping[str, Any], stale: Iterable[str] = ()) -> None:
    """Replace parts of a file: all of them or, if one cannot be written, none.

    Parameters
    ----------
    root
        Root of a file that is open for writing.
    parts
        From paths, such as ``"obsm/X_pca"``, to what to write there.
    stale
        Paths of what is removed, if it is there.
    """
    from anndata.io import write_elem

    for place in {"uns", *(path.split("/")[0] for path in parts)}:
        if place not in root:
            write_elem(root, place, {})
    root.pop(UNFINISHED, None)
    try:
        write_elem(root, UNFINISHED, {})
        for number, part in enumerate(parts.values()):
            write_elem(root[UNFINISHED], str(number), part)
    except BaseException:
        root.pop(UNFINISHED, None)
        raise
    for path in {*stale, *parts}:
        if path in root:
            del root[path]
    for number, path in enumerate(parts):
        root.move(f"{UNFINISHED}/{number}", path)
    del root[UNFINISHED]
    root.file.flush()
