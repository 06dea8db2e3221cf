"""Tables of `benchmarks.gate_difficulty`: rank correlations with the number of open channels, errors by difficulty."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import robustness
from benchmarks.hard_faces import NORMALISERS
from dsat_jax.evaluation.comparison import bootstrap_interval
from dsat_jax.evaluation.rank_correlation import RankCorrelation, rho, spearman

ERROR = "landmark_box_size"  # key of `NORMALISERS`, the error that is a difficulty
_RESAMPLES = 1000

Row = dict[str, Any]  # a line of a table by column, for JSON


@dataclasses.dataclass(frozen=True)
class Measured:
    """Errors and gates of a network on the faces of one dataset.

    Attributes:
      gate, network: gate and name of the network.
      errors: error of each face as a share of each of `NORMALISERS`, [faces].
      open_counts: number of open channels of each face, int [faces]; None without a gate.
      channels: number of channels of the gate; 0 without a gate.
      disturbed: the same for disturbed faces, int [faces, strengths], by key of `robustness.SERIES`.
    """

    gate: str
    network: str
    errors: Mapping[str, np.ndarray]
    open_counts: np.ndarray | None
    channels: int
    disturbed: Mapping[str, np.ndarray]


def spearman_over_strengths(counts: np.ndarray, strengths: Sequence[float], seed: int = 0) -> RankCorrelation:
    """Returns Spearman's rho over all pairs of a face and a strength, with an interval over resampled faces.

    A resampled face comes with all its strengths, and keeps its ranks as in `rank_correlation.spearman`.

    Args:
      counts: number of open channels, [faces, strengths].
      strengths: strengths, ascending.
      seed: seed of the resamples.
    """
    faces = len(counts)
    difficulty = np.broadcast_to(strengths, counts.shape)
    whole = rho(counts.ravel(), difficulty.ravel())
    if np.isnan(whole):
        return RankCorrelation(np.nan, np.nan, np.nan, faces)
    x = stats.rankdata(counts).reshape(counts.shape)
    y = stats.rankdata(strengths)
    y = y - y.mean()  # every resample has each strength equally often
    moments = np.stack([x.mean(axis=1), (x**2).mean(axis=1), (x * y).mean(axis=1)], axis=1)
    weights = np.random.default_rng(seed).multinomial(faces, np.full(faces, 1 / faces), _RESAMPLES) / faces
    mean, square, product = (weights @ moments).T
    variance = np.maximum(square - mean**2, 0)
    resampled = product / np.sqrt(np.where(variance > 0, variance, np.nan) * (y**2).mean())
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return RankCorrelation(whole, float(low), float(high), faces)


def correlations(results: Sequence[Measured], yaw: np.ndarray) -> list[Row]:
    """Returns the rows of the first table for the faces of one dataset.

    Args:
      results: results of all networks.
      yaw: absolute yaw of each face in degrees, [faces].
    """
    mean_error = np.mean([result.errors[ERROR] for result in results], axis=0)
    rows = []
    for result in results:
        if result.open_counts is None:
            continue
        difficulties = {"error": result.errors[ERROR], "mean error of all networks": mean_error, "yaw": yaw}
        if len(results) == 1:
            del difficulties["mean error of all networks"]
        for name, difficulty in difficulties.items():
            correlation = spearman(result.open_counts.astype(float), difficulty)
            rows.append(_correlation_row(result, name, correlation, result.open_counts, difficulty))
        for name, counts in result.disturbed.items():
            strengths = robustness.SERIES[name].strengths
            correlation = spearman_over_strengths(counts, strengths)
            difficulty = np.broadcast_to(strengths, counts.shape)
            rows.append(_correlation_row(result, name, correlation, counts, difficulty))
    return rows


def _correlation_row(
    result: Measured, name: str, correlation: RankCorrelation, counts: np.ndarray, difficulty: np.ndarray
) -> Row:
    """Returns a row of the first table; counts and difficulty have the same shape."""
    row = {"gate": result.gate, "network": result.network, "difficulty": name, **correlation._asdict()}
    known = ~np.isnan(difficulty)
    ends = {"lowest": np.nan, "highest": np.nan}
    if known.any():
        low, high = np.quantile(difficulty[known], [0.1, 0.9], method="inverted_cdf")
        ends = {
            "lowest": float(counts[known & (difficulty <= low)].mean()),
            "highest": float(counts[known & (difficulty >= high)].mean()),
        }
    return row | ends | {"channels": result.channels}


def subsets(results: Sequence[Measured]) -> dict[str, np.ndarray]:
    """Returns the indices of the faces of each subset by the mean error of all networks, easiest first.

    Faces without an error are left out. Of an odd number of faces, the middle one is hard.
    """
    error = np.mean([result.errors[ERROR] for result in results], axis=0)
    order = np.argsort(error, kind="stable")[: int((~np.isnan(error)).sum())]
    half, tenth = len(order) // 2, -(-len(order) // 10)
    return {
        "all": order,
        "easy half": order[:half],
        "hard half": order[half:],
        "hardest tenth": order[len(order) - tenth :],
    }


def error_rows(results: Sequence[Measured]) -> list[Row]:
    """Returns the rows of the second table for the faces of one dataset, in percent.

    Each gate has a row for each of the `subsets`, with the mean error of its networks and that of each one. The
    difference of each gate and 'none' follows, with its interval.
    """
    rows = []
    by_gate: dict[str, list[Measured]] = {}
    for result in results:
        by_gate.setdefault(result.gate, []).append(result)
    for subset, chosen in subsets(results).items():
        means = {}
        for gate, same in by_gate.items():
            row: Row = {"faces": subset, "count": len(chosen), "gate": gate}
            for normaliser in NORMALISERS:
                errors = 100 * np.stack([result.errors[normaliser][chosen] for result in same])
                means[gate, normaliser] = errors.mean(axis=0)
                row[normaliser] = {"mean": _mean(means[gate, normaliser]), "networks": _each(errors)}
            rows.append(row)
        for gate in [gate for gate in by_gate if "none" in by_gate and gate != "none"]:
            row = {"faces": subset, "count": len(chosen), "gate": f"{gate} - none"}
            for normaliser in NORMALISERS:
                difference = means[gate, normaliser] - means["none", normaliser]
                low, high = bootstrap_interval(difference[~np.isnan(difference)])
                row[normaliser] = {"mean": _mean(difference), "interval": [low, high]}
            rows.append(row)
    return rows


def _mean(errors: np.ndarray) -> float:
    """Returns the mean over the faces with an error; NaN if there are none."""
    known = errors[~np.isnan(errors)]
    return float(known.mean()) if len(known) else float("nan")


def _each(errors: np.ndarray) -> list[float]:
    """Returns the mean error of each network, for errors [networks, faces]."""
    return [_mean(of_network) for of_network in errors]


def correlation_table(rows: Sequence[Row]) -> str:
    """Returns the first table in Markdown."""
    lines = [
        "| data | gate | network | difficulty | faces | rho | 95 % interval "
        "| open channels, lowest tenth | highest tenth | of |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        names = " | ".join(row[name] for name in ("data", "gate", "network", "difficulty"))
        interval = f"{row['low']:.2f} to {row['high']:.2f}"
        ends = f"{row['lowest']:.1f} | {row['highest']:.1f} | {row['channels']}"
        lines.append(f"| {names} | {row['faces']} | {row['rho']:.2f} | {interval} | {ends} |")
    return "\n".join(lines)


def error_table(rows: Sequence[Row]) -> str:
    """Returns the second table in Markdown: means, in brackets those of the networks or the interval."""

    def cell(figures: Mapping[str, Any]) -> str:
        if "interval" in figures:
            low, high = figures["interval"]
            return f"{figures['mean']:+.2f} ({low:+.2f} to {high:+.2f})"
        each = ", ".join(f"{value:.2f}" for value in figures["networks"])
        return f"{figures['mean']:.2f}" + (f" ({each})" if len(figures["networks"]) > 1 else "")

    lines = [
        f"| data | faces | count | gate | {' | '.join(NORMALISERS.values())} |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = " | ".join(cell(row[normaliser]) for normaliser in NORMALISERS)
        lines.append(f"| {row['data']} | {row['faces']} | {row['count']} | {row['gate']} | {cells} |")
    return "\n".join(lines)


def as_json(value: Any) -> Any:
    """Returns a value for JSON, with null for numbers that are not finite."""
    if isinstance(value, dict):
        return {name: as_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
