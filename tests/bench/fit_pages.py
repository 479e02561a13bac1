"""Sections on training through the whole way of the data, from memory and from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from process import Environment
from report import Section, number, ratio_table
from rotation import rotate

FIT_LIMIT = 400.0
HEADER = ("contestant", "cells/s", "ms per 1,000 cells (quartiles)", "multiple of the first", "remark")


def fit_rates(
    graph: str, ours: Environment, peers: Mapping[str, Environment], path: str, cells: int, rounds: int
) -> Section:
    """Compare whole epochs of ours, and loops by hand with other packages, with the bare step of ours."""
    entrants = {
        "ours, bare step": (ours, "bare"),
        "ours, tl.fit from memory, no dropout": (ours, "fit plain"),
        "ours, tl.fit from memory": (ours, "fit"),
        "ours, tl.fit from a file": (ours, "fit from file"),
        **{name: (environment, "loop") for name, environment in peers.items()},
    }
    entries = rotate(entrants, path, cells, rounds)
    rates = [number(1000 / entry.median) if entry.seconds else "-" for entry in entries]
    rows = [[row[0], rate, *row[1:]] for row, rate in zip(ratio_table(entries), rates, strict=True)]
    return Section(f"Training on 100,000 cells, {cells} cells a step", f"{graph}.", HEADER, rows)


def fit_memory(ours: Environment, folder: Path, pictures: Path | None) -> Section:
    """Memory of ``tl.fit`` over time, as a table and a picture, and what the trainer adds to a step."""
    rows, recorded = [], {}
    for name, stored in {"in memory": False, "in a file": True}.items():
        with ours.start() as worker:
            answer = worker.ask("record", FIT_LIMIT, folder=str(folder), stored=stored)
        recorded[name] = answer
        peak, seconds = max(answer.get("megabytes", [np.nan])), answer.get("seconds", [np.nan])[-1]
        rows.append([name, number(peak), number(seconds), answer.get("reason", "")])
    if pictures:
        draw_memory(recorded, pictures / "training_memory.png")
    text = (
        "Two epochs of `tl.fit`, from opening the cells to the last prediction: highest resident memory above "
        "that of a process that has imported all ([over time](images/training_memory.png))."
    )
    with ours.start() as worker:
        step = worker.ask("overhead", FIT_LIMIT)
    note = step.get("reason") or (
        f"A step of a model of four edges takes {number(1e3 * step['trainer'])} ms with the trainer, and "
        f"{number(1e3 * step['loop'])} ms in a loop by hand: the difference is what the trainer adds to any step."
    )
    return Section("Memory of training, and what the trainer adds", text, ("cells", "MB", "s", "remark"), rows, [note])


def draw_memory(recorded: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw memory over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained", dpi=150)
    ax = figure.subplots()
    for (name, answer), colour in zip(recorded.items(), ("#d55e00", "#0072b2"), strict=True):
        ax.plot(answer.get("seconds", []), answer.get("megabytes", []), color=colour, label=f"cells {name}")
    ax.set(xlabel="seconds since the cells were opened", ylabel="MB above imports", ylim=(0, None), xlim=(0, None))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    figure.savefig(path)
