"""Spearman's rank correlation with a bootstrap interval."""

from typing import NamedTuple

import numpy as np

_RESAMPLES = 1000
_LEVEL = 95.0  # percent


class RankCorrelation(NamedTuple):
    """Spearman's rho of two quantities over faces.

    Attributes:
      rho: -1 to 1; NaN where one of the quantities does not vary.
      low: lower end of the 95 % bootstrap interval.
      high: its upper end.
      faces: that have both quantities.
    """

    rho: float
    low: float
    high: float
    faces: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 of values [n], float64 [n]; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of a [n] and b [n]; NaN where one does not vary."""
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread > 1e-9 else float("nan")


def spearman(a: np.ndarray, b: np.ndarray, seed: int = 0) -> RankCorrelation:
    """Spearman's rank correlation of two quantities.

    The interval is that of the percentile bootstrap: 1,000 times as many faces are drawn with replacement, with the
    ranks they have among all faces.

    Args:
      a: [faces]; infinite values rank last, NaN takes a face out.
      b: [faces], the same.
      seed: of the bootstrap.
    """
    both = ~(np.isnan(a) | np.isnan(b))
    count = int(both.sum())
    if count < 3:
        return RankCorrelation(np.nan, np.nan, np.nan, count)
    a, b = ranks(a[both]), ranks(b[both])
    rho = correlation(a, b)
    if np.isnan(rho):
        return RankCorrelation(rho, np.nan, np.nan, count)
    rng = np.random.default_rng(seed)
    resamples = (rng.integers(count, size=count) for _ in range(_RESAMPLES))
    drawn = [correlation(a[rows], b[rows]) for rows in resamples]
    drawn = [value for value in drawn if not np.isnan(value)]  # a resample may hold one value only
    low, high = np.percentile(drawn, [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2]) if drawn else (np.nan, np.nan)
    return RankCorrelation(rho, float(low), float(high), count)
