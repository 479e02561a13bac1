"""Scores of nodes beside the scores that control models give to the same nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import genpareto, norm

Floats = npt.NDArray[np.float64]

#: nodes for which a trend may bend twice, once, or not at all
MANY, SOME, FEW = 60, 30, 8
#: parts into which nodes are sorted by their number of genes, and how many on each side of a part are near
PARTS, NEAR = 12, 2
#: share of the null on each side that is fitted, from how many values on; the smallest share that is said
TAIL, LEAST, SMALLEST = 0.05, 50, 1e-12
#: least variance, as a share of the mean: nodes of which weight decay left nothing vary by 1e-30 of others, and a
#: regression on the logarithm would follow them
FLOOR = 1e-6
#: how many controls tell chance
LEAST_CONTROLS = 2


@dataclass(frozen=True, eq=False)
class Comparison:
    """How scores compare with those of controls.

    Attributes
    ----------
    expected
        What a node scores by its wiring alone, (groups, nodes).
    deviation
        Standard deviation, by chance, of how far the mean of the replicates is from that, (groups, nodes).
    pval
        Share of control scores that are as far from what is expected for them, two-sided, (groups, nodes).
    z
        The same as deviate of a standard normal distribution, with the sign of the difference, (groups, nodes).
    each
        ``z`` of each replicate alone, (replicates, groups, nodes).
    chance
        ``z`` of each control among the others, (controls, groups, nodes): the null.
    others
        ``z`` of each of the other models, (models, groups, nodes).
    """

    expected: Floats
    deviation: Floats
    pval: Floats
    z: Floats
    each: Floats
    chance: Floats
    others: Floats


def compare(
    scores: Floats,
    controls: Floats,
    wiring: Floats,
    spread: Floats | None = None,
    others: tuple[Floats, Floats | None] | None = None,
) -> Comparison:
    """Compare scores with those that nodes wired alike get from control models.

    Parameters
    ----------
    scores
        Of replicates of the model, (replicates, groups, nodes).
    controls
        Of control models, (controls, groups, nodes). A control with NaN in a group does not count there; groups with
        fewer than two have NaN for all that is found.
    wiring
        What nodes that are wired alike have in common, such as the logarithm of the number of their genes, (nodes,
        properties).
    spread
        Further variance of each score, such as that between donors: (1 + controls, groups, nodes), first that of the
        mean of the replicates.
    others
        Scores of further models, (models, groups, nodes), which are compared as a single replicate would be, and their
        further variance.

    Notes
    -----
    Expectation and variance are a smooth function of the wiring, because a handful of scores per node says little about
    its variance: what limma does with a trend and infinitely many prior degrees of freedom (Smyth 2004,
    doi:10.2202/1544-6115.1027). The expectation of a node moves from there to the mean of its own controls as far as
    these differ by more than chance (empirical Bayes). The mean of replicates varies less than the score of one control
    model, by how much is measured; the expectation is no surer for that, so that its own error counts besides. Scores
    have heavy tails, so that p-values do not come from a normal distribution: each control in turn is compared with the
    others, and these differences, of all groups and of nodes with about as many genes, are what those of the model are
    compared with. Beyond the outer 5 %, they are described by a generalised Pareto distribution (Knijnenburg et al.
    2009, doi:10.1093/bioinformatics/btp211).
    """
    n_controls, n_groups, n_nodes = controls.shape
    more = np.zeros((1 + n_controls, n_groups, n_nodes)) if spread is None else spread
    design = _design(wiring)
    expected, deviation = np.full((n_groups, n_nodes), np.nan), np.full((n_groups, n_nodes), np.nan)
    of_models, null = np.full_like(deviation, np.nan), np.full((n_controls, n_groups, n_nodes), np.nan)
    for g in range(n_groups):
        have = np.flatnonzero(np.isfinite(controls[:, g]).all(axis=1))
        if len(have) < LEAST_CONTROLS:
            continue
        known, variance = controls[have, g], _variance(controls[have, g], design)
        expected[g], error = _expect(known, variance, design)
        same = _shrinkage(scores[:, g], variance) if len(scores) > 1 else 1.0
        deviation[g] = np.sqrt(variance * same + error + more[0, g])
        of_models[g] = variance + error
        for k, i in enumerate(have):
            rest = np.delete(known, k, axis=0)
            of_rest = _variance(rest, design) if len(rest) > 1 else variance
            mean, error = _expect(rest, of_rest, design)
            null[i, g] = _divide(known[k] - mean, np.sqrt(of_rest + error + more[1 + i, g]))
    further, beyond = others or (np.empty((0, n_groups, n_nodes)), None)
    away = np.concatenate(
        [
            _divide(scores.mean(axis=0) - expected, deviation)[None],
            _divide(scores - expected, np.sqrt(of_models + more[0])),
            null,
            _divide(further - expected, np.sqrt(of_models + (0 if beyond is None else beyond))),
        ]
    )
    share = _share_beyond(away, null, wiring[:, 0])
    pval = np.minimum(2 * np.minimum(share[0], 1 - share[0]), 1.0)
    z, each, chance, of_others = np.split(norm.isf(share), np.cumsum([1, len(scores), n_controls]))
    return Comparison(expected, deviation, pval, z[0], each, chance, of_others)


def expect(controls: Floats, wiring: Floats) -> Floats:
    """What nodes score by their wiring alone, (groups, nodes), as in :func:`compare`; NaN without two controls.

    Parameters
    ----------
    controls, wiring
        As of :func:`compare`.
    """
    design = _design(wiring)
    expected = np.full(controls.shape[1:], np.nan)
    for g in range(len(expected)):
        known = controls[np.isfinite(controls[:, g]).all(axis=1), g]
        if len(known) >= LEAST_CONTROLS:
            expected[g] = _expect(known, _variance(known, design), design)[0]
    return expected


def between(scores: Floats, wiring: Floats) -> Floats:
    """Variance of the mean over donors, (nodes,): a smooth function of the wiring, see :func:`compare`.

    Parameters
    ----------
    scores
        Of each donor, at least two, (donors, nodes).
    wiring
        As in :func:`compare`.
    """
    return _variance(scores, _design(wiring)) / len(scores)


def _divide(difference: Floats, deviation: Floats) -> Floats:
    """In standard deviations; 0 where nothing varies."""
    scale = np.broadcast_to(deviation, difference.shape)
    return np.divide(difference, scale, out=np.zeros_like(difference), where=scale != 0)


def _shrinkage(scores: Floats, variance: Floats) -> float:
    """Variance of the mean of replicates, as a share of that of one model of a control."""
    of_seeds = scores.var(axis=0, ddof=1)
    total = variance.sum()
    share = min(float(of_seeds.sum() / total), 1.0) if total > 0 else 0.0
    return 1 - share * (1 - 1 / len(scores))


def _variance(controls: Floats, design: Floats) -> Floats:
    """Variance of the score of each node from one control model to the other, from (controls, nodes)."""
    own = controls.var(axis=0, ddof=1)
    if not own.any():
        return np.asarray(own)
    floor = max(own[own > 0].min(), FLOOR * own.mean())
    trend = np.exp(_fit(design, np.log(np.maximum(own, floor))))
    return np.asarray(trend * (own / trend).mean())  # the mean of logarithms is below the logarithm of the mean


def _expect(controls: Floats, variance: Floats, design: Floats) -> tuple[Floats, Floats]:
    """Expected score of each node in one control model, and the variance of that estimate, from (controls, nodes)."""
    n, n_nodes = controls.shape
    mean = controls.mean(axis=0)
    if not variance.all():
        return mean, variance
    scale, chance = np.sqrt(variance), variance / n
    trend = _fit(design, mean / scale) * scale
    excess = float(np.mean((mean - trend) ** 2 / chance)) * n_nodes / max(n_nodes - design.shape[1], 1)
    kept = max(0.0, 1 - 1 / max(excess, 1e-12))
    return trend + kept * (mean - trend), kept * chance


def _fit(design: Floats, values: Floats) -> Floats:
    return np.asarray(design @ np.linalg.lstsq(design, values, rcond=None)[0])


def _design(wiring: Floats) -> Floats:
    """Columns of a regression: lines that bend at quantiles of the first property, and lines in all others."""
    n = len(wiring)
    columns = [np.ones(n)]
    if n >= FEW:
        columns += [column for column in wiring.T if np.ptp(column) > 0]
    if n >= SOME and np.ptp(wiring[:, 0]) > 0:
        inner = (1 / 3, 2 / 3) if n >= MANY else (1 / 2,)
        columns += [np.maximum(wiring[:, 0] - knot, 0) for knot in np.quantile(wiring[:, 0], inner)]
    return np.column_stack(columns)


def _share_beyond(away: Floats, null: Floats, genes: Floats) -> Floats:
    """Share of the null of nodes with about as many genes that is higher: the fewer genes, the heavier the tails."""
    order = np.argsort(genes, kind="stable")
    parts = np.array_split(order, PARTS if len(order) >= MANY else 1)
    share = np.empty_like(away)
    for k, part in enumerate(parts):
        near = np.concatenate(parts[max(k - NEAR, 0) : k + NEAR + 1])
        share[..., part] = _upper(away[..., part], null[:, :, near])
    return share


def _upper(away: Floats, null: Floats) -> Floats:
    """Share of a null that is higher, never 0 or 1: counted in the middle, of fitted tails outside."""
    known = np.sort(null[np.isfinite(null)])
    n = len(known)
    if not n:
        return np.full(away.shape, np.nan)
    higher = n - (np.searchsorted(known, away, side="left") + np.searchsorted(known, away, side="right")) / 2
    share = (0.5 + higher) / (n + 1)
    size = int(TAIL * n)
    if size >= LEAST:
        up, down = _tail(known[-size:]), _tail(-known[:size][::-1])
        share = np.where(away > known[-size], size / n * up(away), share)
        share = np.where(away < known[size - 1], 1 - size / n * down(-away), share)
    return np.asarray(np.where(np.isfinite(away), np.clip(share, SMALLEST, 1 - SMALLEST), np.nan))


def _tail(values: Floats) -> Callable[[Floats], Floats]:
    """Fit a generalised Pareto distribution to sorted values above their least; returns its survival function."""
    start = values[0]
    over = values[1:] - start
    if not over[-1] > 0:
        return lambda x: np.where(x > start, 1 / len(values), 1.0)
    shape, _, scale = genpareto.fit(over, floc=0)
    if shape < 0:  # an end of the tail would be an end of what is possible
        shape, scale = 0.0, over.mean()
    return lambda x: np.asarray(genpareto.sf(np.maximum(x - start, 0), shape, scale=scale))
