"""The page on errors quotes messages as they are: each is raised here, and nothing else stands on the page."""

from __future__ import annotations

import re
import sys
import warnings

import anndata
import lightning
import numpy as np
import pandas as pd
import pytest
import requests
from anndata import AnnData
from torch import nn

import edge2torch as e2t

GENES = ["CD3E", "CD2", "LCK", "MS4A1", "CD79A", "CD19"]
SETS = {"T cell": GENES[:3], "B cell": GENES[3:]}
SHORT = {"max_epochs": 2, "progress_bar": False}
QUOTE = re.compile(r"^> (`+)(.+?)\1$", re.MULTILINE)


def cells(genes=GENES):
    rng = np.random.default_rng(0)
    obs = {"kind": ["T", "B", "NK"] * 10, "donor": ["d1", "d2"] * 15}
    index = [f"cell {i}" for i in range(30)]
    return AnnData(
        rng.random((30, len(genes)), dtype="float32"),
        obs=pd.DataFrame(obs, index=index),
        var=pd.DataFrame(index=list(genes)),
    )


def built(net=SETS, **options):
    adata = cells()
    e2t.pp.build_graph(adata, net, **{"min_genes": 2, **options})
    return adata


@pytest.fixture(scope="module")
def fitted_once():
    adata = built()
    e2t.tl.fit(adata, "kind", **SHORT)
    return adata


@pytest.fixture
def fitted(fitted_once):
    return fitted_once.copy()


@pytest.fixture
def scored(fitted):
    e2t.tl.interpret(fitted)
    return fitted


def fit(adata, target="kind", **options):
    e2t.tl.fit(adata, target, **SHORT, **options)


#: in the order of the page
CASES = []


def case(function):
    CASES.append(function)
    return function


@case
def ensembl(_):
    e2t.pp.build_graph(cells(["ENSG00000198851", "ENSG00000116824", "ENSG00000182866"]), "hallmark")


@case
def mouse(_):
    e2t.pp.build_graph(cells(["Cd3e", "Cd2", "Lck", "Ms4a1"]), "hallmark")


@case
def no_column(_):
    e2t.pp.build_graph(cells(), SETS, gene_symbols="symbol")


@case
def turned(_):
    e2t.pp.build_graph(cells(), pd.DataFrame({"source": ["CD3E", "CD2"], "target": ["T", "T"]}))


@case
def small_sets(_):
    e2t.pp.build_graph(cells(), SETS)


@case
def unknown_prior(_):
    e2t.pp.build_graph(cells(), "reactom")


@case
def offline(request):
    def refuse(*args, **kwargs):
        raise requests.ConnectionError("no route")

    patch = request.getfixturevalue("monkeypatch")
    patch.setattr(requests.Session, "request", refuse)
    patch.setattr(e2t.settings, "retries", 1)
    patch.setattr(e2t.settings, "cache_dir", request.getfixturevalue("tmp_path"))
    e2t.pp.build_graph(cells(), "collectri")


@case
def cycle(_):
    edges = [("A", "CD3E"), ("A", "CD2"), ("B", "LCK"), ("B", "CD19"), ("B", "A"), ("A", "B")]
    fit(built(pd.DataFrame(edges, columns=["source", "target"]), genes="leaves", min_genes=1))


@case
def counts(_):
    adata = built()
    adata.X = np.round(adata.X * 29)
    adata.X[0, 0] = 30
    fit(adata)


@case
def not_a_number(_):
    adata = built()
    adata.X[0, 0] = np.nan
    fit(adata)


@case
def no_target(_):
    fit(built(), "cell_type")


@case
def missing_labels(_):
    adata = built()
    adata.obs["kind"] = adata.obs["kind"].where(adata.obs["kind"] != "NK")
    fit(adata)


@case
def one_class(_):
    adata = built()
    adata.obs["kind"] = "T"
    fit(adata)


@case
def single_cell(_):
    adata = built()
    adata.obs["kind"] = ["T"] + ["B"] * 29
    fit(adata)


@case
def whole_numbers(_):
    adata = built()
    adata.obs["leiden"] = np.arange(30) % 4
    fit(adata, "leiden")


@case
def donors_are_classes(_):
    adata = built()
    adata.obs["donor"] = adata.obs["kind"]
    fit(adata, groups="donor")


@case
def no_graph(_):
    fit(cells())


@case
def other_key(_):
    fit(built(key_added="sets"))


@case
def no_scores(request):
    e2t.get.nodes(request.getfixturevalue("fitted"))


@case
def edited_graph(request):
    adata = request.getfixturevalue("fitted")
    adata.uns["e2t"]["graph"] = adata.uns["e2t"]["graph"].iloc[1:]
    e2t.tl.interpret(adata)


@case
def fewer_genes(request):
    e2t.tl.interpret(request.getfixturevalue("fitted")[:, 2:].copy())


@case
def cut_scores(request):
    adata = request.getfixturevalue("scored")
    adata.obsm["e2t_nodes"] = adata.obsm["e2t_nodes"][:, :1]
    e2t.get.nodes(adata)


@case
def other_weights(_):
    models = [
        e2t.compile_graph(pd.DataFrame({"source": ["a", gene], "target": ["out", "out"]}), quiet=True)[0]
        for gene in ("b", "c")
    ]
    models[0].load_state_dict(models[1].state_dict())


@case
def view_of_file(request):
    path = request.getfixturevalue("tmp_path") / "cells.h5ad"
    built().write_h5ad(path)
    backed = anndata.read_h5ad(path, backed="r+")
    try:
        fit(backed[:20])
    finally:
        backed.file.close()


@case
def no_keyword(_):
    e2t.tl.fit(built(), "kind", "log1p")


@case
def activation_module(_):
    fit(built(), activation=nn.LeakyReLU(0.1))


@case
def exploding(_):
    fit(built(), lr=1e30, activation=None)


class Full(lightning.Callback):
    def on_train_batch_start(self, *args):
        raise MemoryError("Unable to allocate 8 TiB")


@case
def no_memory(_):
    fit(built(), trainer_kwargs={"callbacks": [Full()]})


@case
def no_gpu(request):
    patch = request.getfixturevalue("monkeypatch")
    patch.setattr("torch.cuda.is_available", lambda: False)
    patch.setattr("torch.backends.mps.is_available", lambda: False)
    patch.setattr("torch.cuda.device_count", lambda: 0)
    fit(built(), accelerator="gpu")


@case
def no_optuna(request):
    request.getfixturevalue("monkeypatch").setitem(sys.modules, "optuna", None)
    e2t.tl.tune(built(), "kind", {"lr": (1e-4, 1e-1, "log")})


@case
def other_genes(request):
    e2t.tl.predict(cells()[:, 3:].copy(), request.getfixturevalue("fitted"))


@case
def unknown_labels(request):
    adata = request.getfixturevalue("fitted")
    adata.obs["kind"] = adata.obs["kind"].astype(str).replace("NK", "ILC")
    e2t.tl.interpret(adata)


@case
def undefined_method(_):
    adata = built()
    fit(adata, activation="gelu")
    e2t.tl.interpret(adata, method="DeepLift")


@case
def for_features_only(request):
    e2t.tl.interpret(request.getfixturevalue("fitted"), method="Saliency")


@case
def two_outputs(_):
    model, artifact = e2t.compile_graph(pd.DataFrame({"source": ["g", "g"], "target": ["o1", "o2"]}), quiet=True)
    e2t.interpret_model(model, artifact, pd.DataFrame({"g": [1.0]}))


@case
def coarse_path(request):
    adata = request.getfixturevalue("fitted")
    adata.X = adata.X * 50
    e2t.tl.interpret(adata, n_steps=1)


@case
def unknown_group(request):
    e2t.get.rank_nodes(request.getfixturevalue("scored"), "t")


@case
def one_control(request):
    adata = request.getfixturevalue("fitted")
    e2t.tl.control(adata, "rewired", n=1, progress_bar=False)
    e2t.tl.rank_nodes(adata)


@pytest.fixture(scope="module")
def quotes(read_page):
    return [text for _, text in QUOTE.findall(read_page("docs/errors.md"))]


def message(case, request):
    """What a user reads: an error, or the first warning."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            case(request)
        except (e2t.Edge2TorchError, TypeError) as error:
            return str(error)
    return next(str(one.message) for one in warned if issubclass(one.category, UserWarning))


@pytest.mark.parametrize("k", range(len(CASES)), ids=[case.__name__ for case in CASES])
def test_message_is_quoted(k, quotes, request):
    said = message(CASES[k], request)
    assert said.startswith(quotes[k]), said


def test_nothing_else_is_quoted(quotes):
    assert len(quotes) == len(CASES)
