"""The page for the first ten minutes runs from top to bottom, with fewer epochs."""

from __future__ import annotations

import functools
import re

import matplotlib.pyplot as plt
import pytest

import edge2torch as e2t

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # scanpy's use of matplotlib
PAGE = "docs/start.md"
NUMBERS = {"fifteen": 15}


@pytest.fixture(scope="module")
def names(read_code, tmp_path_factory):
    """What the names of the page hold in the end."""
    patch = pytest.MonkeyPatch()
    patch.chdir(tmp_path_factory.mktemp("start"))
    patch.setattr(e2t.tl, "fit", functools.partial(e2t.tl.fit, max_epochs=2, progress_bar=False))
    patch.setattr(e2t.tl, "control", functools.partial(e2t.tl.control, progress_bar=False))
    patch.setattr(e2t.tl, "rank_nodes", functools.partial(e2t.tl.rank_nodes, n_steps=3, progress_bar=False))
    patch.setattr(e2t.io, "write_cellxgene", functools.partial(e2t.io.write_cellxgene, embedding=None))  # umap compiles
    found: dict[str, object] = {}
    for _, block in read_code(PAGE):
        exec(block, found)
        plt.close("all")
    patch.undo()
    return found


def test_what_is_ranked_is_there(names):
    table = e2t.get.rank_nodes(names["adata"], "4")
    assert {"score", "z", "pval", "padj", "stability", "n_inputs", "sources"} <= set(table.columns)
    assert table["pval"].between(0, 1).all()


def test_numbers_of_the_page(names, read_page):
    text, adata = read_page(PAGE), names["adata"]
    assert f"{adata.n_obs} blood cells, {adata.n_vars} genes" in text
    assert len(e2t.get.control(adata)) == NUMBERS[re.search(r"trains (\w+) networks", text)[1]]
    metrics = e2t.get.metrics(adata)
    assert "logistic regression" in set(metrics["model"]), "compare=True"
