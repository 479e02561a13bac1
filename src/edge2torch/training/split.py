"""Which cells train, which decide when to stop, and which are held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge2torch.errors import Edge2TorchError

PARTS = ("train", "validation", "test")


def stratified_split(
    labels: npt.NDArray[np.int64], fractions: Sequence[float], random_state: int
) -> npt.NDArray[np.object_]:
    """Assign cells to train, validation and test, with the same shares of each class.

    Rare classes come first to ``test``, then to ``validation``: with two cells there is one in ``train`` and one in
    ``test``, with three one in each (if all fractions are positive). scikit-learn's splitters refuse such classes.

    Parameters
    ----------
    labels
        Class per cell, shape (cells,).
    fractions
        Shares of train, validation and test; they add up to 1.
    random_state
        Seed.

    Returns
    -------
    ``"train"``, ``"validation"`` or ``"test"`` per cell.

    Raises
    ------
    Edge2TorchError
        If the fractions are not three numbers that add up to 1, with something to train and to validate on.

    Examples
    --------
    >>> stratified_split(np.zeros(10, dtype=int), (0.6, 0.2, 0.2), random_state=0).tolist().count("train")
    6
    """
    if not _are_shares(fractions):
        raise Edge2TorchError(
            f"split={fractions!r} must be three shares for train, validation and test that add up to 1; "
            "those of train and validation must be positive"
        )
    generator = np.random.default_rng(random_state)
    part = np.full(labels.size, "train", dtype=object)
    for label in np.unique(labels):
        cells = generator.permutation(np.flatnonzero(labels == label))
        for name, share in (("test", fractions[2]), ("validation", fractions[1])):
            wanted = max(1, round(share * int((labels == label).sum()))) if share else 0
            taken = min(wanted, cells.size - 1)  # one cell of each class must be left to train on
            part[cells[:taken]] = name
            cells = cells[taken:]
    return part


def _are_shares(fractions: object) -> bool:
    try:
        shares = np.asarray(fractions, dtype=float)
    except (TypeError, ValueError):
        return False
    return shares.shape == (3,) and bool(
        (shares >= 0).all() and (shares[:2] > 0).all() and abs(shares.sum() - 1) < 1e-6
    )
