"""Named data in the order of a model's inputs: the same tensor from every form that data may have."""

from __future__ import annotations

import itertools
import warnings
from contextlib import nullcontext

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from edge2torch import Edge2TorchError, align_features_to_input_nodes, compile_graph

NAMES = ["a", "b", "c"]


def adata(frame: pd.DataFrame, to=np.asarray) -> ad.AnnData:
    x = to(frame.to_numpy())
    return ad.AnnData(x, obs=pd.DataFrame(index=frame.index), var=pd.DataFrame(index=frame.columns))


def without_pulling():
    """Keep mudata 0.3 from copying columns of the modalities, of which it warns; later versions never do."""
    return md.set_options(pull_on_update=False) if hasattr(md, "set_options") else nullcontext()


def mdata(frame: pd.DataFrame, *, cells_of_protein: slice = slice(None, None, -1), to=sp.csr_matrix) -> md.MuData:
    """Put features into two modalities: the second is sparse, has its cells in another order, and other features."""
    rna = adata(frame[["c", "a"]].assign(actin=1.0))
    protein = adata(frame[["b"]].assign(CD3=2.0).iloc[cells_of_protein], to)
    with without_pulling():
        return md.MuData({"rna": rna, "protein": protein})


def larger(frame: pd.DataFrame) -> pd.DataFrame:
    """The same cells and features, among others."""
    other = frame.add_prefix("x_").assign(nan=np.nan)
    rows = pd.concat([frame + 1, frame, frame + 2]).set_axis([f"r{i}" for i in range(3 * len(frame))])
    return pd.concat([rows, pd.concat([other] * 3).set_axis(rows.index)], axis=1)


def subset(frame: pd.DataFrame) -> tuple[slice, list[str]]:
    return slice(len(frame), 2 * len(frame)), ["x_b", "c", "b", "nan", "a"]


DATA = {
    "frame": lambda f: f,
    "frame, model order": lambda f: f[NAMES],
    "frame, reversed": lambda f: f[NAMES[::-1]],
    "frame, float64": lambda f: f.astype(np.float64),
    "frame, mixed types": lambda f: f.astype({"a": np.float64, "b": "Float32"}),
    "frame, more columns": lambda f: f.assign(label="T cell", nan=np.nan, other=1).iloc[:, ::-1],
    "frame, repeated columns not used": lambda f: pd.concat([f, f.add_prefix("x"), f.add_prefix("x")], axis=1),
    "frame, sparse columns": lambda f: f.astype(pd.SparseDtype(np.float32, 0)),
    "frame, view": lambda f: larger(f).iloc[subset(f)[0]],
    "frame, string names": lambda f: f.rename(columns=str).set_axis(f.columns.astype("string"), axis=1),
    "frame, categories as names": lambda f: f.set_axis(pd.CategoricalIndex(f.columns), axis=1),
    "adata": adata,
    "adata, float64": lambda f: adata(f.astype(np.float64)),
    "adata, Fortran order": lambda f: adata(f, np.asfortranarray),
    "adata, CSR": lambda f: adata(f, sp.csr_matrix),
    "adata, CSC": lambda f: adata(f, sp.csc_matrix),
    "adata, CSR array": lambda f: adata(f, sp.csr_array),
    "adata, CSC array": lambda f: adata(f, sp.csc_array),
    "adata, view": lambda f: adata(larger(f))[subset(f)],
    "adata, CSR view": lambda f: adata(larger(f), sp.csr_matrix)[subset(f)],
    "adata, CSC view of a view": lambda f: adata(larger(f), sp.csc_matrix)[:, subset(f)[1]][subset(f)[0]],
    "mdata": mdata,
    "mdata, dense": lambda f: mdata(f, to=np.asarray),
    "mdata, CSC": lambda f: mdata(f, to=sp.csc_matrix),
    "mdata, same order": lambda f: mdata(f, cells_of_protein=slice(None)),
    "tensor": lambda f: torch.tensor(f[NAMES].to_numpy()),
    "tensor, strided": lambda f: torch.tensor(np.repeat(f[NAMES].to_numpy(), 2, axis=1))[:, ::2],
}


@pytest.mark.parametrize("form", DATA)
def test_same_tensor(form, frame, artifact):
    x = align_features_to_input_nodes(DATA[form](frame), artifact)
    assert x.dtype == torch.float32
    assert torch.equal(x, torch.tensor(frame[NAMES].to_numpy()))


@pytest.mark.parametrize("form", [form for form in DATA if not form.startswith("tensor")])
def test_data_are_not_shared(form, frame, artifact):
    data = DATA[form](frame)
    align_features_to_input_nodes(data, artifact).fill_(99.0)
    assert torch.equal(align_features_to_input_nodes(data, artifact), torch.tensor(frame[NAMES].to_numpy()))


def test_copy_on_write(frame, artifact):
    """Under copy-on-write, pandas hands out read-only arrays."""
    with pd.option_context("mode.copy_on_write", True):
        x = align_features_to_input_nodes(frame[NAMES], artifact)
        assert torch.equal(x.add_(0), torch.tensor(frame[NAMES].to_numpy()))


@pytest.mark.parametrize(
    ("form", "dtype"),
    [
        *itertools.product(["frame", "adata", "adata, CSR", "mdata"], [np.int8, np.uint16, np.int64]),
        *itertools.product(["tensor"], [np.int8, np.uint8, np.int64]),
        *itertools.product(["frame"], ["Int32", "UInt8"]),
    ],
)
def test_counts(form, dtype, artifact):
    counts = pd.DataFrame({"c": [0, 3], "a": [7, 0], "b": [1, 100]}, index=["u", "v"]).astype(dtype)
    x = align_features_to_input_nodes(DATA[form](counts), artifact)
    assert x.dtype == torch.float32
    assert x.tolist() == [[7, 1, 0], [0, 100, 3]]


@pytest.mark.parametrize("dtype", [bool, "boolean"])
def test_bool(dtype, artifact):
    mutations = pd.DataFrame({"c": [True, False], "a": [False, False], "b": [True, True]}, dtype=dtype)
    x = align_features_to_input_nodes(mutations, artifact)
    assert x.dtype == torch.float32
    assert x.tolist() == [[0, 1, 1], [0, 1, 0]]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_tensor_keeps_its_floating_type(dtype, artifact):
    x = torch.zeros(2, 3, dtype=dtype)
    assert align_features_to_input_nodes(x, artifact) is x


def test_tensor_keeps_its_gradient(artifact):
    x = torch.ones(2, 3, requires_grad=True)
    align_features_to_input_nodes(x, artifact).sum().backward()
    assert torch.equal(x.grad, torch.ones(2, 3))


def test_backed(frame, artifact, tmp_path):
    adata(frame).write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    x = align_features_to_input_nodes(backed, artifact)
    backed.file.close()
    assert torch.equal(x, torch.tensor(frame[NAMES].to_numpy()))


def test_mdata_view(frame, artifact):
    """A view re-orders cells; each modality has its own order."""
    rows = [4, 0, 3]
    view = mdata(frame)[rows]
    expected = frame.loc[view.obs_names, NAMES].to_numpy()
    assert torch.equal(align_features_to_input_nodes(view, artifact), torch.tensor(expected))
    assert sorted(view.obs_names) == sorted(frame.index[rows])


def reads(*features: str):
    """Artifact of a model with these inputs."""
    return compile_graph(pd.DataFrame({"source": features, "target": "out"}), quiet=True)[1]


def twins(frame: pd.DataFrame, second: str = "protein") -> md.MuData:
    """Two modalities that have "b" both, with different values; cells of the second are in another order."""
    with without_pulling(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "var_names are not unique")
        warnings.filterwarnings("ignore", "Cannot join columns with the same name")
        return md.MuData({"rna": adata(frame), second: adata(frame[["b"]].iloc[::-1] * 10, sp.csc_matrix)})


@pytest.mark.parametrize(
    "features",
    [("rna:b", "protein:b"), ("rna:b",), ("protein:b",), ("a", "protein:b"), ("c", "rna:a", "rna:b"), ("c", "a")],
    ids=" ".join,
)
def test_features_called_by_their_modality(features, frame):
    """As in graphs of ``pp.build_graph``; each name alone says which feature is meant."""
    data = twins(frame)
    table = pd.concat([frame, frame.add_prefix("rna:"), frame[["b"]].add_prefix("protein:") * 10], axis=1)
    artifact = reads(*features)
    for some_cells in (data, data[[3, 0]], data[:, data.var_names != "unknown"]):
        x = align_features_to_input_nodes(some_cells, artifact)
        np.testing.assert_array_equal(x, table.loc[some_cells.obs_names, artifact.feature_names])


def test_a_name_of_a_feature_may_look_like_that_of_another_modality(frame):
    rna = adata(frame.rename(columns={"a": "protein:b", "b": "d"}))
    with without_pulling():
        data = md.MuData({"rna": rna, "protein": adata(frame[["b"]])})
    x = align_features_to_input_nodes(data, reads("b", "rna:protein:b", "c"))
    np.testing.assert_array_equal(x, frame.loc[data.obs_names, ["b", "c", "a"]])
    with pytest.raises(Edge2TorchError, match=r"1 features occur more than once .* \('protein:b'\)"):
        align_features_to_input_nodes(data, reads("protein:b"))


def test_modality_without_the_feature(frame):
    with pytest.raises(Edge2TorchError, match=r"2 of 3 features .* missing in data\.var_names: 'atac:b', 'protein:a'"):
        align_features_to_input_nodes(twins(frame), reads("protein:a", "rna:a", "atac:b"))


@pytest.mark.parametrize("axis", ["obs", "var"])
def test_modality_that_was_changed_without_an_update(axis, frame):
    """The MuData would look in the wrong place."""
    data = mdata(frame)
    part = data["rna"]
    names = part.obs_names if axis == "obs" else part.var_names
    getattr(part, f"_inplace_subset_{axis}")(names[::-1])
    with pytest.raises(Edge2TorchError, match=rf"'rna' has other {axis}_names .*mdata\.update\(\)"):
        align_features_to_input_nodes(data, reads("a", "b", "c"))


def test_modalities_that_share_features(frame):
    with without_pulling():
        data = md.MuData({"one": adata(frame.iloc[:2]), "two": adata(frame.iloc[:1:-1])}, axis=1)
    x = align_features_to_input_nodes(data, reads("a", "b", "c"))
    np.testing.assert_array_equal(x, frame.loc[data.obs_names, NAMES])
    with pytest.raises(Edge2TorchError, match="missing"):
        align_features_to_input_nodes(data, reads("one:a"))


def test_modality_without_features(frame, artifact):
    """A modality that holds nothing of the graph may lack cells, and X."""
    with without_pulling():
        other = ad.AnnData(obs=pd.DataFrame(index=["cell z"]), var=pd.DataFrame(index=["peak 1", "peak 2"]))
        data = md.MuData({"rna": adata(frame), "atac": other})
    x = align_features_to_input_nodes(data, artifact)
    assert torch.equal(x, torch.tensor(frame.loc[data.obs_names, NAMES].to_numpy()))


def test_integer_names():
    _, artifact = compile_graph(pd.DataFrame({"source": [10, 9, 1], "target": [0, 0, 0]}), quiet=True)
    assert artifact.feature_names == ["1", "10", "9"]
    frame = pd.DataFrame([[9.0, 10.0, 1.0, 0.0]], columns=[9, 10, 1, 0])
    assert align_features_to_input_nodes(frame, artifact).tolist() == [[1.0, 10.0, 9.0]]


@pytest.mark.parametrize("form", ["frame", "adata", "adata, CSR", "tensor"])
def test_no_cells(form, frame, artifact):
    assert align_features_to_input_nodes(DATA[form](frame.iloc[:0]), artifact).shape == (0, 3)


def put(frame: pd.DataFrame, value: object) -> pd.DataFrame:
    """A frame with one other value, in feature b of the third cell."""
    frame = frame.copy() if isinstance(value, float) else frame.astype(object)
    frame.iloc[2, frame.columns.get_loc("b")] = value
    return frame


def repeated(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame[["b", "a"]]], axis=1)


def repeated_adata(frame: pd.DataFrame) -> ad.AnnData:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Variable names are not unique")
        return adata(repeated(frame))


def both_modalities(frame: pd.DataFrame) -> md.MuData:
    with without_pulling(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "var_names are not unique")
        warnings.filterwarnings("ignore", "Cannot join columns with the same name")
        return md.MuData({"rna": adata(frame), "protein": adata(frame[["b"]].assign(CD3=1.0))})


def without_x(frame: pd.DataFrame) -> ad.AnnData:
    return ad.AnnData(obs=pd.DataFrame(index=frame.index), var=pd.DataFrame(index=frame.columns))


NOT_FINITE = r"1 values are NaN or infinite, in 1 features: 'b'"
BAD = {
    # features
    "missing": (lambda f: f[["a", "c"]], r"1 of 3 features of the graph are missing in the columns of data: 'b'"),
    "missing, adata": (lambda f: adata(f[["c"]]), r"2 of 3 features .* missing in data\.var_names: 'a', 'b'"),
    "missing, mdata": (lambda f: mdata(f)[:, ["c", "CD3"]], r"2 of 3 features .* missing in data\.var_names: 'a', 'b'"),
    "other case": (lambda f: f.rename(columns={"a": "A"}), r"1 of 3 features .* missing .*: 'a'"),
    "stripped": (lambda f: f.rename(columns={"a": "a "}), r"1 of 3 features .* missing .*: 'a'"),
    "repeated": (repeated, r"2 features occur more than once in the columns of data \('b', 'a'\)"),
    "repeated, adata": (repeated_adata, r"2 features occur more than once in data\.var_names"),
    "in two modalities": (both_modalities, r"1 features occur more than once in data\.var_names \('b'\)"),
    # values
    "NaN": (lambda f: put(f, np.nan), NOT_FINITE),
    "infinite": (lambda f: put(f, np.inf), NOT_FINITE),
    "minus infinite": (lambda f: put(f, -np.inf), NOT_FINITE),
    "beyond float32": (lambda f: put(f.astype(float), 1e39), NOT_FINITE),
    "NA": (lambda f: put(f, np.nan).astype("Float32"), NOT_FINITE),
    "NA integer": (lambda f: f.assign(b=pd.array([1, 2, None, 4, 5, 6], dtype="Int64")), NOT_FINITE),
    "NaN, adata": (lambda f: adata(put(f, np.nan)), NOT_FINITE),
    "infinite, CSR": (lambda f: adata(put(f, np.inf), sp.csr_matrix), NOT_FINITE),
    "beyond float32, adata": (lambda f: adata(put(f.astype(float), 1e39)), NOT_FINITE),
    "NaN, mdata": (lambda f: mdata(put(f, np.nan)), NOT_FINITE),
    "cell not in a modality": (lambda f: mdata(f, cells_of_protein=slice(1, None)), NOT_FINITE),
    "NaN, tensor": (lambda f: DATA["tensor"](put(f, np.nan)), NOT_FINITE),
    "infinite, tensor": (lambda f: DATA["tensor"](put(f, -np.inf)), NOT_FINITE),
    "NaN, bfloat16 tensor": (lambda f: DATA["tensor"](put(f, np.nan)).bfloat16(), NOT_FINITE),
    "text": (lambda f: f.assign(b="high"), r"1 features are not .*: 'b'"),
    "text among numbers": (lambda f: put(f, "high"), r"features are not .*'b'"),
    "dates": (lambda f: f.assign(b=pd.Timestamp("2024-01-01")), r"1 features are not .*: 'b'"),
    "durations": (lambda f: f.assign(b=pd.Timedelta("1h")), r"1 features are not .*: 'b'"),
    "categories": (lambda f: f.assign(b=pd.Categorical([1] * 6)), r"1 features are not .*: 'b'"),
    "complex": (lambda f: f.assign(b=1j), r"'b'"),
    "text, adata": (lambda f: adata(put(f, "high")), r"not .*numeric|not .*number"),
    "adata without X": (without_x, r"data has no X"),
    # tensors
    "width": (lambda f: torch.zeros(6, 4), r"must have shape \(cells, 3\).*it has \(6, 4\)"),
    "one dimension": (lambda f: torch.zeros(3), r"must have shape \(cells, 3\).*it has \(3,\)"),
    "three dimensions": (lambda f: torch.zeros(6, 3, 3), r"must have shape \(cells, 3\).*it has \(6, 3, 3\)"),
    "complex tensor": (lambda f: torch.zeros(6, 3) * 1j, r"must .* real numbers, not torch\.complex64"),
    "bool tensor": (lambda f: torch.zeros(6, 3) > 0, r"must .* real numbers, not torch\.bool"),
    # not data
    "array": (lambda f: f.to_numpy(), r"data must be a DataFrame, AnnData, MuData or Tensor, not ndarray"),
    "sparse matrix": (lambda f: sp.csr_matrix(f.to_numpy()), r"data must be .*, not csr_matrix"),
    "dict": (lambda f: f.to_dict("list"), r"data must be .*, not dict"),
    "series": (lambda f: f.iloc[0], r"data must be .*, not Series"),
    "None": (lambda f: None, r"data must be .*, not NoneType"),
    "path": (lambda f: "cells.h5ad", r"data must be .*, not str"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_bad(make, message, frame, artifact):
    data = make(frame)
    with pytest.raises(Edge2TorchError, match=message):
        align_features_to_input_nodes(data, artifact)


def test_values_that_are_not_used_do_not_matter(frame, artifact):
    data = larger(frame).assign(label="text", infinite=np.inf)
    align_features_to_input_nodes(data, artifact)
    align_features_to_input_nodes(adata(data.drop(columns="label")), artifact)
