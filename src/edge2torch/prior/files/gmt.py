"""GMT: a gene set per line."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.files.text import read_lines
from edge2torch.prior.hierarchy import label_twins
from edge2torch.prior.prior import Prior

#: a word with a digit in it, such as R-HSA-73843 or GO:0000001, that is no link
IDENTIFIER = re.compile(r"(?!\S*://)\S*\d\S*")


def read_gmt(file: Path, name: str) -> Prior:
    """Read gene sets in the Gene Matrix Transposed format: name, description and genes, separated by tabs.

    Where the descriptions are identifiers, a different one for each set, they become the prior's ``ids``, and sets of
    the same name are told apart by them.

    Raises
    ------
    Edge2TorchError
        If lines have no tabs, sets have no genes, or several sets have one name.
    """
    names, descriptions, genes = _read_sets(file)
    empty = [name for name, members in zip(names, genes, strict=True) if not members]
    if empty:
        raise Edge2TorchError(f"{file.name!r} has {len(empty):,} sets without genes: {some(empty)}; remove these lines")
    labels, ids = names, dict[str, str]()
    if len(set(descriptions)) == len(descriptions) and all(map(IDENTIFIER.fullmatch, descriptions)):
        label_of = label_twins(dict(zip(descriptions, names, strict=True)))
        labels = list(label_of.values())
        ids = {label: node for node, label in label_of.items() if node != label}
    twins = [label for label, count in Counter(labels).items() if count > 1]
    if twins:
        raise Edge2TorchError(
            f"{file.name!r} has {len(twins):,} names that several sets have: {some(twins)}; rename these "
            "sets, or join them"
        )
    sizes = [len(members) for members in genes]
    sets = pd.DataFrame(
        {
            "source": pd.Series(labels).repeat(sizes).to_numpy(),
            "target": [gene for members in genes for gene in members],
        }
    )
    return Prior(name, sets, ids=ids)


def _read_sets(file: Path) -> tuple[list[str], list[str], list[list[str]]]:
    names: list[str] = []
    descriptions: list[str] = []
    genes: list[list[str]] = []
    for number, line in read_lines(file):
        name, *rest = line.split("\t")
        if not rest or not name.strip():
            raise Edge2TorchError(
                f"{file.name!r}, line {number:,}: {line[:60]!r} has {'no tabs' if not rest else 'no name'}; a line of "
                "a GMT file is the name of a set, a description (may be empty) and genes, separated by tabs"
            )
        names.append(name)
        descriptions.append(rest[0])
        genes.append([gene for gene in dict.fromkeys(rest[1:]) if gene.strip()])
    if not names:
        raise Edge2TorchError(f"{file.name!r} has no gene sets: it has empty lines only")
    return names, descriptions, genes
