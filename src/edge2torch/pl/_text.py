"""Names of pathways run to 150 characters and more; here they become labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from math import ceil

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

#: a line may end after a space, "_", "/" or "-"
BREAK = re.compile(r"(?<=[\s_/-])(?=[^\s_/-])")
#: what would begin a line of its own
BREAKS = re.compile(r"[\n\r\t\v\f\x1c-\x1e\x85\u2028\u2029]+")
POINTS_PER_INCH = 72


def wrap(text: str, width: int, lines: int | None = None) -> str:
    r"""Break a text into lines of about equal length; what does not fit is left out of the middle.

    Parameters
    ----------
    text
        The text.
    width
        Most characters in a line.
    lines
        Most lines; ``None`` for as many as it takes, and longer ones where a word does not fit.

    Examples
    --------
    >>> wrap("Signaling by the B Cell Receptor (BCR)", 22)
    'Signaling by the B\nCell Receptor (BCR)'
    >>> wrap("Formation of a pool of free 40S subunits", 30, lines=1)
    'Formation of a … 40S subunits'
    """
    pieces = BREAK.split(BREAKS.sub(" ", text))
    if lines is not None and not _fits(pieces, width, lines):
        pieces = _without_middle(pieces, width, lines)
    narrower, n_lines = width, len(_fill(pieces, width))
    while _fits(pieces, narrower - 1, n_lines):
        narrower -= 1
    return "\n".join(_fill(pieces, narrower))


def wrap_all(texts: Sequence[str], width: int, lines: int) -> list[str]:
    """Wrap texts as :func:`wrap` does; those that would no longer differ keep all their words."""
    short = {text: wrap(text, width, lines) for text in texts}
    times = Counter(short.values())
    whole = {text: BREAKS.sub(" ", text) if lines == 1 else wrap(text, width) for text in texts}
    return [short[text] if times[short[text]] == 1 else whole[text] for text in texts]


def text_size(text: str, points: float, weight: str = "normal") -> tuple[float, float]:
    """Width and height of a text in inches, for the font that is set."""
    font = FontProperties(size=points, weight=weight)
    lines = [text_to_path.get_text_width_height_descent(line, font, ismath=False) for line in text.split("\n")]
    return max(float(width) for width, _, _ in lines) / POINTS_PER_INCH, len(lines) * 1.2 * points / POINTS_PER_INCH


def points(size: str) -> float:
    """Size of a font in points: ``"small"``, ... relative to ``rcParams["font.size"]``."""
    return float(FontProperties(size=size).get_size_in_points())


def _fill(pieces: Sequence[str], width: int) -> list[str]:
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _fits(pieces: Sequence[str], width: int, lines: int) -> bool:
    filled = _fill(pieces, width)
    return len(filled) <= lines and max(map(len, filled)) <= width


def _without_middle(pieces: Sequence[str], width: int, lines: int) -> list[str]:
    """Keep as many of the first and last pieces as fit."""
    for kept in range(len(pieces) - 1, 1, -1):
        first = ceil(kept / 2)
        shorter = [*pieces[:first], "… ", *pieces[len(pieces) - kept + first :]]
        if _fits(shorter, width, lines):
            return shorter
    text, half = "".join(pieces), max((width - 1) // 2, 1)
    return [f"{text[:half]}…{text[-half:]}"]
