"""Several runs side by side: the same faces, one table, one picture of curves, and how sure the differences are."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dsat_jax import metrics
from dsat_jax.errors import UserError
from dsat_jax.evaluation import error_curves
from dsat_jax.files import text_files
from dsat_jax.inference import result_files

TABLE_FILE = "comparison.tsv"
PICTURE_FILE = "comparison.png"
RESAMPLES = 10_000
_INTERVAL = (0.025, 0.975)
_AT_ONCE = 2_000_000  # indices that are drawn together
_FACES_FILE, _METRICS_FILE = "faces.csv", "metrics.json"  # as `evaluate` writes them
_COLUMNS = ("split", "record", "name")


@dataclasses.dataclass(frozen=True)
class Errors:
    """The evaluation of one run.

    Attributes:
      folder: of the evaluation.
      measured: what the errors are of: dataset, scheme and normaliser.
      threshold: the NME above which a face has failed.
      nme: by split, the NME of each face by its record and its picture's name; NaN where it is unknown.
    """

    folder: pathlib.Path
    measured: Mapping[str, object]
    threshold: float
    nme: Mapping[str, Mapping[tuple[int, str], float]]


@dataclasses.dataclass(frozen=True)
class Row:
    """A run on a split.

    Attributes:
      run: its name.
      split: the TFDS split.
      faces, nme, fr, auc: see `metrics.summary`.
      difference: NME % minus that of the first run; NaN for that one.
      low, high: 95 % interval of the difference.
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
    """Reads metrics.json and faces.csv of an evaluated run, or of an evaluation below it.

    Raises:
      OSError: if the folder holds no evaluation.
      ValueError: if one of the files is not of the form that `--mode=evaluate` writes.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder, expected that of an evaluated run")
    for name in (_METRICS_FILE, _FACES_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}: run --mode=evaluate --workdir={folder} first")
    contents = text_files.read_json(folder / _METRICS_FILE)
    try:
        measured = {what: contents[what] for what in ("dataset", "scheme", "normaliser")}
        threshold = float(contents["threshold"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder / _METRICS_FILE} does not tell dataset, scheme, normaliser and threshold, expected the file that "
            "--mode=evaluate writes"
        ) from error
    column = f"nme_{measured['normaliser']}_percent"
    return Errors(folder, measured, threshold, _read_faces(folder / _FACES_FILE, column))


def _read_faces(path: pathlib.Path, column: str) -> dict[str, dict[tuple[int, str], float]]:
    """The NME of each face, by split."""
    try:
        lines = io.StringIO(text_files.decode(path.read_bytes()), newline="")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    reader = csv.DictReader(lines)
    splits: dict[str, dict[tuple[int, str], float]] = {}
    try:
        missing = [name for name in (*_COLUMNS, column) if name not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"no column {missing[0]}")
        for row in reader:
            face = int(row["record"]), row["name"]
            faces = splits.setdefault(row["split"], {})
            if None in row.values():
                raise UserError("too few cells")
            if face in faces:
                raise UserError(f"record {face[0]} of {row['split']} for the second time")
            faces[face] = float(row[column]) / 100 if row[column] else np.nan
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path}, line {reader.line_num}: {error}, expected the file that --mode=evaluate writes"
        ) from error
    if not splits:
        raise UserError(f"{path} holds no face")
    return splits


def _check_comparable(first: Errors, other: Errors) -> None:
    """Refuses two evaluations whose errors are not of the same thing."""
    for what in first.measured:
        if first.measured[what] != other.measured[what]:
            raise UserError(
                f"{first.folder} and {other.folder} cannot be compared: {what} {first.measured[what]} and "
                f"{other.measured[what]}"
            )
    if first.nme.keys() != other.nme.keys():
        raise UserError(
            f"{first.folder} and {other.folder} cannot be compared: splits {', '.join(first.nme)} and "
            f"{', '.join(other.nme)}"
        )
    for split in first.nme:
        lacking = first.nme[split].keys() ^ other.nme[split].keys()
        if lacking:
            record, name = min(lacking)
            raise UserError(
                f"{first.folder} and {other.folder} cannot be compared: record {record} ({name}) of {split} is not in "
                "both, as if the dataset had been built anew"
            )


def bootstrap_interval(differences: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean over faces, by the percentiles of means over faces drawn with replacement.

    Faces are drawn with both their errors, so that what makes a face hard for every run does not widen the interval
    (B. Efron, R. Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13).

    Args:
      differences: [faces], of the two runs' errors.
      seed: of the draws; the same one gives the same interval.

    Returns:
      Lower and upper end, NaN without faces or where a difference is not finite.
    """
    count = len(differences)
    if count == 0 or not np.isfinite(differences).all():
        return np.nan, np.nan
    random, means = np.random.default_rng(seed), []
    at_once = max(1, _AT_ONCE // count)
    for start in range(0, RESAMPLES, at_once):
        drawn = random.integers(0, count, (min(at_once, RESAMPLES - start), count))
        means.append(differences[drawn].mean(axis=1))  # [resamples, faces] -> [resamples]
    low, high = np.quantile(np.concatenate(means), _INTERVAL)
    return float(low), float(high)


def _row(run: str, split: str, nme: np.ndarray, first: np.ndarray | None, threshold: float) -> Row:
    """A line of the table, from NMEs [faces] of a run and of the first one, in one order."""
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
    """What the runs are called: the ends of their paths, as long as it takes to tell them apart."""
    paths = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, paths))):
        names = ["/".join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _as_table(rows: Sequence[Row], first: str, normaliser: str, threshold: float) -> list[list[str]]:
    """The rows as cells, the heads among them."""
    percent = f"{100 * threshold:g}"
    head = [
        "split",
        "run",
        "faces",
        f"NME ({normaliser.replace('_', '-')}) %",
        f"FR@{percent} %",
        f"AUC@{percent} %",
    ]
    lines = [[*head, f"NME - {first}", "95 % interval"]]
    for row in rows:
        figures = [f"{row.nme:.2f}", f"{row.fr:.2f}", f"{row.auc:.2f}"]
        compared = ["", ""]
        if not np.isnan(row.difference):
            compared = [f"{row.difference:+.3f}", f"{row.low:+.3f} to {row.high:+.3f}"]
        lines.append([row.split, row.run, str(row.faces), *figures, *compared])
    return lines


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _draw_curves(
    curves: Mapping[str, Mapping[str, np.ndarray]], threshold: float, normaliser: str, path: pathlib.Path
) -> None:
    """Writes the cumulative error distributions, a panel for each split, a curve for each run's NMEs [faces]."""
    figure = Figure(figsize=(1 + 4.5 * len(curves), 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, (split, runs) in zip(panels, curves.items(), strict=True):
        error_curves.draw_curves(axes, runs, threshold, normaliser.replace("_", "-"))
        axes.set_title(split)
    panels[0].set_ylabel("faces with at most this error, %")
    figure.savefig(path, dpi=120)


def compare_runs(workdirs: Sequence[pathlib.Path], out: pathlib.Path) -> list[Row]:
    """The story of `--mode=compare`: prints a table, and writes comparison.tsv and comparison.png.

    Every run is compared with the first, face by face.

    Args:
      workdirs: folders of evaluated runs, or of their evaluations.
      out: folder of the results.

    Raises:
      OSError: if a folder holds no evaluation, or the results cannot be written.
      ValueError: if there are not two different folders, or dataset, splits, faces or normaliser are not the same.
    """
    folders = [pathlib.Path(folder) for folder in workdirs]
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise UserError("--mode=compare needs the folders of at least two runs, each named once")
    result_files.check_folder(out)
    first, *others = runs = [read_errors(folder) for folder in folders]
    for other in others:
        _check_comparable(first, other)
    names, normaliser = _names(folders), str(first.measured["normaliser"])
    rows, curves = [], {}
    for split, faces in first.nme.items():
        curves[split] = {
            name: np.array([run.nme[split][face] for face in faces])
            for name, run in zip(names, runs, strict=True)
        }
        reference = curves[split][names[0]]
        for name, nme in curves[split].items():
            rows.append(_row(name, split, nme, None if name == names[0] else reference, first.threshold))
    lines = _as_table(rows, names[0], normaliser, first.threshold)
    print(f"{first.measured['dataset']}\n{_aligned(lines)}")
    out.mkdir(parents=True, exist_ok=True)
    (out / TABLE_FILE).write_text("".join("\t".join(line) + "\n" for line in lines))
    _draw_curves(curves, first.threshold, normaliser, out / PICTURE_FILE)
    print(f"results in {out}")
    return rows
