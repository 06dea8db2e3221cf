"""Comparison of evaluated runs on the same faces: a table, a plot of error curves, intervals of the differences."""

import csv
import dataclasses
import io
import pathlib
import shlex
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from dsat_jax import metrics
from dsat_jax.errors import UserError
from dsat_jax.evaluation import error_curves
from dsat_jax.evaluation.report.comparison_page import comparison_page
from dsat_jax.evaluation.result_files import (
    COMPARISON_PLOT_FILE,
    COMPARISON_REPORT_FILE,
    COMPARISON_TABLE_FILE,
    FACE_COLUMNS,
    FACES_FILE,
    METRICS_FILE,
    nme_column,
)
from dsat_jax.evaluation.split_result import figure_names
from dsat_jax.files import atomic_files, locations, text_files
from dsat_jax.inference import result_files
from dsat_jax.schemes import SCHEMES

RESAMPLES = 10_000
_VALUES_AT_ONCE = 2_000_000  # resampled values in memory at a time


@dataclasses.dataclass(frozen=True)
class Errors:
    """Errors of one evaluated run.

    Attributes:
      folder: folder of the evaluation.
      measured: dataset, scheme and normaliser by field name; runs can be compared only if these are equal.
      normaliser: name of the normaliser for tables and plots, see `metrics.normaliser_name`.
      threshold: NME above which a face counts as a failure.
      nme: NME of each face by split, then by record and image name; NaN where it is unknown.
    """

    folder: pathlib.Path
    measured: Mapping[str, object]
    normaliser: str
    threshold: float
    nme: Mapping[str, Mapping[tuple[int, str], float]]


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


def read_errors(folder: pathlib.Path) -> Errors:
    """Reads the metrics and the table of faces of an evaluation.

    Args:
      folder: run folder, or the folder of another evaluation of a run.

    Raises:
      OSError: if the folder holds no evaluation.
      UserError: if one of the files is not of the form that `--mode=evaluate` writes.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist, expected the folder of an evaluated run")
    for name in (METRICS_FILE, FACES_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} holds no {name}: run --mode=evaluate --workdir={shlex.quote(str(folder))} first"
            )
    contents = text_files.read_json(folder / METRICS_FILE)
    try:
        measured = {field: contents[field] for field in ("dataset", "scheme", "normaliser")}
        threshold = float(contents["threshold"])
        if not (np.isfinite(threshold) and threshold > 0):
            raise ValueError(f"the threshold is {threshold}")
        written_name = contents.get("normaliser_name") or _normaliser_name(measured)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder / METRICS_FILE} has no dataset, scheme, normaliser or positive threshold, expected the file that "
            "--mode=evaluate writes"
        ) from error
    nme = _read_faces(folder / FACES_FILE, nme_column(measured["normaliser"]))
    return Errors(folder, measured, str(written_name), threshold, nme)


def _normaliser_name(measured: Mapping[str, object]) -> str:
    """Name of the normaliser for tables and plots; metrics files of earlier versions lack it."""
    scheme, normaliser = measured["scheme"], measured["normaliser"]
    known = scheme in SCHEMES and normaliser in metrics.NORMALISERS
    return metrics.normaliser_name(normaliser, SCHEMES[scheme]) if known else str(normaliser)


def _read_faces(path: pathlib.Path, column: str) -> dict[str, dict[tuple[int, str], float]]:
    """The NME of each face, by split, then by record and image name."""
    try:
        lines = io.StringIO(text_files.decode(path.read_bytes()), newline="")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    reader = csv.DictReader(lines)
    splits: dict[str, dict[tuple[int, str], float]] = {}
    try:
        missing = [name for name in (*FACE_COLUMNS, column) if name not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"no column {missing[0]}")
        for row in reader:
            face = int(row["record"]), row["name"]
            faces = splits.setdefault(row["split"], {})
            if None in row.values():
                raise UserError("too few columns")
            if face in faces:
                raise UserError(f"record {face[0]} of {row['split']} occurs twice")
            faces[face] = float(row[column]) / 100 if row[column] else np.nan
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path}, line {reader.line_num}: {error}, expected the file that --mode=evaluate writes"
        ) from error
    if not splits:
        raise UserError(f"{path} holds no face, expected a line for each face")
    return splits


def _check_comparable(first: Errors, other: Errors) -> None:
    """Raises UserError if two evaluations differ in dataset, scheme, normaliser, splits or faces."""
    for field in first.measured:
        if first.measured[field] != other.measured[field]:
            raise UserError(
                f"{first.folder} and {other.folder} cannot be compared: {field} is {first.measured[field]} in the "
                f"first and {other.measured[field]} in the second"
            )
    if first.nme.keys() != other.nme.keys():
        raise UserError(
            f"{first.folder} and {other.folder} cannot be compared: splits are {', '.join(first.nme)} in the first and "
            f"{', '.join(other.nme)} in the second"
        )
    for split in first.nme:
        lacking = first.nme[split].keys() ^ other.nme[split].keys()
        if lacking:
            record, name = min(lacking)
            raise UserError(
                f"{first.folder} and {other.folder} cannot be compared: record {record} ({name}) of {split} is not in "
                "both; the dataset may have been built again in between"
            )


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


def _row(run: str, split: str, nme: np.ndarray, first: np.ndarray | None, threshold: float) -> Row:
    """The line of a run with the NMEs `nme` [faces]; `first` has those of the first run, None in its own line."""
    summary = metrics.summary(nme, threshold)
    difference = low = high = np.nan
    if first is not None:
        known = ~np.isnan(nme) & ~np.isnan(first)
        if np.isfinite(nme[known]).all() and np.isfinite(first[known]).all() and known.any():
            differences = 100 * (nme[known] - first[known])
            difference = float(differences.mean())
            low, high = bootstrap_interval(differences)
    return Row(
        run, split, summary["faces"], summary["nme"], summary["fr"], summary["auc"], difference, low, high
    )


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
    lines = [[*heading, f"NME - {first}", "95 % interval"]]
    for row in rows:
        figures = [f"{row.nme:.2f}", f"{row.fr:.2f}", f"{row.auc:.2f}"]
        compared = ["", ""]
        if not np.isnan(row.difference):
            compared = [f"{row.difference:+.3f}", f"{row.low:+.3f} to {row.high:+.3f}"]
        lines.append([row.split, row.run, str(row.faces), *figures, *compared])
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

    Each run is compared with the first, face by face.

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
    first, *others = runs = [read_errors(folder) for folder in folders]
    for other in others:
        _check_comparable(first, other)
    names = _names(folders)
    rows, curves = [], {}
    for split, faces in first.nme.items():
        curves[split] = {
            name: np.array([run.nme[split][face] for face in faces])
            for name, run in zip(names, runs, strict=True)
        }
        reference = curves[split][names[0]]
        for name, nme in curves[split].items():
            rows.append(_row(name, split, nme, None if name == names[0] else reference, first.threshold))
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
