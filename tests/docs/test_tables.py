"""Tables and counts of pages, beside what they are about: methods, rooms, extras, targets of make, tests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from captum import attr

from edge2torch.attribution import METHODS
from edge2torch.nn.activation import BY_NAME

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"`([^`]+)`")
BASELINES = {"-": (None, False), "one row": ("baselines", False), "two rows or more": ("baselines", True)}
BASELINES["one row or more"] = ("baselines", True)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def rows(text: str, header: str) -> list[list[str]]:
    lines = text[text.index(header) :].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


def test_methods(read_page):
    """Every method has a row; baselines and activations are those of the registry."""
    seen = []
    for features, nodes, baseline, defined in rows(read_page("docs/attribution.md"), "| features | nodes | baseline"):
        activations = defined.removesuffix(" (epsilon rule)").split(";")[0].split(",")
        for name in CODE.findall(features) + CODE.findall(nodes):
            seen.append(name)
            method = METHODS[name]
            assert method.target == ("nodes" if name in CODE.findall(nodes) else "features")
            if baseline != "one row (features only)":
                assert (method.baseline, method.many_baselines) == BASELINES[baseline], name
            else:
                assert (method.baseline is not None) == (method.target == "features")
            if defined.startswith("all activations"):
                assert method.activations is None, name
                assert (method.cells_at_once == "one") == ("one cell at a time" in defined), name
                assert (method.output is None) == ("belongs to no output" in defined), name
            else:
                assert {BY_NAME[one.strip()].__name__ for one in activations} == method.activations, name
    assert sorted(seen) == sorted(METHODS)
    assert all(hasattr(attr, name) for name in seen)


def test_rooms(read_page, project):
    """The table of rooms has each, and none above one that imports it."""
    order = [CODE.findall(cells[0]) for cells in rows(read_page("docs/design.md"), "| room | its one job |")]
    place = {name.strip("/").removesuffix(".py"): k for k, names in enumerate(order) for name in names}
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    level = {name: k for k, names in enumerate(layers) for name in names.split(" | ")}
    assert set(place) == set(level)
    for one, upper in level.items():
        for other, lower in level.items():
            if upper < lower and other != "datasets":  # which nobody imports
                assert place[one] <= place[other], f"{one} imports {other}"


def test_what_is_installed(read_page, project):
    (named,) = re.findall(r"That brings (.*?)\. ", read_page("docs/install.md"))
    brought = {re.match(r"[\w-]+", one)[0].lower() for one in project["project"]["dependencies"]}
    assert {name.lower().replace("pytorch", "torch") for name in re.split(", | and ", named)} <= brought


def test_extras(read_page, project):
    named = re.findall(r"`pip install \"\.\[(\w+)\]\"`", read_page("docs/install.md"))
    assert {*named, "all"} == set(project["project"]["optional-dependencies"])


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_targets_of_make(read_page, page):
    text = read_page(page if (ROOT / page).exists() else f"docs/{page}")
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", text, re.MULTILINE))
    assert named <= there


def defined_in(*folders: str) -> int:
    texts = [path.read_text(encoding="utf-8") for name in folders for path in (ROOT / name).rglob("*.py")]
    return sum(len(re.findall(r"^ *def test_", text, re.MULTILINE)) for text in texts)


def test_counts_of_tests(read_page):
    text = " ".join(read_page("docs/testing.md").split())
    assert defined_in("tests") > int(re.search(r"More than ([\d,]+) tests", text)[1].replace(",", ""))
    drawn = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    assert sum(len(re.findall("^@given", one, re.M)) for one in drawn) > int(
        re.search(r"More than (\d+) tests draw", text)[1]
    )
    lines = [
        sum(len(p.read_text("utf-8").splitlines()) for p in (ROOT / name).rglob("*.py")) for name in ("tests", "src")
    ]
    assert lines[0] > lines[1], "more lines of tests than of the package"
    assert int(re.search(r"and (\d+) pictures", text)[1]) == len(list((ROOT / "tests" / "pl" / "images").glob("*.png")))
    viewer, page = re.search(r"(\d+) tests in CZ cellxgene and (\d+) of the page", text).groups()
    files = [(ROOT / "tests" / "viewers" / f"test_{name}.py").read_text("utf-8") for name in ("cellxgene", "network")]
    assert [one.count("\ndef test_") for one in files] == [int(viewer), int(page)]
