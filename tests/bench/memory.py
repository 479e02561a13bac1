"""Memory of a piece of code, as the kernel counts it."""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn


class ExtraMemory:
    """Measures how far resident memory rises above the level on entry.

    Attributes
    ----------
    bytes
        Highest level less the level on entry; set on exit.
    """

    bytes: int

    def __enter__(self) -> ExtraMemory:
        _warm_up()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # free memory that the process still holds would hide what follows
        Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM to VmRSS
        self.level = _status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        self.bytes = _status("VmHWM") - self.level


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _warm_up() -> None:
    """Train something small, so that what PyTorch loads at the first step does not count."""
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.zeros(4, 8)), torch.zeros(4, dtype=torch.long)).backward()
        optimizer.step()


class Recorder:
    """Records resident memory ten times a second.

    Attributes
    ----------
    seconds, megabytes
        Since, and above the level at, the entry.
    """

    def __enter__(self) -> Recorder:
        _warm_up()
        gc.collect()
        self.seconds, self.megabytes = [], []
        self._level, self._begin, self._ended = _status("VmRSS"), time.perf_counter(), threading.Event()
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()
        return self

    def _record(self) -> None:
        while not self._ended.wait(0.1):
            self.seconds.append(time.perf_counter() - self._begin)
            self.megabytes.append((_status("VmRSS") - self._level) / 1e6)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
