"""Links and pictures of all pages lead somewhere; nothing is fetched.

``pytest tests/docs/test_links.py -k elsewhere --collect-only -q`` lists the links that lead out of the repository.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "tutorials").glob("*.ipynb")),
    ROOT / "data" / "README.md",
    ROOT / "tests" / "bench" / "README.md",
]
CODE = re.compile(r"^(`{3,}).*?^\1$|(`+)(?!`).+?\2", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)+")
LINK = re.compile(r"\]\(\s*([^)\s]+)(?:\s+\"[^\"]*\")?\s*\)|<(https?://[^>\s]+)>|(?:src|href)=\"([^\"]+)\"")
PAPER = re.compile(r"https://(?:doi\.org|arxiv\.org/abs)/(.+)")


def read(page):
    """Text of a page, or of the cells of a notebook that hold text."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return "\n\n".join(source if isinstance(source, str) else "".join(source) for source in cells)


def links(page):
    prose = INDENTED.sub("\n", CODE.sub("", read(page)))
    return list(dict.fromkeys(next(filter(None, found.groups())) for found in LINK.finditer(prose)))


def anchors(page):
    """What GitHub and MyST make of the headings."""
    without_blocks = re.sub(r"^(`{3,}).*?^\1$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    found, seen = set(), Counter()
    for heading in re.findall(r"^#{1,6} (.+)$", without_blocks, re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


ALL = [(page, link) for page in PAGES for link in links(page)]
INSIDE = [(page, link) for page, link in ALL if not urlsplit(link).scheme]
ELSEWHERE = sorted({link for _, link in ALL if urlsplit(link).scheme})


def test_there_is_something_to_look_at():
    assert len(PAGES) > 25
    assert len(INSIDE) > 100
    assert any("#" in link for _, link in INSIDE)


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_inside(page):
    broken = []
    for link in [link for one, link in INSIDE if one == page]:
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("link", ELSEWHERE)
def test_elsewhere(link, read_page):
    parts = urlsplit(link)
    assert parts.scheme == "https"
    assert "." in parts.netloc
    paper = PAPER.fullmatch(link)
    assert paper is None or f"= {{{paper[1]}}}" in read_page("docs/references.bib"), "not in the bibliography"


def test_every_paper_of_the_bibliography_is_cited(read_page):
    papers = re.findall(r"(?:doi|eprint) = \{(.*?)\}", read_page("docs/references.bib"))
    cited = {found[1] for link in ELSEWHERE if (found := PAPER.fullmatch(link))}
    assert not set(papers) - cited


def test_every_page_is_in_both_lists_of_pages(read_page):
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"README", "index"}
    listed = set(re.findall(r"^[a-z_]+$", read_page("docs/index.md"), re.MULTILINE))
    assert pages == listed
    assert pages - {"api"} <= {Path(link).stem for page, link in INSIDE if page.name == "README.md"}
