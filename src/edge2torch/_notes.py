"""One-line notes to the user."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("edge2torch")


def note(message: str) -> None:
    """Tell the user something: through logging where it is set up, otherwise on standard output.

    ``logging.getLogger("edge2torch").setLevel("WARNING")`` silences it.
    """
    if logger.isEnabledFor(logging.INFO):
        logger.info(message)
    elif logger.level == logging.NOTSET:
        print(f"[edge2torch] {message}")  # noqa: T201 - the notes are meant to be seen in a notebook


def caller_level() -> int:
    """``stacklevel`` of a warning that points at the code that called the package, also from inside a callback."""
    level, frame, found = 1, sys._getframe(1), 1
    while frame is not None:
        level += 1
        if str(frame.f_globals.get("__name__", "")).split(".")[0] == "edge2torch":
            found = level
        frame = frame.f_back  # type: ignore[assignment]
    return found
