"""One-line notes to the user."""

from __future__ import annotations

import logging

logger = logging.getLogger("edge2torch")


def note(message: str) -> None:
    """Tell the user something: through logging where it is set up, otherwise on standard output.

    ``logging.getLogger("edge2torch").setLevel("WARNING")`` silences it.
    """
    if logger.isEnabledFor(logging.INFO):
        logger.info(message)
    elif logger.level == logging.NOTSET:
        print(f"[edge2torch] {message}")  # noqa: T201 - the notes are meant to be seen in a notebook
