"""Values that are set to 0 while cells are served."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from edge2torch.cells import Cells, LoadedCells, batches
from edge2torch.cells.dropout import drop

N, GENES = 400, [f"g{i}" for i in range(60)]
X = sp.random_array((N, 60), density=0.3, format="csr", dtype=np.float32, rng=np.random.default_rng(0))


def served(cells, **arguments):
    return torch.cat([x for (x,) in batches(cells, 64, **{"seed": 3, "dropout": 0.3, **arguments})])


def whole(cells):
    return served(cells, dropout=0.0)


@pytest.fixture(params=["sparse", "dense", "loader"])
def cells(request):
    if request.param == "loader":
        loader = [{"X": X[start : start + 50], "index": np.arange(start, start + 50)} for start in range(0, N, 50)]
        return LoadedCells(loader, GENES, GENES, obs_names=np.arange(N))
    return Cells(X if request.param == "sparse" else X.toarray(), GENES, GENES)


def test_some_are_dropped_and_others_scaled(cells):
    before, after = whole(cells), served(cells)
    was = before != 0
    kept = after[was] != 0
    share = float(kept.float().mean())
    assert abs(share - 0.7) < 5 * np.sqrt(0.3 * 0.7 / int(was.sum()))
    torch.testing.assert_close(after[was][kept], before[was][kept] / 0.7, rtol=1e-4, atol=0)
    assert not after[~was].any()


def test_another_pass_drops_others_and_a_seed_the_same(cells):
    first, second = (batches(cells, 64, seed=3, dropout=0.3) for _ in range(2))
    passes = [torch.cat([x for (x,) in first]) for _ in range(2)]
    assert (passes[0] != 0).sum() != (passes[1] != 0).sum()
    second.set_epoch(1)
    assert torch.equal(torch.cat([x for (x,) in second]), passes[1])


def test_processes_drop_differently(cells):
    parts = []
    for rank in range(2):
        loader = batches(cells, 64, seed=3, dropout=0.5)
        loader.share(rank, 2)
        parts.append(torch.cat([x for (x,) in loader]))
    masks = [(part != 0).flatten()[:2000] for part in parts]
    assert not torch.equal(*masks)


def test_nothing_else_is_changed(cells):
    state = torch.get_rng_state()
    before = whole(cells)
    served(cells)
    assert torch.equal(whole(cells), before), "neither are the cells themselves"
    assert torch.equal(torch.get_rng_state(), state)


def test_all_forms_drop_the_same():
    forms = [Cells(X, GENES, GENES), Cells(X.toarray(), GENES, GENES), Cells(X.tocsc(), GENES, GENES)]
    first, *others = [served(form) for form in forms]
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("p", [1e-9, 0.001, 0.5, 0.999, 0.9999999])
def test_any_probability(p):
    x = served(Cells(np.ones((2000, 60), dtype=np.float32), GENES, GENES), dropout=p)
    n = x.numel()
    assert abs(float((x == 0).double().mean()) - p) <= 6 * np.sqrt(p * (1 - p) / n)
    assert x.isfinite().all()


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_values_are_dropped_independently_of_each_other(p):
    """Of two in a row, two in a gene, and where two rows and two genes meet, whose numbers they share."""
    n = 2000
    dropped = drop(np.ones((n, n), dtype=np.float32), p, np.random.default_rng(0)) == 0
    off = (dropped - p) / np.sqrt(p * (1 - p))
    pairs = off[::2] * off[1::2]
    for products in (pairs, off[:, ::2] * off[:, 1::2], pairs[:, ::2] * pairs[:, 1::2]):
        assert abs(products.mean()) < 5 / np.sqrt(products.size)
    for axis in (0, 1):
        counts = dropped.sum(axis=axis)
        assert abs(counts.var() / (n * p * (1 - p)) - 1) < 5 * np.sqrt(2 / n)
