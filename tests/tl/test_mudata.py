"""Two modalities from graph to picture; a MuData is treated as the AnnData with all its features would be."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from mudata import MuData

import edge2torch as e2t

N = 60
CLASSES = ["T/α", "B", "mono"]
RNA, PROT = ["CD3E", "CD14", "MS4A1", "LYZ", "ACTB", "IL7R"], ["CD14", "CD19", "CD3", "IgG"]
#: "lymphoid" and "myeloid" are fed by both
NETS = {
    "rna": {"lymphoid": ["CD3E", "MS4A1", "JCHAIN"], "myeloid": ["CD14", "LYZ"], "T cell": ["CD3E", "IL7R"]},
    "prot": {"lymphoid": ["CD3", "CD19"], "myeloid": ["CD14"]},
}
EDGES = {
    ("rna:CD3E", "lymphoid"),
    ("rna:MS4A1", "lymphoid"),
    ("prot:CD3", "lymphoid"),
    ("prot:CD19", "lymphoid"),
    ("rna:CD14", "myeloid"),
    ("rna:LYZ", "myeloid"),
    ("prot:CD14", "myeloid"),
    ("rna:CD3E", "T cell"),
    ("rna:IL7R", "T cell"),
}
LEARN = {"max_epochs": 12, "batch_size": 8, "lr": 0.05, "input_dropout": 0.0, "weight_decay": 0.0}
QUICK = {"max_epochs": 2}


@contextmanager
def quietly() -> Iterator[None]:
    """Without what mudata says about its own future, and about the same names in several modalities."""
    ours = mudata.set_options(pull_on_update=False) if hasattr(mudata, "set_options") else nullcontext()
    with ours, warnings.catch_warnings():
        for words in ("var_names are not unique", "Cannot join columns"):
            warnings.filterwarnings("ignore", words)
        yield


@pytest.fixture(autouse=True)
def _quietly():
    with quietly():
        yield


def simulate() -> MuData:
    """Make cells of three classes: one gene and one protein is high in each, with noise; proteins in another order."""
    rng = np.random.default_rng(0)
    label = rng.permutation(np.repeat(np.arange(3), N // 3))
    genes = rng.normal(size=(N, len(RNA))).astype(np.float32)
    proteins = rng.normal(size=(N, len(PROT))).astype(np.float32)
    high = np.array([["CD3E", "CD3"], ["MS4A1", "CD19"], ["CD14", "CD14"]])[label]
    genes[np.arange(N), [RNA.index(name) for name in high[:, 0]]] += 3
    proteins[np.arange(N), [PROT.index(name) for name in high[:, 1]]] += 3
    cells = pd.Index([f"cell {i}" for i in range(N)])
    order = rng.permutation(N)
    rna = AnnData(genes, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=RNA))
    prot = AnnData(sp.csr_matrix(proteins[order]), obs=pd.DataFrame(index=cells[order]), var=pd.DataFrame(index=PROT))
    mdata = MuData({"rna": rna, "prot": prot, "hto": AnnData(obs=pd.DataFrame(index=cells[:5]))})
    mdata.obs["kind"] = pd.Categorical.from_codes(label, CLASSES)
    return mdata


def as_anndata(mdata: MuData) -> AnnData:
    """All features side by side under their full names."""
    parts = [mdata[name].to_df().loc[mdata.obs_names].add_prefix(f"{name}:") for name in ("rna", "prot")]
    return AnnData(pd.concat(parts, axis=1), obs=mdata.obs[["kind"]].copy())


def run(data: AnnData | MuData, nets: object = NETS, **arguments: object) -> AnnData | MuData:
    e2t.pp.build_graph(data, nets, min_genes=1)
    e2t.tl.fit(data, "kind", progress_bar=False, **(arguments or LEARN))
    e2t.tl.interpret(data, n_steps=4, cell_features=True)
    return data


@pytest.fixture
def mdata() -> MuData:
    return simulate()


@pytest.fixture(scope="session")
def done_once() -> MuData:
    with quietly():
        return run(simulate())


@pytest.fixture
def done(done_once: MuData) -> MuData:
    return done_once.copy()


def assert_equal(one: object, two: object, where: str = "mdata") -> None:
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, two, obj=where)
    elif isinstance(one, Mapping):
        assert list(one) == list(two), where
        for name in one:
            assert_equal(one[name], two[name], f"{where}[{name!r}]")
    else:
        one, two = (np.asarray(x.toarray() if sp.issparse(x) else x) for x in (one, two))
        np.testing.assert_array_equal(one, two, err_msg=where)


def state(mdata: MuData) -> dict:
    """Everything that is in it, copied."""
    names = ("obs", "var", "obsm", "varm", "uns", "obsp", "varp")
    parts = {name: getattr(mdata, name) for name in names}
    for modality, part in mdata.mod.items():
        parts |= {f"{modality}.{name}": getattr(part, name) for name in (*names, "X", "layers")}
    return {
        name: {key: deepcopy(value) for key, value in part.items()}
        if isinstance(part, Mapping) and not isinstance(part, pd.DataFrame)
        else deepcopy(part)
        for name, part in parts.items()
    }


@contextmanager
def unchanged(mdata: MuData) -> Iterator[None]:
    before = state(mdata)
    yield
    assert_equal(state(mdata), before)


def test_graph(mdata):
    before = state(mdata)
    assert e2t.pp.build_graph(mdata, NETS, min_genes=1) is None
    result = mdata.uns.pop("e2t")
    assert_equal(state(mdata), before)
    edges = result["graph"]
    assert set(zip(edges["source"], edges["target"], strict=True)) == EDGES
    nodes = result["nodes"].set_index("node")
    assert nodes.loc[["T cell", "lymphoid", "myeloid"], "n_inputs"].tolist() == [2, 4, 3]
    assert set(nodes.index[nodes["kind"] == "input"]) == {source for source, _ in EDGES}


def test_coverage_counts_all_modalities(mdata):
    mdata["rna"].layers["counts"] = np.ones((N, len(RNA)))
    mdata["prot"].layers["counts"] = sp.csr_array(np.full((N, len(PROT)), 4.0))
    e2t.pp.build_graph(mdata, NETS, min_genes=1)
    whole = e2t.get.coverage(mdata, per="graph")
    assert whole[["genes", "genes_in_prior", "prior_genes", "inputs"]].tolist() == [10, 8, 9, 8]
    assert whole["share_of_counts"] == pytest.approx((5 + 3 * 4) / (6 + 4 * 4))
    per_node = e2t.get.coverage(mdata).set_index("node")
    assert per_node.loc["lymphoid", ["n_genes", "n_measured"]].tolist() == [5, 4]


def test_learns_and_is_explained_by_what_was_put_in(done):
    metrics = done.uns["e2t"]["metrics"].set_index("split")
    assert metrics.loc["test", "balanced_accuracy"] > 0.8
    features = e2t.get.features(done)
    assert features.index.tolist() == [*(f"rna:{name}" for name in RNA), *(f"prot:{name}" for name in PROT)]
    assert set(features["mono"].nlargest(2).index) == {"rna:CD14", "prot:CD14"}
    assert set(features["B"].nlargest(2).index) == {"rna:MS4A1", "prot:CD19"}
    assert (features.loc[["rna:ACTB", "prot:IgG"]] == 0).all(axis=None), "not in the graph"
    ranked = done.uns["e2t"]["rank_nodes"]
    assert ranked[ranked["group"] == "mono"].iloc[0]["node"] == "myeloid"


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
def test_equals_the_anndata_of_all_features(mdata, backend):
    """Same names, same seed: same weights, predictions and scores."""
    options = {"backend": backend, "steps": 2, "dropout": 0.1, **QUICK}
    alone = as_anndata(mdata)
    nets = {}
    for modality, sets in NETS.items():
        for node, genes in sets.items():
            nets.setdefault(node, []).extend(f"{modality}:{gene}" for gene in genes)
    run(mdata, **options)
    run(alone, nets, **options)
    for part in ("graph", "nodes", "coverage", "history", "metrics", "rank_nodes"):
        pd.testing.assert_frame_equal(mdata.uns["e2t"][part], alone.uns["e2t"][part], obj=part)
    for name in ("e2t_proba", "e2t_nodes", "e2t_features"):
        np.testing.assert_array_equal(mdata.obsm[name], alone.obsm[name], err_msg=name)
    for name in ("e2t_pred", "e2t_split"):
        pd.testing.assert_series_equal(mdata.obs[name], alone.obs[name])
    pd.testing.assert_frame_equal(e2t.get.features(mdata), e2t.get.features(alone))
    e2t.tl.predict(alone, mdata)
    np.testing.assert_array_equal(alone.obsm["e2t_proba"], mdata.obsm["e2t_proba"], err_msg="of the other's model")


def test_the_model_goes_into_the_core_verbs(done):
    model, artifact = e2t.get.model(done)
    x = e2t.align_features_to_input_nodes(done[:, done.var_names != "ACTB"][[f"cell {i}" for i in range(9)]], artifact)
    proba = model(x).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(proba, done[[f"cell {i}" for i in range(9)]].obsm["e2t_proba"], atol=1e-6)


def test_genes_and_proteins_are_perturbed_by_their_full_names(done):
    e2t.tl.perturb(done, "lymphoid", genes={"prot:CD14": 0.0, "rna:CD14": 1.0})
    model, artifact = e2t.get.model(done)
    flat = as_anndata(done)[:, artifact.feature_names].to_df()
    was, becomes = (
        model.forward_with_states(torch.tensor(table.to_numpy(np.float32)))[1][0].detach()
        for table in (flat, flat.assign(**{"prot:CD14": 0.0, "rna:CD14": 1.0}))
    )
    k = artifact.hidden_nodes.index("lymphoid")
    becomes[:, k] = was[:, k].mean()
    weights = model.blocks[1].linear.weight.detach().reshape(3, -1)
    np.testing.assert_allclose(done.obsm["e2t_perturbed"], (becomes - was) @ weights.T, atol=1e-5)
    with pytest.raises(e2t.Edge2TorchError, match=r"did you mean .*'rna:CD14'"):
        e2t.tl.perturb(done, genes="CD14")


def test_predicting_other_cells(done):
    cells = done.obs_names[[7, 3, 50, 22]]
    expected = done[cells].obsm["e2t_proba"]
    query = MuData({"prot": done["prot"][cells[::-1]].copy(), "rna": done["rna"][cells, RNA[::-1]].copy()})
    with unchanged(done):
        e2t.tl.predict(query, done)
    found = pd.DataFrame(query.obsm["e2t_proba"], query.obs_names).loc[cells]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    e2t.tl.interpret(query, target="predicted", n_steps=2)
    assert e2t.get.features(query).shape == (10, 3)


def test_a_view_becomes_actual_and_its_parent_stays(done):
    cells = done.obs_names[[7, 3, 50, 22]]
    expected = done[cells].obsm["e2t_proba"].copy()
    view = done[cells]
    with unchanged(done):
        e2t.tl.predict(view)
    assert not view.is_view
    np.testing.assert_allclose(view.obsm["e2t_proba"], expected, atol=1e-6)


def test_copy_leaves_the_original(mdata):
    steps = [
        lambda m: e2t.pp.build_graph(m, NETS, min_genes=1, copy=True),
        lambda m: e2t.tl.fit(m, "kind", copy=True, progress_bar=False, **QUICK),
        lambda m: e2t.tl.predict(m, copy=True),
        lambda m: e2t.tl.interpret(m, n_steps=2, copy=True),
    ]
    for step in steps:
        with unchanged(mdata):
            made = step(mdata)
        assert isinstance(made, MuData)
        mdata = made
    assert "e2t_nodes" in mdata.obsm
    assert "e2t_features" in mdata.varm


def test_nodes(done):
    done.obsm["X_umap"] = np.ones((N, 2))
    done.uns["kind_colors"] = np.array(["red", "green", "blue"])
    nodes = e2t.get.nodes(done)
    assert isinstance(nodes, AnnData)
    assert nodes.var_names.tolist() == ["T cell", "lymphoid", "myeloid"]
    assert set(nodes.obsm) == {"X_umap"}, "and none of the marks of a MuData of which cells a modality has"
    np.testing.assert_array_equal(nodes.X, done.obsm["e2t_nodes"])
    pd.testing.assert_frame_equal(nodes.obs, done.obs)


@pytest.mark.parametrize("plot", ["nodes", "graph", "history"])
def test_plots(done, plot):
    import matplotlib.pyplot as plt

    with unchanged(done):
        axes = getattr(e2t.pl, plot)(done)
    texts = {text.get_text() for text in [*axes.texts, *axes.get_yticklabels()]}
    assert (plot == "history") or any("myeloid" in text for text in texts)
    plt.close("all")


def test_plots_of_graphs_show_names_with_their_modality(done):
    import matplotlib.pyplot as plt

    axes = e2t.pl.graph(done, group="mono", nodes=["myeloid"])
    texts = {text.get_text().replace("\n", "") for text in axes.texts}
    assert {"rna:CD14", "prot:CD14", "myeloid", "mono"} <= texts
    plt.close("all")


@pytest.mark.parametrize("backed", [False, "r"])
def test_round_trip(done, tmp_path, backed):
    done.write_h5mu(tmp_path / "cells.h5mu")
    read = mudata.read_h5mu(tmp_path / "cells.h5mu", backed=backed)
    for part in ("graph", "nodes", "coverage", "summary", "history", "metrics", "rank_nodes"):
        pd.testing.assert_frame_equal(read.uns["e2t"][part], done.uns["e2t"][part], check_dtype=False, obj=part)
    pd.testing.assert_frame_equal(e2t.get.features(read), e2t.get.features(done))
    e2t.tl.predict(read)
    np.testing.assert_array_equal(read.obsm["e2t_proba"], done.obsm["e2t_proba"])
    pd.testing.assert_series_equal(read.obs["e2t_pred"], done.obs["e2t_pred"], check_categorical=False)
    e2t.tl.interpret(read, n_steps=4)
    np.testing.assert_array_equal(read.obsm["e2t_nodes"], done.obsm["e2t_nodes"])
    if backed:
        read.file.close()


def test_an_update_changes_nothing(done):
    features = e2t.get.features(done)
    done.update()
    pd.testing.assert_frame_equal(e2t.get.features(done), features)


SYMBOLS = {"rna": [f"ENSG{i}" for i in range(len(RNA))], "prot": [f"AB{i}" for i in range(len(PROT))]}


@pytest.mark.parametrize("gene_symbols", ["symbol", {"rna": "symbol", "prot": "symbol"}, {"rna": "symbol"}])
def test_gene_symbols(mdata, gene_symbols):
    """One column for all, or one for some; inputs keep their own names, and symbols become labels."""
    renamed = ["rna", "prot"] if gene_symbols == "symbol" else list(gene_symbols)
    new = {name: dict(zip(mdata[name].var_names, SYMBOLS[name], strict=True)) for name in renamed}
    parts = {name: mdata[name].copy() for name in ("rna", "prot")}
    for name, names in new.items():
        parts[name].var["symbol"] = list(names)
        parts[name].var_names = list(names.values())
    mdata = MuData(parts)
    e2t.pp.build_graph(mdata, NETS, min_genes=1, gene_symbols=gene_symbols)
    now = {
        f"{name}:{old}": f"{name}:{new.get(name, {}).get(old, old)}"
        for name, names in (("rna", RNA), ("prot", PROT))
        for old in names
    }
    edges = mdata.uns["e2t"]["graph"]
    assert set(zip(edges["source"], edges["target"], strict=True)) == {(now[gene], node) for gene, node in EDGES}
    label = mdata.uns["e2t"]["nodes"].set_index("node")["label"]
    assert {gene: label[now[gene]] for gene, _ in EDGES} == {gene: gene for gene, _ in EDGES}


ERRORS = {
    "no dict": ({"net": NETS["rna"]["lymphoid"]}, ["dict", "'rna', 'prot'", "list"]),
    "name of a prior": ({"net": "hallmark"}, ["dict", "'rna', 'prot'", "str"]),
    "table": ({"net": pd.DataFrame({"source": ["a"], "target": ["CD14"]})}, ["dict", "DataFrame"]),
    "empty": ({"net": {}}, ["dict", "'rna', 'prot'"]),
    "gene sets": ({"net": NETS["rna"]}, ["'lymphoid', 'myeloid', 'T cell'", "'rna', 'prot', 'hto'"]),
    "unknown modality": ({"net": {**NETS, "atac": {"a": ["b"]}}}, ["'atac'", "'rna', 'prot', 'hto'"]),
    "unknown prior": ({"net": {**NETS, "prot": "kegg"}}, ["'kegg'", "'hallmark'"]),
    "no overlap": ({"net": {**NETS, "prot": {"a": ["Cd3", "Cd14"]}}}, ["0 of 4", "mdata['prot']", "mouse ones (Cd14)"]),
    "no features": ({"net": {**NETS, "hto": {"a": ["CD14"]}}}, ["0 of 0", "mdata['hto']"]),
    "no column": ({"gene_symbols": "symbol"}, ["gene_symbols='symbol'"]),
    "too few": ({"min_genes": 9}, ["min_genes=9", "the largest has 4"]),
    "hierarchy of one": ({"hierarchy": pd.DataFrame({"parent": ["a"], "child": ["b"]})}, ["hierarchy", "names 2"]),
}


@pytest.mark.parametrize("case", ERRORS)
@pytest.mark.parametrize("copy", [False, True])
def test_errors_of_build_graph_leave_everything_as_it_was(done, case, copy):
    wrong, words = ERRORS[case]
    with unchanged(done), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.pp.build_graph(done, **{"net": NETS, "min_genes": 1, "copy": copy, **wrong})
    for word in words:
        assert word in str(error.value)


def test_a_dict_of_modalities_is_for_a_mudata_only(mdata):
    alone = as_anndata(mdata)
    with pytest.raises(e2t.Edge2TorchError):
        e2t.pp.build_graph(alone, {"rna": NETS["rna"]}, min_genes=1)
    assert "e2t" not in alone.uns


def test_cells_that_are_missing_in_a_modality(mdata):
    parts = {"rna": mdata["rna"], "prot": mdata["prot"][mdata["prot"].obs_names != "cell 3"].copy()}
    lacking = MuData(parts)
    lacking.obs["kind"] = mdata.obs["kind"]
    e2t.pp.build_graph(lacking, NETS, min_genes=1)
    with unchanged(lacking), pytest.raises(e2t.Edge2TorchError, match="1 of 60 cells are not in modality 'prot'"):
        e2t.tl.fit(lacking, "kind", progress_bar=False, **QUICK)
    e2t.pp.build_graph(lacking, {"rna": NETS["rna"]}, min_genes=1)
    e2t.tl.fit(lacking, "kind", progress_bar=False, **QUICK)
    assert lacking.obsm["e2t_proba"].shape == (60, 3), "what the graph does not read does not matter"


@pytest.mark.parametrize("lacks", ["modality", "feature", "cell"])
def test_queries_that_do_not_fit(done, lacks):
    rna, prot = done["rna"].copy(), done["prot"].copy()
    parts = {
        "modality": {"rna": rna},
        "feature": {"rna": rna, "prot": prot[:, ["CD19", "CD3"]].copy()},
        "cell": {"rna": rna, "prot": prot[:-2].copy()},
    }
    words = {"modality": "3 of 8 .*'prot:CD14', 'prot:CD19'", "feature": "1 of 8 .*: 'prot:CD14'", "cell": "2 of 60"}
    query = MuData(parts[lacks])
    with unchanged(query), pytest.raises(e2t.Edge2TorchError, match=words[lacks]):
        e2t.tl.predict(query, done, min_coverage=0.9)


def test_counts_are_warned_of_in_their_modality(mdata):
    e2t.pp.build_graph(mdata, NETS, min_genes=1)
    mdata["prot"].X = sp.csr_matrix(np.random.default_rng(0).poisson(40, mdata["prot"].shape).astype(np.float32))
    with pytest.warns(UserWarning, match=r"mdata\['prot'\].X looks like raw counts") as caught:
        e2t.tl.fit(mdata, "kind", progress_bar=False, **QUICK)
    assert not [warning for warning in caught if "mdata['rna']" in str(warning.message)]


def test_a_modality_can_be_the_target(mdata):
    """Cells of the proteins are in another order."""
    e2t.pp.build_graph(mdata, {"rna": NETS["rna"]}, min_genes=1)
    e2t.tl.fit(mdata, "prot", progress_bar=False, **QUICK)
    one = mdata.copy()
    one.obsm["proteins"] = mdata["prot"].to_df().loc[mdata.obs_names].add_prefix("prot:")
    e2t.tl.fit(one, "proteins", progress_bar=False, **QUICK)
    np.testing.assert_array_equal(mdata.obsm["e2t_values"], one.obsm["e2t_values"])
    assert mdata.uns["e2t"]["params"]["fit"]["outputs"].tolist() == [f"prot:{name}" for name in PROT]
    with pytest.raises(e2t.Edge2TorchError, match="target='hto': this modality has no features"):
        e2t.tl.fit(mdata, "hto", progress_bar=False, **QUICK)


def test_a_modality_alone_has_no_result(done):
    with pytest.raises(e2t.Edge2TorchError, match="build_graph"):
        e2t.get.features(done["rna"])


@pytest.fixture(scope="session")
def citeseq() -> MuData:
    """500 blood cells with counts of genes and proteins; classes by their proteins."""
    data = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not data.is_dir():
        pytest.skip("reference data not available")
    import scanpy as sc

    with quietly():
        mdata = mudata.read_h5mu(data / "citefuse_citeseq_500" / "citefuse_citeseq_500.h5mu")
        for name in ("rna", "prot"):
            mdata[name].layers["counts"] = mdata[name].X.copy()
            sc.pp.normalize_total(mdata[name], target_sum=1e4)
            sc.pp.log1p(mdata[name])
        markers = mdata["prot"][mdata.obs_names, ["CD3", "CD19", "CD14", "CD56"]].to_df()
        standard = (markers - markers.mean()) / markers.std()
        mdata.obs["kind"] = standard.idxmax(axis=1).astype("category")
        assert mdata.obs["kind"].value_counts().min() > 10
        mdata.uns["regulons"] = pd.read_csv(next((data / "collectri").glob("*.csv")))
    return mdata


def test_regulons_and_proteins_of_real_cells(citeseq, tmp_path):
    """Genes feed regulators; proteins feed what they stand for, among it regulators that genes feed, too."""
    mdata = citeseq.copy()
    regulons = mdata.uns.pop("regulons")
    proteins = {"SPI1": ["CD14", "CD16", "CD11b"], "TBX21": ["CD56", "CD3"], "surface of B cells": ["CD19", "CD24"]}
    e2t.pp.build_graph(mdata, {"rna": regulons, "prot": proteins}, min_genes=2)
    edges = mdata.uns["e2t"]["graph"]
    measured = set(mdata["rna"].var_names)
    genes = set(regulons.loc[regulons["source"] == "SPI1", "target"]) & measured
    read = edges.loc[edges["target"].isin(["SPI1", "SPI1 (node)"]), "source"]
    assert set(read) == {f"rna:{gene}" for gene in genes} | {"prot:CD14", "prot:CD16", "prot:CD11b"}
    assert 0 < e2t.get.coverage(mdata, per="graph")["share_of_counts"] < 1
    e2t.tl.fit(mdata, "kind", max_epochs=2, progress_bar=False)
    e2t.tl.interpret(mdata, n_steps=2)
    assert mdata.uns["e2t"]["metrics"]["balanced_accuracy"].mean() > 0.35, "after two epochs; by chance 0.25"
    features = e2t.get.features(mdata)
    assert features.index[[0, -1]].tolist() == ["rna:AL627309.1", f"hto:{mdata['hto'].var_names[-1]}"]
    mdata.write_h5mu(tmp_path / "cells.h5mu")
    again = mudata.read_h5mu(tmp_path / "cells.h5mu")
    e2t.tl.predict(again)
    np.testing.assert_array_equal(again.obsm["e2t_proba"], mdata.obsm["e2t_proba"])
