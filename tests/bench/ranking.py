"""Whether rankings of nodes can be believed: without signal, with known signal, on real cells, between replicates.

Not a test: all of it takes more than an hour of one core. ``docs/ranking_results.md`` holds what it prints.

    python tests/bench/ranking.py --data FOLDER --csv ranking.csv
    python tests/bench/ranking.py --cases null --seeds 5

With ``--csv`` every data set is noted as soon as it is done, and what the file has is not measured again: remove it
when the code has changed. FOLDER holds ``pbmc3k/pbmc3k_raw_labelled.h5ad`` and the table
``collectri/*.csv``; without a table it is downloaded.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import pandas as pd
import ranking_controls
import ranking_null
import ranking_power
import ranking_real
import ranking_replicates

CASES = {
    "null": (ranking_null.measure, ranking_null.report),
    "power": (ranking_power.measure, ranking_power.report),
    "controls": (ranking_controls.measure, ranking_controls.report),
    "real": (ranking_real.measure, ranking_real.report),
    "replicates": (ranking_replicates.measure, ranking_replicates.report),
}


class Noted:
    """Numbers of data sets, in a file if there is one: a row per case, data set, seed, group, node and measure."""

    NAMES = ("case", "data", "seed")
    COLUMNS = (*NAMES, "group", "node", "measure", "value")

    def __init__(self, case: str, file: Path | None) -> None:
        there = file is not None and file.exists()
        self.table = pd.read_csv(file, keep_default_na=False) if there else pd.DataFrame(columns=self.COLUMNS)
        self.case, self.file = case, file
        self.table["value"] = pd.to_numeric(self.table["value"])

    def has(self, data: str, seed: int) -> bool:
        """Whether a data set is done."""
        return bool(((self.rows["data"] == data) & (self.rows["seed"] == seed)).any())

    @property
    def rows(self) -> pd.DataFrame:
        """What is known of the case."""
        return self.table[self.table["case"] == self.case]

    def add(self, data: str, seed: int, wide: pd.DataFrame) -> None:
        """Note a data set: a row per group and node, or what else stands in these columns, and a column per measure."""
        rows = wide.melt(["group", "node"], var_name="measure").assign(case=self.case, data=data, seed=seed)
        rows = rows[list(self.COLUMNS)].dropna(subset="value")
        if self.file:
            rows.to_csv(self.file, mode="a", header=not self.file.exists(), index=False)
        self.table = pd.concat([self.table, rows], ignore_index=True) if len(self.table) else rows


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", type=int, help="data sets of each kind, fewer or more than the page has")
    parser.add_argument("--only", nargs="*", help="kinds of data sets of null and power")
    parser.add_argument("--images", type=Path, help="folder for the pictures")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    logging.getLogger("edge2torch").setLevel("WARNING")
    for case in options.cases:
        measure, report = CASES[case]
        noted = Noted(case, options.csv)
        measure(noted, options)
        if options.csv:  # what other processes have noted
            noted = Noted(case, options.csv)
        report(noted.rows, options)


if __name__ == "__main__":
    main()
