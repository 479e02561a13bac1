"""What control models are trained on, where it is not the cells as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def shuffle(n: int, groups: list[npt.NDArray[Any]], random_state: int) -> npt.NDArray[np.int64]:
    """Draw a permutation that leaves everything in its group.

    Parameters
    ----------
    n
        How many things to permute.
    groups
        What must stay the same, arrays (n,): things trade places only with those that are equal in all of them.
    random_state
        Seed.

    Returns
    -------
    Which thing comes to which place, (n,).

    Examples
    --------
    >>> shuffle(4, [np.array([0, 1, 0, 1])], 1).tolist()
    [2, 3, 0, 1]
    """
    random = np.random.default_rng(random_state)
    together = np.zeros(n, dtype=np.int64)
    for group in groups:
        codes = np.unique(group, return_inverse=True)[1]
        together = np.unique(together * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    order = np.lexsort((random.random(n), together))
    moved = np.empty(n, dtype=np.int64)
    moved[np.argsort(together, kind="stable")] = order
    return moved


def profiles(n_outputs: int, n_inputs: int, random_state: int, *, classes: bool) -> npt.NDArray[np.float32]:
    """Draw what each input says of each output, so that all inputs say as much.

    Parameters
    ----------
    n_outputs, n_inputs
        How many there are.
    random_state
        Seed.
    classes
        Whether outputs are classes, of which a cell has one.

    Returns
    -------
    Shape (outputs, inputs). For classes the value of the input in cells of the class: the same values, evenly spaced
    between 0 and 1, for each input, but in random order. Otherwise +1 or -1, by which an output is added to the input.
    """
    random = np.random.default_rng(random_state)
    if not classes:
        return random.choice(np.array([-1, 1], dtype=np.float32), size=(n_outputs, n_inputs))
    levels = (np.arange(n_outputs, dtype=np.float32) + 0.5) / n_outputs
    return random.permuted(np.repeat(levels[:, None], n_inputs, axis=1), axis=0)


def deterministic_inputs(values: npt.NDArray[Any], profile: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cells that hold nothing but what is to be predicted, equally in every input, (cells, inputs).

    Parameters
    ----------
    values
        Class of each cell, (cells,); or standardised labels or numbers, (cells, outputs).
    profile
        From :func:`profiles`.
    """
    if values.ndim == 1:
        return profile[values.astype(np.intp)]
    return np.asarray(values.astype(np.float32) @ profile / np.sqrt(len(profile)), dtype=np.float32)
