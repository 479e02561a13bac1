"""The page that says what holds a claim: all that it names is there, and no claim of the README's list is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/claims.md"
HOLDER = re.compile(r"`((?:\w+/)*(?:test_)?\w+\.py)(?:::(\w+))?`")
#: seconds, shares, multiples: what somebody measured
MEASURED = re.compile(r"\b\d[\d.,]* (?:ms|s|MB|GB|minutes|times|%)(?=[\s.,;:)|]|$)|\bAUROC (?:of )?\d", re.MULTILINE)
CLAIM = re.compile(r"^- \*\*(.+?)\*\*", re.MULTILINE)


@pytest.fixture(scope="module")
def page(read_page):
    return read_page(PAGE)


def section(page: str, heading: str) -> str:
    return page.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0]


def claims_and_holders(part: str) -> list[tuple[str, str]]:
    rows = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return [(cells[0].strip(), cells[1]) for cells in rows if cells[0] not in (" claim", " page")]


def test_all_that_is_named_exists(page):
    named = HOLDER.findall(page)
    assert len(named) > 100
    missing = []
    for path, name in named:
        file = ROOT / "tests" / path
        if not file.exists() or (name and f"def {name}(" not in file.read_text(encoding="utf-8")):
            missing.append((path, name))
    assert not missing


def test_every_row_names_something(page):
    rows = claims_and_holders(page)
    assert len(rows) > 50
    assert not [claim for claim, held in rows if not HOLDER.search(held)]


def test_every_claim_of_the_readme_has_a_row(page, read_page):
    listed = CLAIM.findall(read_page("README.md").split("## What it does\n")[1].split("\n## ")[0])
    assert len(listed) > 10
    held = [claim for claim, _ in claims_and_holders(section(page, "README")) if claim.startswith("**")]
    assert listed == [re.match(r"\*\*(.+?)\*\*", claim)[1] for claim in held]


def test_pages_with_measured_figures_name_their_command(page, read_page):
    """A script that a page was measured with is named on that page, or on the one that it links to."""
    rows = claims_and_holders(section(page, "Pages with measured figures"))
    for pages, held in rows:
        scripts = [path.rsplit("/", 1)[1] for path, _ in HOLDER.findall(held)]
        for name in re.findall(r"\]\((\w+\.md)\)", pages):
            text = read_page(f"docs/{name}")
            at_hand = text + "".join(read_page(f"docs/{other}") for other in set(re.findall(r"\((\w+\.md)", text)))
            assert not [script for script in scripts if script not in at_hand], name


def test_no_page_has_figures_of_unknown_origin(page, read_page):
    """More than one or two seconds, shares or AUROCs stand on pages of the list only."""
    listed = set(re.findall(r"\]\((\w+\.md)\)", section(page, "Pages with measured figures")))
    measured = {
        path.name for path in (ROOT / "docs").glob("*.md") if len(MEASURED.findall(read_page(f"docs/{path.name}"))) > 2
    }
    assert measured
    assert measured <= listed
