"""Random graphs, models of them with random biases, and what they should compute, written down with dense matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from edge2torch import CompileArtifact, compile_graph
from edge2torch.nn import EdgeModel, FeedforwardModel

FUNCTIONS = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, None: lambda z: z}
CONSTRAINTS = ["unconstrained", "positive", "negative", "fixed"]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch use one thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def make() -> Callable[..., tuple[EdgeModel, CompileArtifact]]:
    """Compile an edge list and draw biases, which would be 0 otherwise."""

    def make(edges: pd.DataFrame, seed: int = 0, **options: Any) -> tuple[EdgeModel, CompileArtifact]:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model, artifact = compile_graph(edges, quiet=True, **options)
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    torch.nn.init.normal_(parameter)
        return model, artifact

    return make


@pytest.fixture(scope="session")
def states_by_formula() -> Callable[..., dict[str, np.ndarray]]:
    """Compute ``s_v = act(sum w_uv s_u + b_v)`` node by node, in float64; outputs have no activation."""

    def states(
        model: EdgeModel, artifact: CompileArtifact, x: torch.Tensor, activation: str | None
    ) -> dict[str, np.ndarray]:
        into: dict[str, dict[str, float]] = {}
        weights = model.edge_weights().tolist()
        for (_, edge), weight in zip(artifact.graph.edges.iterrows(), weights, strict=True):
            into.setdefault(edge["target"], {})[edge["source"]] = weight
        feeding = {source for sources in into.values() for source in sources}
        bias = {}
        for k, block in enumerate(model.blocks, start=1):
            names = artifact.node_names_by_layer[f"layer_{k}"]
            values = [0.0] * len(names) if block.linear.bias is None else block.linear.bias.tolist()
            bias.update(zip(names, values, strict=True))
        state = dict(zip(artifact.feature_names, x.double().numpy().T, strict=True))
        for node in TopologicalSorter({target: sources.keys() for target, sources in into.items()}).static_order():
            if node in into:
                z = bias[node] + sum(weight * state[source] for source, weight in into[node].items())
                state[node] = FUNCTIONS[activation](z) if node in feeding else z
        return state

    return states


@pytest.fixture(scope="session")
def skipping() -> pd.DataFrame:
    """Two outputs at different depths, one beside a hidden node, and edges that skip one and two layers."""
    pairs = ["a h1", "b h1", "b h2", "c h2", "h1 k", "h2 k", "a k", "h2 early", "k late", "c late", "h1 late"]
    return pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])


@pytest.fixture(scope="session")
def bipartite() -> Callable[[int, int], pd.DataFrame]:
    """Every one of ``in_degree`` inputs leads to each of so many outputs that there are ``n_edges``."""

    def edges(in_degree: int, n_edges: int) -> pd.DataFrame:
        n_targets = math.ceil(n_edges / in_degree)
        return pd.DataFrame(
            {
                "source": np.tile([f"in{i}" for i in range(in_degree)], n_targets),
                "target": np.repeat([f"out{i}" for i in range(n_targets)], in_degree),
            }
        )

    return edges


@st.composite
def _cyclic_edges(draw: st.DrawFn) -> tuple[pd.DataFrame, int]:
    """Draw an edge list with feedback and self loops, and how far its outputs are from the inputs at most."""
    n_inputs = draw(st.integers(1, 3))
    n_nodes = n_inputs + draw(st.integers(2, 6))
    names = draw(st.permutations([f"n{i}" for i in range(n_nodes)]))
    pairs = {(draw(st.integers(0, target - 1)), target) for target in range(n_inputs, n_nodes)}
    pairs |= {(source, draw(st.integers(n_inputs, n_nodes - 1))) for source in range(n_inputs)}
    anywhere = st.tuples(st.integers(0, n_nodes - 2), st.integers(n_inputs, n_nodes - 1))
    pairs |= draw(st.sets(anywhere, min_size=1, max_size=10))
    distance = dict.fromkeys(range(n_inputs), 0)
    for _ in range(n_nodes):
        for source, target in pairs:
            if source in distance:
                distance[target] = min(distance.get(target, n_nodes), distance[source] + 1)
    rows = [(names[source], names[target]) for source, target in draw(st.permutations(sorted(pairs)))]
    return pd.DataFrame(rows, columns=["source", "target"]), max(distance.values())


@pytest.fixture(scope="session")
def cyclic_edges() -> st.SearchStrategy[tuple[pd.DataFrame, int]]:
    return _cyclic_edges()


@pytest.fixture(scope="session")
def loops() -> pd.DataFrame:
    """Two hidden nodes that feed each other, one of them itself too, and two outputs."""
    pairs = ["a h", "b k", "h k", "k h", "k k", "h out", "k out", "b late", "h late"]
    return pd.DataFrame([pair.split() for pair in pairs], columns=["source", "target"])


@pytest.fixture(scope="session")
def lay_out() -> Callable[[Tensor, str], Tensor]:
    """Copy the values of a state, (nodes, cells), into memory of another layout."""

    def lay_out(state: Tensor, layout: str) -> Tensor:
        if layout == "by cell":
            return state.T.contiguous().T
        if layout == "strided":
            room = torch.zeros(2 * state.shape[0], 3 * state.shape[1], dtype=state.dtype)
            room[::2, ::3] = state
            return room[::2, ::3]
        return state

    return lay_out


@pytest.fixture(scope="session")
def cells() -> Callable[..., Tensor]:
    """``cells(n_cells, n_features, seed)``: standard normal values."""
    return lambda n_cells, n_features, seed=0: torch.randn(
        n_cells, n_features, generator=torch.Generator().manual_seed(seed)
    )


@st.composite
def _constraints(draw: st.DrawFn, edges: pd.DataFrame) -> pd.DataFrame:
    """Draw constraints, and initial weights that fit them for about half of the edges and all fixed ones."""
    constraint = np.array(draw(st.lists(st.sampled_from(CONSTRAINTS), min_size=len(edges), max_size=len(edges))))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    weight = rng.uniform(0.1, 1, len(edges)) * rng.choice([-1, 1], len(edges))
    weight = np.select([constraint == "positive", constraint == "negative"], [abs(weight), -abs(weight)], weight)
    given = (constraint == "fixed") | (rng.random(len(edges)) < 0.5)
    return edges.assign(constraint=constraint, initial_weight=np.where(given, weight, np.nan))


@pytest.fixture(scope="session")
def constrained() -> Callable[[pd.DataFrame], st.SearchStrategy[pd.DataFrame]]:
    return _constraints


@st.composite
def _hidden_nodes(
    draw: st.DrawFn, edges: pd.DataFrame, activations: list[str], *, wide: bool = True
) -> pd.DataFrame | None:
    """Draw a width and an activation for every hidden node, as ``nodes`` of ``compile_graph``."""
    hidden = sorted(set(edges["source"]) & set(edges["target"]))
    if not hidden:
        return None
    table = pd.DataFrame({"node": hidden, "activation": [draw(st.sampled_from(activations)) for _ in hidden]})
    return table.assign(width=[draw(st.integers(1, 3)) for _ in hidden]) if wide else table


@pytest.fixture(scope="session")
def hidden_nodes() -> Callable[..., st.SearchStrategy[pd.DataFrame | None]]:
    return _hidden_nodes


def _units(artifact: CompileArtifact, table: pd.DataFrame | None, column: str, default: Any) -> list[Any]:
    """Look up an option of every node, in model order."""
    given = {} if table is None or column not in table else dict(zip(table["node"], table[column], strict=True))
    return [given.get(name, default) for name in artifact.graph.nodes]


def _raw_weights(model: EdgeModel, n_units: int) -> Tensor:
    """Spread the parameters behind the edges over a matrix (units, units), NaN where there is no edge."""
    raw = torch.full((n_units, n_units), torch.nan, dtype=torch.float64)
    if isinstance(model, FeedforwardModel):
        numbers = torch.arange(n_units, dtype=torch.float32)[None]
        sizes = [model.n_features, *(block.linear.offsets.numel() - 1 for block in model.blocks)]
        by_layer = numbers.split(sizes, dim=1)
        parts = [
            (block.linear, block.gather(by_layer[:k])[0].long(), sum(sizes[:k]))
            for k, block in enumerate(model.blocks, start=1)
        ]
    else:
        n = model.n_features
        parts = [(model.from_inputs, torch.arange(n), n), (model.between, torch.arange(n, n_units), n)]
    for linear, sources, first in parts:
        targets = torch.repeat_interleave(torch.arange(linear.offsets.numel() - 1), linear.offsets.diff())
        raw[first + targets, sources[linear.source]] = linear.weight.detach().double()
    return raw


@pytest.fixture(scope="session")
def dense() -> Callable[..., tuple[Tensor, Tensor, list[str]]]:
    """Write down a model as a matrix (units, units), biases (units behind the inputs,) and the activation of each."""

    def dense(
        model: EdgeModel, artifact: CompileArtifact, table: pd.DataFrame | None = None
    ) -> tuple[Tensor, Tensor, list[str]]:
        names = list(artifact.graph.nodes)
        width = _units(artifact, table, "width", 1)
        first = np.cumsum([0, *width])
        place = {name: slice(*first[i : i + 2]) for i, name in enumerate(names)}
        raw = _raw_weights(model, int(first[-1]))
        matrix = torch.zeros_like(raw)
        for edge in artifact.graph.edges.to_dict("records"):
            here = place[edge["target"]], place[edge["source"]]
            weight = raw[here]
            assert not weight.isnan().any(), "every pair of units of an edge has a weight"
            match edge.get("constraint", "unconstrained"):
                case "positive":
                    weight = weight.abs()
                case "negative":
                    weight = -weight.abs()
                case "fixed":
                    weight = torch.full_like(weight, edge["initial_weight"] / weight.shape[1])
            matrix[here] = weight
            raw[here] = torch.nan
        assert raw.isnan().all(), "and there is no other weight"
        biases = [part.bias for part in model.linears() if part.bias is not None]
        bias = torch.cat(biases).detach().double() if biases else torch.zeros(len(matrix) - model.n_features)
        activation = _units(artifact, table, "activation", "linear")
        return matrix, bias, list(np.repeat(activation, width)[model.n_features :])

    return dense


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[str]]:
    """``count(owner, name)``: a list that grows with every call of a function, which works as before."""

    def count(owner: Any, name: str) -> list[str]:
        calls: list[str] = []
        original = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            calls.append(name)
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counted)
        return calls

    return count
