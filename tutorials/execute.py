"""Run notebooks of this folder and save their outputs: ``python tutorials/execute.py [NAME ...]``, all without names.

What they would download is put in place by ``tests/tutorials/downloads.py``; this needs the real networks.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from tutorials.downloads import provide


def execute(path: Path) -> None:
    """Run a notebook and save its outputs, without the times at which cells ran."""
    notebook = nbformat.read(path, as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    with TemporaryDirectory() as folder:  # for what notebooks read and write
        environment = provide(code, Path(folder), real=True)
        client = NotebookClient(notebook, record_timing=False, resources={"metadata": {"path": folder}})
        client.execute(env=environment)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, path)


def main() -> None:
    """Run the notebooks that are named."""
    known = {path.stem: path for path in sorted(HERE.glob("*.ipynb"))}
    names = [name.removesuffix(".ipynb") for name in sys.argv[1:]] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no notebook {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names:
        begin = time.perf_counter()
        execute(known[name])
        print(f"{time.perf_counter() - begin:5.0f} s  {name}")


if __name__ == "__main__":
    main()
