"""Changing parts of an h5ad file that is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from edge2torch._rows import Rows

if TYPE_CHECKING:
    from h5py import Group

#: where parts are until all of them are written; a part of ``uns``, since readers know no others
UNFINISHED = "edge2torch_unfinished"


def replace_parts(root: Group, parts: Mapping[str, Any], stale: Iterable[str] = ()) -> None:
    """Replace parts of a file: all of them or, if one cannot be written, none.

    Parameters
    ----------
    root
        Root of a file that is open for writing.
    parts
        From paths, such as ``"obsm/X_pca"``, to what to write there: what anndata can write, or rows.
    stale
        Paths of what is removed, if it is there.
    """
    from anndata.io import write_elem

    for place in {"uns", *(path.split("/")[0] for path in parts)}:
        if place not in root:
            write_elem(root, place, {})
    uns = root["uns"]
    uns.pop(UNFINISHED, None)
    try:
        write_elem(uns, UNFINISHED, {})
        for number, part in enumerate(parts.values()):
            _write(uns[UNFINISHED], str(number), part)
    except BaseException:
        uns.pop(UNFINISHED, None)
        raise
    for path in {*stale, *parts}:
        if path in root:
            del root[path]
    for number, path in enumerate(parts):
        root.move(f"uns/{UNFINISHED}/{number}", path)
    del uns[UNFINISHED]
    root.file.flush()


def _write(group: Group, name: str, part: Any) -> None:
    from anndata.io import write_elem

    if not isinstance(part, Rows):
        write_elem(group, name, part)
        return
    array = group.create_dataset(name, shape=part.shape, dtype="float32")
    array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})  # as anndata writes it
    start = 0
    for block in part.blocks():
        array[start : start + len(block)] = block
        start += len(block)
