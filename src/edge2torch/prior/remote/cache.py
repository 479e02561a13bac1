"""Files from the internet: downloaded once, checked whenever they are used.

Beside each file stands its checksum, in the format of ``sha256sum``. A file is never written over: whoever is first, of
several processes, gives the file that all of them use, so that file and checksum cannot part.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

from edge2torch._settings import settings
from edge2torch.errors import Edge2TorchError
from edge2torch.prior.remote.download import download, refuse_page

#: one download at a time in a process: who comes second finds the file
_LOCK = threading.Lock()


def fetch(url: str, file_name: str | None = None) -> Path:
    """Give the file behind an address, from the cache if it is there.

    A file that was put into the cache by hand is used as if it had been downloaded.

    Parameters
    ----------
    url
        Address of the file.
    file_name
        What to call it in the cache; by default a name made of the address.

    Returns
    -------
    The path of the file, in ``edge2torch.settings.cache_dir``.

    Raises
    ------
    Edge2TorchError
        If it cannot be downloaded (says which file to put where), is not data, or was changed after the download.
    """
    if file_name is not None and (Path(file_name).name != file_name or file_name in ("", "..")):
        raise Edge2TorchError(f"file_name={file_name!r} must be the name of a file, without folders")
    path = settings.cache_dir / (file_name or name_of(url))
    with _LOCK:
        try:
            if not path.exists():
                _store(url, path)
            _check(path, url)
        except OSError as error:
            raise Edge2TorchError(
                f"cannot use {path} ({error.strerror or error}): set edge2torch.settings.cache_dir "
                "to a folder that can be written to"
            ) from error
    return path


def name_of(url: str) -> str:
    """Make a file name of an address: readable, safe on every system, another one for each address.

    Examples
    --------
    >>> name_of("https://example.org/tables/human_mouse.txt.gz")
    'example.org-b6d21dfa-tables_human_mouse.txt.gz'
    """
    parts = urlsplit(url)
    # systems that do not tell "A" from "a" need more than the address itself
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    rest = f"{parts.path}?{parts.query}" if parts.query else parts.path
    host, rest = (re.sub(r"[^A-Za-z0-9.,=-]+", "_", text).strip("._") for text in (parts.netloc, rest))
    return "-".join(part for part in (host[:60], digest, rest[-120:]) if part)


def _store(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
        part = Path(folder) / "part"
        download(url, part, path)
        _record_of(path).unlink(missing_ok=True)  # of a file that the user deleted, to have it downloaded again
        try:
            path.hardlink_to(part)
        except FileExistsError:
            return  # another process was faster
        except OSError:  # a file system without links
            part.replace(path)


def _check(path: Path, url: str) -> None:
    """Compare a file with its record; make one where there is none."""
    import pooch

    checksum = pooch.file_hash(str(path))
    record = _record_of(path)
    try:
        known = record.read_text(encoding="utf-8").split()[:1]
    except FileNotFoundError:
        refuse_page(path, f"{path} holds", ": delete it to have the file downloaded, or put the data in its place")
        _write(record, f"{checksum}  {path.name}\n")
        return
    if known != [checksum]:
        raise Edge2TorchError(
            f"{path} was changed or damaged after it came from {url}: its checksum is not the one in {record.name}. "
            f"Delete the file to have it downloaded again; or delete {record.name} if you changed the file on purpose"
        )


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _write(record: Path, text: str) -> None:
    if not os.access(record.parent, os.W_OK):
        return  # a cache shared read-only: its files are as safe as they can be
    part = record.with_name(f"{record.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(record)
