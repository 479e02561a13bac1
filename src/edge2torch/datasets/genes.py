"""Genes, how much there is of them, and how that varies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import truncnorm

from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import name_apart

Numbers = npt.NDArray[np.float64]
#: standard deviation of the natural logarithm of mean counts, and how many of them below its mean genes are too rare to
#: be among those that were measured
MEAN_SD, RAREST = 2.0, -1.5
#: standard deviation of the natural logarithm of dispersions around their trend
DISPERSION_SD = 0.7


def make_genes(
    names: list[str],
    gene_means: Mapping[str, float] | pd.Series | None,
    mean_counts: float,
    n_other_genes: int,
    draws: tuple[np.random.Generator, np.random.Generator],
) -> pd.DataFrame:
    """Make the genes and their parameters: those of the graph, then others."""
    others = list(name_apart([f"other_{k + 1}" for k in range(n_other_genes)], set(names), "_").values())
    means = draw_means(len(names) + n_other_genes, mean_counts, draws[0])
    if gene_means is not None:
        means[: len(names)] = _given_means(gene_means, names)
    table = {"mean": means, "dispersion": draw_dispersions(means, draws[1])}
    return pd.DataFrame({**table, "in_graph": np.arange(means.size) < len(names)}, index=[*names, *others])


def draw_means(n_genes: int, mean_counts: float, generator: np.random.Generator) -> Numbers:
    """Draw the mean count of each gene from a log-normal distribution without its lower end, 7% of it.

    The mean of all is ``mean_counts``.
    """
    means = np.exp(MEAN_SD * truncnorm.rvs(RAREST, np.inf, size=n_genes, random_state=generator))
    return np.asarray(means * (mean_counts / means.mean()))


def draw_dispersions(means: Numbers, generator: np.random.Generator) -> Numbers:
    """Draw dispersions around their trend, so that counts have the variance ``mean + dispersion * mean ** 2``.

    The trend, ``0.08 + 0.9 / (1 + mean / 1.5)``, follows the medians within cell types of PBMC3k.
    """
    trend = 0.08 + 0.9 / (1.0 + means / 1.5)
    return np.asarray(trend * np.exp(DISPERSION_SD * generator.standard_normal(means.size)))


def _given_means(gene_means: Mapping[str, float] | pd.Series, names: list[str]) -> npt.NDArray[np.float64]:
    if not isinstance(gene_means, Mapping | pd.Series):
        raise Edge2TorchError(
            f"gene_means must be a Series or dict with the names of genes, not {type(gene_means).__name__}"
        )
    given = pd.Series(gene_means)
    if not given.index.is_unique:
        raise Edge2TorchError("gene_means has genes more than once: keep one value of each")
    missing = [name for name in names if name not in given.index]
    if missing:
        raise Edge2TorchError(
            f"gene_means lacks {len(missing):,} of {len(names):,} genes of the graph: {some(missing)}"
        )
    values = pd.to_numeric(given.reindex(names), errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = np.flatnonzero(~((values >= 0) & (values < np.inf)))
    if wrong.size or not values.sum():
        what = some([names[k] for k in wrong]) if wrong.size else "all are 0"
        raise Edge2TorchError(f"gene_means must be mean counts, at least 0 and finite: {what}")
    return values
