"""Files that are there in whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge2torch.errors import Edge2TorchError


def check_new_file(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Raise if a file cannot be written, before any work is done for it.

    Parameters
    ----------
    path
        Where to.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    Edge2TorchError
        If it exists and may not be replaced, is a folder, or is in a folder that does not exist or cannot be written.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise Edge2TorchError(f"the folder {target.parent} does not exist: make it first")
    if target.is_dir():
        raise Edge2TorchError(f"{target} is a folder: name a file")
    if target.exists() and not overwrite:
        raise Edge2TorchError(f"{target} exists: pass overwrite=True to replace it, or another path")
    if not os.access(target.parent, os.W_OK):
        raise Edge2TorchError(f"nothing can be written into the folder {target.parent}: choose another path")
    return target


@contextmanager
def new_file(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Name a file to write into, which replaces another one at the end, in one go, unless something failed.

    Parameters
    ----------
    path, overwrite
        As of :func:`check_new_file`, which is called first.

    Raises
    ------
    Edge2TorchError
        If it cannot be written.
    """
    target = check_new_file(path, overwrite=overwrite)
    unfinished = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        yield unfinished
        unfinished.replace(target)
    except OSError as error:
        raise Edge2TorchError(f"{target} cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
