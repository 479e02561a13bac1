"""Sections on scores of nodes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from process import Environment
from report import Section, number, ratio_table
from rotation import rotate

CELLS = 100
MANY = (25_000, 100_000)
MANY_LIMIT = 900.0
HEADER = ("contestant", "ms (quartiles)", "multiple of the first", "remark")
REMARKS = {
    "ours": "features, and nodes of all layers",
    "ours, with edges": "all three",
    "ours, ten classes": "features and nodes for each",
    "Captum, layer by layer": "nodes, on the model of ours",
    "public edge2torch": "hidden nodes; no activation",
}


def few_cells(graph: str, environments: Mapping[str, Environment], path: str, rounds: int) -> Section:
    """Compare the ways to score the nodes of all layers."""
    entrants = {
        name: (environments["public edge2torch" if name.startswith("public") else "ours"], "attribution")
        for name in REMARKS
        if not name.startswith("public") or name in environments
    }
    entries = rotate(entrants, path, CELLS, rounds)
    text = (
        f"{graph}, {CELLS} cells, one class, 50 steps: conductance of all nodes. Scores of ours were compared with "
        "those of Captum first."
    )
    return Section("Scores of nodes", text, HEADER, ratio_table(entries, REMARKS))


def many_cells(graph: str, ours: Environment, path: str) -> Section:
    """Score very many cells, in fresh processes."""
    rows = []
    for cells in MANY:
        with ours.start() as worker:
            answer = worker.ask("score_many", MANY_LIMIT, graph=path, cells=cells)
        seconds, extra = answer.get("seconds", np.nan), answer.get("extra_bytes", np.nan)
        rows.append(
            [f"{cells:,}", number(seconds), number(cells / seconds), number(extra / 1e6), answer.get("reason", "")]
        )
    text = (
        f"{graph}; `path_scores` of 1,000 cells at a time for features and all nodes, each cell for its class, 20 "
        "steps; only sums are kept. Memory is the highest above that of a process with the model and the 1,000 cells."
    )
    return Section("Scores of nodes in many cells", text, ("cells", "s", "cells/s", "MB", "remark"), rows)
