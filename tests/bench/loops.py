"""A loop over cells as one writes it by hand: rows of a sparse matrix in random order, made dense, and a step."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import collection
import numpy as np
import torch
import torch.nn.functional as F
from cases import LayeredGraph
from contestants import Contestant

#: steps that are timed at once
STEPS = 5


@dataclass
class Loop:
    """Some steps of training, again and again."""

    model: torch.nn.Module
    matrix: Any
    classes: torch.Tensor
    batch_size: int

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.random = np.random.default_rng(0)

    def timed(self) -> float:
        """Take some steps; return seconds per 1,000 cells."""
        rows = self.random.permutation(self.matrix.shape[0])[: STEPS * self.batch_size]
        begin = time.perf_counter()
        for start in range(0, rows.size, self.batch_size):
            batch = rows[start : start + self.batch_size]
            x = torch.from_numpy(self.matrix[batch].toarray())
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(x), self.classes[batch]).backward()
            self.optimizer.step()
        return 1000 * (time.perf_counter() - begin) / rows.size


class Bare(Loop):
    """The same steps on one batch, which is dense already."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.x = torch.from_numpy(self.matrix[: self.batch_size].toarray())
        self.matrix = None

    def timed(self) -> float:
        """Take some steps; return seconds per 1,000 cells."""
        begin = time.perf_counter()
        for _ in range(STEPS):
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(self.x), self.classes[: self.batch_size]).backward()
            self.optimizer.step()
        return 1000 * (time.perf_counter() - begin) / (STEPS * self.batch_size)


def make_loop(contestant: Contestant, graph: str, batch_size: int, *, bare: bool = False) -> Loop:
    """Make the loop of a contestant; its cells lie beside the graph."""
    torch.manual_seed(0)
    model = contestant.model(LayeredGraph.load(Path(graph)))
    matrix, classes = collection.read(Path(graph).parent)
    return (Bare if bare else Loop)(model, matrix, torch.from_numpy(classes), batch_size)
