"""Comparison of evaluated runs on the same faces: a table, a plot of error curves, intervals of the differences."""

import dataclasses
import io
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from dsat_jax import metrics
from dsat_jax.errors import UserError
from dsat_jax.evaluation import error_curves, evaluated_runs
from dsat_jax.evaluation.report.comparison_page import comparison_page
from dsat_jax.evaluation.result_files import (
    COMPARISON_PLOT_FILE,
    COMPARISON_REPORT_FILE,
    COMPARISON_TABLE_FILE,
)
from dsat_jax.evaluation.split_result import figure_names
from dsat_jax.files import atomic_files, locations
from dsat_jax.inference import result_files

RESAMPLES = 10_000
_VALUES_AT_ONCE = 2_000_000  # resampled values in memory at a time


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table: one run on one split.

    Attributes:
      run: name of the run.
      split: TFDS split.
      faces: number of faces with an NME.
      nme: mean NME in percent.
      fr: failure rate in percent.
      auc: area under the cumulative error curve in percent.
      difference: NME in percent minus that of the first run; NaN for the first run.
      low: lower end of the difference's 95 % interval.
      high: upper end of the interval.
      other_nme: mean NME in percent by the names of further normalisers.
    """

    run: str
    split: str
    faces: int
    nme: float
    fr: float
    auc: float
    difference: float
    low: float
    high: float
    other_nme: Mapping[str, float]


def bootstrap_interval(differences: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Returns the 95 % interval of a mean over faces, by the percentile bootstrap.

    The resamples are paired: each face is drawn with the errors of both runs. Faces that are hard for both runs
    therefore do not widen the interval (B. Efron, R. Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13).

    Args:
      differences: differences of the two runs' errors, [faces].
      seed: seed of the resamples.

    Returns:
      Lower and upper end of the interval; both are NaN if there are no faces or a difference is not finite.
    """
    count = len(differences)
    if count == 0 or not np.isfinite(differences).all():
        return np.nan, np.nan
    if count == 1:  # scipy refuses a single face; each of its resamples is that face
        return float(differences[0]), float(differences[0])
    resampled = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, _VALUES_AT_ONCE // count),
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = resampled.confidence_interval
    return float(low), float(high)


def _row(
    run: str,
    split: str,
    nme: np.ndarray,
    first: np.ndarray | None,
    threshold: float,
    other_nme: Mapping[str, float],
) -> Row:
    """The line of a run with the NMEs `nme` [faces]; `first` has those of the first run, None in its own line."""
    summary = metrics.summary(nme, threshold)
    difference = low = high = np.nan
    if first is not None:
        known = ~np.isnan(nme) & ~np.isnan(first)
        if np.isfinite(nme[known]).all() and np.isfinite(first[known]).all() and known.any():
            differences = 100 * (nme[known] - first[known])
            difference = float(differences.mean())
            low, high = bootstrap_interval(differences)
    figures = (summary[name] for name in ("faces", "nme", "fr", "auc"))
    return Row(run, split, *figures, difference, low, high, other_nme)


def _names(folders: Sequence[pathlib.Path]) -> list[str]:
    """Names of the runs: the ends of their paths, just long enough to be distinct."""
    paths = [locations.absolute(folder).parts for folder in folders]
    for length in range(1, max(map(len, paths))):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _as_table(rows: Sequence[Row], first: str, normaliser: str, threshold: float) -> list[list[str]]:
    """The cells of the table, heading first."""
    nme, fr, auc = figure_names(threshold)
    heading = ["split", "run", "faces", f"{nme} ({normaliser}) %", f"{fr} %", f"{auc} %"]
    others = [f"NME ({name}) %" for name in rows[0].other_nme]
    lines = [[*heading, *others, f"NME - {first}", "95 % interval"]]
    for row in rows:
        figures = [f"{row.nme:.2f}", f"{row.fr:.2f}", f"{row.auc:.2f}"]
        compared = ["", ""]
        if not np.isnan(row.difference):
            compared = [f"{row.difference:+.3f}", f"{row.low:+.3f} to {row.high:+.3f}"]
        others = [f"{nme:.2f}" for nme in row.other_nme.values()]
        lines.append([row.split, row.run, str(row.faces), *figures, *others, *compared])
    return lines


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """The table as text, its columns aligned: the first two to the left, those of numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _draw_curves(
    curves: Mapping[str, Mapping[str, np.ndarray]], threshold: float, normaliser: str, path: pathlib.Path
) -> None:
    """Writes a plot of the runs' cumulative error distributions, a panel for each split."""
    figure = Figure(figsize=(1 + 4.5 * len(curves), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (split, runs) in zip(panels, curves.items(), strict=True):
        error_curves.draw_curves(axes, runs, threshold, normaliser)
        axes.set_title(split)
    panels[0].set_ylabel("faces with at most this error, %")
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=120, format=path.suffix.removeprefix("."))
    atomic_files.write_bytes(path, drawn.getvalue())


def compare_runs(workdirs: Sequence[pathlib.Path], out: pathlib.Path) -> list[Row]:
    """Runs `--mode=compare`: prints a table, and writes it, a plot of the error curves, and a report as a page.

    Each run is compared with the first, face by face. The table has the NME by further normalisers, too, if all runs
    were evaluated by them.

    Args:
      workdirs: run folders, or folders of other evaluations of runs.
      out: folder of the results.

    Returns:
      The lines of the table, by split, then by run.

    Raises:
      OSError: if a folder holds no evaluation, or the results cannot be written.
      UserError: if there are fewer than two folders, or dataset, scheme, normaliser, splits or faces differ.
    """
    folders = [locations.locate(folder) for folder in workdirs]
    if len({locations.absolute(folder) for folder in folders}) < max(2, len(folders)):
        raise UserError("--mode=compare needs the folders of at least two runs, each named once")
    result_files.check_folder(out)
    first, *others = runs = [evaluated_runs.read_errors(folder) for folder in folders]
    for other in others:
        evaluated_runs.check_comparable(first, other)
    shared = [name for name in first.other_nme if all(name in other.other_nme for other in others)]
    names = _names(folders)
    rows, curves = [], {}
    for split, faces in first.nme.items():
        curves[split] = {
            name: np.array([run.nme[split][face] for face in faces])
            for name, run in zip(names, runs, strict=True)
        }
        for name, run, nme in zip(names, runs, curves[split].values(), strict=True):
            reference = None if run is first else curves[split][names[0]]
            other_nme = {normaliser: run.other_nme[normaliser].get(split, np.nan) for normaliser in shared}
            rows.append(_row(name, split, nme, reference, first.threshold, other_nme))
    lines = _as_table(rows, names[0], first.normaliser, first.threshold)
    print(f"{first.measured['dataset']}\n{_aligned(lines)}")
    out.mkdir(parents=True, exist_ok=True)
    atomic_files.write_text(out / COMPARISON_TABLE_FILE, "".join("\t".join(line) + "\n" for line in lines))
    _draw_curves(curves, first.threshold, first.normaliser, out / COMPARISON_PLOT_FILE)
    faces = {split: [name for _, name in by_face] for split, by_face in first.nme.items()}
    title = f"{' and '.join(names)} on {first.measured['dataset']}"
    page = comparison_page(title, lines, curves, faces, first.threshold, first.normaliser)
    atomic_files.write_text(out / COMPARISON_REPORT_FILE, page)
    print(f"report: {out / COMPARISON_REPORT_FILE}; results in {out}")
    return rows
