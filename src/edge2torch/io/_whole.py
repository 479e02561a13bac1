"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from edge2torch.errors import Edge2TorchError


def write_whole(target: Path, content: bytes) -> None:
    """Write a file beside the target, then put it in its place in one go.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    """
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist: make it first")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def check_new(path: str | os.PathLike[str], endings: tuple[str, ...], *, overwrite: bool) -> Path:
    """Raise if a file of one of some kinds cannot be written; returns the path.

    Raises
    ------
    Edge2TorchError
        If the ending is another one, there is no such folder, or a file is there and ``overwrite=False``.
    """
    target = Path(path)
    if target.suffix.lower() not in endings:
        known = ", ".join(endings)
        raise Edge2TorchError(f"path={str(target)!r} ends in {target.suffix!r}; known endings are {known}")
    if not target.parent.is_dir():
        raise Edge2TorchError(f"path={str(target)!r}: the folder {str(target.parent)!r} does not exist: make it first")
    if os.path.isdir(target):  # noqa: PTH112 - pathlib raises for names that are too long
        raise Edge2TorchError(f"path={str(target)!r} is a folder: name a file")
    if os.path.lexists(target) and not overwrite:
        raise Edge2TorchError(f"path={str(target)!r} exists: pass overwrite=True to replace it")
    return target
