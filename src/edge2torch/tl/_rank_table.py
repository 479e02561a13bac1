"""The table of ``e2t.tl.rank_nodes``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control

from edge2torch.control import Comparison, between, compare, expect
from edge2torch.tl._evidence import Model
from edge2torch.tl._question import directions

if TYPE_CHECKING:
    from edge2torch.tl._evidence import Evidence
    from edge2torch.tl._question import Question
    from edge2torch.tl._strata import Strata

Floats = npt.NDArray[np.float64]

#: share of the nodes of a group that are its best, for stability
BEST = 0.05
#: how many of the sources of a node are named
SOURCES = 5


def rank_table(
    own: Sequence[Evidence], by: str, compared: Mapping[str, Sequence[Evidence]], strata: Strata, question: Question
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Make the table that :func:`edge2torch.get.rank_nodes` describes, and what each model says.

    Parameters
    ----------
    own
        Of each replicate.
    by
        Kind of the controls that decide.
    compared
        Of each control of each kind.
    strata
        Cells of each group.
    question
        What was asked.

    Returns
    -------
    The table, and :data:`edge2torch._keys.RANK_NODES_MODELS` without the names of the models: first the replicates,
    then the controls, kind by kind.
    """
    wiring = _wiring(question)
    scores = np.stack([one.strata.mean(one.score) for one in own])
    of_controls = {kind: np.stack([one.strata.mean(one.score) for one in each]) for kind, each in compared.items()}
    expected = expect(of_controls[by], wiring)
    found, z = _compare(own, by, compared, strata, wiring)
    edges = strata.mean(np.mean([one.edges for one in own], axis=0))
    sources = _Sources.of(question)
    columns = {
        "score": scores.mean(axis=0),
        "control": expected,
        "corrected": scores.mean(axis=0) - expected,
        "z": found.z,
        "pval": found.pval,
        "padj": np.stack([_adjust(pval) for pval in found.pval]),
        "stability": _stability(found.each),
        "direction": directions(question, own, strata),
        "support": sources.support(edges),
        **{kind: _mean_of_known(each) for kind, each in of_controls.items() if kind != by},
    }
    nodes = question.nodes[["node", "label", "layer", "n_inputs"]]
    tables = []
    for g, name in enumerate(strata.names):
        table = nodes.assign(
            **{column: values[g] for column, values in columns.items()}, sources=sources.names(edges[g])
        )
        table.insert(0, "group", name)
        tables.append(table.sort_values(["z", "corrected"], ascending=False, kind="stable"))
    kinds = ["replicate"] * len(own) + [kind for kind, each in compared.items() for _ in each]
    models = {
        "kind": np.array(kinds, dtype=object),
        "group": np.array(strata.names, dtype=object),
        "score": np.concatenate([scores, *of_controls.values()]).astype(np.float32),
        "z": z.astype(np.float32),
    }
    return pd.concat(tables, ignore_index=True), models


def _wiring(question: Question) -> Floats:
    """What nodes that are wired alike have in common: how many genes they see, what they read and feed, their layer."""
    nodes = question.nodes
    return np.column_stack(
        [
            np.log(np.maximum(nodes["n_inputs"].to_numpy(dtype=float), 1)),
            np.log(np.maximum(nodes["in_degree"].to_numpy(dtype=float), 1)),
            np.log(np.maximum(nodes["out_degree"].to_numpy(dtype=float), 1)),
            nodes["layer"].to_numpy(dtype=float),
        ]
    )


def _compare(
    own: Sequence[Evidence], by: str, compared: Mapping[str, Sequence[Evidence]], strata: Strata, wiring: Floats
) -> tuple[Comparison, Floats]:
    """Compare the evidence of the replicates with that of controls; also ``z`` of each model."""
    controls = compared[by]
    others = [one for kind, each in compared.items() if kind != by for one in each]
    spread = None
    if strata.donors is not None:
        mean = np.mean([one.evidence for one in own], axis=0)
        spread = np.stack([_between(mean, strata, wiring), *_spreads(controls, wiring)])
    rest = None
    if others:
        rest = _means(others), None if strata.donors is None else np.stack(_spreads(others, wiring))
    found = compare(_means(own), _means(controls), wiring, spread, rest)
    left = iter(found.others)
    of_kinds = [found.chance if kind == by else np.stack([next(left) for _ in each]) for kind, each in compared.items()]
    return found, np.concatenate([found.each, *of_kinds])


def _means(models: Sequence[Evidence]) -> Floats:
    """Evidence of each model in each group, (models, groups, nodes)."""
    return np.stack([one.strata.mean(one.evidence) for one in models])


def _spreads(models: Sequence[Evidence], wiring: Floats) -> list[Floats]:
    return [_between(one.evidence, one.strata, wiring) for one in models]


def _between(values: Floats, strata: Strata, wiring: Floats) -> Floats:
    """Variance of the mean over the donors of each group, (groups, nodes); NaN for groups of one donor."""
    each = [values[strata.group == g] for g in range(len(strata.names))]
    return np.stack([between(one, wiring) if len(one) > 1 else np.full(values.shape[1], np.nan) for one in each])


def _adjust(pval: Floats) -> Floats:
    """Benjamini-Hochberg, over the nodes of a group."""
    known = np.isfinite(pval)
    adjusted = np.full(pval.shape, np.nan)
    if known.any():
        adjusted[known] = false_discovery_control(pval[known])
    return adjusted


def _mean_of_known(tables: Floats) -> Floats:
    """Mean over those tables that have a value."""
    known = np.isfinite(tables)
    total, n = np.where(known, tables, 0).sum(axis=0), known.sum(axis=0)
    return np.asarray(np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0))


def _stability(each: Floats) -> Floats:
    """Share of replicates in which a node is among the best of a group; NaN for one replicate, or if unknown."""
    if len(each) == 1:
        return np.full(each.shape[1:], np.nan)
    best = max(int(np.ceil(BEST * each.shape[2])), 1)
    rank = np.argsort(np.argsort(-each, axis=2, kind="stable"), axis=2, kind="stable")
    return np.where(np.isnan(each).any(axis=0), np.nan, (rank < best).mean(axis=0))


class _Sources:
    """What leads to each node."""

    def __init__(self, target: npt.NDArray[np.intp], names: npt.NDArray[np.object_], n_nodes: int) -> None:
        self.target, self.of_edge, self.n_nodes = target, names, n_nodes

    @classmethod
    def of(cls, question: Question) -> _Sources:
        model = Model.of(question.replicates[0], question.artifact, question.artifact)
        names = question.artifact.graph.edges["source"].iloc[model.edges].astype(object)
        labels = question.gene_labels
        return cls(model.target, names.map(lambda name: labels.get(name, name)).to_numpy(), len(model.hidden))

    def support(self, edges: Floats) -> Floats:
        """How many sources a score comes from, (groups, nodes): the square of the sum over the sum of the squares."""
        sizes = np.abs(edges)
        total = np.stack([np.bincount(self.target, row, minlength=self.n_nodes) for row in sizes])
        squares = np.stack([np.bincount(self.target, row**2, minlength=self.n_nodes) for row in sizes])
        return np.asarray(np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0))

    def names(self, edges: Floats) -> list[str]:
        """Names of the sources over which most of the score of each node arrives, most first."""
        total = np.bincount(self.target, edges, minlength=self.n_nodes)
        towards = edges * np.where(total < 0, -1, 1)[self.target]
        order = np.lexsort((-towards, self.target))
        first = np.searchsorted(self.target[order], np.arange(self.n_nodes + 1))
        return [
            ", ".join(str(self.of_edge[edge]) for edge in order[a : min(b, a + SOURCES)] if towards[edge] > 0)
            for a, b in pairwise(first)
        ]
