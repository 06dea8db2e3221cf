"""Statistics of the gate on a set of faces: open channels, their correlation with other quantities, groups of faces.

The paper (Wan et al., Pattern Recognition 156, 2024, section 3) claims that the gate partitions faces by their
appearance and sends each part through its own channels. This module tests the claim, for either gate.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy.cluster import vq
from scipy.stats import rankdata

from dsat_jax.evaluation.rank_correlation import RankCorrelation, spearman

GROUPS = 6  # largest number of groups in a partition
_RESTARTS = 20
_SHUFFLES = 1000


@dataclasses.dataclass(frozen=True)
class Partition:
    """Faces grouped by the pattern of their open channels.

    Attributes:
      group: index of each face's group, int [faces]; group 0 is the largest.
      clustered: whether the groups are clusters of similar patterns (by Hamming distance). They are if the most
        common patterns have fewer than half of the faces. Otherwise the first groups are the most common patterns, and
        the last group holds all other faces if there are any.
      patterns: number of distinct patterns.
      common: numbers of faces of the most common patterns, in descending order.
      distance_within: mean Hamming distance, in channels, of a face to the majority pattern of its group.
      distance_whole: mean Hamming distance, in channels, of a face to the majority pattern of all faces.
    """

    group: np.ndarray
    clustered: bool
    patterns: int
    common: list[int]
    distance_within: float
    distance_whole: float


@dataclasses.dataclass(frozen=True)
class Explained:
    """Share of a quantity's variance that the partition explains.

    Attributes:
      share: share of the variance of the quantity's ranks between the groups (eta squared), 0 to 1.
      chance: mean of this share over random permutations of the faces.
      p_value: share of the permutations that explain at least as much.
    """

    share: float
    chance: float
    p_value: float


@dataclasses.dataclass(frozen=True)
class GateAnalysis:
    """Statistics of a gate.

    Attributes:
      open_share: share of the faces for which each channel is open, [channels].
      open_counts: number of open channels of each face, int [faces].
      correlations: rank correlation of the number of open channels with each quantity.
      partition: groups of faces with equal or similar patterns.
      explained: share of each quantity's variance between the groups; empty if there is only one group.
    """

    open_share: np.ndarray
    open_counts: np.ndarray
    correlations: dict[str, RankCorrelation]
    partition: Partition
    explained: dict[str, Explained]

    @property
    def switching(self) -> int:
        """Number of channels that are open for some faces and closed for others."""
        return int(((self.open_share > 0) & (self.open_share < 1)).sum())


def analyse(open_channels: np.ndarray, quantities: Mapping[str, np.ndarray]) -> GateAnalysis:
    """Analyses a gate.

    Args:
      open_channels: open channels of each face, bool [faces, channels].
      quantities: NME, attributes as 0 and 1, and other quantities by name, float [faces] each, NaN where unknown.
    """
    counts = open_channels.sum(axis=1)
    partition = partition_by_pattern(open_channels)
    several = partition.group.max(initial=0) > 0
    return GateAnalysis(
        open_share=open_channels.mean(axis=0),
        open_counts=counts,
        correlations={name: spearman(counts.astype(float), values) for name, values in quantities.items()},
        partition=partition,
        explained={
            name: explained(partition.group, values) for name, values in quantities.items() if several
        },
    )


def partition_by_pattern(open_channels: np.ndarray) -> Partition:
    """Groups faces by their most common patterns, or clusters them where even these have few faces.

    Args:
      open_channels: open channels of each face, bool [faces, channels].
    """
    patterns, pattern_of, sizes = np.unique(open_channels, axis=0, return_inverse=True, return_counts=True)
    common = np.sort(sizes)[::-1][: GROUPS - 1]
    clustered = len(patterns) > GROUPS and common.sum() < len(open_channels) / 2
    group = _by_size(_cluster(open_channels) if clustered else pattern_of)
    group = np.minimum(group, GROUPS - 1)  # the last one holds all rare patterns
    majority = np.stack([_majority(open_channels[group == i]) for i in range(group.max(initial=0) + 1)])
    return Partition(
        group=group,
        clustered=clustered,
        patterns=len(patterns),
        common=common.tolist(),
        distance_within=float((open_channels != majority[group]).sum(axis=1).mean()),
        distance_whole=float((open_channels != _majority(open_channels)).sum(axis=1).mean()),
    )


def explained(group: np.ndarray, values: np.ndarray, seed: int = 0) -> Explained:
    """Returns the share of the variance of a quantity's ranks between groups, with a permutation test.

    Args:
      group: index of each face's group, int [faces].
      values: quantity, [faces]; faces with NaN are left out.
      seed: seed of the permutations.
    """
    known = ~np.isnan(values)
    if not known.any():
        return Explained(np.nan, np.nan, np.nan)
    _, group = np.unique(group[known], return_inverse=True)
    rank = rankdata(values[known])
    rank = rank - rank.mean()
    if np.ptp(rank) == 0:
        return Explained(np.nan, np.nan, np.nan)
    sizes = np.bincount(group)

    def between(shuffled: np.ndarray) -> float:
        return float((np.bincount(group, shuffled) ** 2 / sizes).sum() / (rank @ rank))

    rng = np.random.default_rng(seed)
    share = between(rank)
    by_chance = np.array([between(rng.permutation(rank)) for _ in range(_SHUFFLES)])
    # The partition itself counts as one of the permutations.
    p_value = (1 + (by_chance >= share - 1e-12).sum()) / (1 + _SHUFFLES)
    return Explained(share, float(by_chance.mean()), float(p_value))


def as_json(analysis: GateAnalysis) -> dict[str, object]:
    """Returns the figures of an analysis, for metrics.json."""
    return {
        "channels": len(analysis.open_share),
        "switching_channels": analysis.switching,
        "mean_open_channels": float(analysis.open_counts.mean()),
        "patterns": analysis.partition.patterns,
        "rank_correlation_with_open_channels": {
            name: {"rho": _number(value.rho), "interval": [_number(value.low), _number(value.high)]}
            for name, value in analysis.correlations.items()
        },
        "explained_by_partition": {
            name: {
                "share": _number(value.share),
                "chance": _number(value.chance),
                "p": _number(value.p_value),
            }
            for name, value in analysis.explained.items()
        },
    }


def _number(value: float) -> float | None:
    """A figure for JSON, with null for NaN."""
    return None if np.isnan(value) else round(value, 4)


def _majority(open_channels: np.ndarray) -> np.ndarray:
    """Whether each channel is open for more than half of the faces, bool [channels]."""
    return open_channels.mean(axis=0) > 0.5


def _cluster(open_channels: np.ndarray) -> np.ndarray:
    """The cluster of each face, int [faces], by k-means; the best of several starts.

    The squared Euclidean distance of two patterns of 0 and 1 is their Hamming distance, so that k-means minimises the
    mean Hamming distance between the faces of a group.
    """
    patterns = open_channels.astype(np.float64)
    centres, _ = vq.kmeans(patterns, GROUPS, iter=_RESTARTS, rng=np.random.default_rng(0))
    return vq.vq(patterns, centres)[0]


def _by_size(group: np.ndarray) -> np.ndarray:
    """The group of each face, int [faces]; groups are renumbered from 0 in descending order of size, none empty."""
    _, dense, sizes = np.unique(group, return_inverse=True, return_counts=True)
    place = np.empty(len(sizes), int)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return place[dense]
