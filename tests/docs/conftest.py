"""Pages, and the code on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], str]:
    """``read_page("docs/models.md")``: its text."""
    return lambda name: (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def read_code() -> Callable[[str], list[tuple[str, str]]]:
    """``read_code("docs/models.md")``: the blocks of Python of a page, and the first line of each."""

    def read(name: str) -> list[tuple[str, str]]:
        blocks = BLOCK.findall((ROOT / name).read_text(encoding="utf-8"))
        return [(block.splitlines()[0].removeprefix("# "), block) for block in blocks]

    return read
