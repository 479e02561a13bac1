"""Every plot beside the picture that it gave when somebody last looked at it; ``draw.py`` makes these again."""

from __future__ import annotations

import runpy
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.testing.compare import compare_images
from PIL import Image

HERE = Path(__file__).parent
DRAW = runpy.run_path(str(HERE / "draw.py"))
#: root of the mean square of the difference, of 255; less than any label makes
TOLERANCE = 0.1

each_picture = pytest.mark.parametrize("name", list(DRAW["PICTURES"]))


@pytest.fixture(autouse=True)
def same_fonts():
    """Letters look different with another matplotlib, and are compared only with the one that drew them."""
    with Image.open(DRAW["IMAGES"] / "graph.png") as image:
        drawn_by = image.info["Software"]
    minor = ".".join(mpl.__version__.split(".")[:2])
    if f"version{minor}." not in drawn_by:
        pytest.skip(f"pictures are from {drawn_by}, this is {mpl.__version__}")


@pytest.fixture(autouse=True)
def default_settings():
    with mpl.rc_context(DRAW["SETTINGS"]):
        yield


@pytest.fixture(scope="module")
def adata():
    return ad.read_h5ad(DRAW["CELLS"])


def differs(figure, name, folder):
    """Whether a figure is another picture, and by how much."""
    path = folder / f"{name}.png"
    DRAW["save"](figure, path)
    return compare_images(str(DRAW["IMAGES"] / f"{name}.png"), str(path), TOLERANCE)


@each_picture
def test_same_picture(name, adata, tmp_path):
    assert differs(DRAW["draw"](name, adata), name, tmp_path) is None


@each_picture
def test_a_missing_label_is_noticed(name, adata, tmp_path, monkeypatch):
    """Also one of those that change least, the smallest."""
    figure = DRAW["draw"](name, adata)
    figure.canvas.draw()
    figure.set_layout_engine("none")  # all else stays where it is
    labels, draw = {}, plt.Text.draw

    def noted(text, renderer):
        if text.get_text().strip() and text.get_visible():
            box = text.get_window_extent(renderer)
            labels[box.width * box.height] = text
        draw(text, renderer)

    with monkeypatch.context() as patch:
        patch.setattr(plt.Text, "draw", noted)
        figure.canvas.draw()
    for size in sorted(labels)[:3]:
        before = labels[size].get_alpha()
        labels[size].set_alpha(0)
        assert differs(figure, name, tmp_path) is not None, labels[size].get_text()
        labels[size].set_alpha(before)


def test_every_plot_has_a_picture():
    import edge2torch as e2t

    assert {plot.__name__ for plot, _ in DRAW["PICTURES"].values()} == set(e2t.pl.__all__)
    assert {path.stem for path in DRAW["IMAGES"].iterdir()} == set(DRAW["PICTURES"])
