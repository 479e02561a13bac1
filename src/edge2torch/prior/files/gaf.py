"""GAF: genes and their terms of the Gene Ontology."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.files.text import read_lines
from edge2torch.prior.prior import Prior

ASPECTS = {"P": "biological process", "F": "molecular function", "C": "cellular component"}
#: columns of GAF 2.x, counted from 0
SYMBOL, QUALIFIER, TERM, EVIDENCE, ASPECT = 2, 3, 4, 6, 8


def read_gaf(file: Path, name: str, aspect: str = "P") -> Prior:
    """Read annotations in the Gene Association Format 2.x: sets are GO terms by identifier, genes are symbols.

    Annotations that say that a gene is NOT part of a term, or that no data is known (evidence ND), are left out.

    Parameters
    ----------
    file
        Its path.
    name
        What to call the prior.
    aspect
        ``"P"`` (biological process), ``"F"`` (molecular function) or ``"C"`` (cellular component).

    Raises
    ------
    Edge2TorchError
        If lines have too few or too many columns, or no annotation is of this aspect.
    """
    check_choice("aspect", aspect, tuple(ASPECTS))
    pairs: dict[tuple[str, str], None] = {}
    found: set[str] = set()
    for number, line in read_lines(file):
        if line.startswith("!"):
            continue
        fields = line.split("\t")
        _check_fields(file, number, fields)
        found.add(fields[ASPECT])
        negated = "NOT" in fields[QUALIFIER].upper().split("|")
        if fields[ASPECT] == aspect and not negated and fields[EVIDENCE] != "ND":
            pairs[fields[TERM], fields[SYMBOL]] = None
    if not pairs:
        here = some(sorted(found)) or "no annotations at all"
        raise Edge2TorchError(
            f"{file.name!r} has no usable annotations of aspect {aspect!r} ({ASPECTS[aspect]}); it has {here}: "
            "choose another aspect, or another file"
        )
    return Prior(name, pd.DataFrame(list(pairs), columns=["source", "target"]))


def _check_fields(file: Path, number: int, fields: list[str]) -> None:
    if not 15 <= len(fields) <= 17:
        raise Edge2TorchError(
            f"{file.name!r}, line {number:,}: {len(fields):,} columns; GAF has 17 (15 in its first version), separated "
            "by tabs"
        )
    empty = [column for column, at in (("symbol", SYMBOL), ("GO id", TERM)) if not fields[at].strip()]
    if empty:
        raise Edge2TorchError(
            f"{file.name!r}, line {number:,}: the {' and the '.join(empty)} is empty: remove the line"
        )
