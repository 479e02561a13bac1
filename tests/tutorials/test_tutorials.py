"""The demo and the notebooks run from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import anndata
import nbformat
import pytest
from nbclient import NotebookClient

from .downloads import provide

FOLDER = Path(__file__).resolve().parents[2] / "tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
#: half a minute to two each; run by `make test-tutorials`, which sets the variable
LONG = {
    "cellxgene",
    "cite_seq",
    "conditions_and_donors",
    "out_of_core",
    "pathways_with_a_hierarchy",
    "receptors_to_regulons",
}
ALL = "EDGE2TORCH_ALL_TUTORIALS"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # of the Jupyter client; the kernel is another process
def test_notebook(path, tmp_path):
    if path.stem in LONG and not os.environ.get(ALL):
        pytest.skip(f"takes half a minute or more: make test-tutorials, or {ALL}=1")
    notebook = nbformat.read(path, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    environment = provide(code, tmp_path)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}})
    client.execute(env=environment)
    warned = [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert not warned


def test_demo(tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", FOLDER / "demo.py", "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert not run.stderr
    accuracy = {name: float(score) for score, name in re.findall(r"^  (0\.\d+|1\.0+)  (\w+)", run.stdout, re.MULTILINE)}
    assert accuracy["network"] >= accuracy["logistic"] - 0.1  # one split of 140 cells; docs/accuracy.md has the mean
    assert run.stdout.count("louvain ") == 11
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "coverage.png",
        "graph.png",
        "history.png",
        "nodes.png",
        "pbmc68k_reactome.h5ad",
    ]
    scored = anndata.read_h5ad(tmp_path / "out" / "pbmc68k_reactome.h5ad")
    assert scored.obsm["e2t_nodes"].shape == (700, (scored.uns["e2t"]["nodes"]["kind"] == "hidden").sum())
