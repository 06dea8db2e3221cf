"""What the gate does on a set of faces: how many channels it opens, with what that goes along, who shares a pathway.

The paper (Wan et al., Pattern Recognition 156, 2024, section 3) claims that the gate partitions faces by their
appearance and sends each part through channels of its own. Here that is measured, for either gate.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from dsat_jax.evaluation.rank_correlation import RankCorrelation, ranks, spearman

GROUPS = 6  # of the partition that are told apart
_RESTARTS = 8
_SHUFFLES = 1000


@dataclasses.dataclass(frozen=True)
class Partition:
    """Faces grouped by the pattern of their open channels.

    Attributes:
      group: int [faces], from 0, the largest group first.
      clustered: whether patterns were so distinct that similar ones were put together (by Hamming distance): where
        the most common ones have fewer than half of the faces. Else the first groups are the most common patterns, and
        the last one is all other faces if there are any.
      patterns: number of distinct patterns.
      common: faces of the most common patterns, the largest first.
      distance_within: mean Hamming distance, in channels, of a face to the majority pattern of its group.
      distance_whole: that to the majority pattern of all faces.
    """

    group: np.ndarray
    clustered: bool
    patterns: int
    common: list[int]
    distance_within: float
    distance_whole: float


@dataclasses.dataclass(frozen=True)
class Explained:
    """How much of a quantity the partition explains.

    Attributes:
      share: of the variance of the quantity's ranks that lies between the groups (eta squared), 0 to 1.
      chance: the mean of that share when the faces are shuffled.
      p_value: how often a shuffled partition explains as much.
    """

    share: float
    chance: float
    p_value: float


@dataclasses.dataclass(frozen=True)
class GateAnalysis:
    """See the module.

    Attributes:
      open_share: [channels], share of the faces for which each channel is open.
      open_counts: int [faces], open channels.
      correlations: of the number of open channels with each quantity.
      partition: by the pattern of open channels.
      explained: of each quantity, by the partition; empty where there is but one group.
    """

    open_share: np.ndarray
    open_counts: np.ndarray
    correlations: dict[str, RankCorrelation]
    partition: Partition
    explained: dict[str, Explained]

    @property
    def switching(self) -> int:
        """Channels that are open for some faces and closed for others."""
        return int(((self.open_share > 0) & (self.open_share < 1)).sum())


def analyse(open_channels: np.ndarray, quantities: Mapping[str, np.ndarray]) -> GateAnalysis:
    """Analyses a gate.

    Args:
      open_channels: bool [faces, channels].
      quantities: float [faces] each, NaN where unknown: NME, attributes as 0 and 1, ...
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
    """Groups faces by their patterns: the most common ones, or clusters where even those have few faces.

    Args:
      open_channels: bool [faces, channels].
    """
    patterns, pattern_of, sizes = np.unique(open_channels, axis=0, return_inverse=True, return_counts=True)
    common = np.sort(sizes)[::-1][: GROUPS - 1]
    clustered = len(patterns) > GROUPS and common.sum() < len(open_channels) / 2
    group = _by_size(_cluster(open_channels, GROUPS) if clustered else pattern_of)
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
    """How much of a quantity's ranks a partition explains, and how much a shuffled partition would.

    Args:
      group: int [faces].
      values: [faces]; NaN takes a face out.
      seed: of the shuffles.
    """
    known = ~np.isnan(values)
    if not known.any():
        return Explained(np.nan, np.nan, np.nan)
    _, group = np.unique(group[known], return_inverse=True)
    rank = ranks(values[known])
    rank = rank - rank.mean()
    if np.ptp(rank) == 0:
        return Explained(np.nan, np.nan, np.nan)
    sizes = np.bincount(group)

    def between(shuffled: np.ndarray) -> float:
        return float((np.bincount(group, shuffled) ** 2 / sizes).sum() / (rank @ rank))

    rng = np.random.default_rng(seed)
    share = between(rank)
    by_chance = np.array([between(rng.permutation(rank)) for _ in range(_SHUFFLES)])
    p_value = (1 + (by_chance >= share - 1e-12).sum()) / (
        1 + _SHUFFLES
    )  # the partition itself is one of them
    return Explained(share, float(by_chance.mean()), float(p_value))


def as_json(analysis: GateAnalysis) -> dict[str, object]:
    """The figures of an analysis, for metrics.json."""
    return {
        "channels": len(analysis.open_share),
        "switching_channels": analysis.switching,
        "mean_open_channels": float(analysis.open_counts.mean()),
        "patterns": analysis.partition.patterns,
        "rank_correlation_with_open_channels": {
            name: {"rho": _number(found.rho), "interval": [_number(found.low), _number(found.high)]}
            for name, found in analysis.correlations.items()
        },
        "explained_by_partition": {
            name: {
                "share": _number(found.share),
                "chance": _number(found.chance),
                "p": _number(found.p_value),
            }
            for name, found in analysis.explained.items()
        },
    }


def _number(value: float) -> float | None:
    """A figure for JSON, which has no NaN."""
    return None if np.isnan(value) else round(value, 4)


def _majority(open_channels: np.ndarray) -> np.ndarray:
    """The channels [channels] that are open for more than half of the faces."""
    return open_channels.mean(axis=0) > 0.5


def _cluster(open_channels: np.ndarray, count: int) -> np.ndarray:
    """The group of each face, int [faces], with the least total Hamming distance of several starts of k-modes."""
    rng = np.random.default_rng(0)
    starts = (rng.choice(len(open_channels), count, replace=False) for _ in range(_RESTARTS))
    found = [_k_modes(open_channels, open_channels[start]) for start in starts]
    return min(found, key=lambda group_and_total: group_and_total[1])[0]


def _k_modes(open_channels: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, float]:
    """Assigns faces to the nearest centre and moves the centres to the majority, until that no longer helps."""
    best = np.inf
    group = np.zeros(len(open_channels), int)
    while True:
        distance = _hamming(open_channels, centres)
        total = float(distance.min(axis=1).sum())
        if total >= best:
            return group, best
        best, group = total, distance.argmin(axis=1)
        members = [open_channels[group == i] for i in range(len(centres))]
        centres = np.stack(
            [
                _majority(faces) if len(faces) else centre
                for faces, centre in zip(members, centres, strict=True)
            ]
        )


def _hamming(open_channels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Channels in which faces [faces, channels] and centres [count, channels] differ, [faces, count]."""
    faces, centres = open_channels.astype(np.float32), centres.astype(np.float32)
    return faces @ (1 - centres).T + (1 - faces) @ centres.T


def _by_size(group: np.ndarray) -> np.ndarray:
    """Groups renumbered from 0, the largest first, none empty."""
    _, dense, sizes = np.unique(group, return_inverse=True, return_counts=True)
    place = np.empty(len(sizes), int)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return place[dense]
