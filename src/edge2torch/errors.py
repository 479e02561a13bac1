"""The one exception of the package, and how lists are shown in its messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class Edge2TorchError(ValueError):
    """Input that cannot be used; the message says which argument, what is wrong and what to do.

    It is raised before anything is changed.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> e2t.compile_graph(pd.DataFrame({"source": ["a"], "target": ["a"]}))
    Traceback (most recent call last):
    edge2torch.errors.Edge2TorchError: edgelist has 1 self loops: 'a -> a'; ...
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


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """Ask, at the end of a message on an unknown name, whether one of the nearest known names was meant.

    Examples
    --------
    >>> did_you_mean("b cell", ["B cell", "T cell", "NK"])
    ". Did you mean 'B cell' or 'T cell'?"
    >>> did_you_mean("zzz", ["B cell"])
    ''
    """
    by_lower = {str(one).lower(): one for one in known}
    near = [repr(by_lower[found]) for found in get_close_matches(str(name).lower(), by_lower, n=3, cutoff=0.6)]
    return f". Did you mean {' or '.join(near)}?" if near else ""
