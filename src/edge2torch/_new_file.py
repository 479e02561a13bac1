"""Files that are there in whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge2torch.errors import Edge2TorchError


def check_new_file(path: str | os.PathLike[str], endings: tuple[str, ...] = (), *, overwrite: bool) -> Path:
    """Raise if a file cannot be written, before any work is done for it; returns the path.

    Parameters
    ----------
    path
        Where to.
    endings
        What its name may end in; nothing for anything.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    Edge2TorchError
        If its name ends in something else, it exists and may not be replaced, is a folder, or is in a folder that does
        not exist or cannot be written.
    """
    target = Path(path)
    if endings and target.suffix.lower() not in endings:
        raise Edge2TorchError(f"{target} ends in {target.suffix!r}; known endings are {', '.join(endings)}")
    if not target.parent.is_dir():
        raise Edge2TorchError(f"the folder {target.parent} does not exist: make it first")
    if os.path.isdir(target):  # noqa: PTH112 - pathlib raises for names that are too long
        raise Edge2TorchError(f"{target} is a folder: name a file")
    if os.path.lexists(target) and not overwrite:
        raise Edge2TorchError(f"{target} exists: pass overwrite=True to replace it, or choose another path")
    if not os.access(target.parent, os.W_OK):
        raise Edge2TorchError(f"nothing can be written into the folder {target.parent}: choose another path")
    return target


@contextmanager
def new_files(*targets: Path) -> Iterator[list[Path]]:
    """Name a file beside each target to write into; they are put in their places at the end, unless something failed.

    Raises
    ------
    Edge2TorchError
        If one cannot be written.
    """
    unfinished = [target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}") for target in targets]
    try:
        yield unfinished
        for written, target in zip(unfinished, targets, strict=True):
            written.replace(target)
    except OSError as error:
        where = " and ".join(map(str, targets))
        raise Edge2TorchError(f"{where} cannot be written: {error.strerror or error}") from error
    finally:
        for written in unfinished:
            if os.path.lexists(written):  # a name that is too long is no name of a file
                written.unlink()
