"""Training and prediction on CSR, where models read it: the same to the last bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from lightning.pytorch.callbacks import Callback

import edge2torch as e2t
from edge2torch.cells import Cells, batches
from edge2torch.nn import compiled_sweep
from edge2torch.training import CLASSES, Learner, Loss, predict, train

FEATURES = [f"g{i}" for i in range(20)]
EDGES = pd.DataFrame(
    [(f"g{i}", f"h{i % 4}") for i in range(20)] + [(f"h{k}", f"out{n}") for k in range(4) for n in range(3)],
    columns=["source", "target"],
)


class Layouts(Callback):
    """Notes how features come."""

    def __init__(self):
        self.seen = set()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.add(batch[0].layout)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.add(batch[0].layout)


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    matrix = sp.random_array((200, 20), density=0.3, format="csr", dtype=np.float32, rng=rng)
    return Cells(matrix, FEATURES, FEATURES, rng.integers(0, 3, 200))


def fit(cells, *, dropout=0.0, auxiliary=0.0, **trainer_kwargs):
    """Train two models; returns their parameters, what they predict, and in which form they read cells."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        models = [e2t.compile_graph(EDGES, activation="tanh", dropout=dropout, quiet=True)[0] for _ in range(2)]
        learner = Learner(models, Loss(CLASSES), lr=0.01, weight_decay=0.01, auxiliary=auxiliary, n_outputs=3)
        layouts = Layouts()
        train(
            learner,
            batches(cells, 32, np.arange(150), seed=0, dropout=0.3),
            batches(cells, 32, np.arange(150, 200)),
            max_epochs=3,
            patience=3,
            accelerator="cpu",
            progress_bar=False,
            trainer_kwargs={"callbacks": [layouts], **trainer_kwargs},
        )
    return [*learner.parameters()], predict(models, cells, CLASSES), layouts.seen


@pytest.mark.parametrize("auxiliary", [0.0, 0.3])
def test_the_same_to_the_last_bit(cells, auxiliary, monkeypatch):
    """As from dense cells, which go through the same loops."""
    monkeypatch.setattr(compiled_sweep, "LEAST_EDGES", 0)
    weights, said, layouts = fit(cells, auxiliary=auxiliary)
    dense = Cells(cells.matrix.toarray(), FEATURES, FEATURES, cells.targets.numpy())
    of_dense, said_of_dense, layouts_of_dense = fit(dense, auxiliary=auxiliary)
    assert (layouts, layouts_of_dense) == ({torch.sparse_csr}, {torch.strided})
    assert all(torch.equal(*pair) for pair in zip(weights, of_dense, strict=True))
    np.testing.assert_array_equal(said, said_of_dense)


@pytest.mark.parametrize("arguments", [{"dropout": 0.5}, {"precision": "bf16-mixed"}, {"precision": "bf16-true"}])
def test_dense_for_what_makes_it_dense_anyway(cells, arguments, monkeypatch):
    monkeypatch.setattr(compiled_sweep, "LEAST_EDGES", 0)
    assert torch.strided in fit(cells, **arguments)[2]


def test_in_double_precision(cells, monkeypatch):
    """Lightning converts what is stored."""
    monkeypatch.setattr(compiled_sweep, "LEAST_EDGES", 0)
    weights, _, layouts = fit(cells, precision="64-true")
    assert layouts == {torch.sparse_csr}
    assert all(torch.isfinite(weight).all() for weight in weights)
