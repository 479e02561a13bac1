"""Scores beside those of controls, where the truth is known."""

import numpy as np
import pytest
from scipy import stats

from edge2torch.control import between, compare, expect

N, GROUPS, CONTROLS = 400, 3, 5


def draw(random: np.random.Generator, n: int, genes: np.ndarray, tail: float = np.inf) -> np.ndarray:
    """Scores that grow with the number of genes, and vary more with it, (n, groups, nodes)."""
    noise = random.standard_t(tail, (n, GROUPS, N)) if np.isfinite(tail) else random.normal(size=(n, GROUPS, N))
    return 0.1 * genes + np.sqrt(genes) * noise


def wiring(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    genes = np.exp(random.normal(3, 1, N))
    return genes, np.log(genes)[:, None]


@pytest.mark.parametrize("tail", [np.inf, 3.0])
def test_without_signal_p_values_are_uniform_whatever_the_tails(tail: float) -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(20):
        genes, wired = wiring(random)
        found.append(compare(draw(random, 1, genes, tail), draw(random, CONTROLS, genes, tail), wired).pval)
    pval = np.concatenate(found).ravel()
    assert stats.kstest(pval, "uniform").statistic < 0.02
    assert 0.04 < (pval < 0.05).mean() < 0.06
    hubs = np.concatenate([one.T[np.argsort(genes)[-40:]].ravel() for one in found[-1:]])
    assert (hubs < 0.05).mean() < 0.15


def test_hubs_and_small_nodes_are_expected_to_score_as_they_do() -> None:
    random = np.random.default_rng(1)
    genes, wired = wiring(random)
    result = compare(draw(random, 1, genes), draw(random, 50, genes), wired)
    np.testing.assert_allclose(result.expected.mean(axis=0), 0.1 * genes, atol=0.5 * np.sqrt(genes).max())
    ratio = result.deviation / np.sqrt(genes)
    assert np.abs(ratio - 1).max() < 0.25


def test_what_exceeds_its_wiring_is_found_and_a_hub_is_not() -> None:
    random = np.random.default_rng(2)
    genes, wired = wiring(random)
    scores = draw(random, 1, genes)
    small = np.argsort(genes)[:5]
    scores[:, 0, small] += 8 * np.sqrt(genes[small])
    result = compare(scores, draw(random, CONTROLS, genes), wired)
    assert set(np.argsort(-result.z[0])[:5]) == set(small)
    assert (stats.false_discovery_control(result.pval[0])[small] < 0.05).all()
    hub = np.argmax(genes)
    assert scores[0, 0, hub] > scores[0, 0, small].max()
    assert result.pval[0, hub] > 0.01


def test_own_controls_count_as_far_as_they_differ_by_more_than_chance() -> None:
    random = np.random.default_rng(3)
    genes, wired = wiring(random)
    own = 5 * np.sqrt(genes) * random.normal(size=N)  # what the wiring that is known does not say
    result = compare(draw(random, 1, genes) + own, draw(random, CONTROLS, genes) + own, wired)
    truth = 0.1 * genes + own
    assert np.corrcoef((result.expected - truth)[0] / np.sqrt(genes), own / np.sqrt(genes))[0, 1] ** 2 < 0.05


def test_the_mean_of_replicates_varies_less_if_replicates_differ() -> None:
    random = np.random.default_rng(4)
    genes, wired = wiring(random)
    controls = draw(random, CONTROLS, genes)
    one = compare(draw(random, 1, genes), controls, wired)
    many = compare(draw(random, 4, genes), controls, wired)
    alike = compare(np.repeat(draw(random, 1, genes), 4, axis=0), controls, wired)
    np.testing.assert_allclose(alike.deviation, one.deviation)
    np.testing.assert_allclose(many.deviation / one.deviation, 0.5, atol=0.1)


def test_variance_between_donors_counts() -> None:
    random = np.random.default_rng(5)
    genes, wired = wiring(random)
    donors = draw(random, 6, genes)
    spread = np.stack([between(donors[:, g], wired) for g in range(GROUPS)])
    np.testing.assert_allclose(spread / (genes / 6), 1, atol=0.6)
    scores, controls = draw(random, 1, genes), draw(random, CONTROLS, genes)
    without = compare(scores, controls, wired)
    result = compare(scores, controls, wired, np.repeat(spread[None], 1 + CONTROLS, axis=0))
    np.testing.assert_allclose(result.deviation**2, without.deviation**2 + spread)


def test_nodes_that_no_control_ever_scores_are_not_found() -> None:
    zero = np.zeros((CONTROLS, 1, 10))
    result = compare(zero[:1], zero, np.zeros((10, 1)))
    assert (result.z == 0).all()
    assert (result.pval == 1).all()


def test_few_nodes_have_no_trend() -> None:
    random = np.random.default_rng(6)
    result = compare(random.normal(size=(1, 1, 3)), random.normal(size=(4, 1, 3)), np.arange(3.0)[:, None])
    assert np.isfinite(result.z).all()
    assert ((result.pval > 0) & (result.pval <= 1)).all()


@pytest.mark.parametrize(("n_replicates", "n_controls", "own"), [(1, 2, 0.0), (1, 2, 3.0), (10, 5, 3.0), (10, 2, 1.0)])
def test_p_values_hold_for_two_controls_and_for_many_replicates(n_replicates: int, n_controls: int, own: float) -> None:
    """Whether or not nodes have an expectation of their own, whose error replicates do not make smaller."""
    random = np.random.default_rng(7)
    found = []
    for _ in range(8):
        genes, wired = wiring(random)
        offset = own * np.sqrt(genes) * random.normal(size=N)
        scores, controls = (draw(random, n, genes) + offset for n in (n_replicates, n_controls))
        found.append(compare(scores, controls, wired).pval)
    assert (np.concatenate(found) < 0.05).mean() < 0.065
    assert (np.concatenate(found) < 0.01).mean() < 0.015


def test_a_control_without_scores_in_a_group_does_not_count_there() -> None:
    random = np.random.default_rng(8)
    genes, wired = wiring(random)
    scores, controls = draw(random, 1, genes), draw(random, CONTROLS, genes)
    controls[2, 1], controls[1:, 2] = np.nan, np.nan
    result = compare(scores, controls, wired)
    without = compare(scores[:, 1:2], np.delete(controls[:, 1:2], 2, axis=0), wired)
    np.testing.assert_array_equal(result.expected[1], without.expected[0])
    np.testing.assert_array_equal(result.expected, expect(controls, wired))
    assert np.isfinite(result.pval[:2]).all()
    assert np.isnan(result.pval[2]).all()
    assert np.isnan(result.z[2]).all()


def test_nodes_that_hardly_vary_do_not_decide_what_is_expected_of_others() -> None:
    """Weight decay leaves next to nothing of many nodes, the more so the fewer genes they have."""
    random = np.random.default_rng(3)
    genes, wired = wiring(random)
    largest = np.quantile(genes, 0.97)
    strength = 10.0 ** -(15 * np.clip(1 - genes / largest, 0, 1) * random.random(N))
    scores, controls = (strength * random.normal(size=(n, GROUPS, N)) * np.sqrt(genes) for n in (1, CONTROLS))
    assert np.abs(expect(controls, wired)).max() < 10 * np.abs(controls).max()
    assert np.isfinite(compare(scores, controls, wired).z).all()
