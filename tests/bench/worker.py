"""One process per contestant: reads a line of JSON, works, answers with a line of JSON.

    {"do": "prepare", "contestant": NAME, "kind": KIND, "graph": FILE, "cells": N, "device": "cpu"}
    {"do": "run", "times": N}                          -> {"seconds": [...]}
    {"do": "memory"}                                   -> {"extra_bytes": N}
    {"do": "record", "folder": FOLDER, "stored": BOOL} -> {"seconds": [...], "megabytes": [...]}
    {"do": "overhead"}                                 -> {"trainer": X, "loop": X}
    {"do": "score_many", "graph": FILE, "cells": N}    -> {"seconds": X, "extra_bytes": N}
    {"do": "layers"}                                   -> {"layers": [...]}
    {"do": "difference", ...as prepare}                -> {"difference": X}
    {"do": "compile", "contestant": NAME, "graph": FILE} -> {"seconds": [...], "extra_bytes": N}

KIND is "layer", "training", "attribution", "rate", "loop", "bare", or begins with "fit".
What goes wrong comes back as {"reason": TEXT}.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from blocks import time_blocks
from cases import LayeredGraph
from loops import make_loop
from memory import ExtraMemory
from rates import RATES
from steps import attribution_step, layer_step, training_step

MEMORY_LIMIT = 12 * 10**9
TOO_LARGE = "needs more than 12 GB"


class Worker:
    """Answers requests about the contestants of some modules."""

    def __init__(self, modules: list[str]) -> None:
        self.contestants: dict[str, Any] = {}
        for module in modules:
            self.contestants |= importlib.import_module(module).CONTESTANTS
        self.step: Any = None

    def prepare(self, contestant: str, kind: str, graph: str, cells: int, device: str = "cpu") -> dict[str, Any]:
        """Build a contestant, compare what it computes, and get ready to run."""
        if kind == "rate":
            self.step = RATES[contestant]()
            return {}
        if kind.startswith("fit"):  # which only the environment of ours can import
            make = importlib.import_module("fits").Fit
            self.step = make(graph, cells, stored=kind.endswith("file"), input_dropout=0.0 if "plain" in kind else 0.3)
            return {}
        if kind in ("loop", "bare"):
            self.step = make_loop(self.contestants[contestant.partition(",")[0]], graph, cells, bare=kind == "bare")
            return {}
        if kind == "attribution":
            self.step = attribution_step(self.contestants[contestant], LayeredGraph.load(Path(graph)), cells)
            return {}
        make = layer_step if kind == "layer" else training_step
        self.step = make(self.contestants[contestant], LayeredGraph.load(Path(graph)), cells, device)
        return {}

    def run(self, times: int) -> dict[str, Any]:
        """Measure steps."""
        return {"seconds": [self.step.timed() for _ in range(times)]}

    def memory(self) -> dict[str, Any]:
        """Measure the memory of one step."""
        with ExtraMemory() as extra:
            self.step.run()
        return {"extra_bytes": extra.bytes}

    def record(self, folder: str, *, stored: bool) -> dict[str, Any]:
        """Record the memory of ``tl.fit``."""
        return importlib.import_module("fits").record(Path(folder), stored=stored)

    def overhead(self) -> dict[str, Any]:
        """Measure what the trainer adds to a step."""
        return importlib.import_module("fits").overhead()

    def score_many(self, graph: str, cells: int) -> dict[str, Any]:
        """Measure scores of nodes in very many cells."""
        return importlib.import_module("attributions").many(graph, cells)

    def layers(self) -> dict[str, Any]:
        """Measure the blocks of our model, one by one."""
        return {"layers": time_blocks(self.step.model, self.step.x)}

    def compile(self, contestant: str, graph: str) -> dict[str, Any]:
        """Measure time and memory from edge list to model."""
        edges = LayeredGraph.load(Path(graph)).edge_list()
        build = self.contestants[contestant].compile
        with ExtraMemory() as extra:
            begin = time.perf_counter()
            model = build(edges)
            seconds = time.perf_counter() - begin
        return {"seconds": [seconds], "extra_bytes": extra.bytes, "weights": sum(p.numel() for p in model.parameters())}

    def difference(self, contestant: str, kind: str, graph: str, cells: int, device: str) -> dict[str, Any]:
        """Compare the results on a device with those on the CPU."""
        make, values = layer_step if kind == "layer" else training_step, []
        for where in ("cpu", device):
            step = make(self.contestants[contestant], LayeredGraph.load(Path(graph)), cells, where)
            values.append([value.cpu() for value in step.values()])
        return {"difference": max(float((a - b).abs().max()) for a, b in zip(*values, strict=True))}

    def versions(self) -> dict[str, Any]:
        """Name the software."""
        return {
            "torch": torch.__version__,
            "python": platform.python_version(),
            "threads": torch.get_num_threads(),
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        }


def main() -> None:
    """Answer until standard input ends."""
    torch.set_num_threads(1)
    if "--no-limit" not in sys.argv:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not look like an answer
    worker = Worker([argument for argument in sys.argv[1:] if not argument.startswith("-")])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except MemoryError:
            answer = {"reason": TOO_LARGE}
        except Exception as error:  # noqa: BLE001  # whatever a contestant raises is a result
            full = "allocate memory" in str(error)  # torch's error is a RuntimeError
            answer = {"reason": TOO_LARGE if full else _first_line(error)}
        print(json.dumps(answer), file=answers, flush=True)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:200]


if __name__ == "__main__":
    main()
