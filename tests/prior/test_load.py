"""Shipped priors are read as they were shipped, from a checkout and from a wheel."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.prior import SHIPPED, Prior, load_shipped

ROOT = Path(__file__).resolve().parents[2]
#: prints where the package is, and a digest of every table
REPORT = """
import hashlib, edge2torch
from edge2torch.prior import SHIPPED, load_shipped
print(edge2torch.__file__)
for name in SHIPPED:
    prior = load_shipped(name)
    for table in (prior.sets, prior.hierarchy):
        print(name, hashlib.sha256(table.to_csv().encode()).hexdigest())
"""


def rows(file: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / file, keep_default_na=False)


@pytest.mark.parametrize("name", SHIPPED)
def test_tables_are_complete_text(name):
    prior = load_shipped(name)
    assert isinstance(prior, Prior)
    assert prior.name == name
    for table in (prior.sets[["source", "target"]], prior.hierarchy):
        assert not table.isna().any(axis=None)
        assert table.map(lambda value: isinstance(value, str) and bool(value)).all(axis=None)
        assert not table.duplicated().any()


@pytest.mark.parametrize("name", ["hallmark", "progeny"])
def test_flat_priors_equal_their_file(name):
    prior = load_shipped(name)
    columns = ["source", "target"] + (["weight"] if name == "progeny" else [])
    pd.testing.assert_frame_equal(prior.sets[columns], rows(f"{name}.csv.gz")[columns])
    assert prior.hierarchy.empty


def test_progeny_has_weights_of_both_signs():
    assert set(load_shipped("progeny").sets["weight"].gt(0)) == {True, False}


def test_reactome_names_stand_for_one_pathway_each():
    prior, names = load_shipped("reactome"), rows("reactome_names.csv.gz")
    genes, hierarchy = rows("reactome_genes.csv.gz"), rows("reactome_hierarchy.csv.gz")
    assert len(prior.sets) == len(genes)
    pairs = [(genes["source"], prior.sets["source"])]
    pairs += [(hierarchy[end], prior.hierarchy[end]) for end in ("parent", "child")]
    given = pd.concat([pd.DataFrame({"id": a.to_numpy(), "label": b.to_numpy()}) for a, b in pairs]).drop_duplicates()
    assert given["id"].is_unique
    assert given["label"].is_unique
    plain = names.set_index("id")["name"].reindex(given["id"]).to_numpy()
    same = given["label"].to_numpy() == plain
    assert pd.Series(plain)[~same].duplicated(keep=False).all(), "only names that occur twice carry their id"
    assert (given["label"].to_numpy()[~same] == plain[~same] + " (" + given["id"].to_numpy()[~same] + ")").all()


def test_an_unknown_name_lists_the_known():
    with pytest.raises(Edge2TorchError, match=r"'kegg'.*'hallmark', 'progeny', 'reactome'"):
        load_shipped("kegg")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, unpacked."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_a_wheel_reads_the_same_tables(wheel, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", REPORT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    place, *digests = done.stdout.splitlines()
    assert Path(place).is_relative_to(wheel)
    here = [
        f"{name} {hashlib.sha256(table.to_csv().encode()).hexdigest()}"
        for name in SHIPPED
        for table in (load_shipped(name).sets, load_shipped(name).hierarchy)
    ]
    assert digests == here


def test_a_wheel_carries_licences_and_types_but_no_build_script(wheel):
    files = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    data = "edge2torch/prior/data/"
    assert {"edge2torch/py.typed", data + "sources.json", data + "README.md"} <= files
    assert {name.removeprefix(data) for name in files if name.endswith(".csv.gz")} == {
        path.name for path in (ROOT / "data").glob("*.csv.gz")
    }
    assert any("LICENSE" in name for name in files)
    assert not [name for name in files if name.endswith("build.py") or "tests" in name]
