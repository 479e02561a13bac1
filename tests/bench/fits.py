"""The training loop of ``tl.fit``, from memory and from a file."""

from __future__ import annotations

import time
from pathlib import Path

import anndata
import lightning as L
import numpy as np
import pandas as pd
from cases import LayeredGraph
from lightning.pytorch.callbacks import Callback
from memory import Recorder

import edge2torch as e2t
from edge2torch.cells import Batches, Cells, batches
from edge2torch.training import CLASSES, Learner, Loss, train

#: cells that decide when to stop
VALIDATION = 1024


class Clock(Callback):
    """Time from the start of an epoch, before any cell is read, to its last step."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start it."""
        self.begin = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """Read it."""
        self.seconds = time.perf_counter() - self.begin


class Fit:
    """Epochs of what ``tl.fit`` runs, with its defaults.

    Parameters
    ----------
    graph
        File of the graph, beside which the cells lie.
    batch_size
        Cells per step.
    stored
        Whether the cells stay in their file.
    input_dropout
        As in ``tl.fit``.
    """

    def __init__(self, graph: str, batch_size: int, *, stored: bool, input_dropout: float = 0.3) -> None:
        edges = LayeredGraph.load(Path(graph)).edge_list()
        model, artifact = e2t.compile_graph(edges, activation="tanh", quiet=True)
        adata = anndata.read_h5ad(Path(graph).parent / "cells.h5ad", backed="r" if stored else None)
        codes = adata.obs["kind"].cat.codes.to_numpy().astype(np.int64)
        cells = Cells(adata.X, list(adata.var_names), artifact.feature_names, codes)
        rows = np.random.default_rng(0).permutation(len(cells))
        self.train_cells = batches(cells, batch_size, rows[VALIDATION:], seed=0, dropout=input_dropout)
        self.validation_cells = batches(cells, VALIDATION, rows[:VALIDATION])
        self.learner = Learner([model], Loss(CLASSES), lr=3e-3, weight_decay=1e-2)

    def timed(self) -> float:
        """Train for an epoch; return seconds per 1,000 cells."""
        return 1000 * train_epoch(self.learner, self.train_cells, self.validation_cells) / self.train_cells.rows.size


def train_epoch(learner: Learner, train_cells: Batches, validation_cells: Batches) -> float:
    """Train for an epoch; return the seconds that its steps took."""
    clock = Clock()
    train(
        learner,
        train_cells,
        validation_cells,
        max_epochs=1,
        patience=1,
        accelerator="cpu",
        progress_bar=False,
        trainer_kwargs={"callbacks": [clock]},
    )
    return clock.seconds


def overhead(n_steps: int = 3000, batch_size: int = 16) -> dict[str, float]:
    """Measure a step of a model that takes next to no time: seconds with the trainer, and in a loop by hand."""
    edges = pd.DataFrame({"source": ["a", "b", "c", "c"], "target": ["c", "c", "x", "y"]})
    model, artifact = e2t.compile_graph(edges, quiet=True)
    random = np.random.default_rng(0)
    values = random.random((n_steps * batch_size, 2), dtype=np.float32)
    cells = Cells(values, ["a", "b"], artifact.feature_names, random.integers(0, 2, len(values)))
    served = [batches(cells, batch_size, rows, seed=0) for rows in (None, np.arange(batch_size))]
    learner = Learner([model], Loss(CLASSES), lr=1e-3, weight_decay=0.0)
    by_trainer = train_epoch(learner, *served)
    optimizer = learner.configure_optimizers()
    begin = time.perf_counter()
    for x, known in served[0]:
        optimizer.zero_grad()
        learner.loss(model(x), known).backward()
        optimizer.step()
    by_hand = time.perf_counter() - begin
    return {"trainer": by_trainer / n_steps, "loop": by_hand / n_steps}


def record(folder: Path, *, stored: bool) -> dict[str, list[float]]:
    """Call ``tl.fit`` for two epochs, and record the memory of the process meanwhile.

    Returns
    -------
    ``seconds`` since the cells were opened, and ``megabytes`` above the level before.
    """
    with Recorder() as recorder:
        adata = anndata.read_h5ad(folder / "cells.h5ad", backed="r" if stored else None)
        graph = LayeredGraph.load(folder / "collection.npz")
        edges = graph.edge_list().iloc[graph.edges_into(1)]
        net = edges.rename(columns={"source": "target", "target": "source"})
        e2t.pp.build_graph(adata, net)
        e2t.tl.fit(adata, "kind", max_epochs=2, batch_size=512, progress_bar=False)
    return {"seconds": recorder.seconds, "megabytes": recorder.megabytes}
