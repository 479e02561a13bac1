"""One thread or two: how long training and scoring take with each, side by side, on a free machine and on a busy one.

    python tests/bench/threads.py [--threads 2]

Not with ``OMP_NUM_THREADS``, which would bound both. "busy" is beside as many processes that multiply matrices as there
are cores. ``docs/training.md`` says what it printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cases
import numpy as np
import pandas as pd
import torch
from machine import cpu_model
from ranking_data import markdown

import edge2torch as e2t

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

ROUNDS, STEPS = 5, 5
CELLS = (64, 512)


def multiply(begun: Event) -> None:
    """Keep a core busy."""
    torch.set_num_threads(1)
    matrix = torch.randn(512, 512)
    begun.set()
    while True:
        torch.mm(matrix, matrix)


@contextmanager
def busy_cores(n: int) -> Iterator[None]:
    """Processes that multiply matrices, until the end."""
    context = multiprocessing.get_context("spawn")
    begun = [context.Event() for _ in range(n)]
    others = [context.Process(target=multiply, args=(event,), daemon=True) for event in begun]
    for other in others:
        other.start()
    for event in begun:
        event.wait()
    try:
        yield
    finally:
        for other in others:
            other.terminate()
            other.join()


def step_of(n_cells: int) -> tuple[Callable[[], None], int]:
    """Training steps of the layered graph of docs/speed.md, and how many weights it has."""
    graph = cases.random_graph(*cases.PATHWAYS)
    model, artifact = e2t.compile_graph(graph.edge_list(graph.weights()), activation="tanh", quiet=True)
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(n_cells, len(artifact.feature_names)), torch.arange(n_cells) % len(artifact.output_nodes)

    def steps() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

    return steps, sum(weight.numel() for weight in model.parameters())


def measure(n_threads: int, where: str) -> Iterator[dict[str, object]]:
    """A row for each number of cells; one thread and several take turns."""
    for n_cells in CELLS:
        steps, n_weights = step_of(n_cells)
        times: dict[int, list[float]] = {1: [], n_threads: []}
        for _ in range(ROUNDS):
            for n, own in times.items():
                torch.set_num_threads(n)
                steps()
                start = time.perf_counter()
                steps()
                own.append((time.perf_counter() - start) / STEPS)
        one, several = (np.median(own) for own in times.values())
        yield {
            "machine": where,
            "cells": n_cells,
            "cells x weights": f"{n_cells * n_weights / 1e6:.0f} million",
            "1 thread, ms": f"{1e3 * one:.1f}",
            f"{n_threads} threads, ms": f"{1e3 * several:.1f}",
            "threads gain": f"{one / several:.2f}",
        }


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 2)
    n_threads = parser.parse_args().threads
    rows = list(measure(n_threads, "free"))
    with busy_cores(os.cpu_count() or 2):
        rows += measure(n_threads, "busy")
    print(f"{cpu_model()}, {os.cpu_count()} cores; median of {ROUNDS}\n\n{markdown(pd.DataFrame(rows))}")


if __name__ == "__main__":
    main()
