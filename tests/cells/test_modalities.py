"""Features and matrices of a MuData: by name, whatever their order and kind."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, nullcontext

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.cells import Cells, choose_matrix, column_sums, feature_names, modalities

RNA, PROT = ["CD3E", "CD14", "LYZ"], ["CD3", "CD14"]
CELLS = ["c0", "c1", "c2", "c3", "c4"]
ORDER = [3, 0, 4, 1, 2]
PLAIN = {"layer": None, "use_raw": False}


@contextmanager
def quietly():
    """Without what mudata says about its own future, and about the same names in several modalities."""
    ours = mudata.set_options(pull_on_update=False) if hasattr(mudata, "set_options") else nullcontext()
    with ours, warnings.catch_warnings():
        for words in ("var_names are not unique", "obs_names are not unique", "Cannot join columns"):
            warnings.filterwarnings("ignore", words)
        yield


def values(seed, n_genes):
    return np.random.default_rng(seed).poisson(1.5, (len(CELLS), n_genes)).astype(np.float32)


def part(names, seed, kind=np.asarray, cells=(0, 1, 2, 3, 4)):
    x = values(seed, len(names))[list(cells)]
    return AnnData(kind(x), obs=pd.DataFrame(index=[CELLS[i] for i in cells]), var=pd.DataFrame(index=names))


def make(**parts):
    with quietly():
        return mudata.MuData(parts)


def table(data):
    """The expected values by name: cells of ``data`` by all features."""
    known = {"rna": pd.DataFrame(values(0, 3), CELLS, RNA), "prot": pd.DataFrame(values(1, 2), CELLS, PROT)}
    joined = pd.concat([frame.add_prefix(f"{name}:") for name, frame in known.items()], axis=1)
    return joined.loc[data.obs_names]


def read(data, features, **where):
    """What a model would get."""
    matrix, names = choose_matrix(data, **{**PLAIN, **where}, features=features)
    return Cells(matrix, list(names), features)[np.arange(data.n_obs)][0].numpy()


@pytest.fixture
def mdata():
    """ "CD14" is in both; cells are in another order in the second."""
    return make(rna=part(RNA, 0), prot=part(PROT, 1, sp.csr_matrix, ORDER))


def test_names_tell_modalities_apart(mdata):
    names = feature_names(mdata)
    assert names.tolist() == ["rna:CD3E", "rna:CD14", "rna:LYZ", "prot:CD3", "prot:CD14"]
    assert list(modalities(mdata)) == ["rna", "prot"]


def test_names_are_in_the_order_of_var(mdata):
    """Whatever that order is, rows of ``varm`` belong to it."""
    view = mdata[:, mdata.var_names != "CD14"]
    assert feature_names(view).tolist() == ["rna:CD3E", "rna:LYZ", "prot:CD3"]
    assert [name.split(":")[1] for name in feature_names(mdata)] == mdata.var_names.tolist()


def test_names_of_numbers():
    adata = AnnData(np.ones((2, 2)), var=pd.DataFrame(index=["1", "2"]))
    assert feature_names(make(a=adata)).tolist() == ["a:1", "a:2"]
    assert feature_names(adata).tolist() == ["1", "2"]


KINDS = {
    "dense": np.asarray,
    "Fortran": np.asfortranarray,
    "csr": sp.csr_matrix,
    "csc": sp.csc_matrix,
    "csr_array": sp.csr_array,
    "integers": lambda x: x.astype(np.int64),
    "sparse integers": lambda x: sp.csr_array(x.astype(np.int32)),
}


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_kinds_of_matrices_may_differ(first, second):
    data = make(rna=part(RNA, 0, KINDS[first]), prot=part(PROT, 1, KINDS[second], ORDER))
    features = ["prot:CD14", "rna:LYZ", "rna:CD14"]
    np.testing.assert_array_equal(read(data, features), table(data)[features])
    matrix, _ = choose_matrix(data, **PLAIN, features=features)
    assert sp.issparse(matrix) == any(not isinstance(KINDS[k](np.eye(2)), np.ndarray) for k in (first, second))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_cells_and_features_in_any_order(data):
    cells = {name: data.draw(st.permutations(range(len(CELLS)))) for name in ("rna", "prot")}
    mdata = make(rna=part(RNA, 0, sp.csc_matrix, cells["rna"]), prot=part(PROT, 1, np.asarray, cells["prot"]))
    features = data.draw(st.lists(st.sampled_from(feature_names(mdata).tolist()), unique=True, min_size=1))
    rows = data.draw(st.lists(st.sampled_from(CELLS), unique=True, min_size=1))
    for some_cells in (mdata, mdata[rows]):
        np.testing.assert_array_equal(read(some_cells, features), table(some_cells)[features])


def test_names_that_begin_like_another_modality():
    """The feature "x" of "a:b" is not the feature "b:x" of "a"."""
    data = make(**{"a": part(RNA, 0), "a:b": part(PROT, 1)})
    assert feature_names(data).tolist() == ["a:CD3E", "a:CD14", "a:LYZ", "a:b:CD3", "a:b:CD14"]
    np.testing.assert_array_equal(read(data, ["a:b:CD14", "a:CD14"]), np.c_[values(1, 2)[:, 1], values(0, 3)[:, 1]])


def test_names_that_cannot_be_told_apart():
    data = make(**{"a": part(["b:CD3", "LYZ", "x"], 0), "a:b": part(PROT, 1)})
    with pytest.raises(Edge2TorchError, match=r"1 names .* not unique: 'a:b:CD3'; rename a modality"):
        feature_names(data)
    with pytest.raises(Edge2TorchError, match=r"more than once .*'a:b:CD3'"):
        choose_matrix(data, **PLAIN, features=["a:b:CD3"])
    assert read(data, ["a:b:CD14"]).shape == (5, 1)


def test_one_modality():
    data = make(prot=part(PROT, 1))
    matrix, names = choose_matrix(data, **PLAIN, features=["prot:CD14"])
    np.testing.assert_array_equal(matrix, values(1, 2)[:, 1:])
    assert names.tolist() == ["prot:CD14"]


@pytest.mark.parametrize("use_raw", [False, True])
def test_only_modalities_that_are_read_must_be_usable(use_raw):
    """Another one may lack cells, the layer, ``raw`` and ``X``."""
    rna = part(RNA, 0)
    rna.raw = rna.copy()
    rna.layers["log"] = rna.X.copy()
    data = make(rna=rna, prot=AnnData(obs=pd.DataFrame(index=CELLS[:2]), var=pd.DataFrame(index=PROT)))
    where = {"use_raw": True} if use_raw else {"layer": "log"}
    np.testing.assert_array_equal(read(data, ["rna:CD14"], **where), table(data)[["rna:CD14"]])


def test_cells_that_a_modality_lacks():
    data = make(rna=part(RNA, 0), prot=part(PROT, 1, cells=[4, 2]))
    with pytest.raises(Edge2TorchError, match=r"3 of 5 cells are not in modality 'prot', which .*intersect_obs"):
        choose_matrix(data, **PLAIN, features=["rna:CD14", "prot:CD14"])
    both = data[data.obs_names.isin(["c4", "c2"])]
    np.testing.assert_array_equal(read(both, ["prot:CD3", "rna:LYZ"]), table(both)[["prot:CD3", "rna:LYZ"]])


def test_layers_and_raw_of_every_modality(mdata):
    features = ["rna:CD14", "prot:CD14", "prot:CD3"]
    for modality in mdata.mod.values():
        modality.layers["log"] = modality.X * 2
        modality.raw = modality.copy()
        modality.X = modality.X * 0
    expected = table(mdata)[features]
    np.testing.assert_array_equal(read(mdata, features, layer="log"), expected * 2)
    np.testing.assert_array_equal(read(mdata, features, use_raw=True), expected)
    np.testing.assert_array_equal(read(mdata, features), expected * 0)


def test_raw_may_hold_more_features():
    """As for an AnnData, what is read is named by ``raw``."""
    rna = part(RNA, 0)
    rna.raw = rna.copy()
    data = make(rna=rna[:, ["CD3E"]].copy(), prot=part(PROT, 1))
    np.testing.assert_array_equal(read(data, ["rna:LYZ", "rna:CD3E"], use_raw=True), values(0, 3)[:, [2, 0]])
    with pytest.raises(Edge2TorchError, match=r"1 of 1 features .* missing in mdata.*'rna:LYZ'"):
        choose_matrix(data, **PLAIN, features=["rna:LYZ"])


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"layer": "log"}, ["'log'", "mdata['prot'].layers", "none"]),
        ({"use_raw": True}, ["mdata['prot'].raw is empty"]),
        ({"use_raw": True, "layer": "log"}, ["use_raw", "layer", "choose one"]),
    ],
)
def test_matrices_that_a_modality_lacks(mdata, where, words):
    mdata["rna"].layers["log"] = mdata["rna"].X
    mdata["rna"].raw = mdata["rna"].copy()
    with pytest.raises(Edge2TorchError) as error:
        choose_matrix(mdata, **{**PLAIN, **where}, features=["prot:CD3", "rna:LYZ"])
    for word in words:
        assert word in str(error.value)


def test_no_x():
    data = make(rna=part(RNA, 0), prot=AnnData(obs=pd.DataFrame(index=CELLS), var=pd.DataFrame(index=PROT)))
    with pytest.raises(Edge2TorchError, match=r"mdata\['prot'\]\.X is empty"):
        choose_matrix(data, **PLAIN, features=["prot:CD3"])


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix], ids=["dense", "beside sparse"])
def test_values_must_be_numbers(kind):
    data = make(rna=part(RNA, 0, kind), prot=part(PROT, 1, lambda x: x.astype(object)))
    with pytest.raises(Edge2TorchError, match=r"mdata\['prot'\] holds object, not real numbers"):
        choose_matrix(data, **PLAIN, features=["prot:CD3", "rna:LYZ"])


def test_missing_features_are_counted_and_named(mdata):
    with pytest.raises(Edge2TorchError, match=r"3 of 4 features .* missing in mdata.*'CD14', 'rna:CD3', 'atac:CD14'"):
        choose_matrix(mdata, **PLAIN, features=["CD14", "rna:CD3", "prot:CD3", "atac:CD14"])


def test_values_that_are_not_finite_are_named_with_their_modality():
    prot = part(PROT, 1)
    prot.X[2, 1] = np.nan
    data = make(rna=part(RNA, 0, sp.csr_matrix), prot=prot)
    assert read(data, ["prot:CD3", "rna:CD14"]).shape == (5, 2)
    with pytest.raises(Edge2TorchError, match="1 values are NaN or infinite, in 1 genes: 'prot:CD14'"):
        read(data, ["prot:CD14", "rna:CD14"])


def test_nested(mdata):
    outer = make(cite=mdata, atac=part(["peak"], 2))
    for ask in (feature_names, modalities, lambda m: choose_matrix(m, **PLAIN, features=["atac:peak"])):
        with pytest.raises(Edge2TorchError, match=r"'cite' is a MuData itself: pass mdata\['cite'\]"):
            ask(outer)
    assert feature_names(outer["cite"]).tolist() == feature_names(mdata).tolist()


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_names_must_be_unique_within_a_modality():
    data = make(rna=part(RNA, 0), prot=part(["CD3", "CD3"], 1))
    with pytest.raises(Edge2TorchError, match=r"'prot' are not unique: call var_names_make_unique\(\)"):
        feature_names(data)
    data["prot"].var_names_make_unique()
    assert feature_names(make(**data.mod)).tolist()[3:] == ["prot:CD3", "prot:CD3-1"]


def test_modalities_that_share_features():
    with quietly():
        one, two = part(RNA, 0, cells=[0, 1]), part(RNA, 0, cells=[2, 3])
        data = mudata.MuData({"one": one, "two": two}, axis=1)
    with pytest.raises(Edge2TorchError, match=r"axis=1: its modalities share features.*concat"):
        feature_names(data)


def subset_features(mdata):
    mdata["rna"]._inplace_subset_var(["LYZ", "CD14"])


def reverse_features(mdata):
    mdata["rna"]._inplace_subset_var(RNA[::-1])


def rename_features(mdata):
    mdata["rna"].var_names = ["CD3E", "cd14", "LYZ"]


def replace_modality(mdata):
    mdata.mod["rna"] = part([*RNA, "NKG7"], 0)


@pytest.mark.parametrize("change", [subset_features, reverse_features, rename_features, replace_modality])
def test_modality_that_was_changed_without_an_update(mdata, change):
    """As by ``sc.pp.filter_genes(mdata["rna"])``: names in ``mdata.var`` are no longer true."""
    change(mdata)
    with pytest.raises(Edge2TorchError, match=r"'rna' has other var_names .*mdata\.update\(\)"):
        feature_names(mdata)
    with quietly():
        mdata.update()
    own = {f"rna:{name}" for name in mdata["rna"].var_names}
    assert set(feature_names(mdata)) == own | {"prot:CD3", "prot:CD14"}


def test_cells_that_were_filtered_without_an_update(mdata):
    mdata["prot"]._inplace_subset_obs(["c4", "c0"])
    with pytest.raises(Edge2TorchError, match=r"3 of 5 cells are not in modality 'prot'.*mdata\.update\(\)"):
        choose_matrix(mdata, **PLAIN, features=["prot:CD3"])


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix], ids=["dense", "csr", "csc"])
def test_backed(tmp_path, kind):
    """What is on disk is read in its own order, and arranged afterwards."""
    made = make(rna=part(RNA, 0, kind, ORDER), prot=part(PROT, 1, kind))
    with quietly():
        made.write_h5mu(tmp_path / "cells.h5mu")
        data = mudata.read_h5mu(tmp_path / "cells.h5mu", backed="r")
    features = ["prot:CD14", "rna:LYZ", "rna:CD3E"]
    np.testing.assert_array_equal(read(data, features), table(data)[features])
    data.file.close()


SUMS = {
    **KINDS,
    "float16": lambda x: x.astype(np.float16),
    "int8": lambda x: x.astype(np.int8),
    "sparse int8": lambda x: sp.csr_matrix(x.astype(np.int8)),
    "unsigned": lambda x: x.astype(np.uint8),
    "csc_array": sp.csc_array,
    "bool": lambda x: x > 0,
}


@pytest.mark.parametrize("kind", SUMS)
@pytest.mark.parametrize("at_once", [1, 30, 10**9])
def test_column_sums(kind, at_once, monkeypatch):
    monkeypatch.setattr("edge2torch.cells.matrix.VALUES_AT_ONCE", at_once)
    x = np.random.default_rng(0).poisson(60, (57, 9))
    matrix = SUMS[kind](x)
    dense = matrix.toarray() if sp.issparse(matrix) else matrix
    expected = [sum(int(value) for value in column) for column in dense.T]
    assert column_sums(matrix).tolist() == expected, "exact, also where the type of the matrix could not hold them"


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_array], ids=["dense", "csr", "csc"])
def test_column_sums_of_what_are_no_counts(kind):
    x = np.array([[1.0, 5.0, -1.0], [2.0, -1.0, 1.0]])
    np.testing.assert_array_equal(column_sums(kind(x)), [3, np.nan, np.nan])
    assert column_sums(kind(x[:0])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix], ids=["dense", "csr", "csc"])
def test_column_sums_of_a_file(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("edge2torch.cells.matrix.VALUES_AT_ONCE", 7)
    part(RNA, 0, kind).write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    assert column_sums(backed.X).tolist() == values(0, 3).sum(axis=0).tolist()
    backed.file.close()
