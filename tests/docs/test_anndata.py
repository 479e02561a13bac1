"""The page on what is stored where, beside what the whole chain of functions writes."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import edge2torch as e2t
from edge2torch import _keys

PAGE = "docs/anndata.md"
GENES = [f"g{i}" for i in range(12)]
QUICK = {"max_epochs": 2, "progress_bar": False}
SLOT = re.compile(r'^\| `(obs|obsm|varm)\["e2t(_\w+)"\]` \| ([^|]+) \| ([^|]+) \|', re.MULTILINE)
METRICS = {"accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "calibration_error", "precision", "recall"}
METRICS |= {"f1", "average_precision", "r2", "pearson", "mse"}


def make():
    rng = np.random.default_rng(0)
    kind = np.arange(60) % 3
    x = rng.normal(size=(60, len(GENES))).astype(np.float32)
    x[np.arange(60), kind] += 3
    obs = pd.DataFrame({"kind": pd.Categorical.from_codes(kind, ["a", "b", "c"])}, index=[f"c{i}" for i in range(60)])
    adata = AnnData(x, obs=obs, var=pd.DataFrame(index=GENES))
    adata.obs["age"] = (x[:, 0] + x[:, 3]).astype(float)
    adata.obsm["marks"] = (x[:, :2] > 1).astype(np.int8)
    edges = [("PQR"[k // 4], gene) for k, gene in enumerate(GENES)] + [("Q", "P"), ("P", "Q")]
    net = pd.DataFrame(edges, columns=["source", "target"]).assign(weight=1.0)
    e2t.pp.build_graph(adata, net, genes="leaves", acyclic="distance", min_genes=1, weights="sign")
    e2t.pp.rewire_graph(adata, "targets", key_added="e2t_rewired")
    e2t.pp.add_edges(adata, pd.DataFrame({"source": ["g0"], "target": ["R"]}))
    e2t.pp.remove_nodes(adata, ["g11"])
    return adata


def explain(adata, **options):
    e2t.tl.interpret(adata, n_steps=3, edges=True, **options)


@pytest.fixture(scope="module")
def written():
    """Results of the chain, for each task; those of the classes with all that there is."""
    classes = make()
    e2t.tl.cross_validate(classes, "kind", n_splits=3, fit_kwargs={"max_epochs": 2}, progress_bar=False)
    e2t.tl.fit(classes, "kind", n_replicates=2, l1=1e-3, **QUICK)
    e2t.tl.predict(classes)
    explain(classes, cell_features=True)
    e2t.tl.control(classes, n=2, progress_bar=False)
    e2t.tl.rank_nodes(classes, n_steps=3)
    e2t.tl.perturb(classes, "R", mode="remove")
    e2t.tl.perturb(classes, "all", mode="remove")
    by_shuffled = classes.copy()
    e2t.tl.rank_nodes(by_shuffled, by="shuffled", n_steps=3)
    numbers, labels = make(), make()
    e2t.tl.cross_validate(numbers, "age", n_splits=3, fit_kwargs={"max_epochs": 2}, progress_bar=False)
    e2t.tl.fit(numbers, "age", n_replicates=2, **QUICK)
    e2t.tl.fit(labels, "marks", task="labels", n_replicates=2, **QUICK)
    explain(labels, target="all")
    tuned = make()
    e2t.tl.tune(tuned, "kind", {"lr": [0.01, 0.02]}, n_trials=2, fit_kwargs={"max_epochs": 2}, progress_bar=False)
    initial = make()
    net = pd.DataFrame({"source": ["P", "P", "Q"], "target": GENES[:3], "weight": [1.0, 2.0, 3.0]})
    e2t.pp.build_graph(initial, net, min_genes=1, weights="initial")
    return [classes, by_shuffled, numbers, labels, tuned, initial]


@pytest.fixture(scope="module")
def page(read_page):
    return read_page(PAGE)


def rows(page, header):
    """Cells of the rows of a table, by the beginning of its header."""
    lines = page[page.index(header) :].splitlines()[2:]
    table = lines[: next(k for k, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table]


def test_slots_are_those_of_the_page(written, page):
    on_page = {(place, name) for place, name, _, _ in SLOT.findall(page)}
    own = {"kind", "age", "marks"}
    there = {
        (place, name.removeprefix("e2t"))
        for adata in written
        for place in ("obs", "obsm", "varm")
        for name in getattr(adata, place)
        if name not in own
    }
    assert there == on_page
    made = _keys.Keys("e2t").of_build
    assert {name for _, name in on_page} == {slot.removeprefix("e2t") for slot in made.slots}


def test_shapes_and_dtypes(written, page):
    dtype_of = {(place, name): dtypes for place, name, _, dtypes in SLOT.findall(page)}
    dtype_of["obsm", "_std"] = "float32, or float64"
    for adata in written:
        nodes = adata.uns["e2t"]["nodes"]
        axes = {"cells": adata.n_obs, "genes": adata.n_vars, "shuffled models": 2}
        axes |= {f"{kind}s": int((nodes["kind"] == kind).sum()) for kind in ("input", "output")}
        axes["hidden nodes"] = int((nodes["kind"] == "hidden").sum())
        for place, name, shape, _ in SLOT.findall(page):
            if f"e2t{name}" not in getattr(adata, place):
                continue
            value = getattr(adata, place)[f"e2t{name}"]
            assert str(value.dtype) in dtype_of[place, name].split(", or "), name
            if name == "_cv":  # made before the fit that writes the outputs
                axes["outputs"] = len(adata.uns["e2t"]["params"]["cross_validate"]["outputs"])
            assert value.shape == tuple(axes[axis] for axis in shape.strip().split(" x ")), name


def test_parts_of_uns_are_those_of_the_page(written, page):
    on_page = {name for part, *_ in rows(page, "| part | content |") for name in re.findall(r"`(\w+)`", part)}
    assert {name for adata in written for name in adata.uns["e2t"]} == on_page
    made = _keys.Keys("e2t").of_build
    assert on_page == {_keys.GRAPH, _keys.NODES, _keys.PARAMS, *made.parts}


def test_steps_are_those_of_the_page(written, page):
    text = next(content for part, content, _ in rows(page, "| part | content |") if part == "`params`")
    steps = set(re.findall(r"`(\w+)`", text)) - {"edge2torch_version"}
    there = {
        step
        for adata in written
        for key in ("e2t", "e2t_rewired")
        if key in adata.uns
        for step in adata.uns[key]["params"]
    }
    assert there == steps == set(_keys.Keys("e2t").of_build.steps)


def test_columns_are_those_of_the_page(written, page):
    there = {}
    for part, names, whole, numbers, other in rows(page, "| part | names |"):
        dtypes = dict.fromkeys(re.findall(r"`(\w+)`", names), ("object", "str", "category"))
        dtypes |= dict.fromkeys(re.findall(r"`(\w+)`", whole), ("int64",))
        dtypes |= dict.fromkeys(re.findall(r"`(\w+)`", numbers), ("float64",))
        of_others = tuple(re.findall(r"bool|float32|float64", other))
        dtypes |= dict.fromkeys(re.findall(r"`(\w+)`", other), of_others)
        there[part.strip("`")] = dtypes, "metrics" in numbers
    seen = {part: set() for part in there}
    for adata in written:
        for part, table in adata.uns["e2t"].items():
            if isinstance(table, pd.DataFrame):
                dtypes, metrics = there[part]
                more = METRICS if metrics else {"lr", "balanced_accuracy"} if part == "trials" else set()
                assert set(table.columns) <= set(dtypes) | more, part
                for name in set(table.columns) & set(dtypes):
                    assert str(table[name].dtype) in dtypes[name], (part, name)
                seen[part] |= set(table.columns)
    for part, (dtypes, _) in there.items():
        assert seen[part] >= set(dtypes), f"the page has more columns of {part}"
