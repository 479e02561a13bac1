"""The one exception of the package, and how lists are shown in its messages."""

from __future__ import annotations

from collections.abc import Iterable


class Edge2TorchError(ValueError):
    """Input that cannot be used; the message says which argument, what is wrong and what to do.

    It is raised before anything is changed.
    """


def some(items: Iterable[object], limit: int = 5) -> str:
    """List the first few items for a message.

    Examples
    --------
    >>> some(["a", "b"])
    "'a', 'b'"
    >>> some(range(9), limit=2)
    '0, 1 and 7 more'
    """
    shown = [repr(item) for item in items]
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest:,} more" if rest > 0 else "")
