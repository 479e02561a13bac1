"""What all plots have in common."""

from __future__ import annotations

import inspect

import anndata as ad
import matplotlib.pyplot as plt
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import edge2torch as e2t
from edge2torch import Edge2TorchError

PLOTS = [getattr(e2t.pl, name) for name in e2t.pl.__all__]
every_plot = pytest.mark.parametrize("plot", PLOTS, ids=[plot.__name__ for plot in PLOTS])
ON_AXES = [plot for plot in PLOTS if "ax" in inspect.signature(plot).parameters]
each_on_axes = pytest.mark.parametrize("plot", ON_AXES, ids=[plot.__name__ for plot in ON_AXES])


def figure_of(drawn):
    return drawn if isinstance(drawn, Figure) else drawn.figure


@every_plot
def test_signature(plot):
    first, *others = inspect.signature(plot).parameters.values()
    assert first.name == "adata"
    assert all(other.kind is other.KEYWORD_ONLY for other in others)
    expected = {"key": "e2t", "ax": None, "figsize": None, "show": None}
    if plot not in ON_AXES:
        del expected["ax"]
    assert {other.name: other.default for other in others if other.name in ("ax", *expected)} == expected


def test_only_plots_of_several_panels_return_a_figure():
    several = {"controls", "coverage", "features", "rank_nodes"}
    assert {plot.__name__ for plot in PLOTS if plot not in ON_AXES} == several


@every_plot
def test_opens_one_figure_and_returns_it_or_its_axes(plot, everything):
    drawn = plot(everything)
    assert isinstance(drawn, Axes if plot in ON_AXES else Figure)
    assert [plt.figure(number) for number in plt.get_fignums()] == [figure_of(drawn)]


@each_on_axes
def test_draws_into_given_axes_without_pyplot(plot, everything):
    ax = Figure(figsize=(9, 6)).add_subplot()
    assert plot(everything, ax=ax) is ax
    assert not plt.get_fignums()
    ax.figure.draw_without_rendering()


@every_plot
def test_figsize(plot, everything):
    assert figure_of(plot(everything, figsize=(7, 5))).get_size_inches().tolist() == [7, 5]


@every_plot
def test_shows_when_asked(plot, everything, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()))
    plot(everything, show=True)
    assert shown == [plt.get_fignums()]


@every_plot
def test_many_open_figures_do_not_warn(plot, everything):
    with plt.rc_context({"figure.max_open_warning": 2}):
        for _ in range(4):
            plot(everything)


@every_plot
def test_leaves_adata_alone_and_reads_it_from_a_file(plot, everything, tmp_path):
    before = everything.copy()
    everything.write_h5ad(tmp_path / "cells.h5ad")
    texts = [_texts(plot(adata)) for adata in (everything, ad.read_h5ad(tmp_path / "cells.h5ad"))]
    assert texts[0] == texts[1]
    assert everything.uns["e2t"]["rank_nodes"].equals(before.uns["e2t"]["rank_nodes"])
    assert (everything.obsm["e2t_nodes"] == before.obsm["e2t_nodes"]).all()


def _texts(drawn):
    figure = figure_of(drawn)
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text)]


@every_plot
def test_under_settings_of_scanpy(plot, everything):
    with plt.rc_context({"axes.grid": True, "font.size": 14, "figure.constrained_layout.use": True, "figure.dpi": 80}):
        figure_of(plot(everything)).canvas.draw()


@every_plot
def test_result_that_does_not_exist(plot, everything):
    with pytest.raises(Edge2TorchError, match="there is one under 'e2t': pass key="):
        plot(everything, key="other")


@every_plot
def test_not_an_anndata(plot):
    with pytest.raises(Edge2TorchError, match="adata must be an AnnData or MuData, not dict"):
        plot({})


@every_plot
def test_before_the_step_it_needs(plot, unfitted):
    steps = {"history": "e2t.tl.fit", "confusion": "e2t.tl.fit", "coverage": "e2t.pp.build_graph"}
    steps |= dict.fromkeys(("controls", "stability", "volcano"), "e2t.tl.rank_nodes")
    step = {**steps, "perturb": "e2t.tl.perturb"}.get(plot.__name__, "e2t.tl.interpret")
    if plot is e2t.pl.coverage:
        del unfitted.uns["e2t"]["coverage"]
    with pytest.raises(Edge2TorchError, match=f"run {step} first"):
        plot(unfitted)
    assert not plt.get_fignums()
