"""``pp.rewire_graph`` writes a graph of its own, which can be fitted and stored."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import edge2torch as e2t
from edge2torch.graph import READOUT
from edge2torch.graph.rewire import rewire

GENES = [f"g{i}" for i in range(40)]


@pytest.fixture
def built() -> AnnData:
    """Forty genes, six nodes that read ten each, some also as sources of others."""
    rng = np.random.default_rng(0)
    adata = AnnData(
        rng.random((60, 40), dtype=np.float32),
        obs=pd.DataFrame({"half": ["odd", "even"] * 30}, index=[f"cell_{i}" for i in range(60)]),
        var=pd.DataFrame(index=GENES),
        uns={"text": "somebody else's"},
    )
    rows = [(f"P{p}", gene) for p in range(6) for gene in rng.choice(GENES, 10, replace=False)]
    e2t.pp.build_graph(adata, pd.DataFrame(rows, columns=["source", "target"]), min_genes=1)
    more = pd.DataFrame({"source": ["P0", "P1", "P2", "P3"], "target": ["top/1", "top/1", "top 2", "top 2"]})
    e2t.pp.add_edges(adata, more)
    return adata


def fit(adata: AnnData, key: str) -> None:
    e2t.tl.fit(adata, "half", key=key, max_epochs=2, progress_bar=False)


@pytest.mark.parametrize("kind", ["degree", "targets", "layers"])
def test_slots(built, kind):
    before = {name: built.uns["e2t"][name].copy() for name in ("graph", "nodes")}
    assert e2t.pp.rewire_graph(built, kind, random_state=3) is None
    made = built.uns["e2t_rewired"]
    assert set(made) == {"graph", "nodes", "params"}
    expected = rewire(before["graph"], kind, 3)
    pd.testing.assert_frame_equal(made["graph"], expected)
    changed = len(
        set(zip(expected["source"], expected["target"], strict=True))
        - set(zip(before["graph"]["source"], before["graph"]["target"], strict=True))
    )
    assert made["params"] == {
        "rewire_graph": {
            "kind": kind,
            "random_state": 3,
            "key": "e2t",
            "edges": 64,
            "edges_changed": changed,
            "edge2torch_version": e2t.__version__,
        }
    }
    assert changed > 10
    kinds = made["nodes"].set_index("node")["kind"]
    assert set(kinds[kinds == "hidden"].index) == {*(f"P{i}" for i in range(6)), "top/1", "top 2"}
    assert kinds.drop(kinds.index[kinds == "hidden"]).isin(["input"]).all()
    for name, table in before.items():
        pd.testing.assert_frame_equal(built.uns["e2t"][name], table)


def test_labels_stay(adata):
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    net = pd.DataFrame({"source": ["CD2"] * 3 + ["B"] * 2, "target": ["CD3E", "CD2", "LCK", "MS4A1", "CD79A"]})
    e2t.pp.build_graph(adata, net, min_genes=1, gene_symbols="symbol")
    e2t.pp.rewire_graph(adata)
    labels = [adata.uns[key]["nodes"].set_index("node")["label"].to_dict() for key in ("e2t", "e2t_rewired")]
    assert labels[0] == labels[1]
    assert labels[0]["CD2 (node)"] == "CD2"


def test_it_can_be_fitted_next_to_the_prior(built):
    e2t.pp.rewire_graph(built)
    for key in ("e2t", "e2t_rewired"):
        fit(built, key)
        e2t.tl.interpret(built, key=key, n_steps=2)
    assert built.obsm["e2t_nodes"].shape == built.obsm["e2t_rewired_nodes"].shape == (60, 8)


def test_a_fit_is_left_out_and_what_it_made_stays(built):
    e2t.pp.rewire_graph(built, key_added="from build")
    fit(built, "e2t")
    e2t.pp.rewire_graph(built, key_added="from fit")
    one, two = built.uns["from build"], built.uns["from fit"]
    assert "weight" not in two["graph"]
    assert READOUT not in set(two["graph"]["prior"])
    assert set(two["nodes"]["kind"]) == {"input", "hidden"}
    pd.testing.assert_frame_equal(two["nodes"], one["nodes"])
    pd.testing.assert_frame_equal(two["graph"], one["graph"], check_dtype=False)
    assert "model" in built.uns["e2t"]


def test_an_earlier_result_is_replaced(built):
    e2t.pp.rewire_graph(built)
    fit(built, "e2t_rewired")
    e2t.tl.interpret(built, key="e2t_rewired", n_steps=2)
    e2t.pp.rewire_graph(built, random_state=1)
    assert set(built.uns["e2t_rewired"]) == {"graph", "nodes", "params"}
    assert list(built.uns["e2t_rewired"]["params"]) == ["rewire_graph"]
    for place in (built.obs, built.obsm, built.varm):
        assert not [name for name in place if name.startswith("e2t_rewired")]


def test_nothing_else_changes(built, unchanged):
    with unchanged(built):
        e2t.pp.rewire_graph(built)
        del built.uns["e2t_rewired"]


def test_copy(built, unchanged):
    with unchanged(built):
        made = e2t.pp.rewire_graph(built, copy=True)
    assert "e2t_rewired" in made.uns
    assert "e2t_rewired" not in built.uns


def test_file(built, tmp_path, same):
    e2t.pp.rewire_graph(built, "layers")
    built.write_h5ad(tmp_path / "made.h5ad")
    read = anndata.read_h5ad(tmp_path / "made.h5ad")
    for name in ("graph", "nodes"):
        pd.testing.assert_frame_equal(
            pd.DataFrame(read.uns["e2t_rewired"][name]), built.uns["e2t_rewired"][name], check_dtype=False
        )
    fit(read, "e2t_rewired")


def test_one_line_is_said(built, capsys):
    capsys.readouterr()
    e2t.pp.rewire_graph(built, random_state=5)
    changed = built.uns["e2t_rewired"]["params"]["rewire_graph"]["edges_changed"]
    line = f"[edge2torch] e2t_rewired: {changed} of 64 edges ({changed / 64:.0%}) differ from those of 'e2t'\n"
    assert capsys.readouterr() == (line, "")


def test_inputs_that_are_lost_are_told(built, capsys):
    capsys.readouterr()
    e2t.pp.rewire_graph(built, "targets")
    lost = set(built.uns["e2t"]["nodes"]["node"]) - set(built.uns["e2t_rewired"]["nodes"]["node"])
    assert lost
    assert f"; {len(lost)} inputs are read by no node any more\n" in capsys.readouterr().out


def test_a_graph_of_one_form(adata, net, capsys):
    e2t.pp.build_graph(adata, net[net["source"] == "T cell"], min_genes=1)
    capsys.readouterr()
    e2t.pp.rewire_graph(adata)
    assert ": 0 of 3 edges (0%) differ" in capsys.readouterr().out


def test_cycles(built, capsys):
    e2t.pp.add_edges(built, pd.DataFrame({"source": ["top/1", "P4", "top 2"], "target": ["P0", "P0", "P5"]}))
    e2t.pp.rewire_graph(built)
    e2t.tl.fit(built, "half", key="e2t_rewired", backend="recurrent", max_epochs=2, progress_bar=False)
    assert built.obsm["e2t_rewired_proba"].shape == (60, 2)


WRONG = {
    "kind": ({"kind": "random"}, ["kind='random'", "'degree'"]),
    "seed": ({"random_state": 1.5}, ["random_state=1.5"]),
    "same key": ({"key_added": "e2t"}, ["key_added='e2t'", "another"]),
    "no such key": ({"key": "nothing"}, ["'nothing'", "'e2t'"]),
    "slash": ({"key_added": "a/b"}, ["'a/b'"]),
    "key of something else": ({"key_added": "text"}, ["'text'"]),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("copy", [False, True])
def test_errors_leave_everything_as_it_was(built, unchanged, case, copy, capsys):
    capsys.readouterr()
    wrong, words = WRONG[case]
    with unchanged(built), pytest.raises(e2t.Edge2TorchError) as error:
        e2t.pp.rewire_graph(built, **wrong, copy=copy)
    for word in words:
        assert word in str(error.value)
    assert capsys.readouterr() == ("", "")


def test_a_graph_that_was_edited_by_hand_is_checked(built, unchanged):
    graph = built.uns["e2t"]["graph"]
    for wrong, word in ((graph.drop(columns="source"), "'source'"), (pd.concat([graph, graph[:1]]), "repeated")):
        built.uns["e2t"]["graph"] = wrong
        with unchanged(built), pytest.raises(e2t.Edge2TorchError, match=word):
            e2t.pp.rewire_graph(built)
