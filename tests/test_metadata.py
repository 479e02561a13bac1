"""What other places say of the package is what pyproject.toml says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import edge2torch as e2t

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: of github.com/scverse/ecosystem-packages, schema.json: required, or allowed
REQUIRED = {
    "authors",
    "description",
    "documentation_home",
    "install",
    "license",
    "name",
    "project_home",
    "tags",
    "version",
}
ALLOWED = REQUIRED | {"publications", "test_command", "tutorials_home"}


@pytest.fixture
def scverse():
    return yaml.safe_load((ROOT / "docs/scverse.yaml").read_text(encoding="utf-8"))


def test_versions(scverse):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert e2t.__version__ == PROJECT["version"] == citation["version"] == scverse["version"]
    assert re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] in {"Unreleased", PROJECT["version"]}


def test_licence(scverse):
    assert scverse["license"] == PROJECT["license"] == "BSD-3-Clause"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("BSD 3-Clause License")


def test_scverse_fields(scverse):
    open_until_release = {"authors", "documentation_home", "project_home"}
    assert REQUIRED - scverse.keys() <= open_until_release
    assert scverse.keys() <= ALLOWED
    assert scverse["name"] == scverse["install"]["pypi"] == PROJECT["name"]
    assert set(scverse["tags"]) <= set(PROJECT["keywords"])
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert scverse["test_command"].removeprefix("make ") in targets


def test_all_means_all_optional_packages():
    extras = PROJECT["optional-dependencies"]
    named = re.fullmatch(r"edge2torch\[(.*)\]", extras["all"][0])
    assert set(named[1].split(",")) == extras.keys() - {"all"}
