"""A server of true-format files on this machine, and what can go wrong with one."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pooch.core
import pytest

from edge2torch import settings

COLLECTRI = "zenodo.org/records/8192729/files/CollecTRI_regulons.csv?download=1"
INTERACTIONS = (
    "omnipathdb.org/interactions/?genesymbols=1&datasets=dorothea&dorothea_levels={levels}&fields=dorothea_level"
)
SIGNALLING = "omnipathdb.org/interactions/?genesymbols=1&datasets=omnipath&license=academic"
ANNOTATIONS = "omnipathdb.org/annotations?databases={name}&license=academic"
HALLMARK = "static.omnipathdb.org/tables/msigdb-hallmark.tsv.gz"
ORTHOLOGS = "storage.googleapis.com/public-download-files/hcop/human_{organism}_hcop_fifteen_column.txt.gz"


class Server:
    """What is served, and what was asked.

    ``files`` holds bytes by address without ``https://``; ``faults`` what the next requests meet instead, each a
    function of the handler.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.faults: list[Callable[[BaseHTTPRequestHandler], None]] = []
        self.over = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = False  # wait for all of them
        self._thread = threading.Thread(target=lambda: self._http.serve_forever(poll_interval=0.01))
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                address = self.path.removeprefix("/")
                server.asked.append(address)
                fault = server.faults.pop(0) if server.faults else None
                if fault is not None:
                    fault(self)
                elif address in server.files:
                    answer(self, server.files[address])
                else:
                    answer(self, b"no such file", status=404)

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.over.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Never answer."""
        self.over.wait(10)

    def stall(self, handler: BaseHTTPRequestHandler) -> None:
        """Send half of it, then nothing."""
        answer(handler, b"half", length=8)
        handler.wfile.flush()
        self.over.wait(10)


def answer(
    handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, length: int | None = None, kind: str = "text/plain"
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def at_home(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything is asked of the server on this machine, kept in a folder of the test, tried again at once."""
    before = settings.timeout, settings.retries
    settings.cache_dir, settings.mirror, settings.retries, settings.timeout = tmp_path / "cache", server.address, 2, 5
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda _: None))
    yield
    settings.cache_dir = settings.mirror = None
    settings.timeout, settings.retries = before


@pytest.fixture
def kept() -> Callable[[], list[str]]:
    """Names in the cache."""
    return lambda: sorted(path.name for path in settings.cache_dir.glob("*")) if settings.cache_dir.exists() else []


def rows(*lines: str, sep: str = "\t") -> bytes:
    """A table, of lines with spaces between the columns, ``_`` for an empty one."""
    return "".join(sep.join("" if c == "_" else c for c in line.split()) + "\n" for line in lines).encode()


def signalling(*edges: tuple[str, str, int, int, int]) -> bytes:
    """Answer of OmniPath's ``/interactions``: source, target, direction, stimulation, inhibition, all by consensus."""
    head = (
        "source target source_genesymbol target_genesymbol is_directed is_stimulation is_inhibition "
        "consensus_direction consensus_stimulation consensus_inhibition"
    )
    return rows(head, *(f"P{s} P{t} {s} {t} 1 1 1 {way} {up} {down}" for s, t, way, up, down in edges))


def interactions(*edges: tuple[str, str, int, int, str]) -> bytes:
    """The same of DoRothEA's: source, target, stimulation, inhibition, levels of confidence."""
    head = (
        "source target source_genesymbol target_genesymbol is_directed is_stimulation is_inhibition "
        "consensus_direction consensus_stimulation consensus_inhibition dorothea_level"
    )
    return rows(head, *(f"P{s} P{t} {s} {t} 1 {up} {down} 1 {up} {down} {level}" for s, t, up, down, level in edges))


def annotations(name: str, **records: dict[str, str]) -> bytes:
    """Answer of OmniPath's ``/annotations``: per record (``GENE_1``), a value for each label."""
    lines = ["uniprot\tgenesymbol\tentity_type\tsource\tlabel\tvalue\trecord_id"]
    for record, labels in records.items():
        gene, number = record.split("_")
        lines += [f"U{gene}\t{gene}\tprotein\t{name}\t{label}\t{value}\t{number}" for label, value in labels.items()]
    return ("\n".join(lines) + "\n").encode()


def orthologs(organism: str, **pairs: tuple[str, ...]) -> bytes:
    """Table of HCOP: per human gene, orthologs as ``symbol:number of databases that say so``."""
    other = [f"{organism}_{part}" for part in ("name", "symbol", "chr", "assert_ids")]
    head = ["human_entrez_gene", "human_ensembl_gene", "hgnc_id", "human_name", "human_symbol", "human_chr"]
    head += ["human_assert_ids", f"{organism}_entrez_gene", f"{organism}_ensembl_gene", f"{organism}_id", *other]
    lines = ["\t".join([*head, "support"])]
    for human, several in pairs.items():
        for one in several:
            symbol, _, count = one.partition(":")
            support = ",".join(f"base{i}" for i in range(int(count)))
            lines.append(f"1\tE\tH:1\ta gene\t{human}\t1\tE\t2\tF\tM:2\tb\t{symbol}\t2\tF\t{support}")
    return gzip.compress(("\n".join(lines) + "\n").encode())


@pytest.fixture
def world(server: Server) -> Server:
    """The server with all the files that decoupler asks for."""
    server.files[COLLECTRI] = rows(
        "source,target,weight,resources,references,sign_decision",
        "MYC,TERT,1,DoRothEA-A_CollecTRI;ExTRI_CollecTRI,ExTRI_CollecTRI:10022128,PMID",
        "SPI1,BGLAP,-1,ExTRI_CollecTRI,ExTRI_CollecTRI:10022617,regulon",
        "AP1,JUN,1,ExTRI_CollecTRI,ExTRI_CollecTRI:10022869,default_activation",
        "MYC,TERT,-1,ExTRI_CollecTRI,ExTRI_CollecTRI:1,PMID",
    )
    for levels in ("A,B", "A,B,C"):
        server.files[INTERACTIONS.format(levels=levels) + "&license=academic"] = interactions(
            ("MYC", "TERT", 1, 0, "A"), ("SPI1", "BGLAP", 0, 1, "B;C"), ("AP1", "JUN", 0, 0, "A")
        )
    server.files[SIGNALLING] = signalling(
        ("LYN", "SYK", 1, 1, 0),
        ("PTPN6", "SYK", 1, 0, 1),
        ("SYK", "MYC", 1, 1, 1),  # of both signs
        ("MYC", "SPI1", 1, 0, 0),  # of none
        ("SPI1", "MYC", 0, 1, 0),  # of no direction
        ("MYC", "TERT", 1, 1, 0),
    )
    server.files["omnipathdb.org/queries/annotations"] = (
        b"argument\tvalues\ndatabases\tHPA_tissue;PROGENy;PanglaoDB;Single\nentity_types\tcomplex;mirna;protein\n"
    )
    server.files["omnipathdb.org/resources"] = json.dumps(
        {name: {"license": {"name": "CC BY", "purpose": "commercial"}} for name in ("PROGENy", "PanglaoDB", "Single")}
    ).encode()
    server.files[ANNOTATIONS.format(name="PROGENy")] = annotations(
        "PROGENy",
        SMAD7_1={"pathway": "TGFb", "weight": "9.5", "p_value": "1e-9"},
        JUNB_2={"pathway": "TGFb", "weight": "4.25", "p_value": "1e-3"},
        JUNB_3={"pathway": "MAPK", "weight": "-2.5", "p_value": "0.5"},
        TERT_4={"pathway": "MAPK", "weight": "-3.5", "p_value": "0.01"},
    )
    server.files[ANNOTATIONS.format(name="PanglaoDB")] = annotations(
        "PanglaoDB",
        CD3E_1={"cell_type": "T cells", "organ": "Immune system", "human": "True", "human_sensitivity": "0.9"},
        CD3E_2={"cell_type": "NK/T cells", "organ": "Immune system", "human": "True", "human_sensitivity": "0.25"},
        INS_3={"cell_type": "Beta cells", "organ": "Pancreas", "human": "True", "human_sensitivity": "1"},
        GCG_4={"organ": "Pancreas", "human": "False"},
    )
    server.files[ANNOTATIONS.format(name="Single")] = annotations(
        "Single", CD3E_1={"family": "CD molecules"}, CD19_2={"family": "CD molecules"}
    )
    server.files[HALLMARK] = gzip.compress(
        rows(
            "uniprot genesymbol entity_type collection geneset",
            "P1 SMAD7 protein hallmark HALLMARK_TGF_BETA_SIGNALING",
            "P1 SMAD7 protein hallmark HALLMARK_TGF_BETA_SIGNALING",
            "C1 COMPLEX:JUNB_TERT complex hallmark HALLMARK_APOPTOSIS",
        )
    )
    server.files[ORTHOLOGS.format(organism="mouse")] = orthologs(
        "mouse",
        MYC=("Myc:9", "Nope:2"),
        TERT=("Tert:5",),
        SPI1=("Spi1:3",),
        BGLAP=("Bglap:4", "Bglap2:4", "-:3"),
        SMAD7=("Smad7:8",),
        JUNB=("Smad7:3",),
        CD3E=("Cd3e:9",),
    )
    return server
