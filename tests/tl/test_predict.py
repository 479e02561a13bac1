"""``tl.predict``: the same cells get the same probabilities, wherever they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import edge2torch as e2t

QUICK = {"max_epochs": 2, "progress_bar": False}
RESULT = ["e2t_pred", "e2t_proba", "e2t"]


def bare(adata):
    """Cells without results, as they come from elsewhere."""
    new = adata.copy()
    new.uns.clear()
    for place, names in ((new.obs, ("e2t_pred", "e2t_split", "kind")), (new.obsm, ("e2t_proba",))):
        for name in names:
            del place[name]
    return new


def assert_predicted(adata, expected):
    np.testing.assert_allclose(adata.obsm["e2t_proba"], expected.obsm["e2t_proba"], rtol=1e-5, atol=1e-7)
    assert adata.obs["e2t_pred"].tolist() == expected.obs["e2t_pred"].tolist()
    assert adata.obs["e2t_pred"].cat.categories.tolist() == ["α/β T", "B", "NK"]


def test_cells_of_the_fit(fitted, same):
    before = fitted.copy()
    fitted.obsm["e2t_proba"] = np.zeros((42, 3), dtype=np.float32)
    fitted.obs["e2t_pred"] = "wrong"
    assert e2t.tl.predict(fitted) is None
    same(fitted, before)


@pytest.mark.parametrize("rows", [slice(5, 20), [7, 3, 30], [11]])
def test_some_of_the_cells(fitted, rows):
    some = fitted[rows].copy()
    some.obsm["e2t_proba"][:] = 0
    e2t.tl.predict(some)
    assert_predicted(some, fitted[rows])


def test_a_view_becomes_actual(fitted, unchanged):
    view = fitted[[9, 4, 1]]
    with unchanged(fitted):
        e2t.tl.predict(view)
    assert not view.is_view
    assert_predicted(view, fitted[[9, 4, 1]])


def with_x(new, x):
    new.X = x
    return new


def with_more_genes(new):
    import anndata

    other = anndata.AnnData(
        np.full((new.n_obs, 2), np.nan), obs=pd.DataFrame(index=new.obs_names), var=pd.DataFrame(index=["x", "y"])
    )
    return anndata.concat([other, new], axis=1)


KINDS = {
    "as it is": lambda new: new,
    "genes in another order": lambda new: new[:, ::-1].copy(),
    "more genes": with_more_genes,
    "csr": lambda new: with_x(new, sp.csr_matrix(new.X)),
    "csc": lambda new: with_x(new, sp.csc_array(new.X)),
    "float64": lambda new: with_x(new, new.X.astype(float)),
    "view": lambda new: new[:, ::-1],
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_cells_with_a_reference(fitted, unchanged, kind):
    new = KINDS[kind](bare(fitted)[5:25].copy())
    with unchanged(fitted):
        assert e2t.tl.predict(new, fitted) is None
    assert_predicted(new, fitted[5:25])
    assert set(new.uns["e2t"]) == {"graph", "nodes", "params", "model"}
    assert "e2t_split" not in new.obs


def test_what_came_from_the_reference_works_alone(fitted):
    new = bare(fitted)[5:25].copy()
    e2t.tl.predict(new, reference=fitted)
    e2t.tl.predict(new)
    assert_predicted(new, fitted[5:25])
    e2t.tl.interpret(new, target="predicted", groupby="e2t_pred", n_steps=2)
    assert e2t.get.nodes(new).shape == (20, 3)
    onward = bare(fitted)[25:].copy()
    e2t.tl.predict(onward, new)
    assert_predicted(onward, fitted[25:])


def test_what_came_from_the_reference_is_a_copy(fitted, unchanged):
    new = bare(fitted)
    e2t.tl.predict(new, fitted)
    with unchanged(fitted):
        new.uns["e2t"]["nodes"].loc[0, "label"] = "changed"
        new.uns["e2t"]["graph"].loc[0, "weight"] = 99.0
        new.uns["e2t"]["params"]["fit"]["target"] = "changed"
        for weights in new.uns["e2t"]["model"]["state"].values():
            weights[...] = 0


def test_earlier_results_of_another_model_do_not_stay(fitted, make_cells):
    net = pd.DataFrame({"source": ["X", "Y", "Z"] * 4, "target": fitted.var_names})
    other = make_cells(net=net)
    e2t.tl.fit(other, "kind", **QUICK)
    e2t.tl.interpret(other, n_steps=2, cell_features=True)
    e2t.tl.predict(other, fitted)
    assert set(other.uns["e2t"]) == {"graph", "nodes", "params", "model"}
    assert not {"e2t_nodes", "e2t_features"} & {*other.obsm, *other.varm}, "they would be shown under other names"
    with pytest.raises(e2t.Edge2TorchError):
        e2t.get.nodes(other)


def test_layer_and_raw_are_those_of_the_fit(adata):
    adata.layers["z"] = adata.X * 2
    adata.raw = adata.copy()
    for where in ({"layer": "z"}, {"use_raw": True}):
        e2t.tl.fit(adata, "kind", **where, **QUICK)
        expected = adata.obsm["e2t_proba"].copy()
        adata.X = np.zeros_like(adata.X)
        e2t.tl.predict(adata)
        np.testing.assert_array_equal(adata.obsm["e2t_proba"], expected)
        adata.X = adata.raw.X.copy()


def test_another_key(fitted, unchanged):
    new = bare(fitted)
    fitted.uns["mine"] = fitted.uns.pop("e2t")
    e2t.tl.predict(new, fitted, key="mine")
    np.testing.assert_array_equal(new.obsm["mine_proba"], fitted.obsm["e2t_proba"])
    assert "e2t" not in new.uns


def test_no_cells(fitted):
    none = fitted[:0].copy()
    e2t.tl.predict(none)
    assert none.obsm["e2t_proba"].shape == (0, 3)
    assert none.obs["e2t_pred"].cat.categories.tolist() == ["α/β T", "B", "NK"]


def broken(new, case):
    if case == "missing genes":
        return new[:, 3:].copy()
    if case == "NaN":
        new.X[0, 0] = np.nan
    if case == "text":
        new.X = new.X.astype(str).astype(object)
    return new


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("missing genes", ["3 of 12 features", "'g0', 'g1', 'g2'"]),
        ("NaN", ["1 values are NaN", "'g0'"]),
        ("text", ["not real numbers"]),
    ],
)
def test_cells_that_do_not_fit(fitted, unchanged, case, words):
    new = broken(bare(fitted), case)
    with unchanged(new), unchanged(fitted), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.predict(new, fitted)
    for word in words:
        assert word in str(error.value)


def test_missing_genes_are_filled_with_their_mean_over_the_training_cells(fitted, capsys):
    training = fitted.obs["e2t_split"] == "train"
    mean = fitted.X[training.to_numpy()].mean(axis=0)
    nodes = fitted.uns["e2t"]["nodes"].set_index("node")
    np.testing.assert_allclose(nodes.loc[fitted.var_names, "mean"], mean, rtol=1e-5, atol=1e-6)
    assert nodes.loc[nodes["kind"] != "input", "mean"].isna().all()
    query = bare(fitted)
    query.X[:, [3, 10]] = mean[[3, 10]]
    e2t.tl.predict(query, fitted)
    capsys.readouterr()
    for x in (np.asarray, sp.csr_matrix):
        fewer = with_x(bare(fitted), x(fitted.X))[:, [11, 0, 1, 2, 4, 9, 8, 7, 6, 5]].copy()
        e2t.tl.predict(fewer, fitted)
        assert_predicted(fewer, query)
        assert "2 of 12 genes of the model are missing in adata.var_names: 'g10', 'g3'" in capsys.readouterr().out


@pytest.mark.parametrize(("n", "allowed"), [(9, 0.75), (1, 0), (12, 1)])
def test_as_many_genes_as_are_asked_for(fitted, n, allowed):
    e2t.tl.predict(bare(fitted)[:, :n].copy(), fitted, min_coverage=allowed)


@pytest.mark.parametrize(
    ("names", "allowed", "words"),
    [
        (slice(0, 9), 0.8, ["3 of 12 features", "'g10', 'g11', 'g9'", "min_coverage=0.75"]),
        (slice(0, 11), 1, ["1 of 12 features", "'g11'", "min_coverage=0.91"]),
        (slice(0, 0), 0, ["12 of 12 features", "gene symbols or Ensembl ids"]),
        (slice(0, 12), 1.5, ["min_coverage=1.5"]),
        (slice(0, 12), "all", ["min_coverage='all'"]),
    ],
)
def test_too_few_genes(fitted, unchanged, names, allowed, words):
    new = bare(fitted)[:, names].copy()
    with unchanged(new), unchanged(fitted), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.tl.predict(new, fitted, min_coverage=allowed)
    for word in words:
        assert word in str(error.value)


def test_a_model_that_knows_no_means_needs_all_genes(fitted):
    """Stored by a version that did not write them."""
    del fitted.uns["e2t"]["nodes"]["mean"]
    e2t.tl.predict(bare(fitted), fitted)
    with pytest.raises(e2t.Edge2TorchError, match=r"1 of 12 features .* missing"):
        e2t.tl.predict(bare(fitted)[:, :11].copy(), fitted, min_coverage=0)


def test_a_missing_layer(adata, unchanged):
    adata.layers["z"] = adata.X.copy()
    e2t.tl.fit(adata, "kind", layer="z", **QUICK)
    del adata.layers["z"]
    with unchanged(adata), pytest.raises(e2t.Edge2TorchError, match=r"'z' is not in adata.layers"):
        e2t.tl.predict(adata)


def test_without_a_model(adata, fitted, make_cells, unchanged):
    new = make_cells()
    with unchanged(new), pytest.raises(e2t.Edge2TorchError, match=r"no 'model'; run e2t\.tl\.fit first"):
        e2t.tl.predict(new)
    with unchanged(new), pytest.raises(e2t.Edge2TorchError, match=r"'other'.*under 'e2t'"):
        e2t.tl.predict(new, fitted, key="other")
    with unchanged(new), pytest.raises(e2t.Edge2TorchError, match="reference must be an AnnData"):
        e2t.tl.predict(new, "fitted")


def test_a_graph_changed_after_the_fit(fitted, unchanged):
    graph = fitted.uns["e2t"]["graph"]
    fitted.uns["e2t"]["graph"] = graph.iloc[1:]
    with unchanged(fitted), pytest.raises(e2t.Edge2TorchError, match="not the graph that the model was trained on"):
        e2t.tl.predict(fitted)
    fitted.uns["e2t"]["graph"] = graph.sample(frac=1, random_state=0)
    expected = fitted.obsm["e2t_proba"].copy()
    e2t.tl.predict(fitted)
    np.testing.assert_allclose(fitted.obsm["e2t_proba"], expected, rtol=1e-5)
