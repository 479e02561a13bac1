"""Tables of edges in files: CSV, TSV and parquet."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError
from edge2torch.prior.files.text import find_file, open_text
from edge2torch.prior.prior import Prior
from edge2torch.prior.table import ALSO_CALLED, SIGNS, prior_from_table

NUMBERS = ("weight", *ALSO_CALLED["weight"], *SIGNS)


def read_table_prior(file: Path, name: str) -> Prior:
    """Read a table as :func:`edge2torch.prior.prior_from_table` takes it."""
    return prior_from_table(read_table(file), name, repr(file.name))


def read_table(file: Path) -> pd.DataFrame:
    """Read a table with a header; names stay as they are, ``NA`` too, and weights become numbers.

    Raises
    ------
    Edge2TorchError
        If rows have more or fewer columns than the header, quotes are not closed, or it is no such file.
    """
    if file.name.lower().endswith(".parquet"):
        return _read_parquet(file)
    delimiter = "," if file.name.lower().removesuffix(".gz").endswith(".csv") else "\t"
    header, rows = _read_rows(file, delimiter)
    table = pd.DataFrame(rows, columns=pd.Index(header, dtype=object), dtype=object)
    for column in {*NUMBERS} & {*header}:
        if header.count(column) == 1:
            table[column] = _as_numbers(table[column])
    return table


def _read_rows(file: Path, delimiter: str) -> tuple[list[str], list[list[str]]]:
    header: list[str] = []
    rows: list[list[str]] = []
    with open_text(file, newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if not header:
                    header = row
                elif row:  # an empty line has no fields
                    _check_width(file, reader.line_num, row, header)
                    rows.append(row)
        except csv.Error as error:
            raise Edge2TorchError(
                f"{file.name!r}, line {reader.line_num:,}: {error}; is a quote not closed, or not "
                "doubled inside of quotes?"
            ) from error
    if not header:
        raise Edge2TorchError(f"{file.name!r} has empty lines only; its first line must name the columns")
    return header, rows


def _check_width(file: Path, line: int, row: list[str], header: list[str]) -> None:
    if len(row) != len(header):
        raise Edge2TorchError(
            f"{file.name!r}, line {line:,}: {len(row):,} columns, but the header has {len(header):,}; names that hold "
            "the separator must be in quotes, and row names need a header, too"
        )


def _as_numbers(column: pd.Series) -> pd.Series:
    try:
        # Python's own reading of text gives back the number that was written, to the last digit
        return pd.Series(np.array([float(value or "nan") for value in column]), index=column.index)
    except ValueError:
        return column


def _read_parquet(file: Path) -> pd.DataFrame:
    file = find_file(file)
    with file.open("rb") as handle:
        if handle.read(4) != b"PAR1":
            raise Edge2TorchError(f"{file.name!r} is not a parquet table: load or write it again")
    try:
        return pd.read_parquet(file)
    except ImportError as error:
        raise Edge2TorchError(
            f"{file.name!r}: parquet tables need pyarrow: pip install pyarrow, or save the table as CSV"
        ) from error
    except (ValueError, OSError) as error:
        raise Edge2TorchError(
            f"{file.name!r} is not an intact parquet table: {error}; load or write it again"
        ) from error
