"""Files as text, and everything that can be wrong with them before their format matters."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, cast

from edge2torch.errors import Edge2TorchError, some

#: how files begin that are not text
BINARY = {
    b"\x1f\x8b": "is compressed by gzip, which its name does not say: rename it so that it ends in .gz",
    b"PK\x03\x04": "is a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
    b"PAR1": "is a parquet table: rename it so that it ends in .parquet",
    b"BZh": "is compressed by bzip2: unpack it",
    b"\xfd7zXZ": "is compressed by xz: unpack it",
    b"\xff\xfe": "is UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text: save it as UTF-8",
}
WEB_PAGE = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S
)
HEAD = 4096


def find_file(path: str | os.PathLike[str]) -> Path:
    """Check that there is such a file.

    Raises
    ------
    Edge2TorchError
        If there is none (names files of similar names), or if it is a folder.
    """
    if not isinstance(path, str | os.PathLike):
        raise Edge2TorchError(f"path must be the name of a file, not {type(path).__name__}")
    file = Path(path).expanduser()
    if file.is_file():
        return file
    if file.is_dir():
        raise Edge2TorchError(
            f"{str(file)!r} is a folder, not a file; it holds {_content(file)}: name one of its files"
        )
    if not file.parent.is_dir():
        raise Edge2TorchError(f"there is no file {str(file)!r}, and no folder {str(file.parent)!r}: check the path")
    names = [entry.name for entry in file.parent.iterdir()]
    near = get_close_matches(file.name, names, n=3)
    advice = f"did you mean {some(near)}" if near else f"the folder holds {_content(file.parent)}"
    raise Edge2TorchError(f"there is no file {str(file)!r}; {advice}?")


def _content(folder: Path) -> str:
    return some(sorted(entry.name for entry in folder.iterdir())) or "nothing"


@contextmanager
def open_binary(file: Path) -> Iterator[BinaryIO]:
    """Open a file, unpacked if it ends in .gz, and say what is wrong if it cannot be read to its end."""
    packed = file.name.lower().endswith(".gz")
    try:
        with file.open("rb") as raw:
            _check_size(file, raw)
            with cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw as handle:
                _check_head(file, handle.read(HEAD))
                handle.seek(0)
                yield handle
    except EOFError as error:
        raise Edge2TorchError(f"{file.name!r} ends too early: it is an incomplete download; load it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Edge2TorchError(
            f"{file.name!r} ends in .gz, but is not intact gzip ({error}): load it again, or rename it if it is "
            "not packed"
        ) from error
    except OSError as error:
        raise Edge2TorchError(f"{str(file)!r} cannot be read: {error}") from error


@contextmanager
def open_text(file: Path, newline: str | None = None) -> Iterator[io.TextIOWrapper]:
    r"""Open a text file in UTF-8, unpacked if it ends in .gz.

    Parameters
    ----------
    file
        Its path.
    newline
        As in :func:`open`: by default, all kinds of line ends become ``"\n"``.

    Raises
    ------
    Edge2TorchError
        If it is empty, a web page, binary, not UTF-8, or cannot be unpacked; also while it is being read.
    """
    with open_binary(file) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline=newline) as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise Edge2TorchError(
                f"{file.name!r} is not UTF-8 text (byte 0x{byte:02x}: {error.reason}): save it as UTF-8"
            ) from error


def read_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Go through the lines of a text file, with their numbers, without line ends and empty lines."""
    with open_text(file) as text:
        for number, line in enumerate(text, 1):
            content = line.rstrip("\n")
            if content.strip():
                yield number, content


def _check_size(file: Path, raw: BinaryIO) -> None:
    if not raw.read(1):
        raise Edge2TorchError(f"{file.name!r} is empty: load or write it again")
    raw.seek(0)


def _check_head(file: Path, head: bytes) -> None:
    if not head:
        raise Edge2TorchError(f"{file.name!r} is empty once unpacked: load or write it again")
    if WEB_PAGE.match(head):
        raise Edge2TorchError(
            f"{file.name!r} holds a web page, not data: open it in a browser to see what the server said, and load the "
            "file itself"
        )
    for magic, what in BINARY.items():
        if head.startswith(magic):
            raise Edge2TorchError(f"{file.name!r} {what}")
    if b"\0" in head:
        raise Edge2TorchError(f"{file.name!r} is binary, not text: does its name end as its format does?")
