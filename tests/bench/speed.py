"""Speed of layers, training steps and compilation, beside other packages. See README.md.

python tests/bench/speed.py --peers .venv-bench/bin/python
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import cases
import collection
import machine
import numpy as np
import rates
from attribution_pages import few_cells, many_cells
from cases import LayeredGraph, describe
from fit_pages import fit_memory, fit_rates
from process import Environment
from report import Section, milliseconds, number, page, ratio_table
from rotation import PREPARE_LIMIT, STEP_LIMIT, Entry, rotate

ROOT = Path(__file__).resolve().parents[2]
CELLS, MEMORY_CELLS = 512, 1024
COMPILE_LIMIT = 120.0
RATIO_HEADER = ("contestant", "ms (quartiles)", "multiple of the first", "remark")
LINEAR = {"public edge2torch": "no activation", "perceptron": "not this graph"}
REAL = {
    "reactome": ("Training step, PBMC3k x Reactome", cases.reactome_graph),
    "go": ("Training step, Baron x GO biological process", cases.go_graph),
}


class Bench:
    """The cases, each of which returns sections of the page."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        ours = Environment(Path(sys.executable), ("contestants_ours",))
        plain = Environment(Path(sys.executable), ("contestants_torch",))
        self.environments = {
            "ours": ours,
            "ours, node-major input": ours,
            "masked dense": plain,
            "torch.sparse, COO": plain,
            "torch.sparse, CSR": plain,
            "perceptron": plain,
        }
        if options.peers:
            peers = Environment(options.peers.absolute(), ("contestants_peers",), is_ours=False)
            self.environments |= {"kpnn2": peers, "public edge2torch": peers}
        self.graphs: dict[str, LayeredGraph] = {}

    def graph(self, name: str, make: Callable[[], LayeredGraph]) -> tuple[LayeredGraph, str]:
        """Make a graph once; return it and its file."""
        path = self.folder / f"{name}.npz"
        if name not in self.graphs:
            self.graphs[name] = make()
            self.graphs[name].save(path)
        return self.graphs[name], str(path)

    def random(self, name: str, sizes: tuple[int, ...], edges: tuple[int, ...]) -> tuple[LayeredGraph, str]:
        """Make a random graph once."""
        return self.graph(name, lambda: cases.random_graph(sizes, edges))

    def known(self, names: Iterable[str]) -> list[str]:
        """Those of the contestants whose environment is there."""
        return [name for name in names if name in self.environments]

    def turns(self, names: Iterable[str], kind: str, path: str, cells: int) -> list[Entry]:
        """Time contestants in turns."""
        entrants = {name: (self.environments[name], kind) for name in self.known(names)}
        if kind == "layer" and self.options.device == "cpu":
            entrants |= dict.fromkeys(rates.RATES, (self.environments["ours"], "rate"))
        return rotate(entrants, path, cells, self.options.rounds, self.options.device)

    def layer(self) -> list[Section]:
        """One layer, beside the least time that it needs."""
        graph, path = self.random("layer", *cases.LAYER)
        names = ("ours, node-major input", "ours", "kpnn2", "masked dense", "torch.sparse, COO", "torch.sparse, CSR")
        *entries, copied, multiplied = self.turns(names, "layer", path, CELLS)
        text = f"{describe(graph)}, {CELLS} cells; forward, and the gradients of input, weights and bias."
        return [
            Section("Layer", text, RATIO_HEADER, ratio_table(entries)),
            floor(graph, CELLS, entries[0], copied, multiplied),
        ]

    def training(self) -> list[Section]:
        """A training step of a pathway-like graph."""
        _, path = self.random("pathways", *cases.PATHWAYS)
        return [
            self.training_section(f"Training step, random pathways, {cells} cells", "pathways", path, cells)
            for cells in (CELLS, 64)
        ]

    def real(self, name: str) -> list[Section]:
        """A training step of a graph of real genes and pathways."""
        title, make = REAL[name]
        if not self.options.data.exists():
            return []
        _, path = self.graph(name, lambda: make(self.options.data))
        return [self.training_section(title, name, path, CELLS)]

    def training_section(self, title: str, name: str, path: str, cells: int) -> Section:
        """A training step of any graph."""
        names = ["ours", "ours, node-major input", "kpnn2", "public edge2torch", "masked dense", "perceptron"]
        entries = self.turns(names, "training", path, cells)
        text = f"{describe(self.graphs[name])}, {cells} cells; tanh between the layers."
        return Section(title, text, RATIO_HEADER, ratio_table(entries, LINEAR))

    def blocks(self) -> list[Section]:
        """Every layer of our model, alone."""
        sections = []
        for name, (title, make) in REAL.items():
            if not self.options.data.exists():
                continue
            graph, path = self.graph(name, lambda make=make: make(self.options.data))
            with self.environments["ours"].start() as worker:
                request = {"contestant": "ours, node-major input", "kind": "training", "graph": path, "cells": CELLS}
                answer = worker.ask("prepare", PREPARE_LIMIT, **request)
                answer = answer if "reason" in answer else worker.ask("layers", STEP_LIMIT)
            sections.append(block_section(title.removeprefix("Training step, "), graph, answer))
        return sections

    def memory(self) -> list[Section]:
        """Peak memory of a training step."""
        graph, path = self.random("wide", *cases.WIDE)
        states = 4 * sum(graph.sizes) * MEMORY_CELLS
        rows = []
        for name in self.known(["ours", "ours, node-major input", "kpnn2", "public edge2torch", "masked dense"]):
            with self.environments[name].start() as worker:
                request = {"contestant": name, "kind": "training", "graph": path, "cells": MEMORY_CELLS}
                answer = worker.ask("prepare", PREPARE_LIMIT, **request)
                answer = answer if "reason" in answer else worker.ask("memory", STEP_LIMIT)
            extra = answer.get("extra_bytes", np.nan)
            rows.append([name, number(extra / 1e6), number(extra / states), answer.get("reason", "")])
        text = (
            f"{describe(graph)}, {MEMORY_CELLS} cells: how far resident memory rises in the first training step. "
            f"The states of all nodes, inputs included, are {number(states / 1e6)} MB."
        )
        return [Section("Memory", text, ("contestant", "MB", "multiple of the states", "remark"), rows)]

    def fit(self) -> list[Section]:
        """Training through the whole way of the data."""
        graph, path = self.random("collection", collection.SIZES, collection.EDGES)
        collection.write(self.folder)
        peers = {name: self.environments[name] for name in self.known(["kpnn2", "public edge2torch"])}
        rates = [
            fit_rates(describe(graph), self.environments["ours"], peers, path, cells, self.options.rounds)
            for cells in (64, CELLS)
        ]
        return [*rates, fit_memory(self.environments["ours"], self.folder, self.options.pictures)]

    def attribution(self) -> list[Section]:
        """Scores of nodes."""
        graph, path = self.random("pathways", *cases.PATHWAYS)
        sections = [few_cells(describe(graph), self.environments, path, self.options.rounds)]
        if self.options.data.exists():
            graph, path = self.graph("reactome", lambda: cases.reactome_graph(self.options.data))
            sections.append(many_cells(describe(graph), self.environments["ours"], path))
        return sections

    def compile(self) -> list[Section]:
        """From edge list to model."""
        graph, path = self.random("large", *cases.LARGE)
        rows = []
        for name in self.known(["ours", "kpnn2", "public edge2torch"]):
            with self.environments[name].start() as worker:
                answer = worker.ask("compile", COMPILE_LIMIT, contestant=name, graph=path)
            seconds, extra = answer.get("seconds", [np.nan])[0], answer.get("extra_bytes", np.nan)
            rows.append([name, number(seconds), number(extra / 1e6), answer.get("reason", "")])
        text = f"{describe(graph)}; from a DataFrame to a model, once."
        return [Section("Compile", text, ("contestant", "s", "MB", "remark"), rows)]

    def gpu(self) -> list[Section]:
        """Layer and training step on another device."""
        sections = []
        for kind, (sizes, edges) in {"layer": cases.GO_LAYER, "training": cases.GO_PATHWAYS}.items():
            graph, path = self.random(f"go_{kind}", sizes, edges)
            entries = self.turns(["ours", "ours, node-major input", "masked dense"], kind, path, CELLS)
            with self.environments["ours"].start("--no-limit") as worker:
                request = {"contestant": "ours", "kind": kind, "graph": path, "cells": CELLS}
                answer = worker.ask("difference", PREPARE_LIMIT, device=self.options.device, **request)
            found = answer.get("reason") or f"{answer['difference']:.1e}"
            note = f"Largest absolute difference between ours on this device and on the CPU, float32: {found}."
            title = f"{kind.capitalize()} step on {self.options.device}"
            text = f"{describe(graph)}, {CELLS} cells."
            sections.append(Section(title, text, RATIO_HEADER, ratio_table(entries), [note]))
        return sections


def floor(graph: LayeredGraph, cells: int, ours: Entry, copied: Entry, multiplied: Entry) -> Section:
    """Compare the layer step with what the machine can do at best."""
    edges, nodes, targets = graph.source.size, sum(graph.sizes), graph.sizes[1]
    n_bytes = 4 * (2 * nodes * cells + 2 * edges + 2 * targets)
    flops = 3 * 2 * edges * cells
    copy_rate = 2 * rates.COPY_BYTES / copied.median
    gemm_rate = 2 * rates.GEMM_SIZE**3 / multiplied.median
    least = max(n_bytes / copy_rate, flops / gemm_rate)
    read = 3 * 4 * edges * cells
    rows = [
        ["copy of 20 MB, read and written", f"{number(copy_rate / 1e9)} GB/s", milliseconds(copied)],
        ["product of 1,024 x 1,024 matrices", f"{number(gemm_rate / 1e9)} GFLOP/s", milliseconds(multiplied)],
        ["bytes of the layer step, at least", f"{number(n_bytes / 1e6)} MB", number(1e3 * n_bytes / copy_rate)],
        ["operations of the layer step", f"{number(flops / 1e6)} MFLOP", number(1e3 * flops / gemm_rate)],
        [ours.name, f"{number(ours.median / least)} times the larger of the two", milliseconds(ours)],
        ["the same as a rate of reading rows", f"{number(read / ours.median / 1e9)} GB/s", ""],
    ]
    text = (
        "Each state, weight and gradient read or written once; two operations per edge and cell in each of the three "
        "products. Rates and step were measured in the same run. Every edge reads a row in each product, "
        f"{number(read / 1e6)} MB in all, in no order that a cache could foresee: that, not arithmetic, takes the time."
    )
    return Section("Layer, beside the least that it needs", text, ("what", "", "ms"), rows)


def block_section(title: str, graph: LayeredGraph, answer: dict) -> Section:
    """Table of the layers of our model."""
    rows, total = [], np.zeros(2)
    for depth, took in enumerate(answer.get("layers", []), start=1):
        source = graph.source[graph.edges_into(depth)]
        sizes = (depth, graph.sizes[depth], source.size, np.unique(source).size)
        times = np.array([took["forward"], took["backward"]]) * 1e3
        total += times
        rows.append([*(f"{n:,}" for n in sizes), *map(number, times)])
    rows.append(["all", "", f"{graph.source.size:,}", "", *map(number, total)])
    text = (
        f"Each module of `model.blocks` alone, {CELLS} cells, on the states that it gets in the whole model. A layer "
        "takes the time of reading a row for each edge, of copying the nodes read beside each other and of adding up "
        "their gradients; a small one that of some 30 calls of torch. The training step above does not go through the "
        "modules, and copies no states."
    )
    header = ("layer", "nodes", "edges", "nodes read", "forward, ms", "backward, ms")
    return Section(f"Layers of ours, {title}", text, header, rows, [answer.get("reason", "")])


def facts(bench: Bench) -> list[str]:
    """What the numbers depend on."""
    rows = []
    with bench.environments["ours"].start("--no-limit") as worker:
        software = worker.ask("versions", PREPARE_LIMIT)
    rows.append(f"{machine.cpu_model()}, {machine.cpu_features()}; {machine.memory_gb():.0f} GB of memory")
    if bench.options.device != "cpu":
        rows.append(f"GPU: {software['cuda']}")
    rows.append(f"Python {software['python']}, torch {software['torch']}, {software['threads']} thread")
    rows.append(f"{bench.options.rounds} rounds, {dt.datetime.now(dt.UTC):%Y-%m-%d}")
    return rows


def parse(cpu_cases: Iterable[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=list(cpu_cases), help="all without this")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=Path, help="Python of the environment with the packages of peers.txt")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="tables of real genes")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--pictures", type=Path, help="folder for pictures; docs/images with docs/speed.md")
    parser.add_argument("--output", type=Path, help="page to write; docs/speed.md if all cases run on the CPU")
    return parser.parse_args()


def main() -> None:
    """Run the cases; print the tables and write the page."""
    methods = ("layer", "training", "reactome", "go", "blocks", "memory", "attribution", "fit", "compile")
    options = parse(methods)
    if not options.cases and options.device == "cpu" and not options.pictures:
        options.pictures = ROOT / "docs" / "images"
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    chosen = options.cases or (list(methods) if options.device == "cpu" else ["gpu"])
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        known = facts(bench)
        if options.device != "cpu" and known[1].endswith("None"):
            sys.exit(f"--device {options.device}: torch finds no GPU here")
        print("\n".join(known))
        sections = []
        for name in chosen:
            found = bench.real(name) if name in REAL else getattr(bench, name)()
            for section in found:
                print(f"\n{section}", flush=True)
            sections += found
    output = options.output or (ROOT / "docs" / "speed.md" if chosen == list(methods) else None)
    if output:
        output.write_text(page(known, sections))


if __name__ == "__main__":
    main()
