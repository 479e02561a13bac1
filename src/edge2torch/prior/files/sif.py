"""SIF: an interaction per line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edge2torch.errors import Edge2TorchError
from edge2torch.prior.files.text import read_lines
from edge2torch.prior.prior import Prior
from edge2torch.prior.table import prior_from_table

SIGN = {
    **dict.fromkeys(("activates", "activation", "stimulates", "stimulation", "up", "+", "+1", "1"), 1.0),
    **dict.fromkeys(("inhibits", "inhibition", "represses", "repression", "down", "-", "-1"), -1.0),
}


def read_sif(file: Path, name: str) -> Prior:
    """Read a network in the Simple Interaction Format: source, interaction, target and perhaps more targets.

    Fields are separated by tabs if the file has any, otherwise by blanks. If all interactions are words for activation
    (activates, stimulates, up, +, 1) or inhibition (inhibits, represses, down, -, -1), the edges have weights of +1 and
    -1, otherwise none. A line with a single node has no edge; an edge that is there more than once counts once.

    Raises
    ------
    Edge2TorchError
        If a line has two fields, there are no edges, or a pair has weights of both signs.
    """
    lines = list(read_lines(file))
    tabs = any("\t" in line for _, line in lines)
    rows: dict[tuple[str, str, str], None] = {}
    for number, line in lines:
        fields = line.rstrip("\t").split("\t") if tabs else line.split()
        if len(fields) == 1:
            continue
        if len(fields) == 2 or not all(field.strip() for field in fields):
            raise Edge2TorchError(
                f"{file.name!r}, line {number:,}: {line[:60]!r} is neither a node nor a source, an interaction and "
                f"targets, separated by {'tabs' if tabs else 'blanks'}"
            )
        rows.update(dict.fromkeys((fields[0], fields[1].strip().lower(), target) for target in fields[2:]))
    if not rows:
        raise Edge2TorchError(f"{file.name!r} has no edges: a line is a source, an interaction and targets")
    table = pd.DataFrame(list(rows), columns=["source", "interaction", "target"])
    columns = ["source", "target"]
    if table["interaction"].isin(list(SIGN)).all():
        table["weight"] = table["interaction"].map(SIGN)
        columns.append("weight")
    return prior_from_table(table[columns].drop_duplicates(ignore_index=True), name, repr(file.name))
