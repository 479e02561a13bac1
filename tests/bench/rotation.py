"""Contestants that take turns, so that whatever slows the machine down slows all of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from process import Environment, WorkerProcess

PREPARE_LIMIT = 180.0
STEP_LIMIT = 60.0
#: timed repetitions of a turn, fewer if they would take longer than these seconds
REPETITIONS = 5
TURN_SECONDS = 2.0


@dataclass
class Entry:
    """A contestant and what was measured of it; ``reason`` says why it was not."""

    name: str
    seconds: list[float] = field(default_factory=list)
    reason: str = ""

    @property
    def median(self) -> float:
        """Median of all timed repetitions; NaN without any."""
        return float(np.median(self.seconds)) if self.seconds else float("nan")

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile."""
        low, high = np.quantile(self.seconds, [0.25, 0.75]) if self.seconds else (np.nan, np.nan)
        return float(low), float(high)

    def take_turn(self, worker: WorkerProcess, *, first: bool) -> None:
        """Warm up, then time; slow steps warm up only in the first round."""
        if self.reason:
            return
        repetitions = REPETITIONS
        if first or self.median < TURN_SECONDS:
            answer = worker.ask("run", STEP_LIMIT, times=1)
            self.reason = answer.get("reason", "")
            if self.reason:
                return
            repetitions = int(np.clip(TURN_SECONDS / answer["seconds"][0], 1, REPETITIONS))
        else:
            repetitions = 1
        answer = worker.ask("run", STEP_LIMIT * repetitions, times=repetitions)
        self.reason = answer.get("reason", "")
        self.seconds += answer.get("seconds", [])


def rotate(
    entrants: Mapping[str, tuple[Environment, str]], graph: str, cells: int, rounds: int, device: str = "cpu"
) -> list[Entry]:
    """Time contestants in turns, each in a process of its own.

    Parameters
    ----------
    entrants
        Where each runs, and the kind of its step.
    """
    entries = [Entry(name) for name in entrants]
    with ExitStack() as stack:
        workers = []
        for entry in entries:
            environment, kind = entrants[entry.name]
            arguments = () if device == "cpu" else ("--no-limit",)
            worker = stack.enter_context(environment.start(*arguments))
            answer = worker.ask(
                "prepare", PREPARE_LIMIT, contestant=entry.name, kind=kind, graph=graph, cells=cells, device=device
            )
            entry.reason = answer.get("reason", "")
            workers.append(worker)
        for number in range(rounds):
            for entry, worker in zip(entries, workers, strict=True):
                entry.take_turn(worker, first=number == 0)
    return entries
