"""Spearman's rank correlation with a bootstrap interval."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy import stats

_RESAMPLES = 1000
_INTERVAL = (2.5, 97.5)  # percentiles
_VALUES_AT_ONCE = 2_000_000  # largest number of resampled values in memory


class RankCorrelation(NamedTuple):
    """Spearman's rho of two quantities over faces.

    Attributes:
      rho: correlation, -1 to 1; NaN where one of the quantities does not vary.
      low: lower end of the 95 % bootstrap interval.
      high: upper end of the interval.
      faces: number of faces for which both quantities are known.
    """

    rho: float
    low: float
    high: float
    faces: int

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def rho(a: np.ndarray, b: np.ndarray) -> float:
    """Returns Spearman's rho of two quantities [faces] without NaN; NaN where one of them does not vary."""
    if len(a) < 2 or (a == a[0]).all() or (b == b[0]).all():
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)


def spearman(a: np.ndarray, b: np.ndarray, seed: int = 0) -> RankCorrelation:
    """Returns Spearman's rank correlation of two quantities.

    The interval is that of the percentile bootstrap: 1,000 resamples of the faces, drawn with replacement. A resampled
    face keeps its ranks among all faces. Resamples in which a quantity does not vary are left out.

    Args:
      a: first quantity, [faces]; infinite values have the highest rank, faces with NaN are left out.
      b: second quantity, [faces], treated like the first.
      seed: seed of the bootstrap.
    """
    both = ~(np.isnan(a) | np.isnan(b))
    count = int(both.sum())
    a, b = a[both], b[both]
    whole = rho(a, b)
    if count < 3 or np.isnan(whole):
        return RankCorrelation(np.nan, np.nan, np.nan, count)
    ranks = stats.rankdata(a), stats.rankdata(b)
    with warnings.catch_warnings():
        # scipy warns of resamples in which a quantity does not vary.
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        resampled = stats.bootstrap(
            ranks,
            _correlation,
            paired=True,
            vectorized=True,
            n_resamples=_RESAMPLES,
            batch=max(1, _VALUES_AT_ONCE // count),
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    low, high = np.nanpercentile(resampled.bootstrap_distribution, _INTERVAL)
    return RankCorrelation(whole, float(low), float(high), count)


def _correlation(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """Pearson's correlation along an axis."""
    return stats.pearsonr(a, b, axis=axis).statistic
