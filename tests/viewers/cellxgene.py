"""The cellxgene server, in an environment of its own, and what it answers."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np

#: set by the Makefile
COMMAND = Path(os.environ.get("CELLXGENE") or ".venv-viewers/bin/cellxgene")
#: no question to the internet about newer versions, no dialog about annotations
FLAGS = ["--host", "127.0.0.1", "--disable-annotations", "--disable-gene-sets-save"]
LIMIT = 120


class Server:
    """A server that answers.

    Attributes
    ----------
    url
        Where its page is.
    pid
        Its process.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    def get(self, what: str, kind: str = "octet-stream") -> bytes:
        """Answer to ``what`` of its interface; of tables, only compressed answers have any content."""
        headers = {"Accept-Encoding": "gzip", "Accept": f"application/{kind}"}
        request = Request(f"{self.url}api/v0.2/{what}", headers=headers)
        with urlopen(request, timeout=LIMIT) as answer:
            content = answer.read()
            return gzip.decompress(content) if answer.headers.get("Content-Encoding") == "gzip" else content

    def read(self, what: str) -> Any:
        """Answer that is JSON."""
        return json.loads(self.get(what, "json"))

    def columns(self, *what: str, folder: Path) -> list[dict[str, np.ndarray]]:
        """Columns of each answer that is a table."""
        files = [folder / f"answer{i}" for i in range(len(what))]
        for file, one in zip(files, what, strict=True):
            file.write_bytes(self.get(one))
        arrays = folder / "arrays.npz"
        decode = Path(__file__).with_name("decode.py")
        subprocess.run([COMMAND.with_name("python"), decode, *files, arrays], check=True, env=_environment())
        found: list[dict[str, np.ndarray]] = [{} for _ in what]
        with np.load(arrays) as stored:
            for i, name in enumerate(stored["names"]):
                answer, column = str(name).split("/", 1)
                found[int(answer)][column] = stored[str(i)]
        return found


@contextmanager
def serve(cells: Path, gene_sets: Path, log: Path) -> Iterator[Server]:
    """Start a server on a free port, wait until it answers, and end it."""
    if not COMMAND.exists():
        raise FileNotFoundError(f"there is no cellxgene at {COMMAND}: make test-viewers installs it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        COMMAND,
        "--no-upgrade-check",
        "launch",
        "--port",
        str(port),
        *FLAGS,
        "--gene-sets-file",
        gene_sets,
        cells,
    ]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=_environment()) as process:
        try:
            url = f"http://127.0.0.1:{port}/"
            _wait(f"{url}health", process, log)
            yield Server(url, process.pid)
        finally:
            process.kill()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            with urlopen(url, timeout=LIMIT):
                return
        except (URLError, ConnectionError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"cellxgene does not answer:\n{log.read_text()}") from error
            time.sleep(0.05)


def _environment() -> dict[str, str]:
    """Without what leads to packages of this environment."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def column_of(name: str) -> str:
    """How to ask for a column of the cells."""
    return f"annotations/obs?annotation-name={quote(name)}"
