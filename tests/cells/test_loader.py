"""Cells from loaders of other packages: mappings of X, obs and index, in an order of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from edge2torch import Edge2TorchError
from edge2torch.cells import Cells, LoadedCells, batches, gene_means
from edge2torch.training import CLASSES, Learner, Loss, predict, train

N, NAMES = 70, [f"g{i}" for i in range(7)]
FEATURES = ["g5", "g0", "g3"]
X = np.random.default_rng(0).poisson(0.8, (N, len(NAMES))).astype(np.float32)
OBS = pd.DataFrame({"kind": np.arange(N)}, index=[f"cell_{i}" for i in range(N)])
FORMS = {
    "array": lambda x: x,
    "float64": lambda x: x.astype(np.float64),
    "csr": sp.csr_matrix,
    "csr array": sp.csr_array,
    "tensor": torch.from_numpy,
    "sparse tensor": lambda x: torch.from_numpy(x).to_sparse_coo(),
    "csr tensor": lambda x: torch.sparse_csr_tensor(
        *(torch.from_numpy(part) for part in (sp.csr_array(x).indptr, sp.csr_array(x).indices, sp.csr_array(x).data)),
        size=x.shape,
    ),
}


class Loader:
    """Serves 9 cells at a time in another order in every pass, as annbatch does."""

    def __init__(self, form="csr", index=True, obs=False, order=None):
        self.form, self.index, self.obs, self.order = form, index, obs, order
        self.random = np.random.default_rng(1)

    def __iter__(self):
        order = self.random.permutation(N) if self.order is None else self.order
        for start in range(0, len(order), 9):
            rows = order[start : start + 9]
            yield {
                "X": FORMS[self.form](X[rows]),
                "obs": OBS.iloc[rows] if self.obs else None,
                "index": rows if self.index else None,
            }


def loaded(loader, **arguments):
    return LoadedCells(loader, NAMES, FEATURES, np.arange(N), obs_names=OBS.index, **arguments)


@pytest.mark.parametrize("known", [{"index": True}, {"index": False, "obs": True}])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_every_wanted_cell_once_with_its_target(form, known):
    rows = np.flatnonzero(np.arange(N) % 3)
    loader = batches(loaded(Loader(form, **known)), 10, rows)
    passes = []
    for _ in range(2):
        served = list(loader)
        assert [len(y) for _, y in served] == [10, 10, 10, 16]
        assert len(loader) == 4
        y = torch.cat([y for _, y in served]).numpy()
        np.testing.assert_array_equal(torch.cat([x for x, _ in served]), X[y][:, [5, 0, 3]])
        assert sorted(y.tolist()) == rows.tolist()
        passes.append(y.tolist())
    assert passes[0] != passes[1], "the order is the loader's"


def test_means_and_predictions_are_those_of_cells_in_memory():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
    cells, expected = loaded(Loader()), Cells(X, NAMES, FEATURES)
    np.testing.assert_allclose(gene_means(cells, np.arange(20)), gene_means(expected, np.arange(20)), rtol=1e-12)
    proba = predict([model], cells, CLASSES, batch_size=16)
    np.testing.assert_allclose(proba, predict([model], expected, CLASSES), rtol=1e-5)
    assert cells.head(4).shape == (4, 3)
    assert not cells.in_memory


def test_training_on_a_loader():
    """The loss on cells in memory falls below that of guessing."""
    labels = X[:, 5].clip(0, 1).astype(np.int64)
    cells = LoadedCells(Loader(), NAMES, FEATURES, labels, obs_names=OBS.index)
    held_out = batches(Cells(X, NAMES, FEATURES, labels), 64, np.arange(50, N))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Learner([nn.Linear(3, 2)], Loss(CLASSES), lr=0.1, weight_decay=0.0)
    history = train(
        module,
        batches(cells, 10, np.arange(50)),
        held_out,
        max_epochs=20,
        patience=20,
        accelerator="cpu",
        progress_bar=False,
    )
    assert history["val_loss"].min() < 0.5 * np.log(2)


def test_absent_features_are_filled():
    cells = LoadedCells(Loader(), NAMES, ["g1", "absent"], obs_names=OBS.index, fill=np.array([np.nan, 0.25]))
    for rows, (x,) in batches(cells, 16).numbered():
        np.testing.assert_array_equal(x, np.column_stack([X[rows, 1], np.full(rows.size, 0.25)]))


def test_an_epoch_is_told_to_loaders_that_want_to_know():
    loader = Loader()
    batches(loaded(loader), 8).set_epoch(3)
    loader.set_epoch = lambda epoch: setattr(loader, "told", epoch)
    batches(loaded(loader), 8).set_epoch(3)
    assert loader.told == 3


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        (Loader(index=False), "neither 'index' nor 'obs'.*return_index=True"),
        (Loader(order=np.arange(50)), "50 of the 70 cells that are wanted.*drop_last"),
        ([{"X": X}, {"X": X}], "neither 'index' nor 'obs'"),
        ([{"X": X[:2], "index": [1, 70]}], "1 cells whose 'index' is not from 0 to 69: 70"),
        ([{"X": X[:2], "index": [1, 2, 3]}], "2 cells with 3 positions"),
        ([{"X": X[:1], "index": None, "obs": pd.DataFrame(index=["x"])}], "not in adata.obs_names: 'x'"),
        ([{"X": X[:, 1:], "index": range(N)}], r"shape \(70, 6\), but there are 7 names"),
        ([X], "must serve mappings with 'X'"),
        ([{"X": X > 1, "index": range(N)}], "not real numbers"),
        ([{"X": X * np.nan, "index": range(N)}], "values are NaN or infinite, in 3 genes"),
    ],
)
def test_what_a_loader_may_not_serve(loader, words):
    with pytest.raises(Edge2TorchError, match=words):
        list(batches(loaded(loader), 16))


def test_what_is_no_loader():
    for wrong in (iter(Loader()), None):
        with pytest.raises(Edge2TorchError, match="again and again"):
            loaded(wrong)
    with pytest.raises(Edge2TorchError, match="not in memory"):
        _ = loaded(Loader()).matrix


@pytest.mark.parametrize("form", ["array", "csr"])
def test_cells_that_come_again(form):
    """Batches may be filled up with cells that were served before; but all must come."""
    filled = loaded(Loader(form, order=np.r_[0, 0, 0, np.arange(N), 5, 6]))
    whole = loaded(Loader(form, order=np.arange(N)))
    np.testing.assert_array_equal(gene_means(filled, np.arange(20)), gene_means(whole, np.arange(20)))
    for (rows, (x, _)), (expected, (values, _)) in zip(
        batches(filled, 16).numbered(), batches(whole, 16).numbered(), strict=True
    ):
        np.testing.assert_array_equal(rows, expected)
        assert torch.equal(x, values)
    drawn = loaded(Loader(form, order=np.repeat(np.arange(N // 2), 2)))
    with pytest.raises(Edge2TorchError, match="served 35 of the 70 cells"):
        list(batches(drawn, 16))
