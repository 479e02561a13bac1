"""A worker process, as the controller sees it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("worker.py")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Environment:
    """A Python with its packages.

    Attributes
    ----------
    python
        The interpreter.
    modules
        Modules of contestants that it can import.
    is_ours
        Whether it may see ``PYTHONPATH``, which may lead to our sources.
    """

    python: Path
    modules: tuple[str, ...]
    is_ours: bool = True

    def start(self, *arguments: str) -> WorkerProcess:
        """Start a worker."""
        inherited = {key: value for key, value in os.environ.items() if self.is_ours or key != "PYTHONPATH"}
        return WorkerProcess([str(self.python), str(WORKER), *self.modules, *arguments], inherited | ONE_THREAD)


class WorkerProcess:
    """Sends requests and waits for answers.

    Use as a context manager: the process ends with it.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def ask(self, do: str, limit: float, **request: Any) -> dict[str, Any]:
        """Return the answer, or the ``reason`` why there is none within ``limit`` seconds."""
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"reason": "the process has ended"}
        line, deadline = b"", time.monotonic() + limit
        while not line.endswith(b"\n"):
            if not select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self._process.kill()
                return {"reason": f"takes more than {limit:.0f} s"}
            piece = os.read(self._process.stdout.fileno(), 65536)
            if not piece:
                return {"reason": f"the process ended with code {self._process.wait()}"}
            line += piece
        return json.loads(line)

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
