"""Same seed, same result; and nothing but the result changes."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t

QUICK = {"max_epochs": 3, "progress_bar": False}
STEPS = {
    "build_graph": lambda adata, **kw: e2t.pp.build_graph(adata, "hallmark", min_genes=1, **kw),
    "fit": lambda adata, **kw: e2t.tl.fit(adata, "kind", **QUICK, dropout=0.1, **kw),
    "predict": e2t.tl.predict,
    "interpret": lambda adata, **kw: e2t.tl.interpret(adata, n_steps=3, cell_features=True, **kw),
    "interpret predicted": lambda adata, **kw: e2t.tl.interpret(adata, n_steps=3, target="predicted", **kw),
    "interpret sampled": lambda adata, **kw: e2t.tl.interpret(adata, method="GradientShap", **kw),
    "nodes": lambda adata, **kw: e2t.get.nodes(adata),
    "features": lambda adata, **kw: e2t.get.features(adata),
    "model": lambda adata, **kw: e2t.get.model(adata),
    "graph": lambda adata, **kw: e2t.get.graph(adata),
}
WRITING = ["fit", "predict", "interpret", "interpret predicted", "interpret sampled"]


@pytest.fixture
def ready(fitted):
    fitted.layers["other"] = fitted.X.copy()
    fitted.raw = fitted.copy()
    e2t.tl.interpret(fitted, n_steps=3)
    return fitted


def renamed(adata):
    """Genes that Hallmark knows, for ``build_graph``."""
    adata = adata.copy()
    adata.var_names = ["CD3E", "CD2", "LCK", "IL2RA", "TNF", "JUN", "FOS", "MYC", "TP53", "VEGFA", "HK2", "LDHA"]
    return adata


@pytest.mark.parametrize("step", STEPS)
def test_global_generators_and_threads_stay(ready, step):
    adata = renamed(ready) if step == "build_graph" else ready
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    threads = torch.get_num_threads()
    STEPS[step](adata)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("step", WRITING)
def test_the_state_of_global_generators_makes_no_difference(ready, same, step):
    made = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            made.append(STEPS[step](ready, copy=True))
    same(*made)


def test_another_seed_is_another_model(adata):
    made = [e2t.tl.fit(adata, "kind", random_state=seed, copy=True, **QUICK) for seed in (0, 1)]
    assert (made[0].obs["e2t_split"] != made[1].obs["e2t_split"]).any()
    weights = [m.uns["e2t"]["graph"]["weight"] for m in made]
    assert not np.allclose(*weights, atol=0.1)


def test_the_seed_decides_on_more_than_the_split(adata):
    adata.obs["mine"] = np.array(["test", "train", "validation"])[np.arange(42) % 3]
    made = [e2t.tl.fit(adata, "kind", split="mine", random_state=seed, copy=True, **QUICK) for seed in (0, 1)]
    assert not np.allclose(*[m.obsm["e2t_proba"] for m in made], atol=1e-3)


@pytest.mark.parametrize("step", WRITING)
def test_a_copy_is_returned_and_the_original_stays(ready, unchanged, same, step):
    with unchanged(ready):
        made = STEPS[step](ready, copy=True)
    assert STEPS[step](ready) is None
    same(made, ready)


@pytest.mark.parametrize("step", WRITING)
def test_data_are_not_touched(ready, step):
    before = ready.copy()
    ready.X.flags.writeable = False
    ready.layers["other"].flags.writeable = False
    STEPS[step](ready)
    np.testing.assert_array_equal(ready.X, before.X)
    np.testing.assert_array_equal(ready.layers["other"], before.layers["other"])
    np.testing.assert_array_equal(ready.raw.X, before.raw.X)
    assert ready.var.equals(before.var)
    assert ready.obs["kind"].equals(before.obs["kind"])


@pytest.mark.parametrize("step", WRITING)
@pytest.mark.parametrize("name", ["model", "history", "metrics", "params", "graph", "nodes", "rank_nodes"])
def test_columns_and_arrays_of_the_user_stay(ready, step, name):
    ready.obs[name], ready.obsm[name], ready.varm[name] = "mine", np.ones((42, 2)), np.ones((12, 2))
    STEPS[step](ready)
    assert all(name in place for place in (ready.obs, ready.obsm, ready.varm))


@pytest.mark.parametrize("step", WRITING)
def test_a_view_becomes_actual_and_its_parent_stays(ready, unchanged, same, step):
    rows = np.flatnonzero(np.arange(42) % 5)
    expected = STEPS[step](ready[rows].copy(), copy=True)
    view = ready[rows]
    with unchanged(ready):
        STEPS[step](view)
    assert not view.is_view
    same(view, expected)


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_printed_and_no_file_is_left(ready, step, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    STEPS[step](renamed(ready) if step == "build_graph" else ready)
    out, err = capfd.readouterr()
    assert err == ""
    assert out == "" or step == "build_graph"
    assert list(tmp_path.iterdir()) == []


def test_two_results_live_side_by_side(ready, same):
    alone = ready.copy()
    net = pd.DataFrame({"source": ["X", "Y"] * 6, "target": ready.var_names})
    e2t.pp.build_graph(ready, net, min_genes=1, key_added="second")
    e2t.tl.fit(ready, "kind", key="second", **QUICK)
    e2t.tl.interpret(ready, key="second", n_steps=2)
    assert e2t.get.nodes(ready, key="second").var_names.tolist() == ["X", "Y"]
    assert e2t.get.nodes(ready).var_names.tolist() == ["P", "Q/R", "π"]
    for name in ("second_pred", "second_split"):
        del ready.obs[name]
    for name in ("second_proba", "second_nodes", "second_activations"):
        del ready.obsm[name]
    del ready.varm["second_features"]
    del ready.uns["second"]
    same(ready, alone)


@pytest.mark.parametrize("case", [{}, {"auxiliary": 0.5, "norm": "batch"}, {"backend": "graphnn", "width": 2}])
def test_the_default_precision_of_torch_is_of_no_concern(adata, case):
    torch.set_default_dtype(torch.float64)
    try:
        e2t.tl.fit(adata, "kind", **QUICK, **case)
        before = adata.obsm["e2t_proba"].copy()
        e2t.tl.predict(adata)
        e2t.tl.interpret(adata, n_steps=2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert before.dtype == np.float32
    np.testing.assert_allclose(adata.obsm["e2t_proba"], before, atol=1e-6)
    assert {v.dtype for v in adata.uns["e2t"]["model"]["state"].values()} & {np.dtype("f8")} == set()
