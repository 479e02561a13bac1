"""Tables, and the page made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rotation import Entry

PAGE = """\
# Speed

Output of `make bench` (`tests/bench/speed.py`; [what is measured and how](../tests/bench/README.md)). Times are medians
of all timed repetitions and, in brackets, first and third quartile. The contestants of a table with multiples
took turns in one run, one at a time, each in a process of its own, on one thread. Layers and models of the graph were
compared with a reference before they were timed. "ours" reads inputs cell by cell, unless it says node-major.

{facts}
"""


@dataclass(frozen=True)
class Section:
    """A heading, a text and a table."""

    title: str
    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        parts = [f"## {self.title}", self.text, table(self.header, self.rows), *self.notes]
        return "\n\n".join(part for part in parts if part)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table whose columns line up."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    written = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([written[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *written[1:]])


def page(facts: Sequence[str], sections: Sequence[Section]) -> str:
    """Write the page."""
    return "\n".join([PAGE.format(facts="\n".join(f"- {fact}" for fact in facts)), "\n\n".join(map(str, sections)), ""])


def number(value: float) -> str:
    """Write three significant digits, as plain as they go."""
    if not np.isfinite(value):
        return "-"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value))))) if value else 0
    return f"{value:,.{digits}f}"


def milliseconds(entry: Entry) -> str:
    """Write median and quartiles."""
    if entry.reason or not entry.seconds:
        return "-"
    low, high = entry.quartiles
    return f"{number(1e3 * entry.median)} ({number(1e3 * low)} - {number(1e3 * high)})"


def ratio_table(entries: Sequence[Entry], remarks: dict[str, str] | None = None) -> list[list[str]]:
    """Rows of contestant, time, multiple of the first one's time, and a remark or the reason why there is no time."""
    base, remarks = entries[0].median, remarks or {}
    return [
        [
            entry.name,
            milliseconds(entry),
            "-" if entry.reason else number(entry.median / base),
            entry.reason or remarks.get(entry.name, ""),
        ]
        for entry in entries
    ]
