"""Write files that later versions have to read: ``python tests/archive/write.py``, once for each release.

Makes ``tests/archive/<version>/``: a model of every backend, cells with all results in h5ad, zarr and h5mu files, and
beside each what is to be found in it. What has been written stays: a folder that is there already is an error.
"""

from __future__ import annotations

import runpy
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent


def write(folder: Path) -> None:
    """Write all into a new folder."""
    folder.mkdir(parents=True)
    for name in ("models", "cells"):
        runpy.run_path(str(HERE / f"{name}.py"))["write"](folder)


if __name__ == "__main__":
    write(HERE / version("edge2torch"))
