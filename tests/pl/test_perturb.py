from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch import Edge2TorchError


def drawn(ax):
    """The matrix in the picture, with the labels on its sides."""
    rows = [label.get_text() for label in ax.get_yticklabels()]
    columns = [label.get_text() for label in ax.get_xticklabels()]
    values = np.ma.filled(np.ma.asarray(ax.collections[0].get_array(), dtype=float), np.nan)
    return pd.DataFrame(values.reshape(len(rows), len(columns)), index=rows, columns=columns)


def table_of(adata, per):
    return e2t.get.perturb(adata, per=per).astype({"group": str, "output": str})


def own_changes(adata):
    """Change of the output that has the name of the group, nodes x groups."""
    table = table_of(adata, "screen").astype({"node": str})
    return table[table["group"] == table["output"]].set_index(["node", "group"])["change"].unstack()  # noqa: PD010


def test_perturbation(everything):
    matrix = drawn(e2t.pl.perturb(everything, per="group"))
    for row in table_of(everything, "group").itertuples():
        assert matrix.loc[row.output, row.group] == pytest.approx(row.change)
    assert matrix.shape == (11, 11)


def test_screen_is_shown_if_there_is_one(everything):
    assert "HALLMARK" in "".join(drawn(e2t.pl.perturb(everything)).index)
    without = everything.copy()
    del without.uns["e2t"]["perturb_screen"]
    assert drawn(e2t.pl.perturb(without)).shape == (11, 11)


@pytest.mark.parametrize("n_nodes", [1, 3, 100000])
@pytest.mark.parametrize("groups", [None, ["9", "2"]])
def test_nodes_that_change_most(everything, groups, n_nodes):
    changes = own_changes(everything)
    ax = e2t.pl.perturb(everything, groups=groups, n_nodes=n_nodes)
    matrix = drawn(ax)
    if groups:
        assert matrix.columns.tolist() == groups
    best = {group: set(changes[group].abs().nlargest(n_nodes).index) for group in matrix}
    assert sorted(matrix.index) == sorted(set.union(*best.values()))
    np.testing.assert_allclose(matrix, changes.loc[matrix.index, matrix.columns], rtol=1e-6)
    dots = {(matrix.index[int(y)], matrix.columns[int(x)]) for x, y in ax.collections[1].get_offsets()}
    assert dots == {(node, group) for group, nodes in best.items() for node in nodes}


def test_one_output_in_all_groups(everything):
    matrix = drawn(e2t.pl.perturb(everything, target="4", nodes=["HALLMARK_P53_PATHWAY", "HALLMARK_HYPOXIA"]))
    table = table_of(everything, "screen")
    assert matrix.index.tolist() == ["HALLMARK_P53_PATHWAY", "HALLMARK_HYPOXIA"]
    for row in table[(table["output"] == "4") & table["node"].astype(str).isin(matrix.index)].itertuples():
        assert matrix.loc[row.node, row.group] == pytest.approx(row.change)


def test_outputs_of_a_single_group(everything):
    adata = everything.copy()
    e2t.tl.perturb(adata, "all", mode="remove", groupby="phase")
    with pytest.raises(Edge2TorchError, match=r"3 groups are no outputs: 'G1', 'G2M', 'S'; pass target="):
        e2t.pl.perturb(adata)
    assert not plt.get_fignums()
    ax = e2t.pl.perturb(adata, groups="S", n_nodes=2)
    assert drawn(ax).shape[1] == 11
    assert ax.get_xlabel() == "output"
    assert drawn(e2t.pl.perturb(adata, target="4", n_nodes=2)).columns.tolist() == ["G1", "G2M", "S"]


def test_groups_that_were_not_looked_at(everything):
    adata = everything.copy()
    table = adata.uns["e2t"]["perturb_screen"]
    adata.uns["e2t"]["perturb_screen"] = table.assign(
        change=table["change"].where(table["group"].astype(str) != "2", np.nan)
    )
    assert drawn(e2t.pl.perturb(adata))["2"].isna().all()
    plt.close("all")
    with pytest.raises(Edge2TorchError, match="all changes are NaN"):
        e2t.pl.perturb(adata, groups="2")
    assert not plt.get_fignums()


@pytest.mark.parametrize("size", [7, 10, 14])
@pytest.mark.parametrize(
    "arguments", [{"per": "group"}, {"n_nodes": 1, "groups": "4"}, {"target": "output $4$ of all"}]
)
def test_no_text_is_cut_off(everything, arguments, size):
    adata = everything.copy()
    table = adata.uns["e2t"]["perturb_screen"].astype({"output": str})
    adata.uns["e2t"]["perturb_screen"] = table.replace({"output": {"5": "output $4$ of all"}})
    if "target" not in arguments:
        adata = everything
    with plt.rc_context({"font.size": size}):
        ax = e2t.pl.perturb(adata, **arguments)
    figure, (bar,) = ax.figure, ax.child_axes
    figure.canvas.draw()
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels(), ax.xaxis.label, bar.yaxis.label, *bar.texts]
    for text in texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0, text.get_text()
        assert box.x1 <= figure.bbox.x1, text.get_text()
        assert figure.bbox.y0 <= box.y0, text.get_text()
        assert box.y1 <= figure.bbox.y1, text.get_text()
        assert not box.overlaps(ax.get_window_extent()), text.get_text()
    assert "$" not in bar.yaxis.label.get_text() or not bar.yaxis.label.get_parse_math()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"per": "cell"}, "per='cell' is unknown"),
        ({"groups": "T"}, "1 of 1 groups do not exist: 'T'"),
        ({"target": "T"}, "1 of 1 target do not exist: 'T'"),
        ({"target": ["1", "2"]}, "name one output, or one group"),
        ({"nodes": "T"}, "1 of 1 nodes do not exist: 'T'"),
        ({"nodes": []}, "nodes is empty"),
        ({"n_nodes": 0}, "n_nodes=0 must be"),
        ({"vmax": -1}, "vmax=-1 must be"),
    ],
)
def test_bad_input(everything, arguments, message):
    with pytest.raises(Edge2TorchError, match=message):
        e2t.pl.perturb(everything, **arguments)
    assert not plt.get_fignums()
